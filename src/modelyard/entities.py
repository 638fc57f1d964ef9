"""MLflow's `mlflow.entities`: entities."""
