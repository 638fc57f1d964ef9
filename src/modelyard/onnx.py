"""MLflow's `mlflow.onnx`: ONNX."""
