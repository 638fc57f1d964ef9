"""A model's files on this machine: downloaded, verified, from the cache where they are there already."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from modelyard.domain.errors import NotFound
from modelyard.packaging import digest as digests

from . import cache, transfers
from . import references as refs
from .client import Client
from .references import Reference


def download_model(
    model_uri: str,
    dst_path: str | os.PathLike[str] | None = None,
    *,
    client: Client | None = None,
    progress: transfers.Progress | None = None,
) -> str:
    """A model's directory on this machine, verified.

    Args:
        model_uri: see `references.resolve`.
        dst_path: the directory that it comes into, made if it is missing; None: what is on this machine stays where it
            is, versions and logged models come into the cache, and a run's artifacts into a temporary directory.
        client: None: one for the current tracking URI.
        progress: is told of files and bytes.

    Raises:
        NotFound: there is no such model.
        DataCorrupted: it is not what was saved; the files are named.
        Unavailable: a server cannot be reached.
    """
    found = refs.resolve(client or Client(), str(model_uri))
    here = found.local
    if here is not None and dst_path is None:
        if not here.is_dir():
            raise NotFound(f"There is no directory {here}.")
        return str(here)
    if dst_path is not None:
        target = Path(dst_path)
        fetch(found, target, progress)
        return str(target)
    if found.identity:
        with contextlib.suppress(OSError):  # no room, no right: then without
            return str(cache.get(found.identity, found.digest, lambda into: fetch(found, into, progress)))
    scratch = Path(tempfile.mkdtemp(prefix="modelyard-model-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    fetch(found, scratch, progress)
    return str(scratch)


def fetch(
    found: Reference, into: Path, progress: transfers.Progress | None = None, *, threads: int = transfers.THREADS
) -> dict[str, tuple[int, str]]:
    """Download a model into a directory, and verify it. What is there already and is right is not fetched again.

    Args:
        found: which.
        into: the directory; what is in it and not in the model is left alone.
        progress: is told of files and bytes.
        threads: how many files at once.

    Returns:
        Its files: relative path → size in bytes and SHA-256.

    Raises:
        DataCorrupted: files are missing, or are not what was saved; they are named.
    """
    listed = list(transfers.walk(found.folder, found.path))
    if not listed:
        raise NotFound(f"{found.uri} has no files.")
    prefix = f"{found.path}/" if found.path else ""
    promised: dict[str, tuple[int, str]] = {}
    checksums = ""
    if any(each.path == prefix + digests.FILE for each in listed):
        listed = [each for each in listed if each.path != prefix + digests.FILE]
        checksums = transfers.download_file(found.folder, prefix + digests.FILE, into / digests.FILE, progress)
        promised = digests.listed_files(into) or {}
    else:  # of another model, which lay here
        (into / digests.FILE).unlink(missing_ok=True)
    arrived = transfers.download(
        found.folder,
        found.path,
        into,
        progress,
        digests=lambda name: promised[name][1] if name in promised else None,
        listed=listed,
        threads=threads,
    )
    if checksums:
        arrived[digests.FILE] = checksums
    files = {name: ((into / name).stat().st_size, sha) for name, sha in arrived.items()}
    digests.verify(into, found.digest, _counted(files))
    return files


def digest_of(files: Mapping[str, tuple[int, str]]) -> str:
    """The digest of a model with these files, as `packaging.digest.compute` has it."""
    return digests.combined(_counted(files))


def _counted(files: Mapping[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
    """Without the checksums themselves, and byte code."""
    return {
        name: told
        for name, told in files.items()
        if name not in digests.IGNORED and "__pycache__" not in name.split("/")
    }
