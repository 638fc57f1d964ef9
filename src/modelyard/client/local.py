"""The local store: a directory, and whoever serves it at the moment.

Nobody has to start anything. The first process that logs to a directory starts `modelyard server` for it, detached and
on a loopback address; all processes share it, and it stops when none has asked anything for a while. A server that a
person runs on the same directory is used just the same. The lock beside the database decides who serves it, so any
number of processes may begin at once. Why not in this process: docs/decisions/0011-local-store.md.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from modelyard import optional
from modelyard.domain.errors import InvalidState, Unavailable
from modelyard.domain.holders import Holder, lock_of, read

if TYPE_CHECKING:
    from collections.abc import Iterator

IDLE_EXIT_S: Final = 10
"""Seconds without connections after which a server that we started stops."""

PATIENCE_S: Final = 30.0
"""How long a server may take to start, or to make room for another."""

_POLL_S: Final = 0.02
_LONGEST_LOG: Final = 1024 * 1024
_DATABASES: Final = (".db", ".sqlite", ".sqlite3")
_NEEDED: Final = "keep runs in a local directory"

_lock = threading.Lock()


def local_server(place: str | os.PathLike[str]) -> str:
    """The URL of the server that has this place's data; one is started if there is none.

    Args:
        place: a directory, a SQLite file (a name that ends in .db, .sqlite or .sqlite3), or sqlite:///PATH.

    Raises:
        MissingExtraError: nobody serves it, and this environment has no server.
        InvalidState: the file is not one of ours, or belongs to a newer release.
        Unavailable: the directory cannot be written, or the server does not come up.
    """
    database, data = _paths(place)
    with _lock:
        return _found(database) or _started(database, data)


def _forked() -> None:
    """In a child process: whoever held the lock in the parent does not exist here."""
    global _lock  # noqa: PLW0603 - there is one per process
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forked)


def serving(place: str | os.PathLike[str]) -> str:
    """The URL of the server that has this place's data now; empty if there is none."""
    return _found(_paths(place)[0])


def _paths(place: str | os.PathLike[str]) -> tuple[Path, Path]:
    """The database and the data directory of a place."""
    text = os.fspath(place)
    path = Path(os.path.abspath(text.removeprefix("sqlite:///")))  # noqa: PTH100 - absolute() keeps ".."
    if text.startswith("sqlite:///") or path.is_file() or (path.suffix in _DATABASES and not path.is_dir()):
        # Artifacts where `modelyard server --database sqlite:///...` looks for them, run beside the file.
        return path, path.parent / "modelyard-data"
    return path / "modelyard.db", path


def _holder(database: Path) -> Holder | None:
    """Who has the lock of a database, as far as that is written down already; None if nobody has it."""
    try:
        file = os.open(lock_of(str(database)), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return read(os.read(file, 200).decode(errors="replace")) or Holder(0, "")
    finally:
        os.close(file)
    return None


def _found(database: Path) -> str:
    """The URL of whoever serves the database now; empty if nobody takes requests."""
    holder = _holder(database)
    return holder.url if holder is not None and holder.ready else ""


def _started(database: Path, data: Path) -> str:
    """The URL of a server that this process or another one started just now."""
    if _holder(database) is None:  # else another environment's server is about to answer
        _check_installed()
    try:
        if not data.exists():
            data.mkdir(parents=True)
            (data / ".gitignore").write_text("*\n")  # runs are no part of the code that made them
    except FileExistsError:  # another process was first
        pass
    except OSError as error:
        raise _unusable(data, error) from None
    until = time.monotonic() + PATIENCE_S
    with _turn(data, until):
        child: subprocess.Popen[bytes] | None = None
        log = data / "server.log"
        begin = 0
        while time.monotonic() < until:
            url = _found(database)
            if url:
                return url
            if child is not None and child.poll() is not None:
                if child.returncode and _holder(database) is None:
                    raise _failure(log, begin)
                child = None  # another was first, or it stopped again
            if child is None and _holder(database) is None:
                child, begin = _start(database, data, log)
            time.sleep(_POLL_S)
    raise Unavailable(f"The server of {data} did not come up within {PATIENCE_S:g} s; its log is {log}.")


@contextmanager
def _turn(data: Path, until: float) -> Iterator[None]:
    """Wait while another process starts a server for the same directory; then there is one. Only saves work."""
    try:
        folder = os.open(data, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _unusable(data, error) from None
    try:
        while time.monotonic() < until:
            with suppress(BlockingIOError):
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(folder)


def _start(database: Path, data: Path, log: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start a server that lives on its own; the process, and where its lines begin in the log."""
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        with open(os.open(log, flags, 0o600), "ab") as lines:  # noqa: PTH123 - a file for nobody else
            if lines.tell() > _LONGEST_LOG:
                lines.truncate(0)
            begin = os.fstat(lines.fileno()).st_size
            child = subprocess.Popen(  # noqa: S603 - our own command
                [
                    *(sys.executable, "-P", "-m", "modelyard.cli.main", "server"),
                    *("--host", "127.0.0.1", "--port", "0", "--workers", "1"),
                    *("--data", str(data), "--database", f"sqlite:///{_quoted(database)}"),
                    *("--idle-exit", str(IDLE_EXIT_S), "--log-level", "warning"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=lines,
                stderr=lines,
                start_new_session=True,  # Ctrl-C in the training script is not meant for it
            )
    except OSError as error:
        raise _unusable(data, error) from None
    # Whoever starts a process must hear of its end, or it stays in the system's table.
    threading.Thread(target=child.wait, name="modelyard-local-server", daemon=True).start()
    return child, begin


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(str(path))


def _check_installed() -> None:
    """Raise MissingExtraError if this environment has no server."""
    from importlib.util import find_spec

    for package, extra in optional.EXTRAS.items():
        if extra == "server" and find_spec(package) is None and package != "uvloop":
            raise optional.MissingExtraError(package, extra, _NEEDED)


def _unusable(data: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"The data directory {data} cannot be used: {error.strerror or error}. "
        "Set MODELYARD_DATA to another one, or MODELYARD_TRACKING_URI to a server."
    )


def _failure(log: Path, begin: int) -> InvalidState | Unavailable:
    """Why a server did not start, in its own words."""
    with open(log, "rb") as lines:  # noqa: PTH123
        lines.seek(begin)
        text = lines.read(65536).decode(errors="replace").strip()
    last = text.rpartition("\n")[2]
    if last.startswith("Error: "):
        return InvalidState(f"{last.removeprefix('Error: ')} (The local server's log: {log})")
    return Unavailable(f"The local server cannot start: {last or 'no reason given'}. Its log: {log}")
