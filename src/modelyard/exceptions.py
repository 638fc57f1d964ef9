"""MLflow's `mlflow.exceptions`: errors."""
