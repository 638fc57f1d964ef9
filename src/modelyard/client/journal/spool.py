"""Where journals lie: a directory on a disk of this machine, readable by its user alone."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from modelyard import settings

_NETWORK: Final = ("nfs", "cifs", "smb", "lustre", "fuse", "9p", "afs", "ceph", "gpfs", "beegfs", "glusterfs", "pvfs")
"""Beginnings of file systems' names on which a mapping may stall for minutes or fail with SIGBUS."""

_made: dict[str, Path] = {}


def directory() -> Path:
    """The spool directory, made if it is missing.

    It is `MODELYARD_SPOOL`; or `modelyard/spool` in the user's state directory if that is on a disk of this machine;
    or one in `/var/tmp`; or, where nothing else can be written to, a temporary one.
    """
    key = f"{settings.SPOOL.get()}|{os.environ.get('XDG_STATE_HOME', '')}|{os.environ.get('HOME', '')}"
    found = _made.get(key)
    if found is None or not found.is_dir():
        found = _made[key] = next((path for path in _candidates() if _usable(path)), None) or Path(
            tempfile.mkdtemp(prefix="modelyard-spool-")
        )
    return found


def places() -> list[Path]:
    """Every directory that journals of this user may lie in, and that exists."""
    return [path for path in dict.fromkeys(_candidates()) if path.is_dir() and _own(path)]


def _candidates() -> Iterator[Path]:
    if given := settings.SPOOL.get():
        yield Path(given).expanduser().absolute()
    else:
        try:
            state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
        except RuntimeError:  # a user without a home
            state = ""
        home = Path(state) / "modelyard" / "spool"
        if home.is_absolute() and not on_network(home):
            yield home
    yield Path(f"/var/tmp/modelyard-{_user()}")  # noqa: S108 - ours alone, see `_own`


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else "user"


def _usable(path: Path) -> bool:
    """Whether it is there, or can be made, is ours, and can be written to."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _own(path) and os.access(path, os.W_OK | os.X_OK) and _writable(path)
    except OSError:
        return False


def _writable(path: Path) -> bool:
    """A read-only file system says so only when one writes."""
    descriptor, name = tempfile.mkstemp(prefix=".try-", dir=path)
    os.close(descriptor)
    Path(name).unlink()
    return True


def _own(path: Path) -> bool:
    """Whether a directory belongs to this user: in a directory for everybody, another one could have laid it out."""
    found = path.stat(follow_symlinks=True)
    return stat.S_ISDIR(found.st_mode) and (not hasattr(os, "getuid") or found.st_uid == os.getuid())


def on_network(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Whether a path is on a network file system, as far as the system tells.

    Args:
        path: need not exist.
        mounts: the table of mounts (proc(5)).
    """
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return False
    best, kind = "", ""
    real = os.path.realpath(path)
    for line in lines:
        fields, dash, rest = line.partition(" - ")
        parts = fields.split()
        if not dash or len(parts) < 5:
            continue
        point = parts[4].replace("\\040", " ")
        if len(point) >= len(best) and (real == point or real.startswith(point.rstrip("/") + "/")):
            best, kind = point, rest.split()[0]
    return kind.startswith(_NETWORK)
