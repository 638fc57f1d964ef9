"""How much memory a process and its children have, how much is left, and what happens when there is none.

All of it is read from `/proc` and the control group; where there are none, nothing is limited and nothing is known.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

STARTING_SCORE: Final = 800
"""Of a model server that starts, for the system's choice of whom to kill when memory runs out: before all others."""
SETTLED_SCORE: Final = 300
"""Of one that has answered for a while: before the server and the gateway, after those that start."""

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_PROC: Final = Path("/proc")
_GROUPS: Final = Path("/sys/fs/cgroup")


def family(process: int) -> list[int]:
    """The process and all that it started, and they; those that have gone are left out."""
    found, look = [process], [process]
    while look:
        each = look.pop()
        for task in _listing(_PROC / str(each) / "task"):
            with suppress(OSError):
                children = [int(one) for one in (task / "children").read_text().split()]
                found += children
                look += children
    return found


def used(process: int) -> int:
    """Bytes of memory that a process and its children have for themselves."""
    together = 0
    members = family(process)
    for each in members:
        with suppress(OSError, ValueError, IndexError):
            told = (_PROC / str(each) / "statm").read_text().split()
            together += (int(told[1]) - int(told[2])) * _PAGE
    return together


def proportional(process: int) -> int:
    """The same, with what forks still share counted once; takes milliseconds."""
    together = 0
    for each in family(process):
        with suppress(OSError, ValueError, IndexError):
            lines = (_PROC / str(each) / "smaps_rollup").read_text().splitlines()
            parts = {line.split(":")[0]: line.split()[1] for line in lines[1:]}
            together += int(parts.get("Pss_Anon", parts["Pss"])) * 1024
    return together


def left() -> tuple[int, int]:
    """Bytes that are left on this machine or in this container, and of how many; (0, 0) if nobody knows."""
    with suppress(OSError, KeyError, ValueError):
        lines = (_PROC / "meminfo").read_text().splitlines()
        told = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines[:8]}
        free, whole = told["MemAvailable"], told["MemTotal"]
        limit, taken = _group()
        if limit and limit < whole:
            return min(free, max(0, limit - taken)), limit
        return free, whole
    return 0, 0


def _group() -> tuple[int, int]:
    """Limit and use of this process's control group, (0, 0) without one; caches that can be dropped are not used."""
    for limit, use, stat, idle in (
        ("memory.max", "memory.current", "memory.stat", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
    ):
        with suppress(OSError, ValueError, KeyError):
            most, now = int((_GROUPS / limit).read_text()), int((_GROUPS / use).read_text())
            told = dict(line.split() for line in (_GROUPS / stat).read_text().splitlines())
            return most, now - int(told[idle])
    return 0, 0


def kernel_kills() -> int:
    """How many processes the system has killed so far for want of memory."""
    with suppress(OSError, ValueError):
        for line in (_PROC / "vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def rank(process: int, score: int) -> None:
    """Say of a process and its children how soon the system may kill them for want of memory; never later than us."""
    with suppress(OSError, ValueError):
        own = int((_PROC / "self" / "oom_score_adj").read_text())
        for each in family(process):
            with suppress(OSError):
                (_PROC / str(each) / "oom_score_adj").write_text(str(max(own, score)))


def _listing(folder: Path) -> list[Path]:
    with suppress(OSError):
        return list(folder.iterdir())
    return []
