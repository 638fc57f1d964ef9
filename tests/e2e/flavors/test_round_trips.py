"""Every flavor in both directions: saved by us and loaded by stock MLflow in a process without Modelyard, and back."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelyard.domain.errors import PermissionDenied
from modelyard.packaging import model as packaging
from modelyard.serving import wanted
from modelyard.settings import ServeSettings
from tests.e2e.flavors.weighted import Weighted
from tests.serving.live.process import ModelServer, serving

for library in ("mlflow", "sklearn", "skops", "xgboost", "lightgbm", "onnx", "onnxruntime"):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed", allow_module_level=True)

TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not TORCH, reason="PyTorch is not installed")

# What both sides run: the data, and a model of each kind.
# as stock MLflow warns of its own type hints when it is first imported
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")

MODELS = """
import warnings
warnings.simplefilter("ignore")
import numpy as np

X = (np.random.default_rng(7).integers(0, 1000, (60, 4)) / 8).astype("float32")
Y = (X[:, 0] > X[:, 1]).astype("int64")
DATA = X[:7]

def models():
    import lightgbm, xgboost
    from onnx import TensorProto, helper
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Exp", ["x"], ["y"])], "g", ends[:1], ends[1:])
    return {
        "forest": ("sklearn", RandomForestClassifier(5, random_state=0).fit(X, Y)),
        "pipeline": ("sklearn", make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)),
        "xgboost": ("xgboost", xgboost.train({"max_depth": 2}, xgboost.DMatrix(X, Y), 3)),
        "xgboost_wrapper": ("xgboost", xgboost.XGBClassifier(n_estimators=3).fit(X, Y)),
        "lightgbm": ("lightgbm", lightgbm.train({"verbose": -1}, lightgbm.Dataset(X, Y), 3)),
        "lightgbm_wrapper": ("lightgbm", lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(X, Y)),
        "onnx": ("onnx", helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)),
    }

def network():
    import torch
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).eval()

def answer(flavor, model):
    "The library's own predictions."
    if flavor == "onnx":
        import onnxruntime
        return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": DATA})[0].tolist()
    if flavor == "pytorch":
        import torch
        return (model.module() if hasattr(model, "module") else model)(torch.from_numpy(DATA)).tolist()
    if type(model).__module__ == "xgboost.core":
        import xgboost
        return model.predict(xgboost.DMatrix(DATA)).tolist()
    return model.predict(DATA).tolist()

def plain(found):
    "What a python function said."
    if isinstance(found, dict):
        [found] = found.values()
    return np.asarray(found).tolist()
"""

READ = """
import json, pathlib, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "modelyard":
            raise ModuleNotFoundError("modelyard is blocked", name=name)

sys.meta_path.insert(0, Blocked())
root, told = pathlib.Path(sys.argv[1]), {}
import importlib, traceback
import mlflow.pyfunc
for name, flavor in json.loads(sys.argv[2]).items():
    for way in ("function", "native"):
        try:
            if way == "function":
                told[f"{name} {way}"] = plain(mlflow.pyfunc.load_model(str(root / name)).predict(DATA))
            elif flavor:
                model = importlib.import_module("mlflow." + flavor).load_model(str(root / name))
                told[f"{name} {way}"] = answer(flavor, model)
        except Exception:
            told[f"{name} {way}"] = traceback.format_exc()
(root / "told.json").write_text(json.dumps(told))
"""

WRITE = """
import json, pathlib, sys
import mlflow, mlflow.pyfunc
root, told = pathlib.Path(sys.argv[1]), {}
from mlflow.models import infer_signature
import importlib

def keep(name, flavor, model, **options):
    expected = told[name.partition("-")[0]] = answer(flavor, model)
    save = importlib.import_module("mlflow." + flavor).save_model
    save(model, root / name, signature=infer_signature(DATA, np.asarray(expected)), pip_requirements=["numpy"],
         **options)

for name, (flavor, model) in models().items():
    skops = flavor == "sklearn" or name == "lightgbm_wrapper"
    keep(name, flavor, model, **({"skops_trusted_types": TRUSTED} if skops else {}))
    if flavor == "sklearn" or name == "lightgbm_wrapper":
        for format in ("cloudpickle", "pickle", "skops")[:3 if flavor == "sklearn" else 1]:
            more = {"skops_trusted_types": TRUSTED} if format == "skops" else {}
            keep(f"{name}-{format}", flavor, model, serialization_format=format, **more)
        if name == "lightgbm_wrapper":
            keep(f"{name}-skops", flavor, model, serialization_format="skops", skops_trusted_types=TRUSTED)
    if name == "xgboost":
        keep("xgboost-json", flavor, model, model_format="json")
