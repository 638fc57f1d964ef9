"""MLflow's `mlflow.pyfunc`: models of any kind, as a function."""
