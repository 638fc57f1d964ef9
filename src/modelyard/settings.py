"""Every setting: name, type, default and one sentence.

The server's (`Settings`) are read once, from `MODELYARD_*` and flags. The client's are constants of this module, each
read where it is used, because a training script may set it at any time::

    from modelyard import settings

    settings.SPOOL_BYTES.get()            # the variable, else MLflow's variable of the same meaning, else the default

A client never stops at a bad value: it says so once and goes on with the default. `docs/client.md` holds the table
(`make docs` writes it, a test compares it), and a test finds every `MODELYARD_*` in the source that is not here.
"""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

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
    idle_exit_s: float = _setting(0.0, "Stop after so many seconds without a connection or a request; 0: never.")

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
    "idle_exit_s": (0, float("inf")),
}
_KINDS = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "a text"}


# ------------------------------------------------------------------------------------ the client's

T = TypeVar("T")  # str, int, float or bool

CLIENT: Final[dict[str, ClientSetting[Any]]] = {}
"""Variable → the client's setting, in the order of the table in the documentation."""

_YES_NO = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_reported: set[tuple[str, str]] = set()


class ClientSetting(Generic[T]):
    """One variable that the client reads.

    Args:
        name: without the prefix `MODELYARD_`.
        default: of the setting's type; what holds when nobody says otherwise.
        text: one sentence for the table.
        also: MLflow's variables with the same meaning, read when ours is not set, in this order.
        shown: the default as the table tells it, where the value alone would not.
    """

    __slots__ = ("also", "default", "shown", "text", "variable")

    def __init__(self, name: str, default: T, text: str, *, also: tuple[str, ...] = (), shown: str = "") -> None:
        self.variable = PREFIX + name
        self.default = default
        self.text = text
        self.also = also
        self.shown = shown
        CLIENT[self.variable] = self

    def get(self, default: T | None = None) -> T:
        """The value now; with nothing set, `default` if given, else the setting's own."""
        for variable in (self.variable, *self.also):
            text = os.environ.get(variable)
            if text is None or not text.strip():
                continue
            try:
                kind: Any = type(self.default)
                value = cast("T", _YES_NO[text.strip().lower()] if kind is bool else kind(text.strip()))
            except (KeyError, ValueError):
                if (variable, text) not in _reported:
                    _reported.add((variable, text))
                    logging.getLogger("modelyard").warning(
                        "%s=%r is not %s; the default holds: %s",
                        variable, text, _KINDS[type(self.default).__name__], self.shown or self.default,
                    )  # fmt: skip
            else:
                return value
        return self.default if default is None else default

    def is_set(self) -> bool:
        """Whether a variable gives it."""
        return any(os.environ.get(variable, "").strip() for variable in (self.variable, *self.also))


