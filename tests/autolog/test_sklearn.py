"""Autologging of scikit-learn: what lands in the run, and that nothing else changes."""

# ruff: noqa: N803, N806  scikit-learn's X

from __future__ import annotations

import inspect
import json
import pickle
import random
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import joblib
import sklearn.base
import sklearn.metrics
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_score,
    permutation_test_score,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from modelyard.autolog import evaluations, plots, recording, registry, scores, searches
from modelyard.autolog.recording import metric_name
from modelyard.client import fluent

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(60, 3))
Y = (X[:, 0] + 0.3 * X[:, 1] > 0).astype(int)
TRAINING = {
    f"training_{name}"
    for name in ("precision_score", "recall_score", "f1_score", "accuracy_score", "log_loss", "roc_auc", "score")
}


@pytest.fixture
def autolog(tracked):
    registry.autolog("sklearn", log_models=False)
    return tracked


def test_a_classifier(autolog) -> None:
    model = LogisticRegression(C=0.5)
    assert model.fit(X, Y) is model
    run = autolog.only()
    assert run.info.status == "FINISHED"
    assert run.data.params == {name: str(value) for name, value in model.get_params().items()}
    assert set(run.data.metrics) == TRAINING
    assert run.data.metrics["training_score"] == run.data.metrics["training_accuracy_score"] == model.score(X, Y)
    assert run.data.tags["estimator_name"] == "LogisticRegression"
    assert run.data.tags["estimator_class"] == "sklearn.linear_model._logistic.LogisticRegression"
    assert run.data.tags["mlflow.autologging"] == "sklearn"
    assert set(autolog.files(run)) >= {"estimator.html", "training_confusion_matrix.json"}
    (dataset,) = run.inputs.dataset_inputs
    assert json.loads(dataset.dataset.profile)["features_shape"] == [60, 3]
    assert {tag.key: tag.value for tag in dataset.tags} == {"mlflow.data.context": "train"}


def test_a_regressor_with_sample_weights(autolog) -> None:
    weights = np.linspace(0.1, 1, 60)
    model = LinearRegression().fit(X, X[:, 0] ** 2, sample_weight=weights)
    metrics = autolog.only().data.metrics
    assert set(metrics) == {
        f"training_{name}"
        for name in ("mean_squared_error", "mean_absolute_error", "root_mean_squared_error", "r2_score", "score")
    }
    assert metrics["training_score"] == pytest.approx(model.score(X, X[:, 0] ** 2, weights))


def test_clustering_has_no_training_metrics(autolog) -> None:
    KMeans(2, n_init=1, random_state=0).fit_predict(X)
    run = autolog.only()
    assert run.data.metrics == {}
    assert run.data.params["n_clusters"] == "2"


def test_a_run_of_the_users_is_logged_into_and_stays_open(autolog) -> None:
    with fluent.start_run() as mine:
        LogisticRegression().fit(X, Y)
        assert fluent.active_run() is mine
    run = autolog.only()
    assert run.info.run_id == mine.info.run_id
    assert set(run.data.metrics) == TRAINING
    assert "mlflow.autologging" not in run.data.tags


def test_exclusive_leaves_runs_of_the_users_alone(tracked) -> None:
    registry.autolog("sklearn", log_models=False, exclusive=True, extra_tags={"team": "churn"})
    with fluent.start_run():
        LogisticRegression().fit(X, Y)
    LogisticRegression().fit(X, Y)
    mine, other = tracked.parents()
    assert mine.data.params == {}
    assert other.data.tags["team"] == "churn"


def test_a_pipeline_is_one_run(autolog) -> None:
    make_pipeline(StandardScaler(), PCA(2), LogisticRegression()).fit(X, Y)
    run = autolog.only()
    assert run.data.tags["estimator_name"] == "Pipeline"
    assert run.data.params["logisticregression__C"] == "1.0"
    make_pipeline(StandardScaler(), KMeans(2, n_init=1)).fit_predict(X)
    make_pipeline(StandardScaler(), PCA(2)).fit_transform(X)
    assert len(autolog.runs()) == 3


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_workers_log_nothing(autolog, backend) -> None:
    with joblib.parallel_backend(backend, n_jobs=2):
        VotingClassifier([("a", LogisticRegression()), ("b", DummyClassifier())], n_jobs=2).fit(X, Y)
        cross_val_score(LogisticRegression(), X, Y, cv=2, n_jobs=2)
    assert autolog.only().data.tags["estimator_name"] == "VotingClassifier"


