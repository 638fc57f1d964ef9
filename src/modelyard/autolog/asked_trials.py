"""Optuna's trials that a script asks for and tells the result of itself, with `study.ask()` and `study.tell()`.

Each trial is a run from `ask` to `tell`, below the active run; where there is none, below a run of the study, which
begins with the first trial and ends with the process, for nobody says that a study is over. Neither becomes active: a
script may ask for many trials at once, and tell their results in any order.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from modelyard.client import fluent

from . import recording
from .patching import attempt

if TYPE_CHECKING:
    from modelyard.client.run_recorder import RunRecorder

    from .registry import Options

LIBRARY: Final = "optuna"
STATUS: Final[Mapping[str, str]] = {"COMPLETE": "FINISHED", "PRUNED": "KILLED"}
"""State of a trial → how its run ends; FAILED otherwise."""


class Best:
    """The best value so far, logged to the study's run whenever a trial betters it.

    The step is the trial's number; the next one, if a trial with a higher number was told before.
    """

    def __init__(self, run_id: str, *, maximize: bool) -> None:
        self._run_id = run_id
        self._sign = 1 if maximize else -1
        self._best: float | None = None
        self._step = -1
        self._lock = threading.Lock()

    def offer(self, value: float, number: int) -> None:
        """A trial of this number has this value."""
        with self._lock:
            if self._best is not None and self._sign * value <= self._sign * self._best:
                return
            self._best = value
            self._step = step = max(self._step + 1, number)
        fluent.log_metrics({"best_value": value}, step=step, run_id=self._run_id)


@dataclass(slots=True)
class Session:
    """The trials of one study in one run.

    Attributes:
        study: Whose trials they are.
        home: The run that they are logged below.
        own: Whether that run began, and ends, for the study.
        maximize: For each of the study's values, whether it is to be large.
        running: Number of a trial → its run.
        told: The trials whose results are known.
        best: The best of a study with one value.
    """

    study: weakref.ref[Any]
    home: RunRecorder
    own: bool
    maximize: list[bool]
    best: Best
    running: dict[int, RunRecorder] = field(default_factory=dict)
    told: dict[int, Any] = field(default_factory=dict)


_lock = threading.RLock()
_sessions: list[Session] = []


def asked(options: Options, study: Any, trial: Any, begin: Callable[[RunRecorder], None]) -> RunRecorder | None:
    """Begin the run of a trial.

    Args:
        options: What was asked for.
        study: The trial's.
        trial: That `ask` returned.
        begin: Logs what is known of the study to the run of a session that begins.
    """
    session = _session(options, study, begin)
    if not options["log_trials"]:
        return None
    return _begin(options, session, int(trial.number))


def told(options: Options, study: Any, trial: Any, begin: Callable[[RunRecorder], None]) -> None:
    """Log the result of a trial, whoever asked for it, and end its run.

    Args:
        options: What was asked for.
        study: The trial's.
        trial: The finished one, that `tell` returned.
        begin: As for `asked`.
    """
    number = int(trial.number)
    with _lock:
        found = [one for one in _sessions if one.study() is study]
        if any(number in one.told for one in found):  # with `skip_if_finished`
            return
        session = next((one for one in found if number in one.running), None)
    session = session or _session(options, study, begin)
    with _lock:
        session.told[number] = trial
        run = session.running.pop(number, None)
    if options["log_trials"]:
        fresh = run is None
        run = run or _begin(options, session, number, trial.datetime_start)
        with attempt(LIBRARY, "trial"):
            _log_result(run, trial, reports=fresh)
        run.update(status=STATUS.get(trial.state.name, "FAILED"), end_time_ms=_ms(trial.datetime_complete))
    _log_progress(session, trial)


def end(log: Callable[[str, list[Any], list[Any]], None]) -> None:
    """End the studies' runs, at the end of the process.

    Args:
        log: Logs a summary: the run's id, the trials, and the best of them: one, unless the study has several values.
    """
    with _lock:
        ending = list(_sessions)
        _sessions.clear()
    for session in ending:
        with attempt(LIBRARY, "results of the study"):
            log(session.home.run_id, [session.told[number] for number in sorted(session.told)], _best(session))
        for run in session.running.values():  # nobody told their results
            run.update(status="KILLED", end_time_ms=_ms(None))
        if session.own:
            session.home.update(status="FINISHED", end_time_ms=_ms(None))


def _best(session: Session) -> list[Any]:
    study = session.study()
    complete = [trial for trial in session.told.values() if trial.state.name == "COMPLETE"]
    if not complete:
        return []
    if study is not None:
        return [study.best_trial] if len(session.maximize) == 1 else list(study.best_trials)
    if len(session.maximize) > 1:  # which of them are best, only the study knows
        return []
    return [(max if session.maximize[0] else min)(complete, key=lambda trial: trial.values[0])]


def _session(options: Options, study: Any, begin: Callable[[RunRecorder], None]) -> Session:
    active = recording.active_run()
    with _lock:
        for one in _sessions:
            if one.study() is study and (one.own if active is None else one.home is active.recorder):
                return one
        home = active.recorder if active is not None else recording.start_aside(options, {})
        maximize = [direction.name == "MAXIMIZE" for direction in study.directions]
        best = Best(home.run_id, maximize=maximize[0])
        session = Session(weakref.ref(study), home, active is None, maximize, best)
        _sessions.append(session)
    with attempt(LIBRARY, "study"):
        home.set_tags({"optuna.study_name": str(study.study_name)})
        begin(home)
    return session


def _begin(options: Options, session: Session, number: int, start: Any = None) -> RunRecorder:
    run = recording.start_aside(options, {"optuna.trial_number": str(number)}, parent=session.home, start_ms=_ms(start))
    with _lock:
        session.running[number] = run
    return run


def _log_result(run: RunRecorder, trial: Any, *, reports: bool) -> None:
    run_id = run.run_id
    values = trial.values if trial.state.name == "COMPLETE" else ()
    names = ["value"] if len(values) == 1 else [f"value_{place}" for place in range(len(values))]
    fluent.log_metrics(dict(zip(names, map(float, values), strict=True)), run_id=run_id)
    for step, value in trial.intermediate_values.items() if reports else ():
        fluent.log_metrics({"intermediate_value": float(value)}, step=int(step), run_id=run_id)
    recording.log_params(trial.params, run_id=run_id)
    run.set_tags(tags_of(trial))


def tags_of(trial: Any) -> dict[str, str]:
    """Tags of a trial's run: its state and the user's attributes."""
    attributes = {f"user_{key}": recording.text(value) for key, value in trial.user_attrs.items()}
    return {"optuna.state": trial.state.name, **attributes}


def _log_progress(session: Session, trial: Any) -> None:
    if trial.state.name != "COMPLETE" or len(session.maximize) != 1:
        return
    value = float(trial.values[0])
    if value == value:  # noqa: PLR0124  no NaN
        session.best.offer(value, int(trial.number))


def _ms(when: Any) -> int:
    return time.time_ns() // 1_000_000 if when is None else int(when.timestamp() * 1000)


def _forked() -> None:
    """In a child process: what the parent began, the parent ends."""
    global _lock  # noqa: PLW0603 - there is one per process
    _lock = threading.RLock()
    _sessions.clear()


os.register_at_fork(after_in_child=_forked)
