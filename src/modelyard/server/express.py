"""The short way for commands that are data: from a connection's bytes to the writer, without ASGI in between.

Starting a run, logging to it and ending it are most of what a tracking server is asked, and each is one small JSON body
that becomes one command. For these the machinery of an ASGI request costs more than the work. What is not plain (an
unusual header, a body in pieces, a second request behind the first) goes the ordinary way, with the same result.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from modelyard.domain.errors import ModelyardError
from modelyard.http.heads import Known, plain_post

from .auth import principal_of
from .mlflow import errors
from .mlflow.edge import INTERNAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .metrics import Metrics
    from .mlflow.edge import DataCommand, Route
    from .state import State

    Answer = Callable[[int, bytes, bytes], None]

log = logging.getLogger("modelyard.mlflow")

LARGEST_BODY: Final = 256 * 1024
"""Longer bodies come in pieces anyway."""

_JSON: Final = b"content-type: application/json\r\n"
_LONGEST_HEAD: Final = 1024
_NOT_PLAIN: Final = frozenset({b"x-request-id", b"authorization"})


@dataclass(frozen=True, slots=True)
class Request:
    """A request's head, understood.

    Attributes:
        path: as it was asked.
        command: what reads the body and words the answer.
        length: of the body, in bytes.
        group: where its counts begin.
    """

    path: str
    command: DataCommand
    length: int
    group: int


class _Reply:
    """What the writer settles instead of a future: calls back at once, not at the loop's next turn."""

    __slots__ = ("_settled",)

    def __init__(self, settled: Callable[[Any, BaseException | None], None]) -> None:
        self._settled = settled

    def done(self) -> bool:
        """It is settled once, by the writer alone."""
        return False

    def set_result(self, value: Any) -> None:
        """The command is durable."""
        self._settled(value, None)

    def set_exception(self, error: BaseException) -> None:
        """The command was refused, or failed."""
        self._settled(None, error)


class Express:
    """The routes that have a short way.

    Args:
        state: with the writer.
        metrics: counts the requests.
        routes: those without a `data` command are passed over.
    """

    def __init__(self, state: State, metrics: Metrics, routes: Iterable[Route]) -> None:
        self._state = state
        self._metrics = metrics
        self._commands: dict[bytes, DataCommand] = {
            (prefix + route.path).encode(): route.data
            for route in routes
            if route.data is not None
            for prefix in route.prefixes
        }
        self._known: Known[Request | None] = Known(_LONGEST_HEAD)

    def find(self, head: bytes) -> Request | None:
        """The request that a head announces, None if it goes the ordinary way. A client's heads repeat themselves."""
        try:
            return self._known.found[head]
        except KeyError:
            pass
        request = self._understand(head)
        self._known.keep(head, request)
        return request

    def _understand(self, head: bytes) -> Request | None:
        post = plain_post(head)
        command = self._commands.get(post.path) if post is not None else None
        if post is None or command is None:
            return None
        is_json = False
        for name, value in post.fields:
            if name in _NOT_PLAIN:
                return None
            if name == b"content-type":
                is_json = value.partition(b";")[0].strip().lower() == b"application/json"
        if not is_json or not 0 < post.length <= min(LARGEST_BODY, self._state.settings.max_body_bytes):
            return None
        text = post.path.decode()
        return Request(text, command, post.length, self._metrics.group(text))

    def start(self, request: Request, body: bytes, answer: Answer) -> None:
        """Carry out a request; calls `answer(status, headers, body)` once, now or when the command is durable."""
        began = perf_counter()

        def settled(value: Any, error: BaseException | None) -> None:
            status, text = _outcome(request, value, error)
            self._metrics.record(request.group, status, perf_counter() - began)
            answer(status, _JSON, text)

        try:
            command = request.command.read(body, principal_of({}))
            self._state.database.writer.bulk(command, _Reply(settled))
        except Exception as error:  # noqa: BLE001 - told to the client, and logged if it is ours
            settled(None, error)


def _outcome(request: Request, value: Any, error: BaseException | None) -> tuple[int, bytes]:
    """Status and body for a command's value or error."""
    if error is None:
        try:
            return 200, request.command.answer(value)
        except Exception:
            log.exception("the answer to POST %s failed", request.path)
            return 500, INTERNAL
    if isinstance(error, ModelyardError):
        return errors.answer(error)
    log.error("POST %s failed", request.path, exc_info=error)
    return 500, INTERNAL
