"""MLflow's `mlflow.lightning`: PyTorch Lightning."""
