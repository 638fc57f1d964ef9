"""What the fluent API writes to: one run. See `recorder`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

from . import reports, uris
from .journal.points import Series

if TYPE_CHECKING:
    from .journal.ledger import KnownRun

SMALL: Final = 16 * 2**20
"""Largest artifact, in bytes, that is copied into the journal rather than sent at once."""


class Home(Protocol):
    """What a run recorder needs of the recorder that it belongs to."""

    uri: str

    @property
    def append(self) -> Callable[[Series, str, float, int, int], None]:
        """Writes one point: series, key, value, timestamp, step."""

    def known(self, run: str) -> KnownRun:
        """What is known of a run."""

    def write(self, kind: str, run: str, content: dict[str, Any]) -> int:
        """Append a record; its ticket."""

    def position(self) -> int:
        """The ticket of what was written last."""

    def settle(self, run: str, timeout_s: float) -> None:
        """Wait until the server knows a run, unless it is known to be away."""

    def wait(self, run: str, ticket: int | None, timeout_s: float) -> None:
        """Wait until something is delivered."""

    def note_status(self, run: str, status: str) -> None:
        """Write down what a run was last said to be."""

    def lost_point(self, run: str, key: str, error: Exception) -> None:
        """Say why a point was not logged."""

    def keep_file(self, name: str, source: Path | bytes) -> None:
        """Copy an artifact into the journal."""

    def send_now(self, run: str, path: str, source: Path | bytes) -> bool:
        """Send an artifact at once; whether it is there."""


class RunRecorder:
    """Logs to one run; see the module. Each method but `log_metric` and `wait` returns a ticket for `wait`.

    Attributes:
        recorder: that it belongs to.
        experiment_id: empty while unknown.
    """

    def __init__(self, recorder: Home, run: str) -> None:
        self.recorder = recorder
        self._run = run
        self._pid = os.getpid()
        self._series = Series(run)
        self._append = recorder.append

    def __repr__(self) -> str:
        return f"RunRecorder({self.run_id!r}, {uris.shown(self.recorder.uri)!r})"

    @property
    def run_id(self) -> str:
        """The server's id once it is known, the provisional one before."""
        return self.recorder.known(self._run).server or self._run

    @property
    def experiment_id(self) -> str:
        """The run's experiment; empty while unknown."""
        return self.recorder.known(self._run).experiment

    @property
    def delivered(self) -> bool:
        """Whether the run exists on the server."""
        return bool(self.recorder.known(self._run).server)

    @property
    def inherited(self) -> bool:
        """Whether this process was forked from the one that began to log to the run: then it never ends it."""
        return self._pid != os.getpid()

    # -------------------------------------------------------------------------------- logging

    def log_metric(self, key: str, value: float, step: int, timestamp_ms: int) -> None:
        """Log one point. Never raises, never waits.

        Args:
            key: of the metric.
            value: a number; NaN and infinities too.
            step: any 64-bit integer.
            timestamp_ms: ms since the epoch.
        """
        try:
            self._append(self._series, key, value, timestamp_ms, step)
        except Exception as error:  # noqa: BLE001 - logging never hurts the job
            self.recorder.lost_point(self._run, key, error)

    def log_params(self, params: Mapping[str, str]) -> int:
        """Log params; one that has another value already is refused."""
        return self._write("params", params=dict(params))

    def set_tags(self, tags: Mapping[str, str]) -> int:
        """Set tags; the last value counts."""
        return self._write("tags", tags=dict(tags))

    def delete_tag(self, key: str) -> int:
        """Remove a tag."""
        return self._write("untag", key=key)

    def log_inputs(self, datasets: list[dict[str, Any]]) -> int:
        """Log datasets that the run reads, as MLflow's DatasetInput messages."""
        return self._write("inputs", datasets=datasets)

    def log_outputs(self, models: list[dict[str, Any]]) -> int:
        """Log models that the run made: `{"model_id": ..., "step": ...}` each."""
        return self._write("outputs", models=models)

    def log_model_metrics(self, metrics: list[dict[str, Any]]) -> int:
        """Log points that are a logged model's too: MLflow's Metric messages, each with its `model_id`.

        A server without logged models, or without this one, gets them as the run's alone.
        """
        return self._write("model_metrics", metrics=metrics)

    def log_artifact(self, path: str, source: Path | bytes) -> int:
        """Log a file. A small one is copied to the journal; a large one is sent at once, by the calling thread.

        Args:
            path: where it goes, below the run's artifacts, with its name.
            source: the file, or its content. It may change as soon as this returns.

        Raises:
            ModelyardError: the server refuses a large one.
            OSError: the source cannot be read, or the copy of a large one finds no room.
        """
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        if size > SMALL and self.recorder.send_now(self._run, path, source):
            return self.recorder.position()
        name = uuid4().hex
        try:
            self.recorder.keep_file(name, source)
        except OSError as error:
            if not isinstance(source, bytes) and not os.access(source, os.R_OK):
                raise
            if self.recorder.send_now(self._run, path, source):
                return self.recorder.position()
            reports.once(("artifact", path), "Artifact %s is lost: no room for a copy (%s).", path, error.strerror)
            return self.recorder.position()
        return self._write("artifact", path=path, file=name, size=size)

    def update(self, *, status: str | None = None, end_time_ms: int | None = None, run_name: str | None = None) -> int:
        """Change the run's status, end or name; an inherited run is not ended."""
        if self.inherited and status not in (None, "RUNNING", "SCHEDULED"):
            status = end_time_ms = None
        if status is None and end_time_ms is None and run_name is None:
            return self.recorder.position()
        ticket = self._write("update", status=status, end_ms=end_time_ms, name=run_name)
        if status is not None:
            self.recorder.note_status(self._run, status)
        return ticket

    def wait(self, ticket: int | None = None, timeout_s: float = 30.0) -> None:
        """Wait until something is delivered.

        Args:
            ticket: of what; None: of everything logged so far.
            timeout_s: the longest wait.

        Raises:
            ModelyardError: the server refused it.
            Unavailable: it is not delivered within the time; it stays in the journal.
        """
        self.recorder.wait(self._run, ticket, timeout_s)

    def settle(self, timeout_s: float) -> None:
        """Wait until the server knows the run, or refuses it; not at all for a server that is known to be away.

        Args:
            timeout_s: the longest wait.
        """
        self.recorder.settle(self._run, timeout_s)

    def _write(self, kind: str, **content: Any) -> int:
        return self.recorder.write(kind, self._run, content)
