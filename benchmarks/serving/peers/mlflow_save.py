"""Save a model of the benchmark with stock MLflow: `mlflow_save.py DIRECTORY`, model and files as in `loaded`."""

import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from loaded import FILES, MODEL, load
from mlflow.models import infer_signature

HERE = Path(__file__).parent


class Loaded(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        from loaded import load

        self.model = load(self.kind, Path(context.artifacts["files"]))

    def predict(self, context, model_input, params=None):
        if self.kind == "text":
            return pd.DataFrame(self.model(model_input["text"].tolist()))
        return np.asarray(self.model(model_input.to_numpy()))


if __name__ == "__main__":
    target = sys.argv[1]
    if MODEL == "text":
        given = pd.DataFrame({"text": ["very good cafe"]})
    else:
        given = pd.DataFrame(np.ones((2, 13)), columns=[f"c{at}" for at in range(13)])
    if MODEL == "forest":
        import joblib

        forest = joblib.load(FILES / "forest.joblib")
        signature = infer_signature(given, forest.predict(given.to_numpy()))
        mlflow.sklearn.save_model(
            forest, target, signature=signature, serialization_format="cloudpickle", pip_requirements=[]
        )
    else:
        model = Loaded()
        model.kind = MODEL
        answer = pd.DataFrame(load()(given["text"].tolist())) if MODEL == "text" else np.ones(2)
        mlflow.pyfunc.save_model(
            target, python_model=model, artifacts={"files": str(FILES)}, signature=infer_signature(given, answer),
            code_paths=[str(HERE / "loaded.py"), str(HERE.parent / "text.py")], pip_requirements=[],
        )  # fmt: skip
