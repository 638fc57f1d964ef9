"""Golden tests against a real replica: those that its version brings, and those of the spec."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from modelyard.domain.golden import CaseResult, Tolerance, compare
from modelyard.domain.rollouts import Golden

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelyard.domain.deployments import GoldenRequest, Spec

_TIMEOUT_S: Final = 30.0
_LOOK_S: Final = 2.0
_TOLD: Final = 5


def facts(url: str, deployment: str) -> dict[str, Any] | None:
    """What a model server says of a model; None if it does not answer."""
    try:
        status, body = _ask("GET", f"{url}/models/{quote(deployment, safe='')}", None, _LOOK_S)
        told = json.loads(body) if status == 200 else None
    except (OSError, ValueError, http.client.HTTPException):
        return None
    return told if isinstance(told, dict) else None


def brought(told: Mapping[str, Any] | None) -> list[CaseResult]:
    """The results of the tests that a version brings, as its model server tells them."""
    return [
        CaseResult(str(each["name"]), tuple(each["differences"]), str(each["error"]))
        for each in (told or {}).get("golden", ())
    ]


def asked(url: str, deployment: str, spec: Spec, *, external: bool) -> list[CaseResult]:
    """Ask a replica the requests of a spec.

    Args:
        url: of the replica; of an external one, where requests go.
        deployment: its name.
        spec: of the revision.
        external: whether somebody else serves it.
    """
    target = url if external else f"{url}/models/{quote(deployment, safe='')}/predict"
    return [_one(target, spec, test, f"request {number}") for number, test in enumerate(spec.golden, 1)]


def _one(url: str, spec: Spec, test: GoldenRequest, name: str) -> CaseResult:
    from modelyard.serving.gateway.inputs import renamed  # noqa: PLC0415 - few deployments have such tests

    body = json.dumps(test.input).encode()
    segment = test.input.get(spec.segment.field, "") if isinstance(test.input, dict) and spec.segment.field else ""
    inputs = {column: place for column, place in spec.settings(str(segment)).inputs.items() if column != place}
    try:
        status, answer = _ask("POST", url, renamed(body, inputs) if inputs else body, _TIMEOUT_S)
    except (OSError, http.client.HTTPException) as error:
        return CaseResult(name, error=f"no answer: {str(error) or type(error).__name__}")
    if status != 200:
        return CaseResult(name, error=f"status {status}: {answer[:300].decode(errors='replace')}")
    try:
        found = json.loads(answer)
    except ValueError:
        return CaseResult(name, error="the answer is not JSON")
    return CaseResult(name, tuple(compare(test.expected, found, Tolerance(test.relative, test.absolute))))


def verdict(results: Sequence[CaseResult]) -> Golden:
    """How tests went, in one line."""
    if not results:
        return Golden(passed=True, told="There are none.")
    failed = [each for each in results if not each.passed]
    told = f"{len(results) - len(failed)} of {len(results)} passed"
    if not failed:
        return Golden(passed=True, told=f"{told}.")
    named = "; ".join(f"{each.name}: {each.error or ', '.join(each.differences)}" for each in failed[:_TOLD])
    more = f"; and {len(failed) - _TOLD} more" if len(failed) > _TOLD else ""
    return Golden(passed=False, told=f"{told}. {named}{more}")


def _ask(method: str, url: str, body: bytes | None, timeout_s: float) -> tuple[int, bytes]:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"content-type": "application/json"} if body is not None else {}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
