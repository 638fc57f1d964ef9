"""The short way of a plain request for a prediction: from a connection's bytes to the queue, without ASGI in between.

A client's heads repeat themselves, so a head that was understood once is known by its bytes. What is not plain goes the
ordinary way, with the same result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from modelyard.http.heads import Known, plain_post

from .asking import REQUEST_ID, new_id
from .calls import JSON, OPEN_INFERENCE
from .routing import Target, target

if TYPE_CHECKING:
    from collections.abc import Callable

    from .asking import Asking, Reply

LARGEST_BODY: Final = 256 * 1024
"""Longer bodies come in pieces anyway."""

_LONGEST_HEAD: Final = 2048


@dataclass(frozen=True, slots=True)
class Plain:
    """A request's head, understood.

    Attributes:
        target: what is asked.
        length: of the body, in bytes.
        content_type: of it.
        json_bytes: see `calls.Asked`.
        request_id: the client's own; empty if it gave none.
        parent: the header `traceparent`; empty if nobody asks for it.
    """

    target: Target
    length: int
    content_type: bytes
    json_bytes: int
    request_id: bytes
    parent: bytes = b""


class Express:
    """The short way.

    Args:
        asking: where predictions are asked for.
        largest: bytes of a body.
        traced: whether anybody asks which trace a request belongs to.
    """

    def __init__(self, asking: Asking, largest: int, *, traced: bool = False) -> None:
        self._asking = asking
        self._largest = min(largest, LARGEST_BODY)
        self._traced = traced
        self._known: Known[Plain | None] = Known(_LONGEST_HEAD)

    def find(self, head: bytes) -> Plain | None:
        """The request that a head announces, None if it goes the ordinary way."""
        try:
            return self._known.found[head]
        except KeyError:
            pass
        plain = understand(head, self._largest, traced=self._traced)
        if not (plain is not None and (plain.request_id or plain.parent)):  # a head with an id does not come again
            self._known.keep(head, plain)
        return plain

    def start(self, request: Plain, body: bytes, answer: Reply) -> Callable[[], None] | None:
        """Carry out a request; calls `answer(status, headers, body)` once, now or when the model has answered."""
        return self._asking.ask(
            request.target,
            request.content_type,
            request.json_bytes,
            body,
            request.request_id or new_id(),
            answer,
            request.parent,
        )


def understand(head: bytes, largest: int, *, traced: bool = False) -> Plain | None:
    """The request for a prediction that a head announces, None if it has to go the ordinary way.

    Args:
        head: without the empty line at its end.
        largest: bytes of a body.
        traced: whether anybody asks which trace a request belongs to.
    """
    post = plain_post(head)
    found = target(post.path.decode("latin-1")) if post is not None else None
    if post is None or found is None:
        return None
    json_bytes, kind, request_id, parent = -1, JSON, b"", b""
    for name, value in post.fields:
        if name == b"content-type":
            kind = JSON if value.lower() == JSON else value
        elif name == b"inference-header-content-length":
            if not value.isdigit() or len(value) > 9 or found.protocol != OPEN_INFERENCE:
                return None
            json_bytes = int(value)
        elif name == b"x-request-id":
            if REQUEST_ID.fullmatch(value) is None:
                return None
            request_id = value
        elif name == b"traceparent" and traced:
            parent = value
    if not 0 < post.length <= largest or len(kind) > 200:
        return None
    return Plain(found, post.length, kind, json_bytes, request_id, parent)
