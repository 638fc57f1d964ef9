"""Autologging of Optuna: a study's `optimize` is a run, and each trial a run below it.

Nothing is written into the study's own storage. What is trained in a trial, while autologging of another library is on,
is logged to the trial's run.
"""

from __future__ import annotations

import csv
import functools
import io
import threading
from typing import TYPE_CHECKING, Any, Final

import optuna

from modelyard import settings
from modelyard.client import fluent, lifecycle

from . import patching, recording
from .patching import Call, Observation, attempt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelyard.client.active import ActiveRun

    from .registry import Options

LIBRARY: Final = "optuna"
_LOGGED_TO: Final[dict[int, str]] = {}
"""id of a trial that is being tried → its run."""


def install(options: Options) -> None:
    """Watch `Study.optimize` and `Trial.report`; called by the registry."""
    patching.patch(
        LIBRARY, optuna.study.Study, "optimize", functools.partial(_optimize, options), guard=False, within=None
    )
    patching.patch(LIBRARY, optuna.trial.Trial, "report", _report, within=None)


class _Best:
    """The best value so far, logged to the study's run whenever a trial betters it."""

    def __init__(self, run_id: str, *, maximize: bool) -> None:
        self._run_id = run_id
        self._sign = 1 if maximize else -1
        self._best: float | None = None
        self._lock = threading.Lock()

    def offer(self, value: float, number: int) -> None:
        with self._lock:
            if self._best is not None and self._sign * value <= self._sign * self._best:
                return
            self._best = value
        fluent.log_metrics({"best_value": value}, step=number, run_id=self._run_id)


def _optimize(options: Options, call: Call) -> Observation:
    if not recording.wanted(options):
        return
    study = call.instance
    with recording.run(options, tags={"optuna.study_name": study.study_name}) as run:
        with attempt(LIBRARY, "params"):
            recording.log_params(_params(call))
        before = {trial.number for trial in study.get_trials(deepcopy=False)}
        single = len(study.directions) == 1
        best = None
        if single:
            best = _Best(run.info.run_id, maximize=study.directions[0] == optuna.study.StudyDirection.MAXIMIZE)
        if options["log_trials"]:
            trial = functools.partial(_trial, options, run, best)
            call.replace("func", patching.watched(LIBRARY, "objective", call.argument("func"), trial))
        try:
            yield
        finally:  # also when a trial failed, or somebody has seen enough and pressed Ctrl-C
            with attempt(LIBRARY, "results of the study"):
                trials = [one for one in study.get_trials(deepcopy=False) if one.number not in before]
                _log_study(study, trials, single=single)


def _params(call: Call) -> dict[str, Any]:
    study = call.instance
    return {
        "direction": ",".join(direction.name.lower() for direction in study.directions),
        "sampler": type(study.sampler).__name__,
        "pruner": type(study.pruner).__name__,
        **{name: call.argument(name) for name in ("n_trials", "timeout", "n_jobs")},
    }


def _trial(options: Options, study_run: ActiveRun, best: _Best | None, call: Call) -> Observation:
    trial = call.args[0]
    tags = {"mlflow.parentRunId": study_run.info.run_id, "optuna.trial_number": trial.number}
    with recording.run(options, tags=tags, child=True) as run:
        _LOGGED_TO[id(trial)] = run.info.run_id
        state = "COMPLETE"
        try:
            result = yield
            with attempt(LIBRARY, "values"):
                _log_values(trial, result, best)
        except optuna.TrialPruned:
            state = "PRUNED"
            raise
        except BaseException as error:
            state = "FAIL"
            with attempt(LIBRARY, "state"):
                fluent.set_tag("optuna.error", settings.masked(f"{type(error).__name__}: {error}"))
            raise
        finally:
            _LOGGED_TO.pop(id(trial), None)
            with attempt(LIBRARY, "params"):
                recording.log_params(trial.params)
            with attempt(LIBRARY, "state"):
                fluent.set_tags(
                    {"optuna.state": state, **{f"user_{key}": value for key, value in trial.user_attrs.items()}}
                )
            if state == "PRUNED":
                lifecycle.finish(run, "KILLED")


def _log_values(trial: Any, result: Any, best: _Best | None) -> None:
    values = [float(value) for value in (result if isinstance(result, (list, tuple)) else [result])]
    if len(values) == 1:
        fluent.log_metric("value", values[0])
        if best is not None and values[0] == values[0]:
            best.offer(values[0], trial.number)
    else:
        fluent.log_metrics({f"value_{place}": value for place, value in enumerate(values)})


def _report(call: Call) -> Observation:
    yield
    run_id = _LOGGED_TO.get(id(call.instance))
    if run_id is not None:
        fluent.log_metrics(
            {"intermediate_value": float(call.argument("value"))}, step=int(call.argument("step")), run_id=run_id
        )


def _log_study(study: Any, trials: list[Any], *, single: bool) -> None:
    counts: dict[str, int] = {}
    for trial in trials:
        counts[trial.state.name] = counts.get(trial.state.name, 0) + 1
    fluent.log_metrics({f"trials_{state.lower()}": count for state, count in counts.items()})
    fluent.log_text(table(trials), "trials.csv")
    if not any(trial.state.name == "COMPLETE" for trial in trials):
        return
    if single:
        found = study.best_trial
        fluent.log_metric("best_trial", found.number)
        recording.log_params({f"best_{name}": value for name, value in found.params.items()})
    else:
        fluent.log_dict(
            [{"number": one.number, "values": one.values, "params": one.params} for one in study.best_trials],
            "best_trials.json",
        )


def table(trials: Iterable[Any]) -> str:
    """Trials as CSV: number, state, values, params, seconds."""
    trials = list(trials)
    most = max((len(trial.values or ()) for trial in trials), default=0)
    params = sorted({name for trial in trials for name in trial.params})
    values = ["value"] if most <= 1 else [f"value_{place}" for place in range(most)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["number", "state", *values, *(f"params_{name}" for name in params), "seconds"])
    for trial in trials:
        told = list(trial.values or ()) + [""] * (len(values) - len(trial.values or ()))
        spent = trial.duration.total_seconds() if trial.duration is not None else ""
        writer.writerow([trial.number, trial.state.name, *told, *(trial.params.get(p, "") for p in params), spent])
    return text.getvalue()
