"""MLflow's `mlflow.models.signature`."""

from modelyard.packaging.signature import ModelSignature, infer_signature

__all__ = ["ModelSignature", "infer_signature"]
