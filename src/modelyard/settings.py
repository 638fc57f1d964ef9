"""Every setting: name, type, default and one sentence.

The server's (`Settings`), the model server's (`ServeSettings`) and the gateway's (`GatewaySettings`) are read once,
from `MODELYARD_*`, `MODELYARD_SERVE_*` or `MODELYARD_GATEWAY_*` and flags. The client's are constants of this module,
each read where it is used, because a training script may set it at any time::

    from modelyard import settings

    settings.SPOOL_BYTES.get()            # the variable, else MLflow's variable of the same meaning, else the default

A client never stops at a bad value: it says so once and goes on with the default. `docs/client.md`, `docs/settings.md`
and `docs/serving.md` hold the tables (`make docs` writes them, a test compares them), and a test finds every
`MODELYARD_*` in the source that is not here.
"""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "MODELYARD_"

_ANY: Final = float("inf")
_FORMATS: Final = ("text", "json")
_LEVELS: Final = ("debug", "info", "warning", "error")


class InvalidSetting(ValueError):
    """A setting has no usable value; the message names it and says what is expected."""


def _setting(
    default: Any,
    text: str,
    *,
    least: float = -_ANY,
    most: float = _ANY,
    choices: tuple[str, ...] = (),
    also: tuple[str, ...] = (),
) -> Any:
    """A field: its range, or the words that it takes; `also`: other variables that are read when its own is not set."""
    told = {"text": text, "least": least, "most": most, "choices": choices, "also": also}
    return field(default=default, metadata=told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The server's settings. Each may be given as `MODELYARD_<NAME>`; a flag of `modelyard server` wins over it."""

    PREFIX: ClassVar[str] = PREFIX

    host: str = _setting("127.0.0.1", "Address to listen on.")
    port: int = _setting(5000, "Port to listen on; 0 takes a free one.", least=0, most=65535)
    data: str = _setting("./modelyard-data", "Directory for the database file and the artifacts.")
    database: str = _setting("", "sqlite:///PATH or postgresql://...; empty: a SQLite file under `data`.")
    artifacts: str = _setting(
        "", "Directory, s3://, gs:// or az:// URI for artifacts; empty: a directory under `data`."
    )
    replicas_dir: str = _setting(
        "", "Directory by which model servers on this machine are found again; empty: a directory under `data`."
    )
    ray_address: str = _setting(
        "", "Head of the Ray cluster for deployments with the backend `ray`, `HOST:PORT`; empty: the cluster here."
    )
    controller: bool = _setting(True, "Look after deployments; of several servers on one database, one at a time does.")
    followed_registry: str = _setting(
        "", "Registry that deployments follow, such as a stock MLflow server's URL; empty: this server's own."
    )
    predictions_days: float = _setting(
        90.0,
        "Days after which predictions and feedback are deleted; what was counted of them stays. 0: never.",
        least=0,
    )
    serve_artifacts: bool = _setting(True, "Proxy artifacts; false makes clients go to the artifact URI themselves.")
    ui: str = _setting(
        "", "Directory of the web UI, as `make ui` builds it; empty: the one that came with the package."
    )
    workers: int = _setting(1, "Server processes; more than one needs PostgreSQL.", least=1, most=256)
    allow_remote: bool = _setting(False, "Allow a non-loopback address although nobody signs in yet.")
    cors_origins: str = _setting(
        "", "Origins, separated by commas, whose pages may use the native API from a browser; empty: none."
    )
    full_sync: bool = _setting(False, "Wait for the disk at each SQLite commit and upload: a power cut loses nothing.")
    log_format: str = _setting("text", "`text` or `json`.", choices=_FORMATS)
    log_level: str = _setting(
        "info", "`debug`, `info`, `warning` or `error`; requests are logged at debug.", choices=_LEVELS
    )
    max_body_bytes: int = _setting(64 * 2**20, "Largest JSON body accepted, in bytes.", least=1024)
    max_artifact_bytes: int = _setting(
        0, "Largest artifact accepted through the proxy, in bytes; 0 for no limit.", least=0
    )
    body_timeout_s: float = _setting(
        30.0, "Seconds without a byte after which a sending client is given up.", least=0.1
    )
    stop_timeout_s: float = _setting(30.0, "Seconds that requests in flight get to finish at a stop.", least=0)
    idle_exit_s: float = _setting(
        0.0, "Stop after so many seconds without a connection or a request; 0: never.", least=0
    )

    @property
    def database_url(self) -> str:
        """The database, with the default under `data` filled in."""
        return self.database or f"sqlite:///{Path(self.data).absolute() / 'modelyard.db'}"

    @property
    def artifact_root(self) -> str:
        """The artifact root, with the default under `data` filled in."""
        return self.artifacts or str(Path(self.data).absolute() / "artifacts")

    @property
    def replicas_root(self) -> str:
        """The directory of replicas, with the default under `data` filled in."""
        return self.replicas_dir or str(Path(self.data).absolute() / "replicas")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """The model server's settings: `MODELYARD_SERVE_<NAME>`; a flag of `modelyard serve` wins over it."""

    PREFIX: ClassVar[str] = PREFIX + "SERVE_"

    host: str = _setting("127.0.0.1", "Address to listen on.")
    port: int = _setting(8000, "Port to listen on; 0 takes a free one.", least=0, most=65535)
    allow_remote: bool = _setting(False, "Allow a non-loopback address although nobody signs in.")
    name: str = _setting("", "Name to serve the only model under; empty: its own.")
    default_model: str = _setting(
        "", "The model that `/predict` and `/invocations` mean, of several; empty: the only one."
    )
    filter: str = _setting(
        "", "Serve one version of every registered model that matches, such as `tags.team = 'red'`; empty: none."
    )
    stage: str = _setting("", "With --filter, of each model the version in this stage; empty: the newest.")
    alias: str = _setting("", "With --filter, of each model the version that this alias points to.")
    environment: str = _setting("", "With --filter, of each model the version in this environment.")
    poll_s: float = _setting(5.0, "Seconds between two looks for new versions; 0: never look again.", least=0)
    allow_pickle: bool = _setting(
        False, "Load models that are pickles: loading one runs whatever code is inside.",
        also=("MODELYARD_ALLOW_PICKLE",),
    )  # fmt: skip
    trusted_types: str = _setting("", "Types, separated by commas, that a skops file may hold beyond our own list.")
    golden: bool = _setting(True, "A model is not ready before it has passed the golden tests that it was saved with.")
    unknown_columns: str = _setting(
        "refuse", "Columns that the signature does not have: `refuse` the request, or `ignore` them.",
        choices=("refuse", "ignore"),
    )  # fmt: skip
    workers: int = _setting(
        0, "Processes that hold models; 0: as many as the models and cores call for.", least=0, most=256
    )
    batching: str = _setting(
        "auto",
        "Predict several requests at once: `auto`, `on` or `off`; `auto` tries out whether answers stay the same.",
        choices=("auto", "on", "off"),
    )  # fmt: skip
    max_batch_rows: int = _setting(0, "Most rows in one prediction of several requests; 0: what was measured.", least=0)
    max_wait_ms: float = _setting(
        0.0, "Most milliseconds that a request waits for others; 0: what was measured.", least=0
    )
    onnx: str = _setting(
        "auto", "Use a model's ONNX version, if it was saved with one: `auto` or `off`.", choices=("auto", "off")
    )
    queue: int = _setting(4096, "Most requests that wait for one model; further ones are told to come back.", least=1)
    queue_bytes: int = _setting(512 * 2**20, "Most bytes of all bodies that wait.", least=1024)
    timeout_s: float = _setting(60.0, "Seconds that a prediction may take, its wait included.", least=0.001)
    max_body_bytes: int = _setting(100 * 2**20, "Largest body accepted, in bytes.", least=1024)
    load_timeout_s: float = _setting(
        300.0, "Seconds that a model may take to be loaded and tested; then it is given up and tried again later.",
        least=0.1,
    )  # fmt: skip
    body_timeout_s: float = _setting(
        30.0, "Seconds without a byte after which a sending client is given up.", least=0.1
    )
    stop_timeout_s: float = _setting(30.0, "Seconds that requests in flight get to finish at a stop.", least=0)
    memory_limit_bytes: int = _setting(
        0,
        "Memory of all models together: those not used for longest leave, and come back when asked for. 0: no limit.",
        least=0,
    )  # fmt: skip
    worker_memory_bytes: int = _setting(
        0, "Memory above which a worker is replaced, without a request lost; 0: automatic.", least=0
    )
    backend: str = _setting(
        "local", "Where replicas run: `local`, on this machine; or `ray`, on the nodes of a Ray cluster.",
        choices=("local", "ray"),
    )  # fmt: skip
    ray_address: str = _setting("", "Of the cluster's head, `HOST:PORT`; empty: the one on this machine, or a new one.")
    replicas: int = _setting(1, "Copies of the whole server, behind one address that shares the requests out.", least=0)
    min_replicas: int = _setting(
        -1, "Fewest replicas; 0: none while nobody asks, and the first request waits. -1: as `replicas`.", least=-1
    )
    max_replicas: int = _setting(0, "Most replicas; 0: as `replicas`.", least=0)
    target_in_flight: float = _setting(
        16.0, "Requests in flight at each replica above which there is to be another one.", least=0.1
    )
    cool_down_s: float = _setting(
        60.0, "Seconds for which fewer replicas must have been enough before there are fewer.", least=0
    )
    start_timeout_s: float = _setting(60.0, "Seconds that a request waits for a replica when there is none.", least=0)
    cpus_per_replica: float = _setting(
        0.0, "Cores of a replica; 0: one of a Ray cluster's, all of this machine's.", least=0
    )
    gpus_per_replica: float = _setting(0.0, "GPUs of a replica, of a Ray cluster's; may be a fraction.", least=0)
    memory_per_replica_bytes: int = _setting(
        0, "Memory that a node of a Ray cluster must have left for a replica; 0: nobody counts.", least=0
    )
    log_format: str = _setting("text", "`text` or `json`.", choices=_FORMATS)
    log_level: str = _setting("info", "`debug`, `info`, `warning` or `error`.", choices=_LEVELS)
    log_requests: bool = _setting(False, "Log every request with its id.")
    otel: bool = _setting(False, "Send OpenTelemetry spans, where the `OTEL_*` variables say.")

    @property
    def trusted(self) -> tuple[str, ...]:
        """The types of `trusted_types`."""
        return tuple(each.strip() for each in self.trusted_types.split(",") if each.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """The gateway's settings: `MODELYARD_GATEWAY_<NAME>`; a flag of `modelyard gateway` wins over it."""

    PREFIX: ClassVar[str] = PREFIX + "GATEWAY_"

    server: str = _setting("", "URL of the Modelyard server that says who answers what, and gets what was predicted.")
    table: str = _setting("", "File that says who answers what, instead of a server; read again when it changes.")
    host: str = _setting("127.0.0.1", "Address to listen on.")
    port: int = _setting(8000, "Port to listen on; 0 takes a free one.", least=0, most=65535)
    allow_remote: bool = _setting(False, "Allow a non-loopback address although nobody signs in.")
    name: str = _setting("", "Of this gateway, unlike that of any other; empty: the host's name and the port.")
    folder: str = _setting(
        "", "Directory of the last good table and of predictions not delivered yet; "
        "empty: `~/.local/state/modelyard/gateway/NAME`.",
    )  # fmt: skip
    default: str = _setting("", "The deployment that `/predict` and `/invocations` mean; empty: the only one.")
    cors_origins: str = _setting(
        "", "Origins, separated by commas, whose pages may ask from a browser; `*`: all; empty: none."
    )
    timeout_s: float = _setting(60.0, "Seconds that a replica may take to answer.", least=0.001)
    wait_s: float = _setting(30.0, "Seconds that a request waits for a replica when none is ready.", least=0)
    queue: int = _setting(
        4096, "Most requests in flight at one replica, and most that wait; further ones are told to come back.", least=1
    )
    queue_bytes: int = _setting(512 * 2**20, "Most bytes of all bodies that come in or wait.", least=1024)
    max_body_bytes: int = _setting(100 * 2**20, "Largest body accepted, in bytes.", least=1024)
    copies: int = _setting(256, "Most copies that wait for, or are with, a shadow; further ones are dropped.", least=1)
    journal_bytes: int = _setting(2 * 2**30, "Largest journal of predictions not delivered yet, in bytes.", least=2**20)
    body_timeout_s: float = _setting(
        30.0, "Seconds without a byte after which a sending client is given up.", least=0.1
    )
    stop_timeout_s: float = _setting(30.0, "Seconds that requests in flight get to finish at a stop.", least=0)
    log_format: str = _setting("text", "`text` or `json`.", choices=_FORMATS)
    log_level: str = _setting("info", "`debug`, `info`, `warning` or `error`.", choices=_LEVELS)

    @property
    def origins(self) -> frozenset[str]:
        """The origins of `cors_origins`."""
        return frozenset(each.strip() for each in self.cors_origins.split(",") if each.strip())


def masked(text: str) -> str:
    """The text with passwords starred out, in URLs and as `password=`: fit for logs and terminals."""
    return _PARAMETER.sub(r"\1***", _USERINFO.sub(r"\1***@", text)) if "@" in text or "password" in text else text


_USERINFO = re.compile(r"(\w://[^\s/:@]*:)[^\s/]*@")
_PARAMETER = re.compile(r"(\bpassword\s*=\s*)(?:'[^']*'|[^\s&'\"]+)", re.IGNORECASE)


S = TypeVar("S", bound=Settings | ServeSettings | GatewaySettings)


def load(overrides: Mapping[str, Any] | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """The server's settings from the environment, then from the overrides that are not None.

    Raises:
        InvalidSetting: a value is not of the setting's type, or not allowed.
    """
    return _load(Settings, overrides, environ)


def load_serving(overrides: Mapping[str, Any] | None = None, environ: Mapping[str, str] = os.environ) -> ServeSettings:
    """The model server's settings, as `load`."""
    return _load(ServeSettings, overrides, environ)


def load_gateway(
    overrides: Mapping[str, Any] | None = None, environ: Mapping[str, str] = os.environ
) -> GatewaySettings:
    """The gateway's settings, as `load`."""
    return _load(GatewaySettings, overrides, environ)


def _load(kind: type[S], overrides: Mapping[str, Any] | None, environ: Mapping[str, str]) -> S:
    values: dict[str, Any] = {}
    for entry in fields(kind):
        variables = (kind.PREFIX + entry.name.upper(), *entry.metadata["also"])
        given = next(((variable, text) for variable in variables if (text := environ.get(variable))), None)
        if given is not None:
            values[entry.name] = _parse(given[0], str(entry.type), given[1])
    values.update({name: value for name, value in (overrides or {}).items() if value is not None})
    settings = kind(**values)
    for each in fields(kind):
        _check(kind.PREFIX + each.name.upper(), getattr(settings, each.name), each.metadata)
    return settings


def _check(variable: str, value: Any, told: Mapping[str, Any]) -> None:
    if told["choices"] and value not in told["choices"]:
        raise InvalidSetting(f"{variable}={value!r} is not one of {', '.join(told['choices'])}.")
    least, most = told["least"], told["most"]
    if (least, most) != (-_ANY, _ANY) and not least <= value <= most:
        limit = f"{least} to {most}" if most < _ANY else f"{least} or more"
        raise InvalidSetting(f"{variable}={value!r} is out of range; expected {limit}.")


def size(text: str) -> int:
    """A number of bytes from its spelling: `4096`, `64MiB`, `2 GB`.

    Raises:
        ValueError: it is none of these.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    factor = 1 if not found[2] else (1024 if found[3] else 1000) ** ("kmgt".index(found[2].lower()) + 1)
    return round(float(found[1]) * factor) if "." in found[1] else int(found[1]) * factor


_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(?:([kKMGT])(i)?B|B)?")


def _parse(variable: str, kind: str, text: str) -> Any:
    if kind == "int" and variable.endswith("_BYTES"):
        try:
            return size(text)
        except ValueError:
            raise InvalidSetting(f"{variable}={text!r} is not a number of bytes, such as 4096 or 64MiB.") from None
    try:
        if kind == "bool":
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[text.lower()]
        return {"int": int, "float": float, "str": str}[kind](text)
    except (KeyError, ValueError):
        raise InvalidSetting(f"{variable}={text!r} is not {_KINDS[kind]}.") from None


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
MODEL_THREADS = ClientSetting(
    "MODEL_THREADS", 0, "Threads of a loaded ONNX model; `modelyard serve` sets it for its processes.",
    shown="one for each core",
)  # fmt: skip
CACHE = ClientSetting("CACHE", "", "Directory of downloaded models.", shown="`~/.cache/modelyard`")
CACHE_BYTES = ClientSetting(
    "CACHE_BYTES", 20 * 2**30, "Size that the downloaded models are kept under, in bytes; the oldest use goes first."
)
