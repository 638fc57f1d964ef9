"""The one place that decides whether an artifact path stays inside its store.

Every path that a caller names goes through `contained` exactly once, before any store sees it.
"""

import re
from typing import Final
from urllib.parse import unquote

from modelyard.domain.errors import InvalidArgument

RESERVED: Final = ".modelyard"
"""A folder of this name holds a store's own files. It is never listed, and no path may lead into it."""

MAX_PATH_BYTES: Final = 1024
"""Longest path, in UTF-8 bytes: the shortest limit among the stores (a key in S3)."""

MAX_NAME_BYTES: Final = 255
"""Longest single name in a path, in UTF-8 bytes: the limit of the usual file systems."""

# Both bounds keep "decode until stable" cheap, whatever is sent. A percent-encoded byte takes three characters.
_MAX_RAW: Final = 8 * MAX_PATH_BYTES
_MAX_ROUNDS: Final = 8

_DRIVE: Final = re.compile(r"[A-Za-z]:")
_CONTROL: Final = re.compile(r"[\x01-\x1f\x7f]")


def contained(path: str) -> str:
    """The path within a store that `path` means, "" for the store's root.

    Percent-encoding is removed until nothing changes, because a path is decoded a different number of times on its way
    through proxies and clients. Empty segments and "." vanish. Control characters come back percent-encoded, as in
    MLflow, so that they cannot break a header or a terminal. The function is idempotent.

    Raises:
        InvalidArgument: beginning with "Invalid path", which MLflow's clients and tests match on, if the path is
            absolute, on a drive, contains "..", "#" or NUL, is too long, or leads into the store's own folder.
    """
    if len(path) > _MAX_RAW:
        raise _invalid(f"it has {len(path)} characters; at most {MAX_PATH_BYTES} bytes are allowed")
    rounds = 0
    while "%" in path and (decoded := unquote(path)) != path:
        path = decoded
        rounds += 1
        if rounds > _MAX_ROUNDS:
            raise _invalid(f"it is percent-encoded more than {_MAX_ROUNDS} times")
    if "\0" in path:
        raise _invalid("it contains a NUL character")
    if "#" in path:
        raise _invalid("it contains '#'")
    if path.startswith(("/", "\\")) or _DRIVE.match(path) or path[:5].lower() == "file:":
        raise _invalid("it is absolute; a path relative to the artifact root was expected")
    segments = [segment for segment in path.split("/") if segment not in ("", ".")]
    # A back-slash is a letter here, but not to every client that will write the name to its disk.
    if ".." in segments or (("\\" in path) and ".." in path.replace("\\", "/").split("/")):
        raise _invalid("it contains '..'")
    if RESERVED in segments:
        raise _invalid(f"'{RESERVED}' is reserved")
    clean = _CONTROL.sub(lambda match: f"%{ord(match[0]):02x}", "/".join(segments))
    _check_length(clean)
    return clean


def _check_length(path: str) -> None:
    try:
        raw = path.encode()
    except UnicodeEncodeError:
        raise _invalid("it is not valid Unicode") from None
    if len(raw) > MAX_PATH_BYTES:
        raise _invalid(f"it has {len(raw)} bytes; at most {MAX_PATH_BYTES} are allowed")
    if len(raw) > MAX_NAME_BYTES and any(len(name) > MAX_NAME_BYTES for name in raw.split(b"/")):
        raise _invalid(f"one of its names has more than {MAX_NAME_BYTES} bytes")


def _invalid(reason: str) -> InvalidArgument:
    return InvalidArgument(f"Invalid path: {reason}")
