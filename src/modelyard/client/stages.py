"""`modelyard.stage("features")`: how long each step of a pipeline took, and which one failed.

::

    with modelyard.stage("features"):
        ...
    @modelyard.stage("train")
    def train(): ...

Stages nest. Each is written to the run that is active when it begins (or, if none is, when it ends) in two forms:

- live, as the metric `stage/<name>/seconds`, one point for each time that the stage ended; the step counts them;
- as the artifact `modelyard/stages.json`, from which a waterfall is drawn: written at the end of the run, when a stage
  fails, and every ten seconds in between. `docs/client.md` describes it.
"""

from __future__ import annotations

import json
import re
import threading
import time
from contextvars import ContextVar, Token
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from modelyard.domain.errors import ModelyardError

from . import active, reports

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from .recorder import RunRecorder

PATH: Final = "modelyard/stages.json"
MOST_ROWS: Final = 10_000
"""Stages of one run that are kept one by one; later ones are only counted and summed up by name."""

_EVERY_S: Final = 10.0
_LONGEST_ERROR: Final = 500
_NOT_IN_KEY = re.compile(r"[^/\w.\- :]")

F = TypeVar("F", bound="Callable[..., Any]")


class Row:
    """One stage, once."""

    __slots__ = ("error", "name", "parent", "seconds", "start_ms", "status", "thread")

    def __init__(self, name: str, parent: int | None, thread: str) -> None:
        self.name = name
        self.parent = parent
        self.thread = thread
        self.start_ms = time.time_ns() // 1_000_000
        self.seconds: float | None = None
        self.status = "RUNNING"
        self.error: str | None = None


class StageLog:
    """The stages of one run."""

    def __init__(self, recorder: RunRecorder) -> None:
        self._recorder = recorder
        self._rows: list[Row] = []
        self._more: dict[str, list[float]] = {}  # name → [count, seconds]
        self._ended: dict[str, int] = {}  # name → times
        self._keys: dict[str, str] = {}
        self._lock = threading.RLock()
        self._next_write = time.monotonic() + _EVERY_S
        self._closed = False

    def begin(self, name: str, parent: int | None) -> tuple[Row, int | None]:
        """A row for a stage that begins now, and its index: None when there are too many to keep."""
        row = Row(name, parent, threading.current_thread().name)
        with self._lock:
            if len(self._rows) >= MOST_ROWS:
                return row, None
            self._rows.append(row)
            return row, len(self._rows) - 1

    def end(self, row: Row, index: int | None, seconds: float, error: BaseException | None) -> None:
        """Record that a stage ended."""
        row.seconds = seconds
        row.status = "FINISHED" if error is None else "FAILED"
        if error is not None:
            row.error = _described(error)
        name = row.name
        with self._lock:
            if self._closed:
                return
            times = self._ended.get(name, 0)
            self._ended[name] = times + 1
            key = self._keys.get(name)
            if key is None:
                key = self._keys[name] = f"stage/{_NOT_IN_KEY.sub('_', name)[:200].strip('/. ') or 'stage'}/seconds"
            if index is None:
                more = self._more.setdefault(name, [0, 0.0])
                more[0] += 1
                more[1] += seconds
        self._recorder.log_metric(key, seconds, times, time.time_ns() // 1_000_000)
        if error is not None or time.monotonic() >= self._next_write:
            self.write()

    def write(self, *, close: bool = False) -> None:
        """Write the artifact, as things are now."""
        with self._lock:
            self._closed = self._closed or close
            began = time.monotonic()
            body = json.dumps(self._document(), separators=(",", ":")).encode()
            # at most a hundredth of the time goes into this, however many stages there are
            self._next_write = began + max(_EVERY_S, 100 * (time.monotonic() - began))
        try:
            self._recorder.log_artifact(PATH, body)
        except (OSError, ModelyardError) as error:
            reports.once(("stages", self._recorder.run_id), "The stages of a run were not written: %s", error)

    def _document(self) -> dict[str, Any]:
        stages = [
            {
                "name": row.name,
                "start_ms": row.start_ms,
                "seconds": row.seconds,
                "parent": row.parent,
                "status": row.status,
                "thread": row.thread,
                **({"error": row.error} if row.error is not None else {}),
            }
            for row in self._rows
        ]
        more = [{"name": name, "count": int(count), "seconds": total} for name, (count, total) in self._more.items()]
        return {"version": 1, "stages": stages, "more": more}


def _described(error: BaseException) -> str:
    from modelyard.settings import masked

    return masked(f"{type(error).__name__}: {error}")[:_LONGEST_ERROR]


def log_of(run: active.ActiveRun) -> StageLog:
    """The stages of a run; made when asked for the first time."""
    log: StageLog | None = run.stages
    if log is None:
        log = run.stages = StageLog(run.recorder)
    return log


_inside: ContextVar[tuple[StageLog, int | None] | None] = ContextVar("modelyard_stage", default=None)


class _Open:
    """A stage that has begun."""

    __slots__ = ("began", "index", "log", "row", "token")

    began: float
    log: StageLog | None
    row: Row
    index: int | None
    token: Token[tuple[StageLog, int | None] | None] | None


class stage:  # noqa: N801 - used like a function: `with modelyard.stage("features"):`
    """Time a step of a pipeline, as a context manager or a decorator; see the module.

    It costs about 10 microseconds, starts no run, and never swallows or adds an exception.

    Args:
        name: what the step is called; as a decorator it may be left out, and is the function's name then.
    """

    __slots__ = ("_name", "_open")

    def __init__(self, name: str = "") -> None:
        self._name = name
        self._open: list[_Open] = []

    def __enter__(self) -> Self:
        opened = _Open()
        run = active.current()
        name = str(self._name) or "stage"
        if run is None:
            opened.log = opened.token = opened.index = None
            opened.row = Row(name, None, threading.current_thread().name)
        else:
            log = opened.log = log_of(run)
            around = _inside.get()
            parent = around[1] if around is not None and around[0] is log else None
            opened.row, opened.index = log.begin(name, parent)
            opened.token = _inside.set((log, opened.index if opened.index is not None else parent))
        self._open.append(opened)
        opened.began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        now = time.perf_counter()
        opened = self._open.pop()
        if opened.token is not None:
            try:
                _inside.reset(opened.token)
            except ValueError:  # left in another context than entered, as generators are
                _inside.set(None)
        log = opened.log
        if log is None:
            run = active.current()
            if run is None:
                return
            log = log_of(run)
            began = opened.row.start_ms
            opened.row, opened.index = log.begin(opened.row.name, None)
            opened.row.start_ms = began
        log.end(opened.row, opened.index, now - opened.began, error)

    def __call__(self, function: F) -> F:
        """The function, timed each time that it is called; coroutine functions likewise."""
        name = self._name or getattr(function, "__name__", "stage")
        wrapped: Any
        code = getattr(function, "__code__", None)
        if code is not None and code.co_flags & _COROUTINE:

            @wraps(function)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                with stage(name):
                    return await function(*args, **kwargs)

            wrapped = awaited
        else:

            @wraps(function)
            def called(*args: Any, **kwargs: Any) -> Any:
                with stage(name):
                    return function(*args, **kwargs)

            wrapped = called
        return wrapped  # type: ignore[no-any-return]


_COROUTINE: Final = 0x80  # inspect.CO_COROUTINE; inspect costs more to import than all of this