def test_forests_and_validation_are_not_many_runs(autolog) -> None:
    RandomForestClassifier(5, n_jobs=2).fit(X, Y)
    permutation_test_score(LogisticRegression(), X, Y, cv=2, n_permutations=3)
    assert autolog.only().data.tags["estimator_name"] == "RandomForestClassifier"


def test_preparing_data_is_no_run(autolog) -> None:
    class Halve(TransformerMixin, BaseEstimator):
        def fit(self, X, y=None):
            return self

        def transform(self, X):
            return X / 2

    StandardScaler().fit_transform(X)
    Halve().fit(X)
    assert autolog.runs() == []


@pytest.mark.parametrize(
    ("search", "candidates"),
    [
        (GridSearchCV(LogisticRegression(), {"C": [0.1, 1, 10]}, cv=2), 3),
        (RandomizedSearchCV(LogisticRegression(), {"C": [0.1, 1, 10]}, n_iter=2, cv=2, random_state=0), 2),
        (HalvingGridSearchCV(LogisticRegression(), {"C": [0.1, 1, 10]}, cv=2, min_resources=20, random_state=0), 4),
    ],
    ids=["grid", "randomized", "halving"],
)
def test_a_search_is_a_parent_with_a_child_for_each_candidate(autolog, search, candidates) -> None:
    search = sklearn.base.clone(search).fit(X, Y)
    parent = autolog.only()
    assert parent.data.metrics["best_cv_score"] == pytest.approx(search.best_score_)
    assert parent.data.params["best_C"] == str(search.best_params_["C"])
    assert parent.data.params["estimator"] == "LogisticRegression()"
    assert "cv_results.csv" in autolog.files(parent)
    children = autolog.children()
    assert len(children) == candidates
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {parent.info.run_id}
    for child in children:
        assert child.info.status == "FINISHED"
        assert child.data.params["max_iter"] == "100"
        assert {"mean_test_score", "std_test_score", "rank_test_score", "mean_fit_time"} <= set(child.data.metrics)
        assert not any(name.startswith(("split", "param")) for name in child.data.metrics)


@pytest.mark.parametrize(("most", "children"), [(2, 2), (0, 0), (None, 6)])
def test_only_the_best_candidates_become_runs(tracked, most, children) -> None:
    registry.autolog("sklearn", log_models=False, max_tuning_runs=most)
    search = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 3, 5, 7, 9, 11]}, cv=2).fit(X, Y)
    ranks = sorted(run.data.metrics["rank_test_score"] for run in tracked.children())
    assert ranks == sorted(float(rank) for rank in search.cv_results_["rank_test_score"])[:children]


def test_several_scorers_and_no_refit(autolog) -> None:
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=2, scoring=["f1", "accuracy"], refit=False)
    search.fit(X, Y)
    assert autolog.only().info.status == "FINISHED"
    assert all("mean_test_f1" in child.data.metrics for child in autolog.children())


def test_results_are_a_table() -> None:
    results = {
        "mean": np.array([0.5, np.nan]),
        "param_C": np.ma.masked_array([1, 2], mask=[False, True]),
        "params": [{"C": 1}, {}],
    }
    assert searches.table(results) == "mean,param_C,params\n0.5,1,{'C': 1}\n,,{}\n"


# ---------------------------------------------------------------- evaluation


def test_what_is_measured_after_fit_lands_in_the_run_of_the_model(autolog) -> None:
    from sklearn import metrics

    X_test, y_test = X[:20].copy(), Y[:20]
    model = LogisticRegression().fit(X, Y)
    other = KNeighborsClassifier().fit(X, Y)
    pred = model.predict(X_test)
    metrics.accuracy_score(y_test, pred)
    metrics.accuracy_score(y_test, pred, normalize=False)
    metrics.roc_auc_score(y_test, y_score=other.predict_proba(X_test)[:, 1])  # a part of it: not recognised
    model.score(X_test, y_test)
    model.score(X[:30], Y[:30])
    metrics.accuracy_score(y_test, pred.copy())
    of_model, of_other = autolog.parents()
    assert set(of_model.data.metrics) - TRAINING == {
        "accuracy_score_X_test",
        "accuracy_score-2_X_test",
        "LogisticRegression_score_X_test",
        "LogisticRegression_score_unknown_dataset",
    }
    assert set(of_other.data.metrics) == TRAINING
    assert "metric_info.json" in autolog.files(of_model)


