"""What is noticed about every request on its way: status, time, bytes of artifacts, an id for its log lines."""

from __future__ import annotations

import itertools
import logging
import os
import re
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from modelyard.http.logs import request_id

from .metrics import RECEIVED, SENT

if TYPE_CHECKING:
    from collections.abc import Awaitable, MutableMapping

    from .call import Receive, Scope, Send
    from .metrics import Metrics

    Message = MutableMapping[str, Any]

log = logging.getLogger("modelyard.request")

_ID: Final = re.compile(rb"[\w.:/+=-]{1,128}")
_HUNG_UP: Final = 499

_prefix = os.urandom(4).hex()
_numbers = itertools.count(1)


class Watch:
    """One request."""

    __slots__ = ("_began", "_group", "_metrics", "_path", "_send", "_shown", "_status")

    def __init__(self, metrics: Metrics, scope: Scope, send: Send) -> None:
        path = self._path = scope["path"]
        self._metrics = metrics
        self._group = metrics.group(path)
        self._send = send
        self._status = _HUNG_UP
        self._shown = _identity(scope)
        request_id.set(self._shown.decode("latin-1"))
        self._began = perf_counter()

    def send(self, message: Message) -> Awaitable[None]:
        """The request's `send`, overheard."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", self._shown)]
        elif self._group == self._metrics.artifacts:
            self._metrics.add(SENT, len(message.get("body", b"")))
        return self._send(message)

    def receive(self, receive: Receive) -> Receive:
        """The request's `receive`, overheard where artifacts come in."""
        if self._group != self._metrics.artifacts:
            return receive

        async def counted() -> Message:
            message = await receive()
            self._metrics.add(RECEIVED, len(message.get("body", b"")))
            return message

        return counted

    def done(self, scope: Scope) -> None:
        """Count the request."""
        seconds = perf_counter() - self._began
        self._metrics.record(self._group, self._status, seconds)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s %s %d %.1f ms", scope["method"], self._path, self._status, seconds * 1000)


def _identity(scope: Scope) -> bytes:
    """The id that the client gave the request, or a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ID.fullmatch(value):
            given: bytes = value
            return given
    return f"{_prefix}-{next(_numbers):x}".encode()
