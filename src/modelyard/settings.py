"""Every setting of the server: name, type, default and one sentence. Read once, from `MODELYARD_*` and flags."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "MODELYARD_"


class InvalidSetting(ValueError):
    """A setting has no usable value; the message names it and says what is expected."""


def _setting(default: Any, text: str) -> Any:
    return field(default=default, metadata={"text": text})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The server's settings. Each may be given as `MODELYARD_<NAME>`; a flag of `modelyard server` wins over it."""

    host: str = _setting("127.0.0.1", "Address to listen on.")
    port: int = _setting(5000, "Port to listen on; 0 takes a free one.")
    data: str = _setting("./modelyard-data", "Directory for the database file and the artifacts.")
    database: str = _setting("", "sqlite:///PATH or postgresql://...; empty: a SQLite file under `data`.")
    artifacts: str = _setting(
        "", "Directory, s3://, gs:// or az:// URI for artifacts; empty: a directory under `data`."
    )
    serve_artifacts: bool = _setting(True, "Proxy artifacts; false makes clients go to the artifact URI themselves.")
    workers: int = _setting(1, "Server processes; more than one needs PostgreSQL.")
    allow_remote: bool = _setting(False, "Allow a non-loopback address although nobody signs in yet.")
    cors_origins: str = _setting(
        "", "Origins, separated by commas, whose pages may use the native API from a browser; empty: none."
    )
    full_sync: bool = _setting(False, "Wait for the disk at each SQLite commit and upload: a power cut loses nothing.")
    log_format: str = _setting("text", "`text` or `json`.")
    log_level: str = _setting("info", "`debug`, `info`, `warning` or `error`; requests are logged at debug.")
    max_body_bytes: int = _setting(64 * 2**20, "Largest JSON body accepted, in bytes.")
    max_artifact_bytes: int = _setting(0, "Largest artifact accepted through the proxy, in bytes; 0 for no limit.")
    body_timeout_s: float = _setting(30.0, "Seconds without a byte after which a sending client is given up.")
    stop_timeout_s: float = _setting(30.0, "Seconds that requests in flight get to finish at a stop.")

    @property
    def database_url(self) -> str:
        """The database, with the default under `data` filled in."""
        return self.database or f"sqlite:///{Path(self.data).absolute() / 'modelyard.db'}"

    @property
    def artifact_root(self) -> str:
        """The artifact root, with the default under `data` filled in."""
        return self.artifacts or str(Path(self.data).absolute() / "artifacts")


def masked(text: str) -> str:
    """The text with passwords starred out, in URLs and as `password=`: fit for logs and terminals."""
    return _PARAMETER.sub(r"\1***", _USERINFO.sub(r"\1***@", text)) if "@" in text or "password" in text else text


_USERINFO = re.compile(r"(\w://[^\s/:@]*:)[^\s/]*@")
_PARAMETER = re.compile(r"(\bpassword\s*=\s*)(?:'[^']*'|[^\s&'\"]+)", re.IGNORECASE)


def load(overrides: Mapping[str, Any] | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from the environment, then from the overrides that are not None.

    Raises:
        InvalidSetting: a value is not of the setting's type, or not allowed.
    """
    values: dict[str, Any] = {}
    for entry in fields(Settings):
        text = environ.get(PREFIX + entry.name.upper())
        if text is not None and text != "":
            values[entry.name] = _parse(entry.name, str(entry.type), text)
    values.update({name: value for name, value in (overrides or {}).items() if value is not None})
    settings = Settings(**values)
    for name, allowed in CHOICES.items():
        value = getattr(settings, name)
        if value not in allowed:
            raise InvalidSetting(f"{PREFIX}{name.upper()}={value!r} is not one of {', '.join(allowed)}.")
    for name, (least, most) in _RANGES.items():
        value = getattr(settings, name)
        if not least <= value <= most:
            limit = f"{least} to {most}" if most < float("inf") else f"{least} or more"
            raise InvalidSetting(f"{PREFIX}{name.upper()}={value!r} is out of range; expected {limit}.")
    return settings


def _parse(name: str, kind: str, text: str) -> Any:
    try:
        if kind == "bool":
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[text.lower()]
        return {"int": int, "float": float, "str": str}[kind](text)
    except (KeyError, ValueError):
        raise InvalidSetting(f"{PREFIX}{name.upper()}={text!r} is not {_KINDS[kind]}.") from None


CHOICES = {"log_format": ("text", "json"), "log_level": ("debug", "info", "warning", "error")}
"""Settings that take one of a few words."""

_RANGES = {
    "port": (0, 65535),
    "workers": (1, 256),
    "max_body_bytes": (1024, float("inf")),
    "max_artifact_bytes": (0, float("inf")),
    "body_timeout_s": (0.1, float("inf")),
    "stop_timeout_s": (0, float("inf")),
}
_KINDS = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "a text"}
