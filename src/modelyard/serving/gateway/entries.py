"""Entries of the journal: one answered request each, as the gateway knows it, and as bytes.

An entry is a MessagePack array of `Entry`'s fields.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

import msgspec

LONGEST_BODY: Final = 2**20
"""Longer bodies are not kept; of a request its hash is."""

_encode: Final = msgspec.msgpack.Encoder().encode


class Entry(NamedTuple):
    """One answered request, as the gateway knows it.

    Attributes:
        id: see `domain.predictions.Ids`.
        deployment: the name that was asked.
        at_ms: when, ms since the epoch.
        revision: that answered; 0: an endpoint.
        endpoint: name of somebody else's endpoint; empty: a revision.
        model, version: that answered.
        role: `stable`, `canary`, `shadow` or `endpoint`.
        segment: of the request; empty: none.
        latency_us: until the answer, microseconds.
        status: of HTTP.
        protocol: see `serving.calls`.
        request, response: bodies; None: not kept.
        hashed: keep the request's hash instead of the request, which then never reaches the disk.
        label, score, positive: read from the answer.
        key: the caller's own.
        parent: of a shadow's: the prediction that the caller was answered.
        input_hash: of the request; filled in when it is packed.
    """

    id: bytes
    deployment: str
    at_ms: int
    revision: int
    endpoint: str
    model: str
    version: str
    role: str
    segment: str
    latency_us: int
    status: int
    protocol: int = 0
    request: bytes | None = None
    response: bytes | None = None
    hashed: bool = False
    label: str | None = None
    score: float | None = None
    positive: bool | None = None
    key: str | None = None
    parent: bytes | None = None
    input_hash: str | None = None


def packed(entry: Entry) -> bytes:
    """An entry as it is written down: a body that is too long, or only its hash is wanted of, is left out."""
    request, response = entry.request, entry.response
    if request is not None and (entry.hashed or len(request) > LONGEST_BODY):
        entry = entry._replace(request=None, input_hash=digest(request))
    if response is not None and len(response) > LONGEST_BODY:
        entry = entry._replace(response=None)
    return _encode(entry)


def digest(request: bytes) -> str:
    """What is kept of a request instead of itself."""
    return hashlib.blake2b(request, digest_size=16).hexdigest()


class Form:
    """Packs the entries of one revision in one role and segment, without making an `Entry` of each.

    Args:
        deployment, revision, endpoint, model, version, role, segment: see `Entry`.
    """

    __slots__ = ("_of",)

    def __init__(
        self, deployment: str, revision: int, endpoint: str, model: str, version: str, role: str, segment: str
    ) -> None:
        self._of = deployment, revision, endpoint, model, version, role, segment

    def packed(
        self,
        id: bytes,
        at_ms: int,
        seconds: float,
        status: int,
        protocol: int,
        request: bytes | None,
        response: bytes | None,
        hashed: bool,  # noqa: FBT001 - for each answer
        label: str | None,
        score: float | None,
        positive: bool | None,  # noqa: FBT001 - likewise
        key: str | None,
        parent: bytes | None,
    ) -> bytes:
        """An entry; see `Entry`, and `packed`."""
        hash = None
        if request is not None and (hashed or len(request) > LONGEST_BODY):
            hash, request = digest(request), None
        if response is not None and len(response) > LONGEST_BODY:
            response = None
        deployment, revision, endpoint, model, version, role, segment = self._of
        return _encode(
            (id, deployment, at_ms, revision, endpoint, model, version, role, segment, int(seconds * 1e6), status,
             protocol, request, response, hashed, label, score, positive, key, parent, hash)
        )  # fmt: skip
