"""MLflow's `mlflow.optuna`: Optuna."""