if sys.argv[2] == "torch":
    keep("torch-pt2", "pytorch", network(), serialization_format="pt2", input_example=DATA)
    keep("torch-pickle", "pytorch", network(), serialization_format="pickle")

class Weighted(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        import pathlib
        self.weight = float(pathlib.Path(context.artifacts["weight"]).read_text())

    def predict(self, context, model_input, params=None):
        return model_input * self.weight

(root / "weight.txt").write_text("2.5")
told["function"] = (DATA * 2.5).tolist()
files = {"weight": str(root / "weight.txt")}
mlflow.pyfunc.save_model(root / "function-pickle", python_model=Weighted(), artifacts=files, pip_requirements=["numpy"])
(root / "script.py").write_text('''
import mlflow
from mlflow.models import set_model

class Weighted(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        import pathlib
        self.weight = float(pathlib.Path(context.artifacts["weight"]).read_text())

    def predict(self, context, model_input, params=None):
        return model_input * self.weight

set_model(Weighted())
''')
mlflow.pyfunc.save_model(
    root / "function-code", python_model=str(root / "script.py"), artifacts=files, pip_requirements=["numpy"]
)
(root / "told.json").write_text(json.dumps(told))
"""

TRUSTED = [
    "collections.OrderedDict", "collections.defaultdict", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier",
    "numpy.dtype", "sklearn.tree._tree.Tree",
]  # fmt: skip


def run(script: str, *arguments: str) -> None:
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("MLFLOW_", "MODELYARD_"))}
    environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}
    done = subprocess.run(
        [sys.executable, "-c", f"{MODELS}\nTRUSTED = {TRUSTED!r}\n{textwrap.dedent(script)}", *arguments],
        cwd=arguments[0], env=environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def shared() -> dict[str, Any]:
    """Our side's copy of the models."""
    import warnings

    names: dict[str, Any] = {}
    with warnings.catch_warnings():
        exec(compile(MODELS, "models", "exec"), names)
    return names


@pytest.fixture(scope="module")
def ours(shared, tmp_path_factory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was expected, and what stock MLflow said of what we saved."""
    root, data = tmp_path_factory.mktemp("ours"), shared["DATA"]
    expected, flavors = {}, {}
    for name, (flavor, model) in shared["models"]().items():
        packaging.save(model, root / name, flavor=flavor)
        expected[name], flavors[name] = shared["answer"](flavor, model), flavor
    if TORCH:
        for name, options in {"torch": {}, "torch_example": {"input_example": data}}.items():
            model = shared["network"]()
            packaging.save(model, root / name, flavor="pytorch", **options)
            # stock MLflow's own loader reads the exported program only
            expected[name], flavors[name] = shared["answer"]("pytorch", model), "pytorch" if options else ""
    (root / "weight.txt").write_text("2.5")
    packaging.save(
        Weighted(0.5), root / "function", flavor="python_function", artifacts={"weight": root / "weight.txt"}
    )
    (root / "weight.txt").unlink()
    expected["function"], flavors["function"] = (data * 2.5 + 0.5).tolist(), ""
    run(READ, str(root), json.dumps(flavors))
    return expected, json.loads((root / "told.json").read_text())


def same(found: Any, expected: Any) -> None:
    assert not isinstance(found, str), found
    np.testing.assert_allclose(np.asarray(found).reshape(np.shape(expected)), expected, rtol=1e-6)


NAMES = [
    "forest", "pipeline", "xgboost", "xgboost_wrapper", "lightgbm", "lightgbm_wrapper", "onnx",
    pytest.param("torch_example", marks=needs_torch),
]  # fmt: skip


@pytest.mark.parametrize("name", [*NAMES, pytest.param("torch", marks=needs_torch), "function"])
def test_stock_mlflow_predicts_with_our_model(ours, name) -> None:
    expected, told = ours
    same(told[f"{name} function"], expected[name])


@pytest.mark.parametrize("name", NAMES)
def test_stock_mlflow_loads_our_model_as_its_librarys(ours, name) -> None:
    expected, told = ours
    same(told[f"{name} native"], expected[name])


@pytest.fixture(scope="module")
def theirs(tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    root = tmp_path_factory.mktemp("theirs")
    run(WRITE, str(root), "torch" if TORCH else "")
    return root, json.loads((root / "told.json").read_text())


SAFE = {
    "forest-skops": "sklearn", "pipeline-skops": "sklearn", "xgboost": "xgboost", "xgboost-json": "xgboost",
    "xgboost_wrapper": "xgboost", "lightgbm": "lightgbm", "lightgbm_wrapper-skops": "lightgbm", "onnx": "onnx",
    "torch-pt2": "pytorch", "function-code": "",
}  # fmt: skip
PICKLED = {
    "forest-pickle": "sklearn", "forest-cloudpickle": "sklearn", "pipeline-pickle": "sklearn",
    "pipeline-cloudpickle": "sklearn", "lightgbm_wrapper-cloudpickle": "lightgbm", "torch-pickle": "pytorch",
    "function-pickle": "",
}  # fmt: skip
DEFAULT = {"forest": "sklearn", "pipeline": "sklearn", "lightgbm_wrapper": "lightgbm"}


def marked(kinds: dict[str, str]) -> list[Any]:
    return [
        pytest.param(name, flavor, id=name, marks=[needs_torch] if flavor == "pytorch" else [])
        for name, flavor in kinds.items()
    ]


def check(shared, theirs, name: str, flavor: str, **options: Any) -> None:
    root, told = theirs
    expected = told[name.partition("-")[0]]
    same(shared["plain"](packaging.load_function(root / name, **options).predict(shared["DATA"])), expected)
    if flavor:
        same(shared["answer"](flavor, packaging.load(root / name, **options)), expected)


@pytest.mark.parametrize(("name", "flavor"), marked(SAFE))
def test_we_load_stock_mlflows_safe_formats(shared, theirs, name, flavor) -> None:
    check(shared, theirs, name, flavor)


@pytest.mark.parametrize(("name", "flavor"), marked(DEFAULT))
def test_we_load_stock_mlflows_default_format(shared, theirs, name, flavor) -> None:
    check(shared, theirs, name, flavor, allow_pickle=True)


@pytest.mark.parametrize(("name", "flavor"), marked(PICKLED))
def test_stock_mlflows_pickles_need_leave(shared, theirs, name, flavor) -> None:
    for load in (packaging.load_function, packaging.load):
        with pytest.raises(PermissionDenied, match=r"is a pickle: .*allow_pickle=True"):
            load(theirs[0] / name)
    check(shared, theirs, name, flavor, allow_pickle=True)


# ------------------------------------------------------------------------------------ served


@pytest.fixture(scope="module")
def server(theirs) -> Iterator[ModelServer]:
    """Of everything that stock MLflow saved."""
    paths = [each.parent for each in sorted(theirs[0].glob("*/MLmodel"))]
    with serving(*paths, "--allow-pickle") as running:
        yield running


@pytest.mark.parametrize(("name", "flavor"), marked({**SAFE, **DEFAULT, **PICKLED}))
def test_stock_mlflows_models_are_served_over_each_protocol(shared, theirs, server, name, flavor) -> None:
    data, place = shared["DATA"], f"/models/{name}"
    plain = server.post(f"{place}/predict", data.tolist())
    if isinstance(plain[0], dict):  # the graph names its output
        plain = [answer for each in plain for answer in each.values()]
    scored = server.post(f"{place}/invocations", {"inputs": data.tolist()})["predictions"]
    (told,) = server.get(f"/v2{place}")["inputs"] or [{"name": "any", "datatype": "FP32"}]  # without a signature
    tensor = {"name": told["name"], "shape": list(data.shape), "datatype": told["datatype"], "data": data.tolist()}
    (answered,) = server.post(f"/v2{place}/infer", {"inputs": [tensor]})["outputs"]

    assert shared["plain"](scored) == plain
    assert answered["data"] == np.asarray(plain).ravel().tolist()
    numbers = np.array(plain, dtype=float)
    numbers[np.isnan(numbers)] = np.inf  # which JSON has no word for
    same(numbers, theirs[1][name.partition("-")[0]])
    in_process = packaging.load_function(theirs[0] / name, allow_pickle=True).predict(data)
    same(numbers, shared["plain"](in_process))


@pytest.mark.parametrize(("name", "flavor"), marked(PICKLED))
def test_stock_mlflows_pickles_are_served_with_the_switch_only(theirs, name, flavor) -> None:
    with pytest.raises(PermissionDenied, match=r"a pickle or the like.* say --allow-pickle"):
        wanted.parse([str(theirs[0] / name)], ServeSettings())
    assert wanted.parse([str(theirs[0] / name)], ServeSettings(allow_pickle=True))
