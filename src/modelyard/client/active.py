"""The active runs of this process, and all else that the fluent API remembers. State lives here and nowhere else.

Every thread has its own stack of runs, as in MLflow. A thread that started none logs to the process's run: that of the
main thread, or else the one that began last. So the worker threads of a data loader or of a callback log where their
user expects it, while threads that train side by side (a study with several jobs) keep apart.

A child that was forked inherits the active runs: it logs to them and never ends them.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Self

from .entities import RunData, RunInfo, RunInputs, RunOutputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from .entities import Run
    from .recorder import RunRecorder


class ActiveRunInfo:
    """What is known about a run that is being logged to: `RunInfo`, read when it is asked for.

    `run_id` is the server's as soon as the server knows the run, and provisional before that; `artifact_uri` is asked
    of the server, and empty while that cannot be reached.
    """

    lifecycle_stage = "active"

    def __init__(self, run: ActiveRun, run_name: str, user_id: str, start_time: int) -> None:
        self._run = run
        self._artifact_uri = ""
        self.run_name = run_name
        self.user_id = user_id
        self.start_time = start_time
        self.end_time: int | None = None
        self.status = "RUNNING"

    def __repr__(self) -> str:
        return f"RunInfo(run_id={self.run_id!r}, run_name={self.run_name!r}, status={self.status!r})"

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Names and values, so that `dict(run.info)` works."""
        for name in RunInfo.__struct_fields__:
            yield name, getattr(self, name)

    @property
    def run_id(self) -> str:
        """32 hexadecimal digits."""
        return self._run.recorder.run_id

    run_uuid = run_id

    @property
    def experiment_id(self) -> str:
        """Empty while it is unknown."""
        return self._run.recorder.experiment_id

    @property
    def artifact_uri(self) -> str:
        """Where the run's artifacts lie."""
        if not self._artifact_uri:
            from modelyard.domain.errors import ModelyardError

            from .client import Client

            try:
                self._artifact_uri = Client(self._run.uri).get_run(self.run_id).info.artifact_uri
            except ModelyardError:
                return ""
        return self._artifact_uri


class ActiveRun:
    """A run that is being logged to, shaped like `Run`; it ends with its `with` block.

    Attributes:
        info: id, name, status and times, always as they are now.
        data: params, metrics and tags as they were when the run started; `get_run` reads what was logged since.
        inputs, outputs: likewise.
        recorder: what writes to it.
        uri: the tracking URI that it is logged to.
        resumed: whether it existed before.
    """

    def __init__(
        self,
        recorder: RunRecorder,
        finish: Callable[[ActiveRun, str], None],
        *,
        uri: str,
        run_name: str,
        start_ms: int,
        tags: Mapping[str, str],
        found: Run | None,
    ) -> None:
        user = tags.get("mlflow.user", "")
        if found is not None:
            run_name, user, start_ms = run_name or found.info.run_name, found.info.user_id, found.info.start_time
        self.info = ActiveRunInfo(self, run_name, user, start_ms)
        self.data = found.data if found is not None else RunData(tags=dict(tags))
        self.inputs = found.inputs if found is not None else RunInputs()
        self.outputs = found.outputs if found is not None else RunOutputs()
        self._finish = finish
        self.recorder = recorder
        self.log = recorder.log_metric  # what the hot path calls
        self.uri = uri
        self.resumed = False
        self.pid = os.getpid()
        self.stages: Any = None
        self.tables: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<ActiveRun {self.info!r}>"

    def to_dictionary(self) -> dict[str, Any]:
        """The run as dicts, lists, numbers and texts."""
        parts = {"data": self.data, "inputs": self.inputs, "outputs": self.outputs}
        return {"info": dict(self.info), **{name: part.to_dictionary() for name, part in parts.items()}}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finish(self, "FINISHED" if kind is None else "FAILED")


class _Own(threading.local):
    """What one thread remembers: its stack, the run that it ended last, the model that it logged last."""

    def __init__(self) -> None:
        self.stack: list[ActiveRun] = []
        self.last: ActiveRun | None = None
        self.last_model_id = ""


class State:
    """What the fluent API remembers.

    Attributes:
        only: the run that every thread logs to, when there is but one stack: what the hot path looks at.
        experiment: what `set_experiment` said: (tracking URI, id or "" while unknown, name).
        own: of the calling thread.
    """

    __slots__ = ("_lock", "_stacks", "experiment", "only", "own")

    def __init__(self) -> None:
        self.only: ActiveRun | None = None
        self.experiment: tuple[str, str, str] | None = None
        self.own = _Own()
        self._stacks: list[tuple[bool, list[ActiveRun]]] = []  # (main thread's?, stack): those that are not empty
        self._lock = threading.RLock()  # a signal's handler may end what is active

    def push(self, run: ActiveRun) -> None:
        """Make a run the calling thread's."""
        stack = self.own.stack
        with self._lock:
            stack.append(run)
            if len(stack) == 1:
                self._stacks.append((threading.current_thread() is threading.main_thread(), stack))
            self._look()

    def remove(self, run: ActiveRun) -> bool:
        """Take a run away, whichever thread's it is.

        Returns:
            Whether it was active.
        """
        with self._lock:
            for entry in self._stacks:
                stack = entry[1]
                for place in range(len(stack) - 1, -1, -1):
                    if stack[place] is run:
                        del stack[place]
                        if not stack:
                            self._stacks.remove(entry)
                        self._look()
                        return True
        return False

    def current(self) -> ActiveRun | None:
        """The run that the calling thread logs to."""
        if self.only is not None:
            return self.only
        if stack := self.own.stack:
            return stack[-1]
        with self._lock:
            if not self._stacks:
                return None
            for main, stack in self._stacks:
                if main:
                    return stack[-1]
            return self._stacks[-1][1][-1]

    def newest_first(self) -> list[ActiveRun]:
        """Every active run, children before their parents."""
        with self._lock:
            return [run for _, stack in self._stacks for run in reversed(stack)]

    def above(self, run: ActiveRun) -> list[ActiveRun]:
        """The runs that began inside of this one in its thread and are still active, the last first."""
        with self._lock:
            for _, stack in self._stacks:
                if run in stack:
                    return stack[: stack.index(run) : -1]
        return []

    def forget_lock(self) -> None:
        """In a forked child: whoever held the lock is not here."""
        self._lock = threading.RLock()

    def _look(self) -> None:
        self.only = self._stacks[0][1][-1] if len(self._stacks) == 1 else None


state: State = globals().get("state") or State()  # a reload of this module, as notebooks do it, keeps the runs
current = state.current
os.register_at_fork(after_in_child=state.forget_lock)
