"""Processes for models, as the system has them; some are started before anybody knows what they are for.

Interpreter and libraries take most of a start's time. A process that is started ahead imports what its model will need
while the front looks at the files, and is taken by the first that wants one like it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.settings import ServeSettings

_POOLS: Final = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "MODELYARD_MODEL_THREADS",
)  # fmt: skip
"""Environment variables by which numeric libraries bound their thread pools; read when they are loaded."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a process is like that has no model yet.

    Attributes:
        threads: bound of its libraries' pools.
        form: of its log lines.
        level: likewise.
        copies: how many forks of it there shall be.
    """

    threads: int
    form: str
    level: str
    copies: int = 0


@dataclass(slots=True)
class Spawned:
    """A process, and the sockets to it and to its forks to come.

    Attributes:
        child: it.
        pair: our end.
        forks: our ends of the pairs to its forks.
        descriptors: the forks' ends, in the process.
    """

    child: subprocess.Popen[bytes]
    pair: socket.socket
    forks: list[socket.socket] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def close(self) -> None:
        """Let it end: it stops when its pair is closed."""
        for each in (self.pair, *self.forks):
            each.close()


_ahead: Final[list[tuple[Kind, Spawned]]] = []


def spawn(kind: Kind) -> Spawned:
    """A process of that kind: one that was started ahead, or a new one."""
    for at, (other, found) in enumerate(_ahead):
        if other == kind and found.child.poll() is None:
            del _ahead[at]
            return found
    return _spawn(kind)


def ahead(settings: ServeSettings, folders: Sequence[str]) -> None:
    """Start the processes that will be wanted for these models.

    Args:
        settings: of the server.
        folders: a directory each, or an empty text where that is not known yet.
    """
    copies = max(1, settings.workers) - 1
    spare = max(1, (cores(settings) - 1) // max(1, settings.workers))
    kind = Kind(spare, settings.log_format, settings.log_level, copies)
    graphs = "onnx" if settings.onnx == "auto" else ""
    _ahead.extend((kind, _spawn(kind, folder, graphs)) for folder in folders[: cores(settings)])


def forget() -> None:
    """Let those end that nobody took."""
    while _ahead:
        _, unwanted = _ahead.pop()
        unwanted.child.kill()
        unwanted.child.wait()
        unwanted.close()


def cores(settings: ServeSettings) -> int:
    """How many this server has."""
    if settings.cpus_per_replica:
        return max(1, round(settings.cpus_per_replica))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _spawn(kind: Kind, *preparing: str) -> Spawned:
    ours, theirs = socket.socketpair()
    pairs = [socket.socketpair() for _ in range(kind.copies)]
    passed = [theirs.fileno(), *(other.fileno() for _, other in pairs)]
    environment = {
        "MKL_CBWR": "AUTO,STRICT",  # answers do not depend on where in memory, and in which batch, a row lies
        **os.environ,
        **{name: str(kind.threads) for name in _POOLS},
        "PYTHONUNBUFFERED": "1",
    }
    module, descriptor = "modelyard.serving.worker", str(theirs.fileno())
    child = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", module, descriptor, kind.form, kind.level, *preparing],
        pass_fds=passed,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    theirs.close()
    for _, other in pairs:
        other.close()
    return Spawned(child, ours, [mine for mine, _ in pairs], passed[1:])