def test_what_is_measured_after_fit_is_noted_with_the_model(tracked) -> None:
    from sklearn import metrics

    from modelyard.client.client import Client

    registry.autolog("sklearn")
    model = LogisticRegression().fit(X, Y)
    held_out = X[:20].copy()
    metrics.accuracy_score(Y[:20], model.predict(held_out))
    model.score(held_out, Y[:20])
    (made,) = tracked.only().outputs.model_outputs
    noted = {point.key: point.value for point in Client(tracked.url).get_logged_model(made.model_id).metrics}
    assert {"accuracy_score_held_out", "LogisticRegression_score_held_out", "training_score"} <= set(noted)
    assert noted["accuracy_score_held_out"] == tracked.only().data.metrics["accuracy_score_held_out"]


def test_the_command_names_what_was_given(autolog, tmp_path) -> None:
    from sklearn import metrics

    from modelyard.client.client import Client

    model = LogisticRegression().fit(X, Y)
    inputs, labels = X[:9].copy(), Y[:9].copy()
    guess = model.predict(inputs)
    metrics.f1_score(labels, guess, average="macro")
    run = autolog.only()
    path = Client(autolog.url).download_artifacts(run.info.run_id, "metric_info.json", str(tmp_path))
    assert json.loads(Path(path).read_text()) == {
        "f1_score_inputs": "f1_score(y_true=labels, y_pred=guess, average='macro')"
    }


def test_evaluation_can_be_left_out(tracked) -> None:
    registry.autolog("sklearn", log_models=False, log_post_training_metrics=False)
    model = LogisticRegression().fit(X, Y)
    model.score(X, Y)
    sklearn.metrics.accuracy_score(Y, model.predict(X))
    assert set(tracked.only().data.metrics) == TRAINING


def test_a_model_that_predicts_in_a_loop_is_let_be(autolog) -> None:
    model = LogisticRegression().fit(X, Y)
    for _ in range(1100):
        batch = X[:2].copy()
        model.predict(batch)
    (_, trained) = evaluations._models[id(model)]
    known, count = trained.datasets["batch"]
    assert count[0] <= 1000
    assert len(known) <= 2  # those that are gone are forgotten
    assert len(evaluations._predictions) < 10
    model.score(X, Y)
    assert set(autolog.only().data.metrics) == TRAINING


def test_a_variable_is_found_where_it_has_a_name() -> None:
    here = object()
    assert evaluations.variable(here) == "here"
    assert [evaluations.variable(_hidden) for _hidden in [here]] == ["here"]
    assert evaluations.variable(object()) is None


# ---------------------------------------------------------------- nothing else changes


def test_errors_of_fit_are_the_users_and_the_run_failed(autolog) -> None:
    with pytest.raises(ValueError, match=r"y contains 1 class|at least 2 classes|only one class") as caught:
        LogisticRegression().fit(X, np.zeros(60))
    assert caught.value.__context__ is None
    assert autolog.only().info.status == "FAILED"


def test_classes_look_and_pickle_as_before(autolog) -> None:
    assert list(inspect.signature(LogisticRegression.fit).parameters) == ["self", "X", "y", "sample_weight"]
    assert LogisticRegression.fit.__doc__.startswith("\n        Fit the model")
    model = LogisticRegression(C=2).fit(X, Y)
    import cloudpickle

    for copy in (
        pickle.loads(pickle.dumps(model)),
        cloudpickle.loads(cloudpickle.dumps(model)),
        pickle.loads(pickle.dumps(LogisticRegression.fit)).__get__(LogisticRegression(C=2))(X, Y),
    ):
        assert np.array_equal(copy.coef_, model.coef_)
    assert sklearn.base.clone(model).get_params() == model.get_params()
    assert set(vars(model)) == set(vars(LogisticRegression(C=2)._modelyard_free_fit(X, Y)))


