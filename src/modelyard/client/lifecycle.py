"""The active run: where it goes, how it begins and how it ends. The calls of MLflow's `mlflow` module."""

# ruff: noqa: FBT001, FBT002 - the signatures are MLflow's

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from modelyard import settings
from modelyard.domain import run_names, validation
from modelyard.domain.errors import InvalidArgument, InvalidState, Unavailable

from . import context, exits, reports, uris
from .active import ActiveRun, state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .entities import Run
    from .recorder import RunRecorder

_NOTE: Final = "mlflow.note.content"
_PARENT: Final = "mlflow.parentRunId"
_NAME: Final = "mlflow.runName"

WAIT_S: Final = 5.0
"""What `start_run` waits for a server that is not known to be away."""


# ------------------------------------------------------------------------------------ where


def set_tracking_uri(uri: str | os.PathLike[str]) -> None:
    """Say where runs go: the URL of a server, or a directory or `sqlite:///FILE.db` for a local store."""
    uris.set_tracking_uri(uri)


def get_tracking_uri() -> str:
    """Where runs go: what `set_tracking_uri` said, the environment, or a local directory."""
    return uris.tracking_uri()


def is_tracking_uri_set() -> bool:
    """Whether somebody said where runs go."""
    return uris.is_set()


def set_registry_uri(uri: str | os.PathLike[str]) -> None:
    """Say where models are registered, if not where runs go."""
    uris.set_registry_uri(uri)


def get_registry_uri() -> str:
    """Where models are registered."""
    return uris.registry_uri()


# ------------------------------------------------------------------------------------ runs


def start_run(
    run_id: str | None = None,
    experiment_id: str | int | None = None,
    run_name: str | None = None,
    nested: bool = False,
    parent_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    description: str | None = None,
    log_system_metrics: bool | None = None,
) -> ActiveRun:
    """Begin a run, or go on with one, and make it the calling thread's active run.

    Use it as `with start_run() as run:`; the run ends FINISHED, or FAILED when an exception passes. Otherwise
    `end_run` ends it, or the end of the process.

    A server that cannot be reached does not stop it: the run gets a provisional id and is delivered later.

    Args:
        run_id: of a run to go on with; else the variable MODELYARD_RUN_ID or MLFLOW_RUN_ID, which is then removed.
        experiment_id: of a new run; else the experiment of `set_experiment`, of the environment, or `Default`.
        run_name: of the run; made up when left out.
        nested: allow another run to be active; the new one becomes its child.
        parent_run_id: the parent of a new run, if that is not active here.
        tags: of the run.
        description: of the run, shown with it.
        log_system_metrics: sample CPU, memory and so on; None: as the settings say.

    Raises:
        InvalidState: a run is active in this thread, and `nested` is false.
        NotFound: there is no such run, experiment or parent.
        InvalidArgument: an argument is not allowed, or the server refuses the run.
    """
    return _start(run_id, experiment_id, run_name, nested, parent_run_id, tags, description, log_system_metrics, WAIT_S)


def start_run_soon(*, nested: bool, tags: Mapping[str, Any]) -> ActiveRun:
    """As `start_run`, without waiting for the server: the run's id is provisional until the run is delivered.

    What the server says against the run is reported, not raised.
    """
    return _start(None, None, None, nested, None, tags, None, None, 0.0)


def _start(
    run_id: str | None,
    experiment_id: str | int | None,
    run_name: str | None,
    nested: bool,
    parent_run_id: str | None,
    tags: Mapping[str, Any] | None,
    description: str | None,
    log_system_metrics: bool | None,
    wait_s: float,
) -> ActiveRun:
    pid = os.getpid()
    own = [run for run in state.own.stack if run.pid == pid]  # a forked child may begin its own
    if own and not nested:
        raise InvalidState(
            f"Run with UUID {own[0].info.run_id} is already active. To start a new run, first end the current run "
            "with mlflow.end_run(). To start a nested run, call start_run with nested=True"
        )
    uri = uris.tracking_uri()
    texts = {str(key): str(value) for key, value in (tags or {}).items()}
    if description:
        if _NOTE in texts:
            raise InvalidArgument(f"Give the description, or the tag {_NOTE!r}; not both.")
        texts[_NOTE] = description
    existing = run_id or settings.RUN_ID.get()
    if existing:
        _forget_run_id()
        run = _resume(uri, existing, run_name, texts)
    else:
        parent = _parent(own, parent_run_id, nested=nested, uri=uri)
        run = _begin(uri, experiment_id, run_name, texts, parent, wait_s)
    state.push(run)
    exits.before_flush(_end_all)
    _watch(run, log_system_metrics)
    return run


def _begin(
    uri: str,
    experiment_id: str | int | None,
    run_name: str | None,
    texts: dict[str, str],
    parent: str | None,
    wait_s: float,
) -> ActiveRun:
    from .current_experiment import chosen
    from .recorder import recorder_for

    if parent:
        texts[_PARENT] = parent
    name = run_name or texts.get(_NAME) or run_names.make(int.from_bytes(os.urandom(8)))
    every = {**context.tags(), **texts, _NAME: name}
    number, experiment_name = chosen(uri, experiment_id)
    start_ms = _now_ms()
    recorder = recorder_for(uri).start_run(
        experiment_id=number,
        experiment_name=experiment_name,
        run_name=name,
        start_time_ms=start_ms,
        tags=every,
        user_id=every["mlflow.user"],
        wait_s=wait_s,
    )
    return ActiveRun(recorder, finish, uri=uri, run_name=name, start_ms=start_ms, tags=every, found=None)


