"""MLflow's `mlflow.xgboost`: XGBoost."""
