"""MLflow's `mlflow.models`: models: signatures and manifests."""
