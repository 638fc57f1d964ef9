"""MLflow's REST protocol over plain HTTP, for tests that look at status codes and bodies."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any


@dataclass
class Answer:
    """Status, headers and body of an answer."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """The text of an error."""
        return str(self.json["message"])

    @property
    def code(self) -> str:
        """The code of an error."""
        return str(self.json["error_code"])


@dataclass
class Rest:
    """Calls below one server."""

    url: str

    def call(self, method: str, path: str, body: Any = None, /, **query: Any) -> Answer:
        """One request; `path` is below `/api/2.0/mlflow/` unless it begins with a slash. Bytes are sent as they are."""
        url = self.url + (path if path.startswith("/") else f"/api/2.0/mlflow/{path}")
        if query:
            url += "?" + urllib.parse.urlencode(query, doseq=True)
        raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        return self._send(method, url, raw, kind)

    def json_text(self, method: str, path: str, text: str) -> Answer:
        """One request whose body is declared to be JSON, whatever it is."""
        return self._send(method, f"{self.url}/api/2.0/mlflow/{path}", text.encode(), "application/json")

    def _send(self, method: str, url: str, raw: bytes | None, kind: str) -> Answer:
        request = urllib.request.Request(url, raw, {"Content-Type": kind}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def get(self, path: str, /, **query: Any) -> Answer:
        return self.call("GET", path, **query)

    def post(self, path: str, /, **body: Any) -> Answer:
        return self.call("POST", path, body)

    def good(self, path: str, /, **body: Any) -> Any:
        """POST what must succeed; the answer's JSON."""
        answer = self.post(path, **body)
        assert answer.status == 200, answer.body
        return answer.json

    def tick(self) -> None:
        """Wait until the clock shows another millisecond, so that what is made next is newer."""
        now = time.time_ns() // 1_000_000
        while time.time_ns() // 1_000_000 == now:
            pass

    def experiment(self, name: str = "e", **body: Any) -> str:
        """A new experiment's id."""
        self.tick()
        return str(self.good("experiments/create", name=name, **body)["experiment_id"])

    def run(self, experiment_id: str = "0", **body: Any) -> str:
        """A new run's id."""
        return str(self.good("runs/create", experiment_id=experiment_id, **body)["run"]["info"]["run_id"])

    def model(self, experiment_id: str = "0", **body: Any) -> str:
        """A new logged model's id."""
        self.tick()
        return str(self.good("logged-models", experiment_id=experiment_id, **body)["model"]["info"]["model_id"])
