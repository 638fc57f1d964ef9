"""Autologging of Optuna: a study is a run, its trials are runs below it."""

from __future__ import annotations

import inspect
import sys
import threading
from typing import Any

import pytest

from modelyard.autolog import recording, registry
from modelyard.client import fluent

optuna: Any = pytest.importorskip("optuna", reason="Optuna is not installed")

optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture
def autolog(tracked):
    registry.autolog("optuna")
    return tracked


def study(**options: Any) -> Any:
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), **options)


def objective(trial: Any) -> float:
    x = trial.suggest_float("x", -1, 1)
    trial.suggest_categorical("kind", ["a", "b"])
    for step in range(3):
        trial.report(x + step, step)
        if trial.number == 1 and step == 1:
            raise optuna.TrialPruned
    if trial.number == 2:
        raise ValueError("no good")
    return float(x * x)


def test_a_study_is_a_parent_and_trials_are_children(autolog) -> None:
    found = study(direction="minimize", study_name="mine")
    found.optimize(objective, n_trials=4, catch=(ValueError,))
    parent = autolog.only()
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["optuna.study_name"] == "mine"
    assert {"direction": "minimize", "sampler": "RandomSampler", "n_trials": "4"}.items() <= parent.data.params.items()
    assert parent.data.params["best_x"] == str(found.best_params["x"])
    assert parent.data.metrics["best_value"] == found.best_value
    assert parent.data.metrics["best_trial"] == found.best_trial.number
    assert parent.data.metrics["trials_complete"] == 2
    assert "trials.csv" in autolog.files(parent)
    children = sorted(autolog.children(), key=lambda run: int(run.data.tags["optuna.trial_number"]))
    assert [run.info.status for run in children] == ["FINISHED", "KILLED", "FAILED", "FINISHED"]
    assert [run.data.tags["optuna.state"] for run in children] == ["COMPLETE", "PRUNED", "FAIL", "COMPLETE"]
    assert children[2].data.tags["optuna.error"] == "ValueError: no good"
    for run, trial in zip(children, found.trials, strict=True):
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.params == {name: str(value) for name, value in trial.params.items()}
        assert dict(autolog.history(run, "intermediate_value")) == pytest.approx(trial.intermediate_values)
    assert [run.data.metrics.get("value") for run in children] == [
        trial.value if trial.state.name == "COMPLETE" else None for trial in found.trials
    ]
    assert all(trial.user_attrs == {} and trial.system_attrs == {} for trial in found.trials)


def test_several_jobs_are_several_threads(autolog) -> None:
    together = threading.Barrier(2)

    def wait(trial: Any) -> float:
        x = trial.suggest_float("x", 0, 1)
        together.wait(20)
        fluent.log_metric("mine", x)
        together.wait(20)
        return float(x)

    study().optimize(wait, n_trials=4, n_jobs=2)
    children = autolog.children()
    assert len(children) == 4
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {autolog.only().info.run_id}
    for run in children:
        assert str(run.data.metrics["mine"]) == run.data.params["x"]
        assert run.data.metrics["value"] == run.data.metrics["mine"]
    assert fluent.active_run() is None


def test_a_run_of_the_users_is_the_parent(autolog) -> None:
    with fluent.start_run() as mine:
        study().optimize(lambda trial: trial.suggest_int("n", 0, 9), n_trials=2)
        assert fluent.active_run() is mine
    assert autolog.only().info.run_id == mine.info.run_id
    assert len(autolog.children()) == 2


def test_what_a_trial_trains_lands_in_the_run_of_the_trial(autolog) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    registry.autolog("sklearn", log_models=False)

    def train(trial: Any) -> float:
        strength = trial.suggest_float("C", 0.1, 1)
        return float(linear_model.LogisticRegression(C=strength).fit([[0], [1]], [0, 1]).score([[0], [1]], [0, 1]))

    study(direction="maximize").optimize(train, n_trials=2)
    assert len(autolog.children()) == 2
    for run in autolog.children():
        assert run.data.tags["estimator_name"] == "LogisticRegression"
        assert run.data.params["max_iter"] == "100"


def test_several_objectives(autolog) -> None:
    found = study(directions=["minimize", "maximize"])
    found.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 2.0), n_trials=2)
    parent = autolog.only()
    assert parent.data.params["direction"] == "minimize,maximize"
    assert {"best_trials.json", "trials.csv"} <= set(autolog.files(parent))
    assert all(set(run.data.metrics) == {"value_0", "value_1"} for run in autolog.children())


def test_an_error_ends_the_study_as_it_would(autolog) -> None:
    with pytest.raises(ValueError, match=r"^no good$") as caught:
        study().optimize(objective, n_trials=5)
    assert caught.value.__context__ is None
    parent = autolog.only()
    assert parent.info.status == "FAILED"
    assert parent.data.metrics["trials_fail"] == 1
    assert "trials.csv" in autolog.files(parent)


def test_trials_can_be_left_out_and_all_of_it_switched_off(tracked) -> None:
    original = optuna.study.Study.optimize
    registry.autolog("optuna", log_trials=False)
    study().optimize(objective, n_trials=1)
    assert len(tracked.runs()) == 1
    registry.autolog("optuna", disable=True)
    assert optuna.study.Study.optimize is original
    study().optimize(objective, n_trials=1)
    assert len(tracked.runs()) == 1


def test_whatever_of_ours_breaks_the_study_is_the_same(autolog, monkeypatch) -> None:
    leaf = sys.modules["modelyard.autolog.optuna"]

    def outcome() -> list[tuple]:
        found = study()
        found.optimize(objective, n_trials=3, catch=(ValueError,))
        return [
            (trial.state, trial.values, trial.params, trial.intermediate_values, trial.user_attrs)
            for trial in found.trials
        ]

    def broken(*args, **kwargs):
        raise RuntimeError("ours is broken")

    expected = outcome()
    targets = [
        (module, name)
        for module in (leaf, recording)
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and name != "install"
    ]
    targets += [(leaf._Best, "offer"), (leaf._Best, "__init__")]
    targets += [(fluent, name) for name in ("start_run", "active_run", "log_metrics", "log_metric", "set_tags")]
    for module, name in targets:
        with monkeypatch.context() as patch:
            patch.setattr(module, name, broken)
            assert outcome() == expected, name
    while fluent.active_run() is not None:
        fluent.end_run()
