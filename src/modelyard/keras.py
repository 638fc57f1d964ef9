"""MLflow's `mlflow.keras`: Keras."""
