"""A class of the user's own: code, values and files as files; loaded in a clean process, and by stock MLflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from modelyard.domain.errors import DataCorrupted, InvalidArgument, NotSupported, PermissionDenied
from modelyard.packaging import digest
from modelyard.packaging import model as packaging
from tests.contracts.flavor import FlavorContract, rows
from tests.packaging.flavors.function_models import Kept, Mute, Plain, Reader, Sentiment, Shaped

WORDS = {"good": 1.0, "great": 2.0, "bad": -1.5}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "source" / "table.json"
    file.parent.mkdir()
    file.write_text(json.dumps(WORDS))
    return file


@pytest.fixture
def saved(table: Path, tmp_path: Path) -> Path:
    packaging.save(
        Sentiment(0.5),
        tmp_path / "model",
        flavor="python_function",
        artifacts={"table": table},
        input_example=(pd.DataFrame({"text": ["the good", "a bad one"]}), {"threshold": 0.5}),
        golden=True,
    )
    return tmp_path / "model"


class TestPythonFunction(FlavorContract):
    flavor = "python_function"
    file = "modelyard/loader.json"

    @pytest.fixture
    def model(self) -> Any:
        return Plain()

    @pytest.fixture
    def data(self) -> Any:
        return rows(5)


# ------------------------------------------------------------------------------------ text in, an answer out


def test_text_goes_in_and_an_answer_comes_out(saved: Path) -> None:
    function = packaging.load_function(saved)
    assert function.predict(pd.DataFrame({"text": ["the great", "bad good", ""]})) == ["pos", "neg", "neg"]
    assert function.predict(pd.DataFrame({"text": ["the great"]}), {"threshold": 9.0}) == ["neg"]
    with pytest.raises(InvalidArgument, match="text"):
        function.predict(pd.DataFrame({"words": ["good"]}))
    model = function.unwrap_python_model()
    assert (model.threshold, model.labels) == (0.5, ("neg", "pos"))
    assert packaging.load(saved).predict("great") == ["pos"]


def test_everything_lies_in_the_model(saved: Path) -> None:
    files = set(digest.files(saved))
    assert "artifacts/table.json" in files
    manifest = yaml.safe_load((saved / "MLmodel").read_text())
    entry = manifest["flavors"]["python_function"]
    assert entry["artifacts"] == {"table": {"path": "artifacts/table.json", "uri": "artifacts/table.json"}}
    assert entry["loader_module"] == "modelyard_loader_1"
    assert entry["code"] == "code"
    told = (saved / "modelyard" / "loader.json").read_text()
    assert str(saved.parent) not in told
    assert str(saved.parent) not in (saved / "MLmodel").read_text()


CLEAN = """
import json, sys
sys.path = [each for each in sys.path if "checkout" not in each]
sys.modules["modelyard"] = None  # not installed
sys.path.insert(0, sys.argv[1] + "/code")
import modelyard_loader_1 as loader
model = loader._load_pyfunc(sys.argv[1])
print(json.dumps(model.predict(["a great thing", "so bad"])))
"""


def python(code: str, *arguments: object, folder: Path) -> str:
    """What a process of its own says, which stands elsewhere and knows nothing of the tests."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(code), *map(str, arguments)],
        cwd=folder, env={**variables, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_in_a_clean_process_without_us(saved: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "moved"
    moved.parent.mkdir()
    saved.rename(moved)
    (tmp_path / "source" / "table.json").unlink()
    assert json.loads(python(CLEAN, moved, folder=tmp_path)) == ["pos", "neg"]


def test_in_a_clean_process_with_us(saved: Path, tmp_path: Path) -> None:
    code = """
    import json, sys
    from modelyard.packaging import golden, model
    function = model.load_function(sys.argv[1])
    assert golden.run(function).passed
    print(json.dumps(model.load(sys.argv[1]).predict(["a great thing", "so bad"])))
    """
    assert json.loads(python(code, saved, folder=tmp_path)) == ["pos", "neg"]
    digest.verify(saved)  # and it has left nothing behind


def test_stock_mlflow_reads_both_shapes(saved: Path, tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="MLflow is not installed")
    np.save(tmp_path / "weights.npy", np.array([1.0, 2.0]))
    packaging.save(
        Shaped(),
        tmp_path / "shaped",
        flavor="python_function",
        artifacts={"weights": tmp_path / "weights.npy"},
        input_example=(np.ones((1, 2)), {"factor": 2.0}),
    )
    code = """
    import json, sys, warnings
    warnings.simplefilter("ignore")
    sys.modules["modelyard"] = None
    import mlflow, numpy as np, pandas as pd
    text, shaped = (mlflow.pyfunc.load_model(each) for each in sys.argv[1:])
    frame = pd.DataFrame({"text": ["a great thing", "so bad"]})
    print(json.dumps([text.predict(frame), text.predict(frame, {"threshold": 9.0}),
        shaped.predict(np.ones((1, 2))).tolist(), shaped.predict(np.ones((1, 2)), {"factor": 3.0}).tolist()]))
    """
    assert json.loads(python(code, saved, tmp_path / "shaped", folder=tmp_path)) == [
        ["pos", "neg"], ["neg", "neg"], [6.0], [9.0],
    ]  # fmt: skip
    ours = packaging.load_function(tmp_path / "shaped")
    assert ours.predict(np.array([[1.0, 1.0]])).tolist() == [6.0]  # the example's params are the defaults
    assert ours.predict(np.array([[1.0, 1.0]]), {"factor": 3.0}).tolist() == [9.0]


def test_what_stock_mlflow_saved_of_mlflow_s_shape(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="MLflow is not installed")
    (tmp_path / "weights.txt").write_text("2.5")
    code = """
    import sys, warnings
    warnings.simplefilter("ignore")
    import mlflow

    class Weighted(mlflow.pyfunc.PythonModel):
        def load_context(self, context):
            self.weight = float(open(context.artifacts["weights"]).read())

        def predict(self, context, model_input, params=None):
            return model_input * self.weight

    files = {"weights": "weights.txt"}
    mlflow.pyfunc.save_model("theirs", python_model=Weighted(), artifacts=files, pip_requirements=["numpy"])
    from modelyard.packaging import model
    theirs = model.load_function("theirs", allow_pickle=True)
    print(theirs.predict(2.0))
    """
    assert python(code, folder=tmp_path) == "5.0"
    with pytest.raises(PermissionDenied, match="allow_pickle=True"):
        packaging.load_function(tmp_path / "theirs")


# ------------------------------------------------------------------------------------ what is kept


def test_a_class_is_made_anew_and_an_instance_comes_back(tmp_path: Path) -> None:
    packaging.save(Kept, tmp_path / "class", flavor="python_function")
    assert packaging.load(tmp_path / "class").predict([1]) == [{"a": [1, (2, None)], "b": {"c": True}}]
    instance = Kept()
    instance.kept = {"x": (1.5, "y")}
    packaging.save(instance, tmp_path / "instance", flavor="python_function")
    assert packaging.load(tmp_path / "instance").predict([1]) == [{"x": (1.5, "y")}]


def test_what_is_not_plain_is_refused_with_a_way_out(tmp_path: Path) -> None:
    model = Sentiment(0.5)
    model.threshold = np.ones(3)  # type: ignore[assignment]
    with pytest.raises(InvalidArgument, match=r"'threshold' of Sentiment \(ndarray\).*artifact.*load\(\).*cloudpickle"):
        packaging.save(model, tmp_path / "model", flavor="python_function")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("serialization_format", ["cloudpickle", "pickle"])
def test_a_pickle_when_it_is_asked_for(serialization_format: str, table: Path, tmp_path: Path) -> None:
    model = Sentiment(0.5)
    model.threshold = np.float64(1.5)  # not plain
    packaging.save(
        model,
        tmp_path / "model",
        flavor="python_function",
        artifacts={"table": table},
        serialization_format=serialization_format,
    )
    with pytest.raises(PermissionDenied, match="allow_pickle=True"):
        packaging.load(tmp_path / "model")
    assert packaging.load(tmp_path / "model", allow_pickle=True).predict(["good", "great"]) == ["neg", "pos"]


def test_settings_can_be_others_when_it_is_loaded(table: Path, tmp_path: Path) -> None:
    packaging.save(
        Sentiment(0.5),
        tmp_path / "model",
        flavor="python_function",
        artifacts={"table": table},
        model_config={"extra": 1.0, "kept": 1},
    )
    assert packaging.load_function(tmp_path / "model").predict(["nothing"]) == ["pos"]
    function = packaging.load_function(tmp_path / "model", model_config={"extra": -9.0})
    assert function.predict(["great"]) == ["neg"]
    assert packaging.load(tmp_path / "model").context.model_config == {"extra": 1.0, "kept": 1}


def test_folders_and_files_of_one_name(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "data").mkdir(parents=True)
        (tmp_path / name / "data" / "word.txt").write_text(name)
        (tmp_path / f"{name}.d").mkdir()
        (tmp_path / f"{name}.d" / "file.txt").write_text(name)

    artifacts = {
        "a": tmp_path / "one" / "data", "b": tmp_path / "two" / "data",
        "c": tmp_path / "one.d" / "file.txt", "d": tmp_path / "two.d" / "file.txt",
    }  # fmt: skip
    packaging.save(Reader, tmp_path / "model", flavor="python_function", artifacts=artifacts)
    assert packaging.load(tmp_path / "model").predict(0) == {"a": "one", "b": "two", "c": "one", "d": "two"}


STEP = """
FACTOR = {factor}

def scale(values):
    return [value * FACTOR for value in values]
"""


def test_two_models_each_bring_their_own_module_of_one_name(tmp_path: Path) -> None:
    user = """
    import sys
    from modelyard.packaging import model
    from modelyard.pyfunc import PythonModel
    import steps_of_test

    class Scaled(PythonModel):
        def predict(self, data):
            return steps_of_test.scale(data)

    model.save(Scaled, sys.argv[1], flavor="python_function")
    print("saved")
    """
    for factor in (2, 3):
        folder = tmp_path / f"project {factor}"
        folder.mkdir()
        (folder / "steps_of_test.py").write_text(STEP.format(factor=factor))
        (folder / "train.py").write_text(textwrap.dedent(user))
        done = subprocess.run(
            [sys.executable, "train.py", tmp_path / f"model {factor}"],
            cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.stdout.strip() == "saved", done.stderr
    first = packaging.load(tmp_path / "model 2")
    second = packaging.load(tmp_path / "model 3")
    assert (first.predict([1]), second.predict([1])) == ([2], [3])
    assert packaging.load(tmp_path / "model 2").predict([1]) == [2]


# ------------------------------------------------------------------------------------ refused


@pytest.mark.parametrize("uri", ["s3://bucket/file", "runs:/abc/file", "models:/a/1"])
def test_artifacts_are_files_that_are_here(uri: str, tmp_path: Path) -> None:
    for given, told in ((uri, "download"), (tmp_path / "nothing", "there is no")):
        with pytest.raises(InvalidArgument, match=f"'table'.*{told}"):
            packaging.save(Plain, tmp_path / "model", flavor="python_function", artifacts={"table": given})
    assert list(tmp_path.iterdir()) == []


def test_a_class_has_to_predict(tmp_path: Path) -> None:
    class Local:
        def predict(self, data: Any) -> Any:
            return data

    with pytest.raises(InvalidArgument, match="inside a function"):
        packaging.save(Local, tmp_path / "model", flavor="python_function")
    for model in (Mute, Mute(), object):
        with pytest.raises(InvalidArgument, match="'predict'"):
            packaging.save(model, tmp_path / "model", flavor="python_function")


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd"])
def test_artifacts_cannot_lie_outside_the_model(path: str, saved: Path) -> None:
    description = json.loads((saved / "modelyard" / "loader.json").read_text())
    description["artifacts"]["table"] = path
    (saved / "modelyard" / "loader.json").write_text(json.dumps(description))
    with pytest.raises(DataCorrupted, match="outside"):
        packaging.load(saved)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"loader_module": "os"}, PermissionDenied),
        ({"loader_module": "subprocess", "code": None}, PermissionDenied),
        ({"loader_module": "mlflow.pyfunc.model", "python_model": "x.pkl"}, PermissionDenied),
        ({"loader_module": "no_such_module_of_test"}, PermissionDenied),
        ({"code": "../.."}, DataCorrupted),
    ],
)
def test_a_manifest_that_names_other_code(change: dict[str, Any], error: Any, saved: Path) -> None:
    manifest = packaging.Model.read(saved)
    manifest.flavors["python_function"] |= change
    manifest.write(saved)
    with pytest.raises(error):
        packaging.load(saved)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "other"}, "does not decode"),
        ({"artifacts": ["a"]}, "does not decode"),
        ({"artifacts": {"table": 1}}, "does not say"),
        ({"module": None}, "does not say"),
        ({"module": "no_such_module_of_test"}, "lacks the module"),
        ({"class": "NoSuchClass"}, "lacks the class"),
    ],
)
def test_a_description_that_does_not_fit(change: dict[str, Any], told: str, saved: Path) -> None:
    file = saved / "modelyard" / "loader.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(DataCorrupted, match=told):
        packaging.load(saved)


