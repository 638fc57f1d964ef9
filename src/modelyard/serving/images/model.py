"""The model of an image: brought, verified, and looked through for what must not be in one."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from modelyard.client import model_files, references, uris
from modelyard.client.capture import secrets
from modelyard.domain.errors import InvalidArgument, NotFound
from modelyard.packaging import digest as digests
from modelyard.packaging.flavors.base import PYTHON_FUNCTION
from modelyard.packaging.manifest import FILE, Model

if TYPE_CHECKING:
    from modelyard.client.client import Client
    from modelyard.client.entities import ModelVersion

_PRIVATE: Final = re.compile(
    r"\.env(\..*)?|\.netrc|\.pypirc|\.git-credentials|pip\.conf|id_(rsa|dsa|ecdsa|ed25519)|credentials|.*\.(key|p12|pfx)",
    re.IGNORECASE,
)
"""Names of files that are there to hold secrets."""

_TEXTS: Final = frozenset((".cfg", ".conf", ".env", ".ini", ".pem", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml", ""))
_MOST_TEXT: Final = 2**20


def bring(uri: str, into: Path, connect: Callable[[], Client]) -> ModelVersion | None:
    """Copy or download a model into a new directory, and verify it.

    Args:
        uri: its directory, or anything that `client.references.resolve` understands.
        into: the directory.
        connect: gives the client, if one is needed.

    Returns:
        The registered version that it is, if it is one.

    Raises:
        NotFound: there is no such model.
        DataCorrupted: it is not what was saved.
        InvalidArgument: it holds what looks like a secret, or links that lead out of it.
    """
    here = _directory(uri)
    if here is not None:
        _copy(here, into, None)
        return None
    found = references.resolve(connect(), uri)
    if found.local is not None:
        _copy(found.local, into, found.digest)
    else:
        into.mkdir()
        model_files.fetch(found, into)
        _look_for_secrets(into)
    return found.version


def origin(uri: str) -> str:
    """What an image may say about where its model came from: no password, and no directory of this machine."""
    here = _directory(uri)
    return uris.shown(uri) if here is None else here.resolve().name


def likely_name(uri: str, manifest: Model) -> str:
    """What a model that has no registered name may be called."""
    here = _directory(uri)
    if here is not None:
        return here.resolve().name
    path = (manifest.artifact_path or "").rstrip("/")
    return "model" if path.endswith("/artifacts") or not path else path.rpartition("/")[2]


def python(manifest: Model) -> tuple[str, str]:
    """The Python for a model, such as `3.11`, and a remark if it is not the one that it was saved with."""
    told = str(manifest.flavors[PYTHON_FUNCTION].get("python_version", ""))
    found = re.match(r"3\.(\d+)", told)
    if found and int(found[1]) >= 11:
        return found[0], ""
    here = f"3.{sys.version_info.minor}"
    saved = f"was saved with Python {told}, which Modelyard does not run on" if told else "does not say its Python"
    return here, f"The model {saved}; the image has Python {here}. Another one: --python."


def _directory(uri: str) -> Path | None:
    if uri.startswith("file:"):
        return uris.local_path(uri)
    return None if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", uri) else Path(uri).expanduser()


def _copy(source: Path, into: Path, digest: str | None) -> None:
    """Without byte code. A link that leads out would bring whatever it names on this machine."""
    if not (source / FILE).is_file():
        raise NotFound(f"No model in '{source}': it has no file {FILE}.")
    root = source.resolve()
    for path in root.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            raise InvalidArgument(f"'{path}' is a link that leads out of the model. Put the file itself there.")
        if not (path.is_file() or path.is_dir()):
            raise InvalidArgument(f"'{path}' is neither a file nor a directory.")
    shutil.copytree(root, into, ignore=shutil.ignore_patterns("__pycache__"), copy_function=shutil.copyfile)
    digests.verify(into, digest)
    _look_for_secrets(into)


def _look_for_secrets(folder: Path) -> None:
    """Whoever has the image has them."""
    wrong = [path for path in sorted(folder.rglob("*")) if path.is_file() and _private(path)]
    if wrong:
        named = ", ".join(each.relative_to(folder).as_posix() for each in wrong[:10])
        raise InvalidArgument(
            f"The model holds what looks like a secret, and everybody who has the image could read it: {named}. Save "
            "the model again without it; give secrets to the container when it runs."
        )


def _private(path: Path) -> bool:
    if _PRIVATE.fullmatch(path.name):
        return True
    if path.suffix.lower() not in _TEXTS or path.stat().st_size > _MOST_TEXT:
        return False
    return secrets.holds_key(path.read_bytes().decode(errors="replace"))
