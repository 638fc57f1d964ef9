"""A model's directory on its way to another machine: packed, and unpacked once per machine and content."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from modelyard.domain.errors import InvalidArgument, PermissionDenied

LARGEST_BYTES: Final = 2**30
"""Of a directory's files together. Larger models belong into the registry, from where each node fetches them itself."""


def pack(directory: Path) -> bytes:
    """The directory as an archive.

    Raises:
        InvalidArgument: it is too large.
    """
    files = sorted(each for each in directory.rglob("*") if each.is_file())
    # who downloaded the directory wrote beside it what it is
    origin = directory.parent / f".{directory.name}.json"
    size = sum(each.stat().st_size for each in files)
    if size > LARGEST_BYTES:
        raise InvalidArgument(
            f"{directory} holds {size >> 20} MiB, more than the {LARGEST_BYTES >> 20} MiB that are sent to the nodes. "
            "Register the model, and each node downloads it itself."
        )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        for each in [*files, *([origin] if origin.is_file() else [])]:
            # times from before 1980 cannot be said in an archive, and change nothing
            packed.writestr(zipfile.ZipInfo(str(each.relative_to(directory.parent))), each.read_bytes())
    return archive.getvalue()


def unpack(archive: bytes, name: str) -> Path:
    """Where the directory of that name is now; a directory that is there already is used again.

    Raises:
        PermissionDenied: somebody else owns the place where such directories are kept.
    """
    root = Path(tempfile.gettempdir()) / f"modelyard-models-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    told = root.lstat()
    if told.st_uid != os.getuid() or told.st_mode & 0o022 or root.is_symlink():
        raise PermissionDenied(f"{root} is not this user's alone, so no model is unpacked there.")
    place = root / hashlib.sha256(archive).hexdigest()[:32]
    if not place.exists():
        with tempfile.TemporaryDirectory(dir=root) as scratch:
            inside = Path(scratch) / "content"
            with zipfile.ZipFile(io.BytesIO(archive)) as packed:
                packed.extractall(inside)
            try:
                inside.rename(place)
            except OSError:
                if not place.exists():  # somebody else was not quicker, either
                    raise
    return place / name
