"""MLflow's `mlflow.artifacts`: reading what runs and models keep, by URI. `modelyard.artifacts` gives these names."""

from __future__ import annotations

import json
import os
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from modelyard.domain.errors import DataCorrupted, InvalidArgument

from .entities import FileInfo

if TYPE_CHECKING:
    from .folders import Folder

_HERE: Final = ("", "file")


def download_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    dst_path: str | os.PathLike[str] | None = None,
    tracking_uri: str | None = None,
    registry_uri: str | None = None,
) -> str:
    """Fetch a file or a folder.

    Args:
        artifact_uri: `runs:/ID/PATH`, `models:/NAME/VERSION/PATH`, `mlflow-artifacts:/PATH`, a path, `s3://...`; or
        run_id: the run whose artifact is fetched, with
        artifact_path: its path; None: all of them.
        dst_path: the directory to put it into; None: a new one, which is the caller's. What is on this machine already
            stays where it is then.
        tracking_uri: instead of the current one.
        registry_uri: likewise.

    Returns:
        Where it is now.

    Raises:
        InvalidArgument: not exactly one of `artifact_uri` and `run_id` is given, or nothing reads such a URI.
        NotFound: there is nothing of this name.
    """
    from .artifacts import fetch

    scheme = urlsplit(artifact_uri).scheme if artifact_uri else None
    if scheme in _HERE and dst_path is None and run_id is None:
        from .folders import local_path

        if (path := Path(local_path(str(artifact_uri)))).exists():
            return str(path)
    folder, path_in_it = _place(artifact_uri, run_id, artifact_path, tracking_uri, registry_uri)
    return fetch(folder, path_in_it, dst_path)


def list_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    tracking_uri: str | None = None,
) -> list[FileInfo]:
    """What is directly in a folder of artifacts; arguments as of `download_artifacts`.

    Returns:
        Files and folders, by name; `path` is relative to the run's artifacts, or to what the URI's root is.
    """
    folder, path = _place(artifact_uri, run_id, artifact_path, tracking_uri, None)
    return [
        FileInfo(posixpath.join(path, entry.name), entry.is_dir, None if entry.is_dir else entry.size)
        for entry in sorted(folder.list(path), key=lambda entry: entry.name)
    ]


def load_text(artifact_uri: str) -> str:
    """The text of an artifact in UTF-8; see `download_artifacts`.

    Raises:
        DataCorrupted: it is no such text.
    """
    try:
        return _read(artifact_uri).decode()
    except UnicodeDecodeError as error:
        raise DataCorrupted(f"{artifact_uri!r} is not a text in UTF-8: {error}.") from error


def load_dict(artifact_uri: str) -> Any:
    """The content of an artifact in JSON; see `download_artifacts`.

    Raises:
        DataCorrupted: it is no JSON.
    """
    try:
        return json.loads(_read(artifact_uri))
    except ValueError as error:
        raise DataCorrupted(f"{artifact_uri!r} is not JSON: {error}.") from error


def load_image(artifact_uri: str) -> Any:
    """An artifact as an image of Pillow; see `download_artifacts`.

    Raises:
        DataCorrupted: it is no image.
    """
    import io

    import PIL.Image

    try:
        return PIL.Image.open(io.BytesIO(_read(artifact_uri)))
    except PIL.UnidentifiedImageError as error:
        raise DataCorrupted(f"{artifact_uri!r} is not an image that Pillow reads.") from error


def _read(artifact_uri: str) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="modelyard-") as folder:
        path = Path(download_artifacts(artifact_uri, dst_path=folder))
        if path.is_dir():
            raise InvalidArgument(f"{artifact_uri!r} is a folder; a file was expected.")
        return path.read_bytes()


def _place(
    uri: str | None, run_id: str | None, path: str | None, tracking_uri: str | None, registry_uri: str | None
) -> tuple[Folder, str]:
    """The folder that something is in, and its path there."""
    from .client import Client
    from .folders import LocalFolder, local_path
    from .references import resolve

    if (uri is None) == (run_id is None):
        raise InvalidArgument("Exactly one of `artifact_uri` or `run_id` must be specified.")
    if uri is None:
        uri = f"runs:/{run_id}/{path or ''}"
    elif path is not None:
        raise InvalidArgument("`artifact_path` cannot be specified together with `artifact_uri`.")
    if urlsplit(uri).scheme in _HERE:
        here = Path(local_path(uri)).absolute()
        return LocalFolder(str(here.parent)), here.name
    found = resolve(Client(tracking_uri, registry_uri), uri)
    return found.folder, found.path
