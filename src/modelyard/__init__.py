"""Modelyard: a tracking server and model registry that speaks MLflow's protocol."""

__version__ = "0.1.0"

__all__ = ["__version__"]
