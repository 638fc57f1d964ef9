"""The digest of a model's content, and the checksums by which damage is found and named.

The digest is SHA-256 over one line per file, `<sha256> <size> <path>`, in the order of the paths: it depends on names
and bytes alone, not on machines, times or rights.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from modelyard.domain.errors import DataCorrupted, NotFound

FILE: Final = "modelyard/checksums.json"
IGNORED: Final = frozenset({FILE, "registered_model_meta"})
"""Ourselves, and a file that MLflow adds to models which it has downloaded."""

_CHUNK: Final = 2**20


def files(path: str | Path) -> dict[str, tuple[int, str]]:
    """Relative path (with `/`) → size in bytes and SHA-256, of every file that counts; byte code does not.

    Raises:
        NotFound: there is no such directory.
    """
    root = Path(path)
    if not root.is_dir():
        raise NotFound(f"No directory '{path}'.")
    return {name: _checksum(root / name) for name in sorted(_names(root))}


def _names(root: Path) -> Iterator[str]:
    for folder, folders, found in os.walk(root):
        folders[:] = [each for each in folders if each != "__pycache__"]
        for each in found:
            name = (Path(folder) / each).relative_to(root).as_posix()
            if name not in IGNORED:
                yield name


def _checksum(file: Path) -> tuple[int, str]:
    digest = hashlib.sha256()
    size = 0
    with file.open("rb") as source:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def combined(found: dict[str, tuple[int, str]]) -> str:
    """The digest of a directory with these files (see `files`), `sha256:<64 hex digits>`."""
    digest = hashlib.sha256()
    for name, (size, checksum) in sorted(found.items()):
        # a name may hold a newline; JSON's form cannot, so no two lists of files make one text
        digest.update(f"{checksum} {size} {json.dumps(name)}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def compute(path: str | Path) -> str:
    """The digest of a directory's content, `sha256:<64 hex digits>`."""
    return combined(files(path))


def write(path: str | Path) -> str:
    """Write the checksums into the directory and return its digest."""
    found = files(path)
    digest = combined(found)
    listed = {name: {"size": size, "sha256": checksum} for name, (size, checksum) in found.items()}
    target = Path(path) / FILE
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({"digest": digest, "files": listed}, indent=1), encoding="utf-8")
    return digest


def recorded(path: str | Path) -> str | None:
    """The digest that the directory's own checksums say; None if it has none, as with models that MLflow saved."""
    listed = listed_files(path)
    return None if listed is None else combined(listed)


def listed_files(path: str | Path) -> dict[str, tuple[int, str]] | None:
    """What the directory's own checksums say of its files (see `files`); None if it has none.

    Raises:
        DataCorrupted: they do not decode.
    """
    root = Path(path)
    try:
        text = (root / FILE).read_bytes()
    except FileNotFoundError:
        return None
    try:
        return {str(name): (int(each["size"]), str(each["sha256"])) for name, each in json.loads(text)["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataCorrupted(f"'{root / FILE}' does not decode.") from None


def verify(path: str | Path, digest: str | None = None, found: dict[str, tuple[int, str]] | None = None) -> None:
    """Check a directory against its own checksums, if it has any, and against the digest, if one is given.

    Args:
        path: The directory.
        digest: What its content has to have.
        found: Its files (see `files`), where somebody has just read them; None reads them.

    Raises:
        DataCorrupted: it differs; the files that changed, are missing or are extra are named.
    """
    root = Path(path)
    found = files(root) if found is None else found
    listed = listed_files(root)
    if listed is not None and listed != found:
        wrong = {
            "changed": [name for name in listed if name in found and found[name] != listed[name]],
            "missing": [name for name in listed if name not in found],
            "extra": [name for name in found if name not in listed],
        }
        told = "; ".join(f"{word}: {_some(names)}" for word, names in wrong.items() if names)
        raise DataCorrupted(f"The model in '{path}' is not what was saved. {told}.")
    if digest is not None and combined(found) != digest:
        raise DataCorrupted(f"The model in '{path}' has the digest {combined(found)}; {digest} was expected.")


def _some(names: list[str], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
