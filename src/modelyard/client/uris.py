"""URIs: where runs and models are kept, and what `models:/`, `runs:/` and `mlflow-artifacts:/` name."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from modelyard import settings
from modelyard.domain.errors import InvalidArgument

DEFAULT_DATA: Final = "./modelyard-data"
"""The directory that runs are kept in when no tracking URI is set: `modelyard server`'s own default."""

_set: dict[str, str] = {}
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters at least: C: is a drive
_LOGGED_MODEL: Final = re.compile(r"m-[0-9a-f]{32}")
_EXPECTED: Final = "http://HOST:PORT, https://..., a directory, file:///DIRECTORY or sqlite:///FILE.db"


# ------------------------------------------------------------------------------------ which server


def set_tracking_uri(uri: str | os.PathLike[str] | None) -> None:
    """Say where runs are kept, for this process and those that it starts from now on; None takes it back.

    Raises:
        InvalidArgument: the URI has a scheme that is not offered.
    """
    _say(settings.TRACKING_URI, uri)


def set_registry_uri(uri: str | os.PathLike[str] | None) -> None:
    """Say where registered models are kept, if not where runs are; None takes it back."""
    _say(settings.REGISTRY_URI, uri)


def _say(setting: settings.ClientSetting[str], uri: str | os.PathLike[str] | None) -> None:
    if uri is None or not os.fspath(uri):
        if _set.pop(setting.variable, None) is not None:
            os.environ.pop(setting.variable, None)
        return
    # in the environment too: processes that this one starts log to the same place
    _set[setting.variable] = os.environ[setting.variable] = normal(os.fspath(uri))


def tracking_uri(given: str | os.PathLike[str] | None = None) -> str:
    """Where runs are kept: the argument, what `set_tracking_uri` said, the environment, or a local directory.

    Raises:
        InvalidArgument: the URI has a scheme that is not offered.
    """
    return normal(os.fspath(given) if given else _said(settings.TRACKING_URI) or settings.DATA.get() or DEFAULT_DATA)


def registry_uri(given: str | os.PathLike[str] | None = None, tracking: str | None = None) -> str:
    """Where registered models are kept: as `tracking_uri`, and where runs are if nobody says otherwise."""
    return normal(os.fspath(given) if given else _said(settings.REGISTRY_URI) or tracking or tracking_uri())


def is_set() -> bool:
    """Whether somebody said where runs are kept."""
    return bool(_said(settings.TRACKING_URI))


def _said(setting: settings.ClientSetting[str]) -> str:
    return _set.get(setting.variable) or setting.get()


def normal(uri: str) -> str:
    """One spelling of a tracking URI: without a last slash, local paths absolute.

    Raises:
        InvalidArgument: it has a scheme that is not offered.
    """
    scheme = _scheme(uri)
    if scheme in ("http", "https"):
        parts = urlsplit(uri)
        if not parts.hostname:
            raise InvalidArgument(f"The tracking URI {shown(uri)!r} names no host; expected {_EXPECTED}.")
        if parts.query or parts.fragment:
            raise InvalidArgument(f"The tracking URI {shown(uri)!r} has a query or a fragment; expected {_EXPECTED}.")
        return uri.strip().rstrip("/")
    if scheme == "sqlite":
        return f"sqlite:///{_absolute(_sqlite_path(uri))}"
    if scheme in ("", "file"):
        return str(_absolute(_file_path(uri) if scheme else uri))
    raise InvalidArgument(f"The tracking URI {shown(uri)!r} has a scheme that is not offered; expected {_EXPECTED}.")


def is_local(uri: str) -> bool:
    """Whether a tracking URI names files of this machine rather than a server."""
    return _scheme(uri) not in ("http", "https")


def local_path(uri: str) -> Path:
    """The directory or the database file that a local tracking URI names, absolute."""
    scheme = _scheme(uri)
    return _absolute(_sqlite_path(uri) if scheme == "sqlite" else _file_path(uri) if scheme == "file" else uri)


def shown(uri: str) -> str:
    """The URI without a password, fit for logs and terminals."""
    return re.sub(r"(\w://)[^/@]*@", r"\1***@", uri) if "@" in uri else uri


def _scheme(uri: str) -> str:
    found = _SCHEME.match(uri.strip())
    return found[1].lower() if found else ""


def _absolute(path: str) -> Path:
    return Path(os.path.abspath(os.path.expanduser(path)))  # noqa: PTH100, PTH111 - Path keeps "..", and minds "~nobody"


