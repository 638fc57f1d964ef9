"""The servers of the benchmark: how each is started with a model, and what it is sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models import natural

APPS = Path(__file__).parent / "peers"
BATCH = 32


@dataclass(frozen=True)
class Start:
    """What a start is made of.

    Attributes:
        python: of the server's environment.
        port: to listen on.
        model: one of `models.MODELS`, or another that modelyard saved.
        built: where `models.build` put them.
        scratch: a directory of its own.
    """

    python: str
    port: int
    model: str
    built: Path
    scratch: Path

    def command(self, *arguments: object, **variables: object) -> str:
        """A line for the load tool, with the model in the environment."""
        given = {
            "BENCH_MODEL": self.model, "BENCH_FILES": self.built / "files", "PYTHONPATH": APPS,
            "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "BENTOML_DO_NOT_TRACK": "true",
            "RAY_USAGE_STATS_ENABLED": "0", "PATH": f"{Path(self.python).parent}:{os.environ['PATH']}", **variables,
        }  # fmt: skip
        return " ".join(["env", *(f"{key}={value}" for key, value in given.items()), *map(str, arguments)])


@dataclass(frozen=True)
class Server:
    """One way to serve a model.

    Attributes:
        name: in the tables.
        environment: name of the environment that it needs, "" for ours.
        start: the command line, without a shell.
        path: that predicts.
        body: of a request, from model and rows.
        models: that it is measured with.
        background: it works while nobody asks, so it is not beside the others.
    """

    name: str
    environment: str
    start: Callable[[Start], str]
    path: str
    body: Callable[[str, list[Any]], bytes]
    models: tuple[str, ...] = ("forest", "text", "onnx", "noop")
    background: bool = False


# ---------------------------------------------------------------- bodies


def plain(model: str, data: list[Any]) -> bytes:
    """`{"rows": [...]}`."""
    return json.dumps({"rows": data}).encode()


def split(model: str, data: list[Any]) -> bytes:
    """MLflow's `dataframe_split`."""
    if model == "text":
        return json.dumps({"dataframe_split": {"columns": ["text"], "data": [[each] for each in data]}}).encode()
    return json.dumps({"dataframe_split": {"columns": [f"c{at}" for at in range(13)], "data": data}}).encode()


def open_inference(model: str, data: list[Any]) -> bytes:
    """Open Inference Protocol v2, JSON."""
    if model == "text":
        tensor: dict[str, Any] = {"name": "text", "shape": [len(data), 1], "datatype": "BYTES", "data": data}
    else:
        flat = [value for row in data for value in row]
        tensor = {"name": "rows", "shape": [len(data), 13], "datatype": "FP64", "data": flat}
    return json.dumps({"inputs": [tensor]}).encode()


def open_inference_of_columns(model: str, data: list[Any]) -> bytes:
    """The same for named columns, one tensor each."""
    from models import columns

    tensors = [
        {"name": name, "shape": [len(data)], "datatype": "FP64", "data": [row[at] for row in data]}
        for at, name in enumerate(columns())
    ]
    return json.dumps({"inputs": tensors}).encode()


def named_split(model: str, data: list[Any]) -> bytes:
    """`dataframe_split` with the wine data's own columns."""
    from models import columns

    return json.dumps({"dataframe_split": {"columns": columns(), "data": data}}).encode()


# ---------------------------------------------------------------- starts


def modelyard(start: Start, *options: str) -> str:
    """Ours, with its defaults."""
    folder = start.built / "saved" / start.model
    return start.command(
        start.python, "-m", "modelyard.cli.main", "serve", folder, "--port", start.port, *options, PYTHONPATH=""
    )


def _uvicorn(start: Start, handler: str) -> str:
    return start.command(
        start.python, "-m", "uvicorn", "fastapi_app:app", "--host", "127.0.0.1", "--port", start.port,
        "--no-access-log", "--log-level", "warning", BENCH_HANDLER=handler,
    )  # fmt: skip


def _mlflow(start: Start) -> str:
    folder = start.built / "mlflow" / start.model
    if not folder.exists():
        made = subprocess.run(
            start.command(start.python, APPS / "mlflow_save.py", folder).split(),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if made.returncode:
            sys.exit(f"mlflow did not save {start.model}:\n{made.stderr[-2000:]}")
    return start.command(
        start.python, "-m", "mlflow", "models", "serve", "-m", folder, "--env-manager", "local",
        "--host", "127.0.0.1", "--port", start.port,
    )  # fmt: skip


def _bentoml(start: Start) -> str:
    return start.command(
        start.python, "-m", "bentoml", "serve", "bentoml_app:Service", "--working-dir", APPS,
        "--host", "127.0.0.1", "--port", start.port, BENCH_BATCH=BATCH, BENTOML_HOME=start.scratch,
    )  # fmt: skip


def _litserve(start: Start) -> str:
    return start.command(start.python, APPS / "litserve_app.py", start.port, BENCH_BATCH=BATCH)


def _mlserver(start: Start) -> str:
    start.scratch.mkdir(parents=True, exist_ok=True)
    settings = {"host": "127.0.0.1", "http_port": start.port, "grpc_port": start.port + 1000,
                "metrics_port": start.port + 2000, "parallel_workers": 1, "debug": False}  # fmt: skip
    model = {"name": "m", "implementation": "mlserver_app.Runtime", "max_batch_size": BATCH, "max_batch_time": 0.002}
    (start.scratch / "settings.json").write_text(json.dumps(settings))
    (start.scratch / "model-settings.json").write_text(json.dumps(model))
    return start.command(Path(start.python).with_name("mlserver"), "start", start.scratch)


def _ray(start: Start) -> str:
    return start.command(start.python, APPS / "ray_app.py", start.port, BENCH_BATCH=BATCH)


OURS = Server("modelyard", "", modelyard, "/predict", natural)
PEERS = (
    Server("FastAPI, `def`", "fastapi", lambda start: _uvicorn(start, "def"), "/predict", plain),
    Server("FastAPI, `async def`", "fastapi", lambda start: _uvicorn(start, "async"), "/predict", plain),
    Server("mlflow models serve", "mlflow", _mlflow, "/invocations", split),
    Server("BentoML, batchable", "bentoml", _bentoml, "/predict", plain),
    Server("LitServe, batch", "litserve", _litserve, "/predict", plain),
    Server("MLServer, batch", "mlserver", _mlserver, "/v2/models/m/infer", open_inference),
    Server("Ray Serve, `@serve.batch`", "ray", _ray, "/", plain, background=True),
)
VARIANTS = (
    Server("modelyard, MLflow's `/invocations`", "", modelyard, "/invocations", named_split, ("forest",)),
    Server("modelyard, `/v2`", "", modelyard, "/v2/models/forest/infer", open_inference_of_columns, ("forest",)),
    Server("modelyard, `--batching off`", "", lambda start: modelyard(start, "--batching", "off"), "/predict", natural),
)  # fmt: skip
QUICK = {
    "forest": ("FastAPI, `async def`", "LitServe, batch", "MLServer, batch"),
    "text": ("FastAPI, `def`", "LitServe, batch", "MLServer, batch"),
    "onnx": ("FastAPI, `def`", "LitServe, batch", "MLServer, batch"),
    "noop": ("FastAPI, `def`", "LitServe, batch", "MLServer, batch"),
}
"""The best of each kind at 1, 8 and 64 connections, by the whole matrix."""