def test_code_that_needs_what_is_not_installed(tmp_path: Path) -> None:
    packaging.save(Plain, tmp_path / "model", flavor="python_function")
    (tmp_path / "model" / "code" / "needy_of_test.py").write_text("import no_such_module_of_test\n")
    file = tmp_path / "model" / "modelyard" / "loader.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "module": "needy_of_test"}))
    with pytest.raises(InvalidArgument, match=r"needs the module 'no_such_module_of_test', which is not installed"):
        packaging.load(tmp_path / "model")


def test_bytecode_is_neither_run_nor_left_behind(tmp_path: Path) -> None:
    """It is in no digest: whoever can write there would run what he likes in a model that is as it was saved."""
    import importlib.util
    import py_compile

    folder = tmp_path / "model"
    # not *_test.py: these pytest loads itself
    (folder / "code" / "part_of_test").mkdir(parents=True)
    source = folder / "code" / "part_of_test" / "bytecode_loader.py"
    source.write_text("raise SystemExit('was run')")
    cached = importlib.util.cache_from_source(str(source))
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH  # Python runs it whatever the source says
    py_compile.compile(str(source), cfile=cached, doraise=True, invalidation_mode=mode)
    source.write_text(
        "class It:\n    def predict(self, data):\n        return data\ndef _load_pyfunc(path):\n    return It()\n"
    )
    (folder / "code" / "part_of_test" / "__init__.py").touch()
    flavors = {"python_function": {"loader_module": "part_of_test.bytecode_loader", "code": "code"}}
    packaging.Model(flavors=flavors).write(folder)
    before = sorted(folder.rglob("*"))
    assert packaging.load_function(folder).predict(1) == 1
    assert sorted(folder.rglob("*")) == before


def test_another_s_loader_module(tmp_path: Path) -> None:
    """Any module with `_load_pyfunc` in the model's code, as MLflow has it."""
    folder = tmp_path / "model"
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "own_loader_of_test.py").write_text(
        "class It:\n    def predict(self, data):\n        return ['it', data]\n"
        "def _load_pyfunc(path):\n    return It()\n"
    )
    (folder / "code" / "no_loader_of_test.py").write_text("import no_such_module_of_test\n")
    (folder / "code" / "mute_loader_of_test.py").write_text("")
    for name, outcome in {
        "own_loader_of_test": None, "no_loader_of_test": NotSupported, "mute_loader_of_test": InvalidArgument,
    }.items():  # fmt: skip
        packaging.Model(flavors={"python_function": {"loader_module": name, "code": "code"}}).write(folder)
        if outcome is None:
            assert packaging.load_function(folder).predict(1) == ["it", 1]
        else:
            with pytest.raises(outcome):
                packaging.load_function(folder)
