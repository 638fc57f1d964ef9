"""The files by which lasting replicas are found again.

Each file has a fixed size that is taken from the disk when it is made, and is written in place: a full disk comes in
nobody's way later. A sum tells a reader whether it read while somebody wrote. Who keeps a replica holds its file locked
(`flock`) as long as it lives, so that no process number has to be trusted, and no replica is kept twice.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import zlib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, Self

from modelyard.domain.errors import Unavailable

SIZE: Final = 16384
_LOOKS: Final = 50
_LONGEST_REASON: Final = 2000
"""In bytes, so that what a keeper says stays within a page: a page is written as a whole even by one that is killed."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the keeper of a replica says of it.

    Attributes:
        keeper: its process number; 0 before it knows.
        server: of the model server; 0: there is none now.
        began: when that began, in the system's own count, so that a number used again is not taken for it.
        boot: of the system; all other numbers mean nothing after the next.
        state, url, reason: as `base.Replica` has them.
    """

    keeper: int = 0
    server: int = 0
    began: int = 0
    boot: str = ""
    state: str = ""
    url: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of a spec.

    Attributes:
        fingerprint: of the spec.
        numbers: of the replicas that shall be.
        stopping: number of a replica that shall end → since when, by the system's monotonic clock.
        stop_s: seconds that they get for it.
        boot: of the system whose clock that is.
    """

    fingerprint: str
    numbers: tuple[int, ...] = ()
    stopping: dict[int, float] = field(default_factory=dict)
    stop_s: float = 35.0
    boot: str = ""


class StateFile:
    """One of these files, open.

    Args:
        path: of it; made if it is not there.
        descriptor: of one that is open already.

    Raises:
        Unavailable: it cannot be made; the disk may be full.
    """

    def __init__(self, path: Path, descriptor: int = -1) -> None:
        self.path = path
        try:
            self.descriptor = descriptor
            if descriptor < 0:
                self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if os.fstat(self.descriptor).st_size < SIZE:
                _take_room(self.descriptor)
        except OSError as error:
            if self.descriptor >= 0:
                os.close(self.descriptor)
            raise Unavailable(f"The state of replicas cannot be kept in {path.parent}: {error.strerror}.") from None

    def lock(self) -> bool:
        """Take it, unless somebody else has it."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def write(self, content: Told | Wish) -> None:
        """Replace what it says."""
        text = json.dumps(asdict(content), ensure_ascii=False).encode(errors="replace")
        os.pwrite(self.descriptor, b"%08x%b\n" % (zlib.crc32(text), text), 0)

    def close(self) -> None:
        """Let go of it, and of the lock unless somebody shares it."""
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *told: object) -> None:
        self.close()


def _take_room(descriptor: int) -> None:
    try:
        os.posix_fallocate(descriptor, 0, SIZE)
    except AttributeError:  # not Linux
        os.pwrite(descriptor, b"\0" * SIZE, 0)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
        os.pwrite(descriptor, b"\0" * SIZE, 0)


def locked(path: Path) -> bool:
    """Whether somebody holds a file; only for those who hold the directory, since looking is holding for a moment."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def read_told(path: Path) -> Told:
    """What a keeper said last; nothing, if it has not said anything."""
    found = _read(path)
    known = {each.name for each in fields(Told)}
    return Told(**{name: value for name, value in found.items() if name in known})


def read_wish(path: Path) -> Wish | None:
    """What is wanted; None if nothing is known."""
    found = _read(path)
    if not found:
        return None
    stopping = {int(number): since for number, since in found["stopping"].items()}
    return Wish(found["fingerprint"], tuple(found["numbers"]), stopping, found["stop_s"], found["boot"])


def _read(path: Path) -> dict[str, Any]:
    for _ in range(_LOOKS):
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return {}
        content = text.partition(b"\n")[0]
        if not content.strip(b"\0"):
            return {}
        try:
            if int(content[:8], 16) == zlib.crc32(content[8:]):
                found: dict[str, Any] = json.loads(content[8:])
                return found
        except ValueError:
            pass
        sleep(0.001)  # somebody is writing
    return {}


def shortened(reason: str) -> str:
    """A reason that fits into a file."""
    text = reason.encode(errors="replace")
    return reason if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON].decode(errors='ignore')}…"


def boot() -> str:
    """Which start of the system this is; empty if it does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def began(process: int) -> int:
    """When a process began, in the system's own count; 0 if there is none, or it has ended and nobody asked how."""
    try:
        told = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0
    return 0 if told[0] in (b"Z", b"X") else int(told[19])


def lives(process: int, since: int, at_boot: str) -> bool:
    """Whether it is still the process that began then."""
    return process > 0 and at_boot == boot() and began(process) == since != 0


class Turn:
    """One process at a time may change what is in a directory; the system lets go of it for those that die.

    Args:
        folder: the directory.
        patience_s: seconds to wait for others.

    Raises:
        Unavailable: the directory cannot be used, or somebody does not let go of it.
    """

    def __init__(self, folder: Path, patience_s: float = 5.0) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable(f"The state of replicas cannot be kept in {folder}: {error.strerror}.") from None
        until = monotonic() + patience_s
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if monotonic() > until:
                    os.close(self._descriptor)
                    raise Unavailable(
                        f"Another process has had the replicas in {folder} for {patience_s:g} s."
                    ) from None
            sleep(0.005)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *told: object) -> None:
        os.close(self._descriptor)
