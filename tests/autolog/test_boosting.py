"""Autologging of XGBoost and LightGBM: `train` and the scikit-learn wrappers."""

from __future__ import annotations

import inspect
import pickle
import sys
import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from modelyard.autolog import boosting, plots, recording, registry
from modelyard.client import fluent

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(200, 4))
Y = (X[:, 0] > 0).astype(int)
XGBOOST = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1, "eval_metric": ["logloss", "auc"]}
LIGHTGBM = {
    "objective": "binary",
    "num_threads": 1,
    "metric": ["binary_logloss", "auc"],
    "verbose": -1,
    "num_leaves": 4,
}


@pytest.fixture
def xgboost(tracked) -> Any:
    library = pytest.importorskip("xgboost", reason="XGBoost is not installed")
    registry.autolog("xgboost", log_models=False)
    return library


@pytest.fixture
def lightgbm(tracked) -> Any:
    library = pytest.importorskip("lightgbm", reason="LightGBM is not installed")
    registry.autolog("lightgbm", log_models=False)
    return library


def wrapper(library: Any, **options: Any) -> Any:
    kind = library.XGBClassifier if hasattr(library, "XGBClassifier") else library.LGBMClassifier
    return kind(n_estimators=4, n_jobs=1, **({} if hasattr(library, "XGBClassifier") else {"verbose": -1}), **options)


def fit(library: Any, model: Any) -> Any:
    if hasattr(library, "XGBClassifier"):
        return model.fit(X, Y, eval_set=[(X, Y)], verbose=False)
    with warnings.catch_warnings():  # newer ones want eval_X and eval_y
        warnings.simplefilter("ignore")
        return model.fit(X, Y, eval_set=[(X, Y)])


