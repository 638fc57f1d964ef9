"""A client for tests: JSON in, JSON out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import urllib3


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Native:
    """The native API of a server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._pool = urllib3.PoolManager(retries=False)

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, /, **query: Any
    ) -> Reply:
        """Send a request as it is; any status is fine."""
        sent = {"content-type": "application/json"} if body is not None else {}
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        url = f"{self.url}/api/v1{path}" + (f"?{urlencode(query, doseq=True)}" if query else "")
        got = self._pool.request(method, url, body=raw, headers={**sent, **(headers or {})})
        return Reply(got.status, got.headers, got.data)

    def __call__(self, method: str, path: str, body: Any = None, /, **query: Any) -> Any:
        """Send a request that must succeed; its answer."""
        got = self.ask(method, path, body, None, **query)
        assert got.status < 300, f"{method} {path}: {got.status} {got.body.decode()}"
        return got.json if got.body else None

    def refused(self, method: str, path: str, body: Any = None, /, **query: Any) -> tuple[int, str, str]:
        """Send a request that must fail; status, code and detail of the problem."""
        got = self.ask(method, path, body, None, **query)
        assert got.status >= 400, f"{method} {path}: {got.status} {got.body.decode()}"
        assert got.headers["content-type"] == "application/problem+json"
        assert got.json["status"] == got.status
        return got.status, got.json["code"], got.json["detail"]
