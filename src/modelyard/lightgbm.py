"""MLflow's `mlflow.lightgbm`: LightGBM."""