LogisticRegression._modelyard_free_fit = types.FunctionType(
    LogisticRegression.fit.__code__,
    LogisticRegression.fit.__globals__,
    "fit",
    LogisticRegression.fit.__defaults__,
    LogisticRegression.fit.__closure__,
)


def test_switched_off_everything_is_as_it_was(tracked) -> None:
    before = {
        (kind, name): vars(kind)[name]
        for kind in (LogisticRegression, GridSearchCV.__mro__[1], RandomForestClassifier.__mro__[2], KMeans, PCA)
        for name in ("fit", "fit_transform", "fit_predict", "predict", "score")
        if name in vars(kind)
    }
    assert before
    metric, dunder = sklearn.metrics.accuracy_score, vars(BaseEstimator).get("__init_subclass__")
    registry.autolog("sklearn", log_models=False)
    LogisticRegression().fit(X, Y).score(X, Y)
    assert sklearn.metrics.accuracy_score is not metric
    registry.autolog("sklearn", disable=True)
    assert {key: vars(key[0])[key[1]] for key in before} == before
    assert sklearn.metrics.accuracy_score is metric
    assert vars(BaseEstimator).get("__init_subclass__") is dunder
    LogisticRegression().fit(X, Y)
    assert len(tracked.runs()) == 1


def test_an_estimator_of_the_users_own_is_logged_whenever_it_was_defined(autolog) -> None:
    class Majority(ClassifierMixin, BaseEstimator):
        def __init__(self, share=0.5):
            self.share = share

        def fit(self, X, y):
            self.inner_ = LogisticRegression().fit(X, y)  # part of ours
            self.classes_ = self.inner_.classes_
            return self

        def predict(self, X):
            return self.inner_.predict(X)

    class Child(Majority):
        def fit(self, X, y):
            return super().fit(X, y)

    Child(share=0.7).fit(X, Y)
    run = autolog.only()
    assert run.data.params == {"share": "0.7"}
    assert run.data.tags["estimator_name"] == "Child"


def test_scoring_leaves_the_random_generators_alone(tracked) -> None:
    def trained_and_drawn() -> list:
        np.random.seed(3)  # noqa: NPY002
        random.seed(3)
        DummyClassifier(strategy="stratified").fit(X, Y)
        return [np.random.rand(), random.random()]  # noqa: NPY002

    expected = trained_and_drawn()
    registry.autolog("sklearn", log_models=False)
    assert trained_and_drawn() == expected


def test_a_fit_that_takes_anything_and_a_param_that_is_too_long(autolog) -> None:
    class Anything(ClassifierMixin, BaseEstimator):
        def __init__(self, text=""):
            self.text = text

        def fit(self, *args, **kwargs):
            self.classes_ = np.unique(args[1])
            return self

        def predict(self, X):
            return np.zeros(len(X), dtype=int)

    Anything(text="x" * 10_000).fit(X, Y)
    run = autolog.only()
    assert len(run.data.params["text"]) == 6000
    assert "training_accuracy_score" in run.data.metrics


