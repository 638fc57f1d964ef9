"""A request for a prediction, from its head and body to the answer's: what the short and the ordinary way share."""

from __future__ import annotations

import itertools
import logging
import os
import re
from time import perf_counter, time_ns
from typing import TYPE_CHECKING, Any, Final

from modelyard.domain.errors import ModelyardError, NotFound, Unavailable
from modelyard.http.logs import request_id as logged_id

from .batching import Overloaded, Pending
from .calls import JSON, PROTOCOLS, Answered
from .refusals import refuse, status_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .batching import Queue
    from .catalog import Catalog, Model
    from .routing import Target

    Reply = Callable[[int, bytes, bytes], None]

log = logging.getLogger("modelyard.request")

REQUEST_ID: Final = re.compile(rb"[\w.:/+=-]{1,128}")
_prefix: Final = os.urandom(4).hex().encode()
_numbers: Final = itertools.count(1)
_JSON_LINE: Final = b"content-type: application/json\r\n"


def new_id() -> bytes:
    """An id for a request whose client gave none."""
    return b"%b-%x" % (_prefix, next(_numbers))


class Asking:
    """Where predictions are asked for.

    Args:
        catalog: of the models.
        log_requests: whether each one is logged.
        tracing: where spans go, `tracing.Tracing`; None: nowhere.

    Attributes:
        strangers: answers to requests for models that are not here, by protocol and status.
    """

    def __init__(self, catalog: Catalog, *, log_requests: bool = False, tracing: Any = None) -> None:
        self._catalog = catalog
        self._log_requests = log_requests
        self._tracing = tracing
        self.strangers: dict[tuple[int, int], int] = {}

    def ask(
        self,
        target: Target,
        content_type: bytes,
        json_bytes: int,
        body: bytes,
        request_id: bytes,
        reply: Reply,
        parent: bytes = b"",
    ) -> Callable[[], None] | None:
        """Ask for predictions.

        Args:
            target: whom.
            content_type: of the body, as sent.
            json_bytes: see `calls.Asked`.
            body: as sent.
            request_id: the client's, or `new_id()`.
            reply: called once with the answer's status, header lines and body; now or later.
            parent: the header `traceparent`.

        Returns:
            What is to be called if the client goes away; None if the answer was given.
        """
        began = perf_counter()
        protocol = target.protocol
        model: Model | None = None

        def settle(queue: Queue | None, answered: Answered | None, error: ModelyardError | None) -> None:
            if answered is None:
                answered = _refusal(protocol, error)
            status = answered.status
            head = queue.headers if queue is not None else b""
            if answered.content_type is JSON:
                head += _JSON_LINE
            else:
                head += b"content-type: %b\r\n" % answered.content_type
            if answered.json_bytes >= 0:
                head += b"inference-header-content-length: %d\r\n" % answered.json_bytes
            if status == 503:
                head += b"retry-after: %d\r\n" % getattr(error, "retry_after_s", 1)
            head += b"x-request-id: %b\r\n" % request_id
            key = (protocol, status)
            if model is not None:
                counts = model.counts
                counts.answered[key] = counts.answered.get(key, 0) + 1
                counts.latency.add(perf_counter() - began)
            else:
                self.strangers[key] = self.strangers.get(key, 0) + 1
            if self._log_requests or status in (500, 504):
                self._tell(model, target, request_id, status, perf_counter() - began, error)
            if self._tracing is not None:
                self._trace(self._tracing, model, target, answered, began, request_id, parent)
            reply(status, head, answered.body)

        try:
            model = self._catalog.find(target.name)
            queue = self._queue(model, target)
            pending = Pending(protocol, content_type, json_bytes, body, settle)
            pending.pinned = target.version not in ("", "latest")
            queue.submit(pending)
        except ModelyardError as error:
            settle(None, None, error)
            return None
        return pending.give_up

    def refuse(self, target: Target, status: int, error: ModelyardError, request_id: bytes) -> tuple[int, bytes, bytes]:
        """The answer to what does not get as far as a queue: its status, header lines and body."""
        protocol, model = target.protocol, self._catalog.find(target.name)
        answered = model.counts.answered if model is not None else self.strangers
        answered[protocol, status] = answered.get((protocol, status), 0) + 1
        if self._log_requests:
            self._tell(model, target, request_id, status, 0.0, error)
        refusal = refuse(protocol, status, error.message)
        head = b"content-type: %b\r\nx-request-id: %b\r\n" % (refusal.content_type, request_id)
        return status, head + (b"retry-after: 1\r\n" if status == 503 else b""), refusal.body

    def _queue(self, model: Model | None, target: Target) -> Queue:
        """Where a request waits.

        Raises:
            NotFound: there is no such model, or not in this version.
            Unavailable: it is not ready.
        """
        if model is None:
            raise NotFound(f"{_which(target)} There is {self._catalog.listed()}.")
        current = model.current
        if current is None:
            raise Unavailable(f"{model.name} is not ready: {self._catalog.missing.get(model.name, '')}")
        if target.version and target.version not in (current.found.version, "latest"):
            raise NotFound(
                f"{model.name} is served in version {current.found.version or '(none)'}, not {target.version}."
            )
        return current.queue

    def _tell(
        self,
        model: Model | None,
        target: Target,
        request_id: bytes,
        status: int,
        seconds: float,
        error: ModelyardError | None,
    ) -> None:
        token = logged_id.set(request_id.decode("latin-1"))
        log.log(
            logging.INFO if status < 500 else logging.WARNING,
            "%s %d in %.1f ms%s",
            model.name if model is not None else target.name or "?",
            status,
            seconds * 1000,
            f": {error.message}" if error is not None else "",
        )
        logged_id.reset(token)

    def _trace(
        self,
        tracing: Any,
        model: Model | None,
        target: Target,
        answered: Answered,
        began: float,
        request_id: bytes,
        parent: bytes,
    ) -> None:
        ended = time_ns()
        tracing.record(
            model=model.name if model is not None else target.name,
            version=model.current.found.version if model is not None and model.current is not None else "",
            protocol=PROTOCOLS[target.protocol],
            status=answered.status,
            rows=answered.rows,
            began_ns=ended - int((perf_counter() - began) * 1e9),
            ended_ns=ended,
            request_id=request_id.decode("latin-1"),
            parent=parent.decode("latin-1"),
        )


def _which(target: Target) -> str:
    if target.name:
        return f"No model {target.name!r} is served here."
    return "Which model? Ask at /models/NAME/predict, /models/NAME/invocations or /v2/models/NAME/infer."


def _refusal(protocol: int, error: ModelyardError | None) -> Answered:
    if error is None:
        error = Unavailable("No answer came.")
    status = 503 if isinstance(error, Overloaded) else status_of(error)
    return refuse(protocol, status, error.message, error.places)
