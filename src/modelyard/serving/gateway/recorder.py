"""Records predictions on disk, from where another process delivers them; see `journal.py` and `deliverer.py`."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec

from .entries import packed
from .journal import DELIVERED, FEEDBACK, PREDICTION, REACHED_MS, REJECTED, Full, Journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from modelyard.domain.predictions import Feedback

    from .entries import Entry

_SAY_S: Final = 60.0
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 3.0
_LONG_LIFE_S: Final = 30.0
_STOP_S: Final = 5.0

log = logging.getLogger("modelyard.gateway")

_encode: Final = msgspec.msgpack.Encoder().encode


class Recorder:
    """Takes what was answered, on the event loop, and sees to it that it arrives.

    Args:
        folder: where journals are; several gateways may share it.
        server: URL of the server.
        gateway: this gateway's name.
        limit_bytes: the most that waits on disk; what comes then is dropped and counted.

    Attributes:
        dropped: records that found no room.
    """

    def __init__(self, folder: Path, server: str, gateway: str, *, limit_bytes: int = 2 * 2**30) -> None:
        self.dropped = 0
        self._folder = folder
        self._server = server
        self._gateway = gateway
        self._journal = Journal(folder, gateway, limit_bytes)
        self._said_at = -_SAY_S
        self._said = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._keeper: threading.Thread | None = None
        self._closing = threading.Event()

    # -------------------------------------------------------------------------------- writing

    def record(self, entry: Entry) -> None:
        """Write down one answered request. Never raises, never waits."""
        self.write(packed, entry)

    def write(self, pack: Callable[..., bytes], *told: Any) -> None:
        """Write down one answered request as it is packed, such as by `entries.Form`. Never raises, never waits."""
        try:
            self._journal.append(PREDICTION, pack(*told))
        except Exception as error:  # noqa: BLE001 - an answer does not fail because it could not be written down
            self._drop(error)

    def feedback(self, document: Feedback) -> None:
        """Write down what was learnt later. Never raises, never waits."""
        try:
            self._journal.append(FEEDBACK, _encode(document))
        except Exception as error:  # noqa: BLE001 - likewise
            self._drop(error)

    def _drop(self, error: Exception) -> None:
        self.dropped += 1
        now = time.monotonic()
        if now - self._said_at >= _SAY_S:
            log.warning(
                "%d predictions could not be written down and are lost: %s. Requests are answered all the same.",
                self.dropped - self._said, error if isinstance(error, Full) else repr(error),
            )  # fmt: skip
            self._said_at, self._said = now, self.dropped

    # -------------------------------------------------------------------------------- what is told

    @property
    def recorded(self) -> int:
        """Records that were written down."""
        return self._journal.records

    @property
    def pending(self) -> int:
        """Records that are not delivered yet."""
        done = self._journal.told(DELIVERED) + self._journal.told(REJECTED)
        return max(0, self._journal.records - done)

    @property
    def rejected(self) -> int:
        """Records that the server refused; they are kept in a file."""
        return self._journal.told(REJECTED)

    @property
    def reached_ms(self) -> int:
        """When something was last delivered, ms since the epoch; 0: never."""
        return self._journal.told(REACHED_MS)

    @property
    def size(self) -> int:
        """What the journal takes on disk."""
        return self._journal.used

    @property
    def deliverer(self) -> int:
        """The process that delivers; 0: none runs."""
        child = self._child
        return child.pid if child is not None and child.returncode is None else 0

    # -------------------------------------------------------------------------------- the delivering process

    def start(self) -> None:
        """Start the process that delivers, and keep it running."""
        self._journal.begin()
        self._keeper = threading.Thread(target=self._keep, name="modelyard-recorder", daemon=True)
        self._keeper.start()

    def _keep(self) -> None:
        pause = _FIRST_PAUSE_S
        while not self._closing.is_set():
            began = time.monotonic()
            try:
                child = self._child = self._spawn()
            except OSError as error:
                log.warning("the process that delivers predictions cannot be started (%s); it is tried again", error)
            else:
                child.wait()
                if self._closing.is_set():
                    return
                _hang_up(child)
                log.warning("the process that delivers predictions ended (%s); it is started again", child.returncode)
            pause = _FIRST_PAUSE_S if time.monotonic() - began > _LONG_LIFE_S else min(pause * 2, _LONGEST_PAUSE_S)
            self._closing.wait(pause)

    def _spawn(self) -> subprocess.Popen[bytes]:
        """Start it; what it has to know comes on its standard input: a URL may hold a password.

        The pipe stays open: `stop`, or its end, is heard even if it comes while the process starts.
        """
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "modelyard.serving.gateway.deliverer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C is not for it; in another session Linux would not heed its low priority
        )
        told = {
            "root": str(self._folder.absolute()), "server": self._server, "gateway": self._gateway,
            "parent": os.getpid(), "limit_bytes": self._journal.limit_bytes,
        }  # fmt: skip
        _say(child, json.dumps(told))
        return child

    def close(self, timeout_s: float = _STOP_S) -> None:
        """Deliver what can be delivered at once, and leave the rest to the next gateway."""
        self._closing.set()
        self._journal.close()
        child = self._child
        if child is not None:
            _say(child, "stop")
            _hang_up(child)
            try:
                child.wait(timeout_s)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if self._keeper is not None:
            self._keeper.join(1.0)


def _say(child: subprocess.Popen[bytes], line: str) -> None:
    """Write a line to a process that may be dead."""
    if child.stdin is not None and not child.stdin.closed:
        with suppress(OSError):
            child.stdin.write(line.encode() + b"\n")
            child.stdin.flush()


def _hang_up(child: subprocess.Popen[bytes]) -> None:
    if child.stdin is not None:
        with suppress(OSError):
            child.stdin.close()