def _resume(uri: str, run_id: str, run_name: str | None, texts: dict[str, str]) -> ActiveRun:
    from .client import Client
    from .recorder import recorder_for

    validation.check_run_id(run_id)
    recorder = recorder_for(uri).resume_run(run_id)
    if run_name:
        recorder.update(status=None, end_time_ms=None, run_name=run_name)
    if texts:
        recorder.set_tags(texts)
    found: Run | None = None
    with contextlib.suppress(Unavailable):
        found = Client(uri).get_run(run_id)
    run = ActiveRun(recorder, finish, uri=uri, run_name=run_name or "", start_ms=_now_ms(), tags=texts, found=found)
    run.resumed = True
    return run


def _parent(own: list[ActiveRun], asked: str | None, *, nested: bool, uri: str) -> str | None:
    """The id of a new run's parent."""
    above = own[-1] if own else state.current() if nested else None
    if asked is None:
        return above.info.run_id if above is not None else None
    validation.check_run_id(asked)
    if own and asked != own[-1].info.run_id:
        raise InvalidArgument(
            f"Current run with UUID {own[-1].info.run_id} does not match the specified parent_run_id {asked}. "
            "First end the current run with mlflow.end_run()."
        )
    if not own:
        from .client import Client

        with contextlib.suppress(Unavailable):
            if Client(uri).get_run(asked).info.lifecycle_stage == "deleted":
                raise InvalidState(f"Cannot start a run under the parent {asked}: it is in the deleted state.")
    return asked


def _watch(run: ActiveRun, log_system_metrics: bool | None) -> None:
    """Let the background do its part. Whatever goes wrong there is not the job's business."""
    from . import system_metrics

    try:
        if system_metrics.wanted(asked=log_system_metrics):
            steps = [metric.step for metric in run.data.latest if metric.key.startswith(system_metrics.PREFIX)]
            system_metrics.sampler.add(run.recorder, max(steps, default=-1) + 1)
        if settings.CAPTURE.get() and not run.resumed:
            from . import capture

            capture.start(run.recorder, nested=_PARENT in run.data.tags)
    except Exception as error:  # noqa: BLE001
        reports.once("watch", "System metrics or capture did not start: %s", error)


def end_run(status: str | int = "FINISHED") -> None:
    """End the calling thread's active run, if there is one.

    Args:
        status: FINISHED, FAILED or KILLED.
    """
    from .entities import RunStatus

    if stack := state.own.stack:
        finish(stack[-1], RunStatus.to_string(status))


def finish(run: ActiveRun, status: str) -> None:
    """End a run that is active, and those that began inside of it. What is over already, or a parent's, stays."""
    for inner in state.above(run):
        finish(inner, status)
    if not state.remove(run):
        return
    state.own.last = run
    if run.pid != os.getpid():
        return
    _forget_run_id()
    try:
        if "modelyard.client.system_metrics" in sys.modules:
            from . import system_metrics

            system_metrics.sampler.remove(run.recorder)
        if run.stages is not None:
            run.stages.write(close=True)
    finally:
        run.tables.clear()
        run.info.status = status
        run.info.end_time = _now_ms()
        run.recorder.update(status=status, end_time_ms=run.info.end_time, run_name=None)


def _forget_run_id() -> None:
    for variable in (settings.RUN_ID.variable, *settings.RUN_ID.also):
        os.environ.pop(variable, None)


def _end_all(status: str) -> None:
    """At the end of the process: what is active ends."""
    for run in state.newest_first():
        finish(run, status)


def active_run() -> ActiveRun | None:
    """The run that the calling thread logs to, if there is one: its own, else the process's."""
    return state.current()


def last_active_run() -> ActiveRun | Run | None:
    """The active run, or else the one that this thread ended last, as the server has it."""
    if (run := state.current()) is not None:
        return run
    last = state.own.last
    if last is None:
        return None
    last.recorder.settle(WAIT_S)
    return get_run(last.info.run_id)


def get_run(run_id: str) -> Run:
    """A run with its latest metrics, params, tags and inputs.

    Raises:
        NotFound: there is none of this id.
    """
    from .client import Client

    return Client().get_run(run_id)


def get_parent_run(run_id: str) -> Run | None:
    """The parent of a run, if it has one."""
    from .client import Client

    return Client().get_parent_run(run_id)


def delete_run(run_id: str) -> None:
    """Move a run to the trash."""
    from .client import Client

    Client().delete_run(run_id)


def restore_run(run_id: str) -> None:
    """Take a run out of the trash."""
    from .client import Client

    Client().restore_run(run_id)


def run_to_log() -> ActiveRun:
    """The run that the calling thread logs to; started, if there is none."""
    return state.current() or start_run()


def recorder_of(run_id: str | None) -> RunRecorder:
    """What writes to a run: of this id, or the active one, which is started if there is none."""
    if run_id is None:
        return run_to_log().recorder
    for run in state.newest_first():
        if run.info.run_id == run_id:
            return run.recorder
    from .recorder import recorder_for

    return recorder_for(uris.tracking_uri()).attach(run_id)


def recorder_uri(recorder: RunRecorder) -> str:
    """The tracking URI that a run is logged to."""
    for run in state.newest_first():
        if run.recorder is recorder:
            return run.uri
    return uris.tracking_uri()


# ------------------------------------------------------------------------------------ delivery


def flush_async_logging(timeout_s: float | None = None) -> None:
    """Wait until everything that was logged so far is delivered.

    Args:
        timeout_s: seconds after which to go on anyway; None: as long as the server answers.
    """
    from .recorder import flush_all

    flush_all(timeout_s)


def flush_artifact_async_logging() -> None:
    """The same: artifacts are delivered in order with everything else."""
    flush_async_logging()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
