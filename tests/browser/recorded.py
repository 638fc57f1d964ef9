"""Predictions as a gateway records them, for pages that show them."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import urllib3

from modelyard.domain.predictions import Ids

_IDS = Ids(b"pages")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def prediction(deployment: str, **values: Any) -> dict[str, Any]:
    at = values.get("at_ms", now_ms())
    known = {
        "id": _IDS.next(at), "deployment": deployment, "at_ms": at, "revision": 1, "model": "wine", "version": "2",
        "role": "stable", "latency_us": 1500, "status": 200, "input": '{"text": "dry"}', "output": '{"label": "red"}',
        "label": "red",
    }  # fmt: skip
    return {**known, **values}


def right(of: dict[str, Any], right: bool) -> dict[str, Any]:  # noqa: FBT001 - a value
    return {"id": _IDS.next(of["at_ms"]), "at_ms": of["at_ms"] + 1, "prediction": of["id"], "right": right}


def send(url: str, *found: dict[str, Any], feedback: list[dict[str, Any]] | None = None) -> None:
    """Deliver them as a gateway does, up to 5,000 at a time."""
    body = msgspec.msgpack.encode({"gateway": "g", "predictions": found, "feedback": feedback or []})
    headers = {"content-type": "application/x-msgpack"}
    got = urllib3.request("POST", f"{url}/api/v1/predictions/batch", body=body, headers=headers)
    assert got.status == 200, got.data
