"""MLflow's `mlflow.tracking.client`."""

from modelyard.client.client import Client as MlflowClient

__all__ = ["MlflowClient"]
