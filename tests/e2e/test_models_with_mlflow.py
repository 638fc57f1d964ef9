"""Models that cross over: logged by us and loaded by stock MLflow in a process of its own, and the reverse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid

import pytest

import modelyard
from modelyard.client import models, recorder

pytest.importorskip("mlflow", reason="MLflow is not installed")

STOCK = """
import json, sys, warnings
warnings.simplefilter("ignore")
import mlflow, numpy as np
from sklearn.linear_model import LinearRegression

url, name, *uris = sys.argv[1:]
mlflow.set_tracking_uri(url)
inputs = np.arange(12.0).reshape(6, 2)
loaded = {uri: mlflow.pyfunc.load_model(uri).predict(inputs).tolist() for uri in uris}
native = {uri: mlflow.sklearn.load_model(uri).predict(inputs).tolist() for uri in uris[:1]}
model = LinearRegression().fit(inputs, inputs.sum(axis=1))
with mlflow.start_run() as run:
    # without requirements MLflow loads the model once more, in another process, to see what it imports
    packages = ["scikit-learn"]
    info = mlflow.sklearn.log_model(model, name="theirs", registered_model_name=name, pip_requirements=packages)
print(json.dumps({"loaded": loaded, "native": native, "uri": info.model_uri, "run": run.info.run_id}))
"""


@pytest.fixture(params=["modelyard", "mlflow"])
def url(request, monkeypatch, tmp_path):
    for variable in ("SPOOL", "CACHE"):
        monkeypatch.setenv(f"MODELYARD_{variable}", str(tmp_path / variable))
    for variable in ("CAPTURE", "SYSTEM_METRICS"):
        monkeypatch.setenv(f"MODELYARD_{variable}", "false")
    address = request.getfixturevalue("sqlite_server" if request.param == "modelyard" else "stock_mlflow").url
    modelyard.set_tracking_uri(address)
    yield address
    for each in list(recorder._recorders.values()):
        each.close(10)
    from modelyard.client import uris

    uris.set_tracking_uri(None)


def test_both_ways(url):
    linear_model = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    import numpy as np

    inputs = np.arange(12.0).reshape(6, 2)
    model = linear_model.LinearRegression().fit(inputs, inputs.sum(axis=1))
    expected = pytest.approx(model.predict(inputs).tolist())
    name = f"both-{uuid.uuid4().hex[:12]}"
    with modelyard.start_run() as run:
        info = models.log_model("sklearn", model, name="ours", registered_model_name=name, input_example=inputs[:2])
    uris = [info.model_uri, f"runs:/{run.info.run_id}/ours", f"models:/{name}/1"]
    # Without it, MLflow's client asks its server eight times for what that says with a 500 is not there.
    quiet = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [sys.executable, "-c", STOCK, url, f"{name}-theirs", *uris],
        env={**os.environ, **quiet},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["loaded"] == dict.fromkeys(uris, expected)
    assert told["native"] == {uris[0]: expected}
    for uri in (
        told["uri"],
        f"runs:/{told['run']}/theirs",
        f"models:/{name}-theirs/1",
        f"models:/{name}-theirs/latest",
    ):
        assert models.load_function(uri, allow_pickle=True).predict(inputs).tolist() == expected
        assert models.load_model(uri, allow_pickle=True).predict(inputs).tolist() == expected
