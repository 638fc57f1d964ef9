"""What a server refused: written down beside the journal, and said once."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Any, Final

from modelyard.domain.errors import ModelyardError

from . import reports
from .journal.journal import REJECTED

if TYPE_CHECKING:
    from .journal.journal import Journal


_SHOWN: Final = 400


class Rejections:
    """The file `rejected.jsonl` of a journal: one line for each thing refused, with all that is needed to log it again.

    Args:
        journal: whose it is.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def add(self, run: str, kind: str, key: str, content: Any, error: ModelyardError, *, quiet: bool = False) -> None:
        """Write down something refused, and warn, once for each run, kind and key; not if `quiet`."""
        what = f"{kind} {key!r}" if key else f"a record ({kind})" if kind != "start" else "the run itself"
        self._write({"run": run, "kind": kind, "key": key, "reason": error.message, "content": content})
        self._journal.state[REJECTED] += 1
        if quiet:
            return
        reason = " ".join(error.message.split())
        reason = reason if len(reason) <= _SHOWN else f"{reason[:_SHOWN]}..."
        reports.once(
            (run, kind, key), "Run %s: the server refused %s: %s (kept in %s)", run, what, reason, self._shown()
        )

    def damage(self, what: str) -> None:
        """Write down that a part of the journal cannot be read."""
        self._write({"run": "", "kind": "damage", "key": "", "reason": what, "content": None})
        self._journal.state[REJECTED] += 1
        logging.getLogger("modelyard").warning("A journal is damaged: %s", what)

    def _shown(self) -> str:
        folder = self._journal.folder
        return str(folder / "rejected.jsonl") if folder is not None else "memory only"

    def _write(self, entry: dict[str, Any]) -> None:
        import msgspec

        folder = self._journal.folder
        if folder is None:
            return
        line = msgspec.json.encode({"time_ms": time.time_ns() // 1_000_000, "uri": self._journal.uri, **entry}) + b"\n"
        try:
            descriptor = os.open(
                folder / "rejected.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
            )
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError:  # a full disk: the warning must do
            pass
