"""MLflow's `mlflow.pytorch`: PyTorch."""