def test_pictures_are_drawn_if_the_script_has_matplotlib(autolog, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(plots, "sys", types.SimpleNamespace(modules={}))
        LogisticRegression().fit(X, Y)
    assert "training_confusion_matrix.png" not in autolog.files(autolog.only())
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")
    before = pyplot.get_fignums()
    LogisticRegression().fit(X, Y)
    assert "training_confusion_matrix.png" in autolog.files(autolog.parents()[-1])
    with fluent.start_run() as run:
        plots.log_importance("gain", {"a": 1.0, "b": [0.5, 2.0]})
    assert set(autolog.files(run)) == {"feature_importance_gain.json", "feature_importance_gain.png"}
    assert pyplot.get_fignums() == before


def test_threads_have_a_run_each(autolog) -> None:
    start = threading.Barrier(4)

    def train(depth: int) -> None:
        start.wait(20)
        LogisticRegression(C=depth).fit(X, Y)

    threads = [threading.Thread(target=train, args=(depth,)) for depth in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runs = autolog.parents()
    assert sorted(run.data.params["C"] for run in runs) == ["1", "2", "3", "4"]
    assert all(set(run.data.metrics) == TRAINING for run in runs)


def ours() -> list[tuple[types.ModuleType, str]]:
    """Every function of ours that a fit may come by."""
    leaf = sys.modules.get("modelyard.autolog.sklearn")
    modules = [recording, scores, searches, plots, evaluations, *([leaf] if leaf else [])]
    return [
        (module, name)
        for module in modules
        for name, function in vars(module).items()
        if inspect.isfunction(function) and function.__module__ == module.__name__ and name != "install"
    ] + [
        (fluent, name)
        for name in (
            "active_run", "start_run", "log_params", "log_metrics", "log_metric", "set_tags", "set_tag", "log_text",
            "log_dict", "log_input",
        )
    ]  # fmt: skip


def test_whatever_of_ours_breaks_fit_gives_the_same_and_trains_once(autolog, monkeypatch) -> None:
    trained: list = []

    class Counted(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            trained.append(1)
            return super().fit(X, y)

    def broken(*args, **kwargs):
        raise RuntimeError("ours is broken")

    expected = LogisticRegression().fit(X, Y).coef_
    targets = ours()
    assert len(targets) > 40
    for module, name in targets:
        trained.clear()
        with monkeypatch.context() as patch:
            patch.setattr(module, name, broken)
            model = Counted()
            assert model.fit(X, Y) is model, name
            assert len(trained) == 1, name
            assert np.array_equal(model.coef_, expected), name
            score = model.score(X, Y)
            assert sklearn.metrics.accuracy_score(Y, model.predict(X)) == score, name
            if module is fluent:
                with pytest.raises(ValueError, match=r"2 classes|one class|1 class"):
                    Counted().fit(X, np.zeros(60))
    while fluent.active_run() is not None:
        fluent.end_run()


# ---------------------------------------------------------------- how long it may take


class Slow(ClassifierMixin, BaseEstimator):
    """A model that notes how many rows it had to predict, and takes long enough for each."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.rows_ = 0
        return self

    def predict(self, X):
        import time

        self.rows_ += len(X)
        time.sleep(len(X) * 2e-5)
        return np.zeros(len(X), dtype=int)


def test_scoring_takes_a_sample_when_all_would_take_too_long() -> None:
    data, targets = np.zeros((100_000, 1)), np.zeros(100_000, dtype=int)
    model = Slow().fit(data, targets)
    metrics, count, _ = scores.training_metrics(model, data, targets, seconds=0.1)
    assert 500 <= count < 10_000
    assert model.rows_ == count + 500
    assert metrics["training_score"] == 1.0


def test_all_rows_are_scored_when_there_is_time() -> None:
    model = Slow().fit(np.zeros((3000, 1)), np.zeros(3000, dtype=int))
    _, count, _ = scores.training_metrics(model, np.zeros((3000, 1)), np.zeros(3000, dtype=int), seconds=30)
    assert count == 3000
    assert scores.budget(1) == 0.25
    assert scores.budget(600) == pytest.approx(2.4)


def test_frames_lists_and_sparse_data_are_scored_and_described(autolog) -> None:
    pandas = pytest.importorskip("pandas")
    sparse = pytest.importorskip("scipy.sparse")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    LogisticRegression().fit(frame, pandas.Series(Y))
    LogisticRegression().fit(sparse.csr_matrix(X), Y)
    LogisticRegression().fit(X.tolist(), Y.tolist())
    SVC().fit(X, Y)
    runs = autolog.parents()
    assert len(runs) == 4
    assert all({"training_score", "training_f1_score"} <= set(run.data.metrics) for run in runs)
    assert [len(run.inputs.dataset_inputs) for run in runs] == [1, 1, 0, 1]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "None"), ([1, 2], "[1, 2]"), (list(range(300)), f"{list(range(200))} and 100 more")],
)
def test_a_long_list_is_cut(value, expected) -> None:
    assert recording.text(value) == expected


def test_names_of_metrics_are_made_fit() -> None:
    assert metric_name("valid-ndcg@3") == "valid-ndcg_at_3"
    assert metric_name("a$b") == "a_b"
