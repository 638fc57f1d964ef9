"""The runs of a journal: which were begun here and have not ended, and what the server calls them.

Lines of JSON, appended as things happen, in a file of their own: the records that say the same are deleted once they
are delivered, and whoever adopts the journal must still know.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class KnownRun:
    """What a journal knows of a run.

    Attributes:
        id: in this journal.
        server: its id on the server; empty while that does not know it.
        experiment: its experiment's id; empty while unknown.
        begun: whether this journal began or resumed it.
        status: what it was last said to be; empty: nothing was said.
        parent: name of the journal of the process that this one was forked from and that began the run; or empty.
    """

    id: str
    server: str = ""
    experiment: str = ""
    begun: bool = False
    status: str = ""
    parent: str = ""

    @property
    def open(self) -> bool:
        """Whether it was begun here and has not ended."""
        return self.begun and self.status in ("", "RUNNING", "SCHEDULED")


_FIELDS = {"server": str, "experiment": str, "begun": bool, "status": str, "parent": str}


@dataclass(slots=True)
class Ledger:
    """The runs of one journal.

    Args:
        path: of the file; None: nothing is written.
    """

    path: Path | None
    runs: dict[str, KnownRun] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.RLock)

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """What a dead process wrote down; lines that are damaged count for nothing."""
        import msgspec

        ledger = cls(path)
        try:
            lines = path.read_bytes().splitlines()
        except OSError:
            return ledger
        for line in lines:
            try:
                entry = msgspec.json.decode(line)
                ledger._apply(str(entry.pop("run")), entry)
            except (msgspec.DecodeError, AttributeError, TypeError, KeyError, ValueError):
                continue
        return ledger

    def note(self, run: str, **changes: Any) -> KnownRun:
        """Write down something about a run: any of the fields of `KnownRun`."""
        import msgspec

        with self._lock:
            known = self._apply(run, changes)
            if self.path is not None:
                try:
                    descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
                    try:
                        os.write(descriptor, msgspec.json.encode({"run": run, **changes}) + b"\n")
                    finally:
                        os.close(descriptor)
                except OSError:  # a full disk: this process goes on with what it has in memory
                    pass
            return known

    def get(self, run: str) -> KnownRun:
        """What is known of a run; one that nothing is known of has this id on the server too."""
        return self.runs.get(run) or KnownRun(run, server=run)

    def open(self) -> list[KnownRun]:
        """The runs that were begun here and have not ended."""
        return [known for known in list(self.runs.values()) if known.open]

    def _apply(self, run: str, changes: dict[str, Any]) -> KnownRun:
        known = self.runs.get(run)
        if known is None:
            known = self.runs[run] = KnownRun(run)
        for name, value in changes.items():
            kind = _FIELDS.get(name)
            if kind is not None and isinstance(value, kind):
                setattr(known, name, value)
        return known
