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
    yield tracked
    _finish()


def _finish() -> None:
    """What the end of the process does."""
    from modelyard.autolog import optuna as leaf

    leaf._end_studies("FINISHED")


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
    targets += [(leaf.Best, "offer"), (leaf.Best, "__init__")]
    targets += [(fluent, name) for name in ("start_run", "active_run", "log_metrics", "log_metric", "set_tags")]
    for module, name in targets:
        with monkeypatch.context() as patch:
            patch.setattr(module, name, broken)
            assert outcome() == expected, name
    while fluent.active_run() is not None:
        fluent.end_run()


# ------------------------------------------------------------------------------------ ask and tell


def test_trials_that_are_asked_for_are_children_of_the_study(autolog) -> None:
    found = study(direction="maximize", study_name="asked")
    first, second, third, lost, _ = (found.ask() for _ in range(5))
    for trial in (second, first, third):  # in any order, several at a time
        x = trial.suggest_float("x", -1, 1)
        trial.report(x, 3)
        trial.set_user_attr("note", trial.number)
    assert fluent.active_run() is None
    assert {run.info.status for run in autolog.runs()} == {"RUNNING"}
    found.tell(second, 2.0)
    found.tell(0, 3.0)
    found.tell(third, state=optuna.trial.TrialState.PRUNED)
    found.tell(lost, state=optuna.trial.TrialState.FAIL)
    found.tell(second, 7.0, skip_if_finished=True)
    _finish()
    parent = autolog.only()
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["optuna.study_name"] == "asked"
    assert {"direction": "maximize", "sampler": "RandomSampler"}.items() <= parent.data.params.items()
    assert parent.data.params["best_x"] == str(first.params["x"])
    assert parent.data.metrics == {
        "best_value": 3.0, "best_trial": 0.0, "trials_complete": 2.0, "trials_pruned": 1.0, "trials_fail": 1.0,
    }  # fmt: skip
    assert "trials.csv" in autolog.files(parent)
    children = sorted(autolog.children(), key=lambda run: int(run.data.tags["optuna.trial_number"]))
    assert [run.info.status for run in children] == ["FINISHED", "FINISHED", "KILLED", "FAILED", "KILLED"]
    states = [run.data.tags.get("optuna.state") for run in children]
    assert states == ["COMPLETE", "COMPLETE", "PRUNED", "FAIL", None]
    assert [run.data.metrics.get("value") for run in children] == [3.0, 2.0, None, None, None]
    assert children[1].data.params == {"x": str(second.params["x"])}
    assert children[1].data.tags["user_note"] == "1"
    assert autolog.history(children[1], "intermediate_value") == [(3, second.params["x"])]
    assert all(run.data.tags["mlflow.parentRunId"] == parent.info.run_id for run in children)


def test_trials_that_are_asked_for_in_a_run_of_the_users_are_below_it(autolog) -> None:
    def tune() -> None:  # the study is gone when the process ends
        found = study()
        for value in (3.0, 1.0, 2.0):
            trial = found.ask()
            trial.suggest_float("x", -value, value)
            found.tell(trial, value)

    with fluent.start_run() as run:
        tune()
        fluent.log_metric("mine", 1.0)
    _finish()
    parent = autolog.only()
    assert parent.info.run_id == run.info.run_id
    assert parent.data.metrics == {"best_value": 1.0, "best_trial": 1.0, "trials_complete": 3.0, "mine": 1.0}
    assert len(autolog.children()) == 3


def test_a_trial_that_somebody_else_asked_for(autolog, tmp_path) -> None:
    options = {"storage": f"sqlite:///{tmp_path}/studies.db", "study_name": "shared"}
    registry.autolog("optuna", disable=True)
    trial = study(directions=["minimize", "maximize"], **options).ask()
    trial.suggest_float("x", 0, 1)
    registry.autolog("optuna")
    optuna.load_study(**options).tell(0, [1.0, 2.0])
    _finish()
    (child,) = autolog.children()
    assert child.data.metrics == {"value_0": 1.0, "value_1": 2.0}
    assert child.data.params == {"x": str(trial.params["x"])}
    assert child.info.start_time < autolog.only().info.end_time


def test_what_optimize_asks_for_itself_is_logged_once(autolog) -> None:
    found = study()
    found.optimize(objective, n_trials=2, n_jobs=2)
    _finish()
    assert len(autolog.parents()) == 1
    assert len(autolog.children()) == 2


def test_failures_of_ours_do_not_reach_who_asks(autolog, monkeypatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(recording, "start_aside", broken)
    found = study()
    trial = found.ask()
    trial.suggest_float("x", 0, 1)
    assert found.tell(trial, 0.5).value == 0.5
    _finish()
    assert autolog.runs() == []
