"""The models that autologging logs: they load, they answer alike, and they carry what was asked for."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("skops", reason="skops is not installed")

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from modelyard import optional
from modelyard.autolog import registry
from modelyard.client import models
from modelyard.packaging.manifest import Model

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(int)


class Halve(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):  # noqa: N803
        return self

    def transform(self, X):  # noqa: N803
        return X / 2


def outputs(run: Any) -> list[str]:
    return [output.model_id for output in run.outputs.model_outputs]


def manifest(uri: str) -> Model:
    return Model.read(models.download_model(uri))


def test_an_estimator_is_logged_with_a_signature_and_loads(tracked) -> None:
    pandas = pytest.importorskip("pandas")
    registry.autolog("sklearn")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    model = LogisticRegression().fit(frame, Y)
    (model_id,) = outputs(tracked.only())
    loaded = models.load_model(f"models:/{model_id}")
    assert np.array_equal(loaded.predict(frame), model.predict(frame))
    info = manifest(f"models:/{model_id}")
    assert info.signature.inputs.input_names() == ["a", "b", "c"]
    assert info.saved_input_example_info is None


def test_example_and_registration_when_asked_for(tracked) -> None:
    from modelyard.client.client import Client

    name = "autologged"
    registry.autolog("sklearn", log_input_examples=True, registered_model_name=name)
    LogisticRegression().fit(X, Y)
    run = tracked.only()
    info = manifest(f"runs:/{run.info.run_id}/model")
    assert info.saved_input_example_info is not None
    (version,) = Client(tracked.url).search_model_versions(f"name = '{name}'")
    assert version.run_id == run.info.run_id


def test_a_search_logs_itself_and_the_best_it_found(tracked) -> None:
    registry.autolog("sklearn", max_tuning_runs=1)
    search = GridSearchCV(LogisticRegression(), {"C": [0.01, 1]}, cv=2).fit(X, Y)
    run = tracked.only()
    assert len(outputs(run)) == 2
    best = models.load_model(f"runs:/{run.info.run_id}/best_estimator")
    assert search.best_params_["C"] == best.C
    assert len(tracked.children()) == 1
    assert outputs(tracked.children()[0]) == []


def test_what_the_safe_format_cannot_keep_is_said_and_a_pickle_is_written_when_asked_for(tracked, caplog) -> None:
    registry.autolog("sklearn")
    pipeline = make_pipeline(Halve(), LogisticRegression())
    assert pipeline.fit(X, Y) is pipeline
    assert "serialization_format='cloudpickle'" in caplog.text
    assert outputs(tracked.only()) == []
    registry.autolog("sklearn", serialization_format="cloudpickle")
    pipeline.fit(X, Y)
    (model_id,) = outputs(tracked.parents()[-1])
    assert models.load_model(f"models:/{model_id}", allow_pickle=True).predict(X).shape == (60,)


def test_a_broken_log_model_is_not_the_scripts_business(tracked, monkeypatch) -> None:
    def broken(*args, **kwargs):
        raise RuntimeError("ours is broken")

    registry.autolog("sklearn")
    monkeypatch.setattr(models, "log_model", broken)
    model = LogisticRegression()
    assert model.fit(X, Y) is model
    assert tracked.only().info.status == "FINISHED"


@pytest.mark.parametrize("name", ["xgboost", "lightgbm"])
def test_boosters_and_wrappers(tracked, name) -> None:
    library = pytest.importorskip(name)
    registry.autolog(name, log_input_examples=True)
    if name == "xgboost":
        booster = library.train({"objective": "binary:logistic"}, library.DMatrix(X, Y), 3)
        expected = booster.predict(library.DMatrix(X))
        wrapper = library.XGBClassifier(n_estimators=3).fit(X, Y)
    else:
        booster = library.train({"objective": "binary", "verbose": -1}, library.Dataset(X, Y), 3)
        expected = booster.predict(X)
        wrapper = library.LGBMClassifier(n_estimators=3, verbose=-1).fit(X, Y)
    first, second = tracked.parents()
    for run, ours in ((first, booster), (second, wrapper)):
        loaded = models.load_model(f"runs:/{run.info.run_id}/model")
        assert type(loaded) is type(ours)
        assert manifest(f"runs:/{run.info.run_id}/model").signature is not None
    loaded = models.load_model(f"runs:/{first.info.run_id}/model")
    again = loaded.predict(library.DMatrix(X) if name == "xgboost" else X)
    assert np.allclose(again, expected)


def test_a_module_that_is_hidden_can_be_imported_afterwards() -> None:
    with optional.hidden("this", "json"), pytest.raises(ModuleNotFoundError):
        import this  # noqa: F401
    import json

    assert json is sys.modules["json"]
    assert "this" not in sys.modules


def test_autolog_imports_no_library_and_logging_a_model_does_not_import_pytorch(tracked) -> None:
    """PyTorch: two seconds that a script would pay for a library that it does not use."""
    pytest.importorskip("torch", reason="PyTorch is not installed")
    program = f"""
import sys
import modelyard as mlflow
mlflow.set_tracking_uri({tracked.url!r})
mlflow.set_experiment({tracked.experiment!r})
mlflow.autolog()
assert not {{"sklearn", "xgboost", "lightgbm", "optuna", "lightning", "keras", "numpy"}} & set(sys.modules)
from sklearn.linear_model import LogisticRegression
LogisticRegression().fit([[0.0], [1.0]], [0, 1])
print({{"torch", "pytest", "skops.io"}} & set(sys.modules) or "neither")
import skops.io._trusted_types as types
print("sklearn.svm._classes.SVC" in types.SKLEARN_ESTIMATOR_TYPE_NAMES)
"""
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert output.split() == ["neither", "True"]
    assert len(outputs(tracked.only())) == 1
