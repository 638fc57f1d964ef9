"""The names of the package: all there, documented and known to type checkers; and nothing of MLflow's forgotten."""

import ast
import importlib
import re
import types
import warnings
from pathlib import Path

import pytest

import modelyard

ROOT = Path(modelyard.__file__).parents[2]
DOCS = (ROOT / "docs" / "client.md").read_text()
OFFERED, _, REFUSED = DOCS.partition("## Names")[2].partition("## Settings")[0].partition("### Not offered")


def quoted(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


@pytest.mark.parametrize("name", modelyard.__all__)
def test_a_name_is_there(name) -> None:
    assert getattr(modelyard, name) is not None
    assert name in dir(modelyard)


def test_every_name_is_documented() -> None:
    assert quoted(OFFERED) == set(modelyard.__all__)


def test_type_checkers_know_the_same_names() -> None:
    tree = ast.parse(Path(modelyard.__file__).with_suffix(".pyi").read_text())
    known: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level:
            known |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.AnnAssign):
            known.add(ast.unparse(node.target))
        elif isinstance(node, ast.Assign):
            known |= {ast.unparse(target) for target in node.targets}
        elif isinstance(node, ast.FunctionDef):
            known.add(node.name)
    assert known - {"__all__"} == set(modelyard.__all__)
    (listed,) = [node.value for node in tree.body if isinstance(node, ast.Assign) and "__all__" in ast.unparse(node)]
    assert sorted(ast.literal_eval(listed)) == sorted(modelyard.__all__)


def test_another_name_is_refused_with_a_hint() -> None:
    with pytest.raises(AttributeError, match="What of MLflow is not offered"):
        modelyard.start_span  # noqa: B018
    assert not hasattr(modelyard.artifacts, "nothing")
    assert not hasattr(modelyard.client, "nothing")


def test_what_mlflow_has_is_offered_or_refused_with_a_reason() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed")
    theirs = {name for name in mlflow.__all__ if not isinstance(getattr(mlflow, name), types.ModuleType)}
    refused = quoted(REFUSED)
    assert theirs - set(modelyard.__all__) - refused == set()
    assert refused & set(modelyard.__all__) == set()


def test_autolog_is_a_function_and_a_package() -> None:
    importlib.import_module("modelyard.autolog.registry")
    assert callable(modelyard.autolog)
    modelyard.autolog(disable=True, exclude_flavors=["sklearn"])


def test_modules_of_mlflow_s_names() -> None:
    from modelyard.entities import Metric, ViewType
    from modelyard.exceptions import MlflowException, NotFound
    from modelyard.models.signature import ModelSignature, infer_signature
    from modelyard.tracking.client import MlflowClient
    from modelyard.types.schema import ColSpec, Schema

    assert modelyard.tracking.MlflowClient is MlflowClient is modelyard.client.MlflowClient is modelyard.Client
    assert issubclass(NotFound, MlflowException)
    assert NotFound("x").error_code == "RESOURCE_DOES_NOT_EXIST"
    assert modelyard.models.infer_signature is infer_signature
    assert ModelSignature(Schema([ColSpec("double", "a")])).inputs.input_names() == ["a"]
    assert Metric("a", 1.0).key == "a"
    assert ViewType.ACTIVE_ONLY == 1


def test_a_reload_keeps_what_is_active(ours) -> None:
    with ours.start_run() as run:
        importlib.reload(importlib.import_module("modelyard.client.active"))
        importlib.reload(modelyard)
        assert modelyard.active_run() is run
        modelyard.log_metric("still", 1.0)
    assert ours.get_run(run.info.run_id).data.metrics == {"still": 1.0}
