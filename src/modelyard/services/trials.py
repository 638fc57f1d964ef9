"""Trying a deployment: a single request to a gateway that is known, or else to a replica."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from modelyard.db import gateways as gateways_db
from modelyard.db import versions as versions_db
from modelyard.domain.errors import InvalidArgument, Unavailable
from modelyard.domain.reading import meant

from . import deployments, gateways, standing

if TYPE_CHECKING:
    from modelyard.db.transaction import Transaction
    from modelyard.domain.deployments import Spec, Target
    from modelyard.domain.versions import ModelVersion

TIMEOUT_S: Final = 30.0
_CONNECT_S: Final = 2.0
_MOST: Final = 2**20
_PATHS: Final = {
    "predict": "/models/{}/predict",
    "invocations": "/models/{}/invocations",
    "infer": "/v2/models/{}/infer",
}
_VALUE: Final = re.compile(r"[\x20-\x7e\xa0-\xff]*")


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere a deployment can be asked.

    Attributes:
        by: `gateway` or `replica`.
        url: where the request goes.
    """

    by: str
    url: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back.

    Attributes:
        place: who answered.
        status: of HTTP.
        headers: by lower-case name.
        body: of it, at most 1 MiB.
        cut: whether there was more.
        latency_ms: until all of it was there.
    """

    place: Place
    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool
    latency_ms: float


def places(tx: Transaction, name: str, protocol: str, now: int) -> list[Place]:
    """Where a deployment can be asked, the best first: live gateways, then replicas of what answers.

    Only these are ever asked, and only for a prediction: nothing that a caller says becomes a part of a URL.

    Args:
        tx: the transaction.
        name: of the deployment.
        protocol: `predict`, `invocations` or `infer`.
        now: ms since the epoch.

    Raises:
        NotFound: there is no such deployment.
    """
    stands = standing.get(tx, name)
    path = _PATHS[protocol].format(quote(name, safe=""))
    live = [each for each in gateways_db.listing(tx) if each.url and now - each.seen_ms < gateways.LIVE_MS]
    found = [Place("gateway", each.url.rstrip("/") + path) for each in sorted(live, key=lambda each: -each.seen_ms)]
    for revision in (stands.stable, stands.canary):
        if revision is not None and revision.target.url:
            found.append(Place("replica", revision.target.url))
        elif revision is not None:
            found += [Place("replica", url.rstrip("/") + path) for url in stands.replicas.get(revision.number, ())]
    return [each for each in found if urlsplit(each.url).scheme in ("http", "https")]


def version(tx: Transaction, target: Target) -> ModelVersion | None:
    """The version that runs; None if it is not in the registry any more."""
    return versions_db.bare(tx, target.model, int(target.version)) if target.version.isdigit() else None


def headers_of(spec: Spec) -> list[str]:
    """The headers in which a deployment looks for something, by lower-case name."""
    return sorted({where.header for where in (spec.segment, spec.sticky, spec.key) if where.header})


def fields_of(spec: Spec) -> list[str]:
    """The fields in which it does."""
    return list(dict.fromkeys(where.field for where in (spec.segment, spec.sticky, spec.key) if where.field))


def admitted(tx: Transaction, name: str, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a request, if the deployment looks at them.

    Raises:
        NotFound: there is no such deployment.
        InvalidArgument: it does not look at one, or a value cannot be sent.
    """
    known = headers_of(deployments.get(tx, name).spec)
    wrong = []
    for each, value in headers.items():
        if each.lower() not in known:
            named = f"; it looks at {', '.join(known)}" if known else "; it looks at none"
            wrong.append((f"/headers/{each}", f"The deployment does not look at it{meant(each, known)}{named}."))
        elif not _VALUE.fullmatch(value):
            wrong.append((f"/headers/{each}", "A header's value is one line of Latin letters."))
    if wrong:
        raise InvalidArgument(f"{wrong[0][0].rpartition('/')[2]}: {wrong[0][1]}", wrong)
    return {each.lower(): value for each, value in headers.items()}


def ask(where: Sequence[Place], body: bytes, headers: Mapping[str, str]) -> Answered:
    """Ask the first that can be reached; whatever it answers is the answer.

    Args:
        where: to ask, in this order.
        body: JSON.
        headers: beside what describes the body.

    Raises:
        Unavailable: nobody answers.
    """
    if not where:
        raise Unavailable(
            "Nobody can be asked: no gateway has reported itself within a minute, and no replica runs. "
            "Start one with `modelyard gateway`, or everything with `modelyard up`."
        )
    failed = []
    for place in where:
        try:
            return _ask(place, body, headers)
        except (OSError, http.client.HTTPException) as error:
            failed.append(f"{place.url}: {str(error) or type(error).__name__}")
    raise Unavailable(f"Nobody answers. {'; '.join(failed[:5])}")


def _ask(place: Place, body: bytes, headers: Mapping[str, str]) -> Answered:
    parts = urlsplit(place.url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_CONNECT_S)
    began = time.monotonic()
    try:
        connection.connect()
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        _wait(connection, began)
        connection.request("POST", path, body, {"content-type": "application/json", **headers})
        answer = connection.getresponse()  # a redirection is an answer like others: it is not followed
        pieces, size = [], 0
        while size <= _MOST and (piece := answer.read1(_MOST)):
            pieces.append(piece)
            size += len(piece)
            _wait(connection, began)
        content = b"".join(pieces)
        told = {name.lower(): value for name, value in answer.getheaders()}
        took_ms = (time.monotonic() - began) * 1000
        return Answered(place, answer.status, told, content[:_MOST], len(content) > _MOST, took_ms)
    finally:
        connection.close()


def _wait(connection: http.client.HTTPConnection, began: float) -> None:
    """Wait no longer than until the end of the time, however slowly bytes drip in."""
    left = TIMEOUT_S - (time.monotonic() - began)
    if left <= 0:
        raise TimeoutError(f"no complete answer within {TIMEOUT_S:g} seconds")
    if connection.sock is not None:
        connection.sock.settimeout(left)