TRACKING_URI = ClientSetting(
    "TRACKING_URI", "", "Where runs go: the URL of a server, or a directory.", also=("MLFLOW_TRACKING_URI",),
    shown="a local store",
)  # fmt: skip
REGISTRY_URI = ClientSetting(
    "REGISTRY_URI", "", "Where models are registered.", also=("MLFLOW_REGISTRY_URI",), shown="the tracking URI"
)
DATA = ClientSetting("DATA", "", "Directory of the local store, when no URI is set.", shown="`./modelyard-data`")
EXPERIMENT_NAME = ClientSetting(
    "EXPERIMENT_NAME", "", "The experiment of new runs, made when missing.", also=("MLFLOW_EXPERIMENT_NAME",)
)
EXPERIMENT_ID = ClientSetting("EXPERIMENT_ID", "", "The same by id.", also=("MLFLOW_EXPERIMENT_ID",), shown="`Default`")
RUN_ID = ClientSetting(
    "RUN_ID", "", "The run that the first `start_run()` goes on with.", also=("MLFLOW_RUN_ID",), shown="a new run"
)
TRACKING_USERNAME = ClientSetting(
    "TRACKING_USERNAME", "", "User name for a server behind a sign-in.", also=("MLFLOW_TRACKING_USERNAME",)
)
TRACKING_PASSWORD = ClientSetting("TRACKING_PASSWORD", "", "Its password.", also=("MLFLOW_TRACKING_PASSWORD",))
TRACKING_TOKEN = ClientSetting(
    "TRACKING_TOKEN", "", "Bearer token, instead of name and password.", also=("MLFLOW_TRACKING_TOKEN",)
)
TRACKING_INSECURE_TLS = ClientSetting(
    "TRACKING_INSECURE_TLS", False, "Do not verify the server's certificate.",
    also=("MLFLOW_TRACKING_INSECURE_TLS",),
)  # fmt: skip
TRACKING_SERVER_CERT_PATH = ClientSetting(
    "TRACKING_SERVER_CERT_PATH", "", "File of certificate authorities to trust.",
    also=("MLFLOW_TRACKING_SERVER_CERT_PATH",), shown="the system's",
)  # fmt: skip
TRACKING_CLIENT_CERT_PATH = ClientSetting(
    "TRACKING_CLIENT_CERT_PATH", "", "File with the client's certificate and key.",
    also=("MLFLOW_TRACKING_CLIENT_CERT_PATH",),
)  # fmt: skip
HTTP_TIMEOUT_S = ClientSetting(
    "HTTP_TIMEOUT_S", 120.0, "Seconds to wait for an answer.", also=("MLFLOW_HTTP_REQUEST_TIMEOUT",)
)
HTTP_RETRIES = ClientSetting(
    "HTTP_RETRIES", 4, "How often a call that may be repeated is repeated.", also=("MLFLOW_HTTP_REQUEST_MAX_RETRIES",)
)
SPOOL = ClientSetting(
    "SPOOL", "", "Directory of the journals: what is logged and not delivered yet.",
    shown="`~/.local/state/modelyard/spool`",
)  # fmt: skip
SPOOL_BYTES = ClientSetting("SPOOL_BYTES", 2 * 2**30, "Largest journal of one process, in bytes.")
EXIT_TIMEOUT_S = ClientSetting(
    "EXIT_TIMEOUT_S", 30.0, "Seconds that the end of the process may wait for delivery; the rest stays in the journal."
)
SYSTEM_METRICS = ClientSetting(
    "SYSTEM_METRICS", True, "Sample CPU, memory, disk, network and GPU while a run is active.",
    also=("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING",), shown="true if `psutil` is installed",
)  # fmt: skip
SYSTEM_METRICS_INTERVAL_S = ClientSetting(
    "SYSTEM_METRICS_INTERVAL_S", 10.0, "Seconds between two samples.", also=("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL",)
)
SYSTEM_METRICS_SAMPLES = ClientSetting(
    "SYSTEM_METRICS_SAMPLES", 1, "Samples that are averaged into one point.",
    also=("MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING",),
)  # fmt: skip
SYSTEM_METRICS_NODE = ClientSetting(
    "SYSTEM_METRICS_NODE", "", "Name of this machine in the keys of system metrics, where several log to one run.",
    also=("MLFLOW_SYSTEM_METRICS_NODE_ID",),
)  # fmt: skip
CAPTURE = ClientSetting("CAPTURE", True, "Capture what repeats a run: git state, patch, arguments, packages, machine.")
CAPTURE_PATCH_BYTES = ClientSetting(
    "CAPTURE_PATCH_BYTES", 10 * 2**20, "Largest patch of uncommitted changes that is kept, in bytes."
)
ALLOW_PICKLE = ClientSetting(
    "ALLOW_PICKLE", False, "Load models that are pickles: loading one runs whatever code is inside."
)
CACHE = ClientSetting("CACHE", "", "Directory of downloaded models.", shown="`~/.cache/modelyard`")
CACHE_BYTES = ClientSetting(
    "CACHE_BYTES", 20 * 2**30, "Size that the downloaded models are kept under, in bytes; the oldest use goes first."
)
