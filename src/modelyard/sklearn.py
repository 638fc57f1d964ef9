"""MLflow's `mlflow.sklearn`: scikit-learn."""