def test_xgboost_train(tracked, xgboost) -> None:
    mine: list = []

    class Mine(xgboost.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            mine.append(epoch)
            return False

    given = [Mine()]
    matrix = xgboost.DMatrix(X, Y)
    booster = xgboost.train(
        XGBOOST, matrix, 5, evals=[(matrix, "train"), (xgboost.DMatrix(X[:50], Y[:50]), "valid")],
        verbose_eval=False, callbacks=given,
    )  # fmt: skip
    assert mine == [0, 1, 2, 3, 4]
    assert len(given) == 1
    run = tracked.only()
    assert run.data.params == {
        "objective": "binary:logistic",
        "max_depth": "2",
        "nthread": "1",
        "eval_metric": "['logloss', 'auc']",
        "num_boost_round": "5",
        "maximize": "None",
        "early_stopping_rounds": "None",
        "verbose_eval": "False",
        "custom_metric": "None",
    }
    assert [step for step, _ in tracked.history(run, "valid-logloss")] == [0, 1, 2, 3, 4]
    assert set(run.data.metrics) == {"train-logloss", "train-auc", "valid-logloss", "valid-auc"}
    assert "feature_importance_weight.json" in tracked.files(run)
    assert [entry.dataset.name for entry in run.inputs.dataset_inputs] == ["dataset", "train", "valid"]
    assert booster.num_boosted_rounds() == 5


def test_xgboost_early_stopping(tracked, xgboost) -> None:
    held = xgboost.DMatrix(X[:50], 1 - Y[:50])  # gets worse from the second round on
    booster = xgboost.train(
        {**XGBOOST, "eval_metric": "logloss"}, xgboost.DMatrix(X, Y), 50,
        evals=[(held, "valid")], early_stopping_rounds=3, verbose_eval=False,
    )  # fmt: skip
    run = tracked.only()
    assert booster.best_iteration == 0
    assert run.data.metrics["best_iteration"] == 0
    assert run.data.metrics["stopped_iteration"] == 3
    history = tracked.history(run, "valid-logloss")
    assert [step for step, _ in history] == [0, 1, 2, 3, 4]
    assert history[4][1] == history[0][1]  # the best once more


def test_xgboost_ranking_metrics_get_names_that_are_allowed(tracked, xgboost) -> None:
    matrix = xgboost.DMatrix(X, Y, group=[100, 100])
    xgboost.train(
        {"objective": "rank:ndcg", "eval_metric": "ndcg@3"}, matrix, 2, evals=[(matrix, "train")], verbose_eval=False
    )
    assert set(tracked.only().data.metrics) == {"train-ndcg_at_3"}


def test_what_is_missing_in_a_matrix_is_missing_in_its_example(xgboost) -> None:
    pandas = pytest.importorskip("pandas")
    leaf = sys.modules["modelyard.autolog.xgboost"]
    frame = pandas.DataFrame({"a": [0.0, 1.0, np.nan], "b": [2.0, np.nan, 0.0]})
    pandas.testing.assert_frame_equal(leaf._example(xgboost.DMatrix(frame)), frame.astype("float32"))


def test_lightgbm_train(tracked, lightgbm) -> None:
    data = lightgbm.Dataset(X, Y)
    held = lightgbm.Dataset(X[:50], Y[:50], reference=data)
    given = [lightgbm.log_evaluation(0)]
    lightgbm.train(LIGHTGBM, data, 5, valid_sets=[data, held], valid_names=["train", "held"], callbacks=given)
    assert len(given) == 1
    run = tracked.only()
    assert {"objective": "binary", "num_leaves": "4", "num_boost_round": "5"}.items() <= run.data.params.items()
    assert [step for step, _ in tracked.history(run, "held-auc")] == [0, 1, 2, 3, 4]
    assert {"feature_importance_split.json", "feature_importance_gain.json"} <= set(tracked.files(run))
    assert [entry.dataset.name for entry in run.inputs.dataset_inputs] == ["dataset", "held"]


def test_lightgbm_early_stopping(tracked, lightgbm) -> None:
    data = lightgbm.Dataset(X, Y)
    held = lightgbm.Dataset(X[:50], 1 - Y[:50], reference=data)
    booster = lightgbm.train(
        {**LIGHTGBM, "metric": "binary_logloss"}, data, 50, valid_sets=[held],
        callbacks=[lightgbm.early_stopping(3, verbose=False)],
    )  # fmt: skip
    metrics = tracked.only().data.metrics
    assert metrics["best_iteration"] == booster.best_iteration == 1
    assert metrics["stopped_iteration"] == 4


@pytest.mark.parametrize("name", ["xgboost", "lightgbm"])
def test_a_wrapper_is_one_run_with_params_and_rounds_of_what_is_inside(tracked, request, name) -> None:
    library = request.getfixturevalue(name)
    model = wrapper(library)
    assert fit(library, model) is model
    run = tracked.only()
    assert run.data.params["num_boost_round"] == "4"
    assert run.data.params["objective"] in {"binary:logistic", "binary"}
    key = next(iter(run.data.metrics))
    assert [step for step, _ in tracked.history(run, key)] == [0, 1, 2, 3]
    assert run.data.tags["estimator_name"] == type(model).__name__
    assert run.data.tags["mlflow.autologging"] == name
    model.score(X, Y)
    assert f"{type(model).__name__}_score_X" in tracked.only().data.metrics


@pytest.mark.parametrize("name", ["xgboost", "lightgbm"])
def test_a_search_over_a_wrapper_is_the_searchs_run(tracked, request, name) -> None:
    from sklearn.model_selection import GridSearchCV

    library = request.getfixturevalue(name)
    registry.autolog("sklearn", log_models=False)
    GridSearchCV(wrapper(library), {"max_depth": [1, 2]}, cv=2).fit(X, Y)
    assert tracked.only().data.tags["estimator_name"] == "GridSearchCV"
    assert len(tracked.children()) == 2
    fit(library, wrapper(library))
    assert [run.data.tags["mlflow.autologging"] for run in tracked.parents()] == ["sklearn", name]


@pytest.mark.parametrize("name", ["xgboost", "lightgbm"])
def test_functions_and_models_look_and_pickle_as_before(tracked, request, name) -> None:
    library = request.getfixturevalue(name)
    model = fit(library, wrapper(library))
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    assert pickle.loads(pickle.dumps(library.train)) is library.train
    assert list(inspect.signature(library.train).parameters)[:3][0] == "params"
    watched = library.train
    registry.autolog(name, disable=True)
    assert library.train is not watched
    assert library.train is library.sklearn.train
    assert library.train is sys.modules[library.train.__module__].train


@pytest.mark.parametrize("name", ["xgboost", "lightgbm"])
def test_whatever_of_ours_breaks_the_model_is_the_same(tracked, request, monkeypatch, name) -> None:
    library = request.getfixturevalue(name)
    leaf = sys.modules[f"modelyard.autolog.{name}"]
    expected = fit(library, wrapper(library)).predict_proba(X)

    def broken(*args, **kwargs):
        raise RuntimeError("ours is broken")

    targets = [
        (module, function)
        for module in (leaf, boosting, recording, plots)
        for function, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and function != "install"
    ]
    targets += [(boosting.Rounds, "record"), (boosting.Rounds, "log_best"), (boosting.Rounds, "__init__")]
    targets += [(fluent, one) for one in ("start_run", "active_run", "log_metrics", "log_params", "log_text")]
    for module, function in targets:
        with monkeypatch.context() as patch:
            patch.setattr(module, function, broken)
            model = fit(library, wrapper(library))
            assert np.array_equal(model.predict_proba(X), expected), function
            if module not in {leaf, fluent}:
                continue
            if name == "xgboost":
                matrix = library.DMatrix(X, Y)
                booster = library.train(XGBOOST, matrix, 2, evals=[(matrix, "train")], verbose_eval=False)
                assert booster.num_boosted_rounds() == 2, function
            else:
                data = library.Dataset(X, Y)
                assert library.train(LIGHTGBM, data, 2, valid_sets=[data]).num_trees() == 2, function
    with pytest.raises((ValueError, library.basic.LightGBMError if name == "lightgbm" else library.core.XGBoostError)):
        library.train(
            {"objective": "no such thing"}, library.DMatrix(X, Y) if name == "xgboost" else library.Dataset(X, Y)
        )
    assert tracked.parents()[-1].info.status == "FAILED"
