"""MLflow's `mlflow.tracking`: the explicit client."""
