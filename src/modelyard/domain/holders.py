"""Who serves a SQLite file: the line that a server keeps in the lock beside it, and that others read there.

It holds only while the lock is held, so that what a dead process left behind deceives nobody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_LINE: Final = re.compile(r"process (\d+), (\S+?)(, ready)?(, stops when idle)?\n")


@dataclass(frozen=True, slots=True)
class Holder:
    """A server that has the lock.

    Attributes:
        process: its id.
        url: where it answers, once it is ready.
        ready: whether it takes requests now; one that is about to stop is not.
        passing: whether it was started by a script, for as long as scripts need it.
    """

    process: int
    url: str
    ready: bool = False
    passing: bool = False

    def __str__(self) -> str:
        return (
            f"process {self.process}, {self.url}"
            + (", ready" if self.ready else "")
            + (", stops when idle" if self.passing else "")
        )


def lock_of(database: str) -> str:
    """The path of the lock beside a SQLite file."""
    return f"{database}.lock"


def read(line: str) -> Holder | None:
    """The holder that a lock's text tells of, None if it tells of none."""
    found = _LINE.match(line)
    return None if found is None else Holder(int(found[1]), found[2], bool(found[3]), bool(found[4]))
