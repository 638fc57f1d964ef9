"""Autologging of Optuna: a study's `optimize` is a run, and each trial a run below it; see `asked_trials` too.

Nothing is written into the study's own storage. What is trained in a trial, while autologging of another library is on,
is logged to the trial's run.
"""

from __future__ import annotations

import collections
import contextlib
import csv
import functools
import io
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final

import optuna

from modelyard import settings
from modelyard.client import exits, fluent, lifecycle

from . import asked_trials, patching, recording
from .asked_trials import Best
from .patching import Call, Observation, attempt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from modelyard.client.active import ActiveRun
    from modelyard.client.run_recorder import RunRecorder

    from .registry import Options

LIBRARY: Final = "optuna"
_LOGGED_TO: Final[dict[int, str]] = {}
"""id of a trial that is being tried → its run."""

_busy: Final[collections.Counter[int]] = collections.Counter()
"""id of a study → how many calls of `optimize` it is in."""

_busy_lock: Final = threading.Lock()


def install(options: Options) -> None:
    """Watch the methods of a study, and `Trial.report`; called by the registry."""
    patching.patch(
        LIBRARY, optuna.study.Study, "optimize", functools.partial(_optimize, options), guard=False, within=None
    )
    for name, observer in (("ask", _ask), ("tell", _tell)):
        patching.patch(LIBRARY, optuna.study.Study, name, functools.partial(observer, options), within=None)
    patching.patch(LIBRARY, optuna.trial.Trial, "report", _report, within=None)
    exits.before_flush(_end_studies)


def _optimize(options: Options, call: Call) -> Observation:
    study = call.instance
    if not recording.wanted(options):
        with _optimizing(study):
            yield
        return
    with _optimizing(study), recording.run(options, tags={"optuna.study_name": study.study_name}) as run:
        with attempt(LIBRARY, "params"):
            recording.log_params(_params(call))
        before = {trial.number for trial in study.get_trials(deepcopy=False)}
        single = len(study.directions) == 1
        best = None
        if single:
            best = Best(run.info.run_id, maximize=study.directions[0] == optuna.study.StudyDirection.MAXIMIZE)
        if options["log_trials"]:
            trial = functools.partial(_trial, options, run, best)
            call.replace("func", patching.watched(LIBRARY, "objective", call.argument("func"), trial))
        try:
            yield
        finally:  # also when a trial failed, or somebody has seen enough and pressed Ctrl-C
            with attempt(LIBRARY, "results of the study"):
                trials = [one for one in study.get_trials(deepcopy=False) if one.number not in before]
                _log_study(run.info.run_id, study, trials)


@contextlib.contextmanager
def _optimizing(study: Any) -> Iterator[None]:
    """`optimize` asks and tells too; of that, there is nothing to log."""
    with _busy_lock:
        _busy[id(study)] += 1
    try:
        yield
    finally:
        with _busy_lock:
            _busy[id(study)] -= 1
            if not _busy[id(study)]:
                del _busy[id(study)]


def _params(call: Call) -> dict[str, Any]:
    return {**_about(call.instance), **{name: call.argument(name) for name in ("n_trials", "timeout", "n_jobs")}}


def _about(study: Any) -> dict[str, Any]:
    return {
        "direction": ",".join(direction.name.lower() for direction in study.directions),
        "sampler": type(study.sampler).__name__,
        "pruner": type(study.pruner).__name__,
    }


def _trial(options: Options, study_run: ActiveRun, best: Best | None, call: Call) -> Observation:
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


def _log_values(trial: Any, result: Any, best: Best | None) -> None:
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


def _ask(options: Options, call: Call) -> Observation:
    study = call.instance
    if id(study) in _busy or not recording.wanted(options):
        return
    trial = yield
    run = asked_trials.asked(options, study, trial, functools.partial(_log_about, study))
    if run is not None:
        _LOGGED_TO[id(trial)] = run.run_id
        weakref.finalize(trial, _LOGGED_TO.pop, id(trial), None).atexit = False


def _tell(options: Options, call: Call) -> Observation:
    study = call.instance
    if id(study) in _busy or not recording.wanted(options):
        return
    trial = yield
    asked_trials.told(options, study, trial, functools.partial(_log_about, study))


def _log_about(study: Any, run: RunRecorder) -> None:
    recording.log_params(_about(study), run_id=run.run_id)


def _end_studies(status: str) -> None:
    del status
    asked_trials.end(_log_summary)


def _log_study(run_id: str, study: Any, trials: list[Any]) -> None:
    best: list[Any] = []
    if any(trial.state.name == "COMPLETE" for trial in trials):
        best = [study.best_trial] if len(study.directions) == 1 else list(study.best_trials)
    _log_summary(run_id, trials, best)


def _log_summary(run_id: str, trials: list[Any], best: list[Any]) -> None:
    counts: dict[str, int] = {}
    for trial in trials:
        counts[trial.state.name] = counts.get(trial.state.name, 0) + 1
    fluent.log_metrics({f"trials_{state.lower()}": count for state, count in counts.items()}, run_id=run_id)
    fluent.log_text(table(trials), "trials.csv", run_id=run_id)
    if best and len(best[0].values) == 1:
        found = best[0]
        fluent.log_metrics({"best_trial": found.number}, run_id=run_id)
        recording.log_params({f"best_{name}": value for name, value in found.params.items()}, run_id=run_id)
    elif best:
        fluent.log_dict(
            [{"number": one.number, "values": one.values, "params": one.params} for one in best],
            "best_trials.json",
            run_id=run_id,
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
