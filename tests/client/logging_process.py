"""Processes that log through a recorder, as a training script does, and what a server has of it afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE_S = 60

PRELUDE = """
import os, signal, sys, threading, time
from modelyard.client.recorder import recorder_for, flush_all

recorder = recorder_for(os.environ["URI"])

def begin(name="run", tags=None, **where):
    where = where or {"experiment_id": "0"}
    return recorder.start_run(
        **{"experiment_id": None, "experiment_name": None, **where}, run_name=name, start_time_ms=1000,
        tags=tags or {}, user_id="somebody",
    )

def say(*words):
    print(*words, flush=True)
"""


def environment(uri: str, spool: Path, **variables: str) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("MODELYARD_", "MLFLOW_"))}
    return {**kept, "URI": uri, "MODELYARD_SPOOL": str(spool), **variables}


def start(script: str, uri: str, spool: Path, **variables: str) -> subprocess.Popen[str]:
    """A process that logs; what it says can be read line by line."""
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + script],
        env=environment(uri, spool, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(script: str, uri: str, spool: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The same, to its end."""
    process = start(script, uri, spool, **variables)
    try:
        out, errors = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, errors)


def sync(spool: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "modelyard.cli.main", "sync", *arguments],
        env=environment("", spool),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@dataclass
class Reader:
    """What a server has, asked by plain HTTP."""

    url: str

    def ask(self, method: str, path: str, /, **message: Any) -> Any:
        if method == "GET":
            request = urllib.request.Request(f"{self.url}/api/2.0/mlflow/{path}?{urllib.parse.urlencode(message)}")
        else:
            request = urllib.request.Request(
                f"{self.url}/api/2.0/mlflow/{path}",
                json.dumps(message).encode(),
                {"Content-Type": "application/json"},
                method=method,
            )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def run(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", "runs/get", run_id=run_id)["run"]
        return found

    def named(self, name: str, experiment: str = "0") -> dict[str, Any]:
        """The one run of this name."""
        (found,) = self.search(f"attributes.run_name = '{name}'", experiment)
        return found

    def search(self, filter: str = "", experiment: str = "0") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask(
            "POST", "runs/search", experiment_ids=[experiment], filter=filter, max_results=1000
        ).get("runs", [])
        return found

    def history(self, run_id: str, key: str) -> list[tuple[int, float]]:
        """Step and value of every point of a metric."""
        points, token = [], ""
        while True:
            message = {"run_id": run_id, "metric_key": key, "max_results": 25_000}
            page = self.ask("GET", "metrics/get-history", **message, **({"page_token": token} if token else {}))
            points += [(point["step"], float(point["value"])) for point in page.get("metrics", [])]
            token = page.get("next_page_token", "")
            if not token:
                return points

    def files(self, run_id: str, path: str = "") -> dict[str, int | None]:
        """Path and size of what a folder of a run's artifacts holds."""
        found = self.ask("GET", "artifacts/list", run_id=run_id, path=path).get("files", [])
        return {file["path"]: file.get("file_size") for file in found}

    def steps(self, run_id: str, key: str) -> list[int]:
        """The step of every point of a metric, in order."""
        return sorted(step for step, _ in self.history(run_id, key))


def params(run: dict[str, Any]) -> dict[str, str]:
    return {each["key"]: each["value"] for each in run["data"].get("params", [])}


def tags(run: dict[str, Any]) -> dict[str, str]:
    return {each["key"]: each["value"] for each in run["data"].get("tags", [])}


def status(run: dict[str, Any]) -> str:
    return str(run["info"]["status"])


def left_in(spool: Path) -> list[str]:
    """The journals of a spool directory."""
    return sorted(path.parent.name for path in spool.glob("*/journal.json"))
