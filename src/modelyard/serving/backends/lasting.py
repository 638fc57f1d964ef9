"""Replicas of this machine that outlive the process that started them, and are found again by the next one.

Each replica has a keeper, a small process of its own, and a file (`states`) that the keeper holds locked. What is
wanted stands in another file before anything is started. So a process that is killed between any two steps leaves
nothing behind that the next one does not find, and two that act at once start nothing twice.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from modelyard.domain.errors import InvalidArgument, Unavailable
from modelyard.settings import CLIENT, PREFIX, ServeSettings, Settings

from . import states
from .base import FAILED, READY, STARTING, STOPPING, Replica, Status, check_same, numbered

if TYPE_CHECKING:
    from .base import Spec

_NAME: Final = re.compile(r"[a-z0-9_][a-z0-9._-]{0,199}")
_GRACE_S: Final = 5.0
"""Beyond the time that a model server gets to stop."""
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0


@dataclass(slots=True)
class _Starts:
    """When a keeper may be started again."""

    pause_s: float = _FIRST_PAUSE_S / 2
    next: float = 0.0


class LastingBackend:
    """See `base.Backend`.

    Args:
        folder: where the state is kept; a directory of this machine, for this user.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._guard = threading.Lock()
        self._specs: dict[str, Spec] = {}
        self._starts: dict[Path, _Starts] = {}
        self._since: dict[Path, float] = {}

    # ------------------------------------------------------------ the protocol

    def ensure(self, spec: Spec) -> None:
        """See `base.Backend`."""
        if not _NAME.fullmatch(spec.name):
            raise InvalidArgument(f"{spec.name!r} is no name of replicas: lower-case letters, digits, '-', '_', '.'.")
        with self._turn():
            folder = self._folder / spec.name
            wish = states.read_wish(folder / "wish")
            if wish is not None and (wish.numbers or _numbers(folder)):
                check_same(spec, wish.fingerprint)
            self._sweep(spec.name)
            there = _numbers(folder)
            wish = _of_this_boot(states.read_wish(folder / "wish") or states.Wish(spec.fingerprint))
            staying = sorted(wish.numbers)
            leaving, staying = staying[spec.replicas :], staying[: spec.replicas]
            staying += numbered({*there, *staying}, spec.replicas - len(staying))
            now = monotonic()
            stopping = {each: wish.stopping.get(each, now) for each in {*wish.stopping, *leaving} if each in there}
            stop_s = float(spec.settings.get("stop_timeout_s", _default("stop_timeout_s"))) + _GRACE_S
            wished = states.Wish(spec.fingerprint, tuple(staying), stopping, stop_s, states.boot())
            if wished != wish:
                self._wish(folder, wished)
            self._specs[spec.name] = spec
            self._sweep(spec.name)

    def status(self, name: str) -> Status:
        """See `base.Backend`."""
        if not (self._folder / name).is_dir():
            return Status(name)
        with self._turn():
            return Status(name, tuple(self._sweep(name)))

    def stop(self, name: str) -> None:
        """See `base.Backend`."""
        self._specs.pop(name, None)
        folder = self._folder / name
        if not folder.is_dir():
            return
        with self._turn():
            wish = states.read_wish(folder / "wish")
            if wish is not None and wish.numbers:
                wish = _of_this_boot(wish)
                now = monotonic()
                stopping = {**wish.stopping, **dict.fromkeys(wish.numbers, now)}
                self._wish(folder, replace(wish, numbers=(), stopping=stopping))
            self._sweep(name)

    def list(self) -> tuple[str, ...]:
        """See `base.Backend`."""
        if not self._folder.is_dir():
            return ()
        with self._turn():
            for each in _folders(self._folder):
                self._sweep(each)
            return tuple(sorted(_folders(self._folder)))

    def close(self) -> None:
        """See `base.Backend`: all goes on, and what is stopping needs nobody for it."""
        self._specs.clear()

    # ------------------------------------------------------------ one at a time

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with self._guard, states.Turn(self._folder):
            yield

    def _wish(self, folder: Path, wish: states.Wish) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        with states.StateFile(folder / "wish") as file:
            file.write(wish)

    def _sweep(self, name: str) -> Sequence[Replica]:
        """Do what is due for a spec's replicas, and say how they are."""
        folder = self._folder / name
        wish = states.read_wish(folder / "wish")
        if wish is None:  # whoever began it got no further; if it is beyond reading, nothing is wanted
            wish = states.Wish("")
        found = []
        for number in sorted({*_numbers(folder), *wish.numbers}):
            path = folder / f"{number}.replica"
            told = states.read_told(path)
            if number in wish.numbers:
                found.append(self._wanted(path, number, told))
            elif self._unwanted(path, told, _of_this_boot(wish).stopping.get(number, monotonic()), wish.stop_s):
                found.append(_replica(number, STOPPING, told))
        if not found and not wish.numbers:
            shutil.rmtree(folder, ignore_errors=True)
        return found

    def _wanted(self, path: Path, number: int, told: states.Told) -> Replica:
        if states.locked(path):
            if told.keeper and told.boot == states.boot():
                return _replica(number, told.state, told, told.reason)
            return Replica(str(number), STARTING, "", socket.gethostname(), "It is being started.")
        spec = self._specs.get(path.parent.name)
        starts = self._starts.setdefault(path, _Starts())
        if told.state == READY or monotonic() > starts.next + _LONGEST_PAUSE_S:  # its start was not what it died of
            starts.pause_s, starts.next = _FIRST_PAUSE_S / 2, 0.0
        if spec is not None and monotonic() >= starts.next:
            starts.pause_s = min(_LONGEST_PAUSE_S, starts.pause_s * 2)
            starts.next = monotonic() + starts.pause_s
            self._start(spec, path, told)
            return Replica(str(number), STARTING, "", socket.gethostname(), "It is being started.")
        if told.keeper:
            return _replica(number, FAILED, states.Told(), "The process that kept it has gone; it is started again.")
        return Replica(str(number), STARTING, "", socket.gethostname(), "It is about to be started.")

    def _unwanted(self, path: Path, told: states.Told, since: float, stop_s: float) -> bool:
        """See that it ends; whether there still is something of it."""
        overdue = monotonic() > since + stop_s + _GRACE_S
        if states.locked(path):
            if told.keeper:
                _signal(told.keeper, path, signal.SIGKILL if overdue else signal.SIGTERM)
            return True
        if states.lives(told.server, told.began, told.boot):
            # its keeper was killed; it ends by itself, and if it does not, it is ended
            gone = self._since.setdefault(path, monotonic())
            if overdue and monotonic() > gone + min(stop_s, _GRACE_S):
                with suppress(OSError):
                    os.killpg(told.server, signal.SIGKILL)
            return True
        for each in (path, path.with_suffix(".log"), path.with_suffix(".log.1")):
            each.unlink(missing_ok=True)
        self._since.pop(path, None)
        self._starts.pop(path, None)
        return False

    def _start(self, spec: Spec, path: Path, before: states.Told) -> None:
        leftover = [before.server, before.began, before.boot]
        stop_s = float(spec.settings.get("stop_timeout_s", _default("stop_timeout_s"))) + _GRACE_S
        what = {
            "models": spec.models,
            "memory_bytes": spec.memory_bytes,
            "stop_s": stop_s,
            "leftover": leftover if states.lives(before.server, before.began, before.boot) else [],
        }
        with states.StateFile(path) as file:
            if not file.lock():  # cannot be: who looks holds the directory
                return
            file.write(states.Told())
            try:
                child = subprocess.Popen(  # noqa: S603 - our own module
                    [sys.executable, "-P", "-m", "modelyard.serving.backends.keeper", str(path), str(file.descriptor),
                     json.dumps(what)],
                    env=_environment(spec),
                    pass_fds=[file.descriptor],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                raise Unavailable(f"No process can be started for {spec.name}: {error.strerror}.") from None
        # whoever starts a process must hear of its end, or it stays in the system's table
        threading.Thread(target=child.wait, name="modelyard-keeper", daemon=True).start()


def _environment(spec: Spec) -> dict[str, str]:
    """Of a replica: this process's, without what is the server's own business, such as the database's password."""
    own = {PREFIX + each.name.upper() for each in fields(Settings)} - set(CLIENT)
    kept = {
        name: text for name, text in os.environ.items() if name not in own and not name.startswith(ServeSettings.PREFIX)
    }
    return {**kept, **spec.variables}


def _signal(process: int, path: Path, number: int) -> None:
    """Signal a keeper, whose number cannot become another's before that: it still holds its file when it was found."""
    with suppress(OSError):
        if not hasattr(os, "pidfd_open"):  # not Linux
            os.kill(process, number)
            return
        descriptor = os.pidfd_open(process)
        try:
            if states.locked(path):
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


def _of_this_boot(wish: states.Wish) -> states.Wish:
    """Times of another boot's clock say nothing."""
    now = states.boot()
    return wish if wish.boot == now else replace(wish, stopping=dict.fromkeys(wish.stopping, 0.0), boot=now)


def _replica(number: int, state: str, told: states.Told, reason: str = "") -> Replica:
    return Replica(str(number), state, told.url, socket.gethostname(), reason)


def _numbers(folder: Path) -> set[int]:
    return {int(each.stem) for each in folder.glob("*.replica") if each.stem.isdigit()}


def _folders(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir() if each.is_dir() and _NAME.fullmatch(each.name)]


def _default(name: str) -> Any:
    return next(each.default for each in fields(ServeSettings) if each.name == name)


def open_lasting(address: str = "") -> LastingBackend:
    """Make one.

    Args:
        address: the directory; empty: `$XDG_STATE_HOME/modelyard/replicas`, or `~/.local/state/modelyard/replicas`.
    """
    if address:
        return LastingBackend(Path(address))
    root = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return LastingBackend(Path(root) / "modelyard" / "replicas")