def _file_path(uri: str) -> str:
    rest = uri.strip()[len("file:") :]
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host not in ("", "localhost"):
            raise InvalidArgument(f"The tracking URI {uri!r} names a file of another machine, {host!r}.")
        rest = slash + path
    if not rest:
        raise InvalidArgument(f"The tracking URI {uri!r} names no directory.")
    return unquote(rest)


def _sqlite_path(uri: str) -> str:
    head, separator, path = uri.strip().partition(":///")
    if not separator or head.lower() != "sqlite" or not path or "?" in path:
        raise InvalidArgument(f"The tracking URI {uri!r} is not understood; expected sqlite:///FILE.db.")
    return unquote(path)


# ------------------------------------------------------------------------------------ what is named


@dataclass(frozen=True, slots=True)
class ModelUri:
    """What a `models:/` URI names: a version of a registered model, or a logged model.

    Attributes:
        name: the registered model's name; empty for a logged model.
        reference: which version: its number, label, stage, environment, or `latest`.
        alias: which version, as an alias; at most one of both is not empty.
        model_id: the logged model's id.
        path: a file or folder in it; empty: all of it.
    """

    name: str = ""
    reference: str = ""
    alias: str = ""
    model_id: str = ""
    path: str = ""

    def __str__(self) -> str:
        whole = self.model_id or (f"{self.name}@{self.alias}" if self.alias else f"{self.name}/{self.reference}")
        return f"models:/{whole}" + (f"/{self.path}" if self.path else "")


@dataclass(frozen=True, slots=True)
class RunUri:
    """What a `runs:/` URI names: an artifact of a run.

    Attributes:
        run_id: the run's id.
        path: below its artifact root; empty: all of it.
    """

    run_id: str
    path: str = ""

    def __str__(self) -> str:
        return f"runs:/{self.run_id}" + (f"/{self.path}" if self.path else "")


def is_model_id(text: str) -> bool:
    """Whether a text is the id of a logged model."""
    return _LOGGED_MODEL.fullmatch(text) is not None


def parse_model(uri: str) -> ModelUri:
    """Read `models:/NAME/REFERENCE`, `models:/NAME@ALIAS` or `models:/m-ID`, each perhaps with a path behind.

    Raises:
        InvalidArgument: it is none of these.
    """
    rest = _after(uri, "models")
    first, _, path = rest.partition("/")
    if is_model_id(first):
        return ModelUri(model_id=first, path=_path(uri, path))
    name, at, alias = first.rpartition("@")
    if at:
        if not name or not alias:
            raise _not_a_model(uri)
        return ModelUri(name, alias=alias, path=_path(uri, path))
    reference, _, path = path.partition("/")
    if not first or not reference:
        raise _not_a_model(uri)
    return ModelUri(first, reference, path=_path(uri, path))


def parse_run(uri: str) -> RunUri:
    """Read `runs:/RUN_ID/PATH`.

    Raises:
        InvalidArgument: it names no run.
    """
    run_id, _, path = _after(uri, "runs").partition("/")
    if not run_id:
        raise InvalidArgument(f"{uri!r} names no run; expected runs:/RUN_ID/PATH.")
    return RunUri(run_id, _path(uri, path))


def parse_proxied(uri: str) -> tuple[str, str]:
    """Read `mlflow-artifacts:/PATH` or `mlflow-artifacts://HOST:PORT/PATH`.

    Returns:
        The server's host and port, empty for the tracking server itself, and the path below its artifact root.

    Raises:
        InvalidArgument: it has another scheme, or its path leads out.
    """
    head, _, rest = uri.partition(":")
    if head != "mlflow-artifacts":
        raise InvalidArgument(f"{uri!r} is not an mlflow-artifacts: URI.")
    host = ""
    if rest.startswith("//"):
        host, _, rest = rest[2:].partition("/")
    return host, _path(uri, rest)


def _after(uri: str, scheme: str) -> str:
    head, colon, rest = uri.partition(":")
    if head != scheme or not colon:
        raise InvalidArgument(f"{uri!r} is not a {scheme}: URI.")
    if rest.startswith("//"):
        if not rest.startswith("///"):
            raise InvalidArgument(f"{uri!r} names a host; expected {scheme}:/ with one slash.")
        rest = rest[2:]
    return rest.removeprefix("/")


def _path(uri: str, path: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise InvalidArgument(f"{uri!r} leads out of where it begins: '..' is not allowed in it.")
    return "/".join(parts)


def _not_a_model(uri: str) -> InvalidArgument:
    return InvalidArgument(
        f"{uri!r} names no model; expected models:/NAME/VERSION, where VERSION is a number, a label, a stage, an "
        "environment or latest, models:/NAME@ALIAS, or models:/MODEL_ID."
    )
