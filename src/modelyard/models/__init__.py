"""MLflow's `mlflow.models`: signatures, and the manifest of a model directory."""

from modelyard.packaging.manifest import Model
from modelyard.packaging.signature import ModelSignature, infer_signature

from . import signature

__all__ = ["Model", "ModelSignature", "infer_signature", "signature"]
