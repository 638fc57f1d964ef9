"""MLflow's `mlflow.data`: datasets."""
