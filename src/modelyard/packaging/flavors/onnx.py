"""The onnx flavor."""
