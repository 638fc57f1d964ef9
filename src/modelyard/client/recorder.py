"""Recorders: what the fluent API writes to. Everything goes to a journal on disk at once, and to the server later.

A recorder belongs to one process and one tracking URI. Nothing that logs here raises or waits; what the server refuses
is reported once on the logger `modelyard`, or raised by `wait`.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from modelyard.domain.errors import Unavailable

from . import exits, reports, uris
from .journal.journal import DROPPED_POINTS, DROPPED_RECORDS, POINTS_DONE, RECORDS_DONE, Journal, plain
from .journal.ledger import KnownRun
from .journal.points import PointWriter
from .journal.records import RecordWriter
from .journal.streams import Full
from .run_recorder import RunRecorder

if TYPE_CHECKING:
    from .journal.segments import Segment
    from .sender import Sender

__all__ = ["NOTHING", "Recorder", "Remaining", "RunRecorder", "flush_all", "recorder_for"]

KEPT: Final = 4096
"""Runs that a recorder remembers by id."""

AWAY_S: Final = 2.0
"""What the end of the process waits for a server that is known to be away."""


@dataclass(frozen=True, slots=True)
class Remaining:
    """What a flush left behind; false when it left nothing.

    Attributes:
        points: how many points of metrics are not delivered.
        records: how many other records.
        path: of the journal.
    """

    points: int
    records: int
    path: str

    def __bool__(self) -> bool:
        return bool(self.points or self.records)


NOTHING: Final = Remaining(0, 0, "")


class Recorder:
    """One process's way to one tracking server. Threads may share it; a forked child makes a journal of its own.

    Args:
        uri: the tracking URI as `uris.normal` spells it.

    Attributes:
        uri: it.
        append: writes one point; see `PointWriter.append`.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._writer = PointWriter(self._next_points)
        self.append = self._writer.append
        self._records = RecordWriter(self._next_records)
        self._parent = ""
        self._inherited: dict[str, tuple[str, str]] = {}
        self.forget()

    def forget(self) -> None:
        """Begin anew: in a forked child, the journal and its sender are the parent's."""
        journal: Journal | None = getattr(self, "_journal", None)
        if journal is not None:
            journal.abandon()
            self._parent = journal.folder.name if journal.folder is not None else ""
            self._remember(journal)
        self._lock = threading.RLock()
        self._journal: Journal | None = None
        self._sender: Sender | None = None
        self._runs: dict[str, RunRecorder] = {}
        self._closed = False
        self._writer.forget()
        self._records.forget()

    # -------------------------------------------------------------------------------- runs

    def start_run(
        self,
        *,
        experiment_id: str | None,
        experiment_name: str | None,
        run_name: str,
        start_time_ms: int,
        tags: dict[str, str],
        user_id: str = "",
        wait_s: float = 5.0,
    ) -> RunRecorder:
        """Begin a run.

        Args:
            experiment_id: where it belongs; or
            experiment_name: the same by name; the experiment is made if there is none.
            run_name: its name.
            start_time_ms: ms since the epoch.
            tags: its first tags.
            user_id: whose it is.
            wait_s: how long to wait for the server, unless that is known to be away.

        Raises:
            ModelyardError: the server refuses it. A server that is away does not raise.
        """
        run = uuid4().hex
        content = {
            "experiment_id": experiment_id, "experiment_name": experiment_name, "name": run_name,
            "start_ms": start_time_ms, "tags": tags, "user": user_id,
        }  # fmt: skip
        self.journal().ledger.note(run, begun=True, experiment=experiment_id or "")
        return self._begun(run, self.write("start", run, content), wait_s)

    def resume_run(self, run_id: str, wait_s: float = 5.0) -> RunRecorder:
        """Go on with a run, which is set to RUNNING again.

        Raises:
            NotFound: there is none with this id. A server that is away does not raise.
        """
        ledger = self.journal().ledger
        # an id that this process did not make up is the server's
        ledger.note(run_id, server=ledger.get(run_id).server, begun=True, status="RUNNING")
        return self._begun(run_id, self.write("resume", run_id, {}), wait_s)

    def _begun(self, run: str, ticket: int, wait_s: float) -> RunRecorder:
        recorder = self.attach(run)
        sender = self._sender
        if sender is not None and not sender.away and wait_s > 0:
            with self._awaiting(sender, ticket):
                sender.until(lambda: self._reached(ticket), wait_s)
            error = next((each.error for each in list(sender.deliverer.refusals) if each.ticket == ticket), None)
            if error is not None:
                self.note_status(run, "FAILED")
                self._runs.pop(run, None)
                raise error
        return recorder

    def attach(self, run_id: str) -> RunRecorder:
        """Log to a run that exists, or that this process began."""
        recorder = self._runs.get(run_id)
        if recorder is None:
            while len(self._runs) >= KEPT:
                self._runs.pop(next(iter(self._runs)), None)
            recorder = self._runs[run_id] = RunRecorder(self, run_id)
        return recorder

    # -------------------------------------------------------------------------------- delivery

    def flush(self, timeout_s: float | None = None) -> Remaining:
        """Deliver what was logged so far.

        Args:
            timeout_s: the longest wait; None: 30 s. A server that is away is asked once.
        """
        journal, sender = self._journal, self._sender
        if journal is None or sender is None or not journal.pending():
            return NOTHING
        points, records = journal.points.end, journal.records.end
        sender.until(
            lambda: int(journal.state[POINTS_DONE]) >= points and int(journal.state[RECORDS_DONE]) >= records,
            30.0 if timeout_s is None else timeout_s,
        )
        return self._remaining()

    def pending(self) -> bool:
        """Whether anything is not delivered."""
        return self._journal is not None and self._journal.pending()

    def close(self, timeout_s: float) -> Remaining:
        """Deliver what is there and end; what remains stays on disk.

        Args:
            timeout_s: the longest wait; a server that is known to be away gets 2 s at most.
        """
        journal, sender = self._journal, self._sender
        if journal is None or sender is None:
            return NOTHING
        end = time.monotonic() + (min(timeout_s, AWAY_S) if sender.away else timeout_s)
        sender.until(lambda: not journal.pending(), end - time.monotonic(), patient=True)
        if not journal.pending() and sender.answered:
            # children that died with something left
            sender.adopt_soon()
            left = max(0.0, end - time.monotonic())
            sender.until(lambda: not sender.adopting() or bool(sender.away), min(left, 5.0))
        with self._lock:
            sender.close()
            self._writer.forget()
            self._records.forget()
            journal.save()
            remaining = self._remaining()
            _say_lost(int(journal.state[DROPPED_POINTS]), int(journal.state[DROPPED_RECORDS]))
            if not remaining:
                journal.remove()
            else:
                journal.close()
            self._remember(journal)
            self._journal = self._sender = None
        return remaining

    def _remaining(self) -> Remaining:
        journal = self._journal
        if journal is None or not journal.pending():
            return NOTHING
        return Remaining(journal.points_left, journal.records_waiting(), str(journal.folder or ""))

    def wait(self, run: str, ticket: int | None, timeout_s: float) -> None:
        """See `RunRecorder.wait`."""
        journal, sender = self._journal, self._sender
        if journal is None or sender is None:
            return
        points, records = (journal.points.end, journal.records.end) if ticket is None else (0, ticket)
        known = set() if ticket is not None else set(map(id, sender.deliverer.refusals))
        with self._awaiting(sender, run if ticket is None else ticket):
            done = sender.until(
                lambda: int(journal.state[POINTS_DONE]) >= points and int(journal.state[RECORDS_DONE]) >= records,
                timeout_s,
            )
        for refusal in list(sender.deliverer.refusals):
            if refusal.run == run and ticket in (None, refusal.ticket) and id(refusal) not in known:
                raise refusal.error
        if not done:
            reason = sender.away or f"{uris.shown(self.uri)} did not answer within {timeout_s:g} s."
            raise Unavailable(f"{reason} It is kept in {journal.folder or 'memory'} and delivered later.")

    def settle(self, run: str, timeout_s: float) -> None:
        """See `RunRecorder.settle`."""
        sender = self._sender
        if sender is not None and not sender.away and not self.known(run).server:
            runs = sender.deliverer.runs
            sender.until(lambda: bool(self.known(run).server) or runs.refuses(run), timeout_s)

    @contextmanager
    def _awaiting(self, sender: Sender, what: int | str) -> Iterator[None]:
        awaited = sender.deliverer.awaited
        awaited[what] += 1
        try:
            yield
        finally:
            awaited[what] -= 1
            if not awaited[what]:
                del awaited[what]

    def _reached(self, ticket: int) -> bool:
        journal = self._journal
        return journal is None or int(journal.state[RECORDS_DONE]) >= ticket

    # -------------------------------------------------------------------------------- what the run recorders need

    def journal(self) -> Journal:
        """The journal, made if there is none, with its sender."""
        with self._lock:
            if self._journal is None:
                from .sender import Sender
                from .transport import Transport

                shown = uris.shown(self.uri)
                journal = Journal.create(plain(self.uri), sys.argv[0] if sys.argv else "")
                for run, (server, experiment) in self._inherited.items():
                    journal.ledger.note(run, server=server, experiment=experiment, parent=self._parent)
                self._sender = Sender(journal, Transport(self.uri, retries=0), shown)
                self._journal = journal
                if journal.folder is None:
                    reports.once(
                        ("memory", self.uri), "No directory takes a journal: what is logged is only in memory until %s "
                        "has it. Set MODELYARD_SPOOL to a directory that can be written to.", shown,
                    )  # fmt: skip
                exits.watch(self)
                self._sender.start()
            return self._journal

    def known(self, run: str) -> KnownRun:
        """What is known of a run."""
        journal = self._journal
        if journal is not None:
            return journal.ledger.get(run)
        server, experiment = self._inherited.get(run, (run, ""))
        return KnownRun(run, server=server, experiment=experiment)

    def note_status(self, run: str, status: str) -> None:
        """Write down what a run was last said to be."""
        ledger = self.journal().ledger
        if run in ledger.runs:
            ledger.note(run, status=status)

    def open_runs(self) -> list[RunRecorder]:
        """The runs that this process began and has not ended."""
        return [self.attach(known.id) for known in self._journal.ledger.open()] if self._journal is not None else []

    def write(self, kind: str, run: str, content: dict[str, Any]) -> int:
        """Append a record; its ticket. One that finds no room is lost, and counted."""
        journal = self.journal()
        try:
            ticket = self._records.append({"kind": kind, "run": run, **content}, journal.points.end)
        except (Full, OSError, TypeError, ValueError) as error:
            journal.state[DROPPED_RECORDS] += 1
            reports.once(("lost", kind), "Run %s: a record (%s) is lost: %s.", run, kind, error)
            return journal.records.end
        if self._sender is not None:
            self._sender.wake()
        return ticket

    def position(self) -> int:
        """The ticket of what was written last."""
        return self.journal().records.end

    def lost_point(self, run: str, key: str, error: Exception) -> None:
        """Say why a point was not logged: once for each run and key, or once for a journal that is full."""
        if isinstance(error, Full | OSError):
            journal = self.journal()
            journal.state[DROPPED_POINTS] += 1
            reports.once(("full", self.uri), "Metrics are being dropped: %s. Everything else is still kept.", error)
        else:
            reports.once(("point", run, key), "Run %s: metric %r was not logged: %s", run, key, error)

    def keep_file(self, name: str, source: Path | bytes) -> None:
        """Copy an artifact into the journal.

        Raises:
            OSError: it cannot be read, or there is no room.
        """
        journal = self.journal()
        place = journal.file(name)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            if isinstance(source, bytes):
                place.write_bytes(source)
            else:
                shutil.copyfile(source, place)
        except OSError:
            place.unlink(missing_ok=True)
            raise

    def send_now(self, run: str, path: str, source: Path | bytes) -> bool:
        """Send an artifact at once, by the calling thread.

        Returns:
            Whether it is there; not if the server is away.

        Raises:
            ModelyardError: the server refuses it.
        """
        from .exchange import Refused, Unreachable, calling
        from .transfers import upload_file

        sender = self._sender
        if sender is None or sender.away or not self.known(run).server:
            return False
        try:
            folder = sender.deliverer.runs.folder(run)
            with calling():
                upload_file(folder, path, source)
        except Unreachable:
            return False
        except Refused as refused:
            raise refused.error from refused
        return True

    def _remember(self, journal: Journal) -> None:
        """Keep what the server calls the runs of a journal that this process has no more."""
        self._inherited.update({each.id: (each.server, each.experiment) for each in journal.ledger.runs.values()})

    def _next_points(self) -> Segment:
        return self.journal().points.next_segment()

    def _next_records(self, need: int) -> Segment:
        return self.journal().records.next_segment(need)


def _say_lost(points: int, records: int) -> None:
    if points or records:
        logging.getLogger("modelyard").warning(
            "%s metric points and %s other records found no room on disk, and are lost.", f"{points:,}", f"{records:,}"
        )


# ------------------------------------------------------------------------------------ of this process

_recorders: dict[str, Recorder] = globals().get("_recorders", {})  # a reload of this module keeps them
_lock = threading.Lock()


def recorder_for(uri: str) -> Recorder:
    """This process's recorder for a tracking URI, as `uris.normal` spells it."""
    found = _recorders.get(uri)
    if found is None:
        with _lock:
            found = _recorders.setdefault(uri, Recorder(uri))
    return found


def server_id(uri: str, run: str) -> str:
    """What the server at a tracking URI calls a run; the same, unless this process has begun it by another id."""
    found = _recorders.get(uri)
    return (found.known(run).server if found is not None else "") or run


def flush_all(timeout_s: float | None = None) -> list[Remaining]:
    """Deliver what every recorder of this process has logged so far; what each of them left behind."""
    return [remaining for each in list(_recorders.values()) if (remaining := each.flush(timeout_s))]


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - there is one per process
    _lock = threading.Lock()
    for each in list(_recorders.values()):
        each.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
