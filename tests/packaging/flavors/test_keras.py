"""Keras's flavor, on the torch backend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelyard.domain.errors import PermissionDenied
from modelyard.packaging import model as packaging
from tests.contracts.flavor import FlavorContract, rows

pytest.importorskip("torch", reason="PyTorch, Keras's backend in these tests, is not installed")
os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras", reason="Keras is not installed")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of its torch backend


class TestKeras(FlavorContract):
    flavor = "keras"
    file = "data/model.keras"

    def answers(self, model: Any, data: Any) -> Any:
        return model.predict(data, verbose=0)

    @pytest.fixture
    def model(self) -> Any:
        return small()

    @pytest.fixture
    def data(self) -> Any:
        return rows(5).astype("float32")


def small() -> Any:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(1)])


def test_a_table_keeps_its_index(tmp_path):
    packaging.save(small(), tmp_path / "m", flavor="keras")
    frame = pd.DataFrame(rows(3), index=list("abc"))
    answer = packaging.load_function(tmp_path / "m").predict(frame)
    assert list(answer.index) == list("abc")
    np.testing.assert_array_equal(answer.to_numpy(), small().predict(frame.to_numpy(), verbose=0))


def test_bytecode_is_loaded_only_when_allowed(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: 2 * x)])
    packaging.save(model, tmp_path / "m", flavor="keras")
    with pytest.raises(PermissionDenied, match="allow_pickle=True"):
        packaging.load(tmp_path / "m")
    loaded = packaging.load(tmp_path / "m", allow_pickle=True)
    assert loaded.predict(np.ones((1, 4)), verbose=0).tolist() == [[2, 2, 2, 2]]


READER = """
    import sys
    sys.modules["modelyard"] = None
    import numpy as np
    import mlflow.pyfunc
    data = np.arange(8.0, dtype=np.float32).reshape(2, 4)
    print(mlflow.pyfunc.load_model(sys.argv[1] + "/ours").predict(data).tolist())
    import mlflow.keras
    native = mlflow.keras.load_model(sys.argv[1] + "/ours")
    print(native.predict(data, verbose=0).tolist())
    from mlflow.models import infer_signature
    signature = infer_signature(data, native.predict(data, verbose=0))
    mlflow.keras.save_model(native, sys.argv[1] + "/theirs", signature=signature, pip_requirements=["keras"])
"""


def test_stock_mlflow_and_back(tmp_path):
    pytest.importorskip("mlflow", reason="stock MLflow is not installed")
    packaging.save(small(), tmp_path / "ours", flavor="keras")
    (tmp_path / "read.py").write_text(textwrap.dedent(READER))
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    done = subprocess.run(
        [sys.executable, "read.py", str(tmp_path)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    data = np.arange(8.0, dtype=np.float32).reshape(2, 4)
    expected = small().predict(data, verbose=0)
    for line in [line for line in done.stdout.splitlines() if line.startswith("[")]:
        np.testing.assert_allclose(json.loads(line), expected, rtol=1e-5)
    np.testing.assert_allclose(packaging.load_function(tmp_path / "theirs").predict(data), expected, rtol=1e-5)
    np.testing.assert_allclose(packaging.load(tmp_path / "theirs").predict(data, verbose=0), expected, rtol=1e-5)
