"""Where a version's files may be: the source that a client names is checked before the server ever reads from it.

Rules and texts: MLflow's `_validate_source_run`, `_validate_source_model` and
`_validate_non_local_source_contains_relative_paths` (3.11.1).
"""

from __future__ import annotations

import os
import posixpath
import re
from urllib.parse import unquote, unquote_plus, urlsplit

from modelyard.domain.errors import InvalidArgument

MOST_ENCODINGS = 10
_SLASHES = re.compile("/+")


# Most sources: nothing encoded, nothing relative, so nothing to look into.
_PLAIN = re.compile(r"(?!file:)[a-z][a-z0-9\-]*:(?://[\w.\-]+)?(?:/(?!\.{1,2}(?:/|\Z))[\w.\-=@]+)+")


def is_local(uri: str) -> bool:
    """Whether a URI names a file of this machine: a path or `file:`.

    Raises:
        InvalidArgument: it cannot be read, or is a `file:` URI of another machine.
    """
    if _PLAIN.fullmatch(uri):
        return False
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
    except ValueError:
        raise InvalidArgument(f"Invalid model version source: '{uri}'. It is not a URI.") from None
    if parts.scheme == "file" and host and host != "." and not host.startswith(("localhost", "127.0.0.1")):
        raise InvalidArgument(f"{uri} is not a valid remote uri: a file of another machine cannot be read.")
    return parts.scheme in ("", "file")


def check_local(source: str, folder: str | None, parameter: str) -> None:
    """Refuse a local source that is not inside the artifact folder of its run or logged model.

    Args:
        source: for which `is_local` holds.
        folder: URI of that folder; None if the client named none.
        parameter: `run_id` or `model_id`.

    Raises:
        InvalidArgument: so it is, or the folder is not local.
    """
    shown = source
    if folder is not None:
        shown = _real(source)
        if is_local(folder) and (shown + "/").startswith(_real(folder).rstrip("/") + "/"):
            return
    raise InvalidArgument(
        f"Invalid model version source: '{shown}'. To use a local path as a model version source, the {parameter} "
        "request parameter has to be specified and the local path has to be contained within the artifact directory of "
        f"the run specified by the {parameter}."
    )


def check_remote(source: str) -> None:
    """Refuse a source whose path is relative or has relative parts, in any encoding.

    Raises:
        InvalidArgument: so it is.
    """
    if _PLAIN.fullmatch(source):
        return
    decoded = source
    for _ in range(MOST_ENCODINGS):
        again = unquote_plus(decoded)
        if again == decoded:
            break
        decoded = again
    else:
        raise _relative(source)
    try:
        path = _SLASHES.sub("/", urlsplit(decoded).path.rstrip("/"))
    except ValueError:
        raise _relative(source) from None
    if "\x00" in decoded or ".." in decoded.split("/") or not path.startswith("/") or posixpath.normpath(path) != path:
        raise _relative(source)


def _relative(source: str) -> InvalidArgument:
    return InvalidArgument(
        f"Invalid model version source: '{source}'. If supplying a source as an http, https, local file path, ftp, "
        "objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path references "
        "present. Please provide an absolute path."
    )


def _real(uri: str) -> str:
    """The path of a local URI, symbolic links followed."""
    path = unquote(urlsplit(uri).path) if uri.startswith("file:") else uri
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        raise InvalidArgument(f"Invalid model version source: '{uri}'. It is not a path.") from None
