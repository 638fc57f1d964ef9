"""The native API's dispatcher: from a path to an endpoint, from its message or error to an answer."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from modelyard.domain.errors import InvalidArgument, ModelyardError, PermissionDenied
from modelyard.http.asgi import respond
from modelyard.server.answers import pattern
from modelyard.server.call import Call
from modelyard.wire.message import Answer, Request

from . import errors, messages
from .errors import Refused
from .origins import Origins

if TYPE_CHECKING:
    from modelyard.server.call import Receive, Scope, Send
    from modelyard.server.state import State

log = logging.getLogger("modelyard.api")

PREFIX: Final = "/api/v1"
PACKED: Final = "application/x-msgpack"
_JSON: Final = (b"content-type", b"application/json")
_READING: Final = ("GET", "HEAD", "DELETE")
_ACCEPTED: Final = re.compile(rb"(?:^|,)\s*(?:\*/\*|application/\*|application/json)\s*(?:;|,|$)", re.IGNORECASE)
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the endpoint table.

    Attributes:
        method: HTTP method; a GET answers HEAD too.
        path: below `/api/v1`; `{name}` is one segment, `{name*}` the rest, slashes included.
        endpoint: takes the call, and the message if there is one; gives the answer (bytes: JSON already).
        summary: one sentence.
        group: under which heading it is described.
        takes: the form of its message: the query for GET and DELETE, else the body. None: there is none.
        gives: the form of its answer, or of each message of a stream. None: 204, no body.
        status: of a success.
        location: for what is created: where it is, with fields of the answer in braces.
        errors: what can go wrong, beyond what can everywhere.
        packed: its body is MessagePack instead of JSON.
        media: what it answers, or takes, if not JSON; then the endpoint reads and answers itself.
    """

    method: str
    path: str
    endpoint: Callable[..., Awaitable[Any]]
    summary: str
    group: str
    takes: type[Request] | None = None
    gives: type[Answer] | None = None
    status: int = 200
    location: str = ""
    errors: tuple[type[ModelyardError], ...] = field(default=())
    packed: bool = False
    media: str = ""


class Edge:
    """All endpoints of a table as one ASGI application.

    Args:
        state: what endpoints work with.
        routes: the table.
    """

    def __init__(self, state: State, routes: list[Route]) -> None:
        self.state = state
        self.origins = Origins(state.settings)
        # By method and first segment: a few are left to try.
        self._routes: dict[tuple[str, str], list[tuple[re.Pattern[str], Route]]] = {}
        self._paths: list[tuple[re.Pattern[str], str]] = []
        for route in routes:
            regex = re.compile(pattern(PREFIX + route.path))
            first = route.path.split("/", 2)[1]
            self._routes.setdefault((route.method, first), []).append((regex, route))
            self._paths.append((regex, route.method))

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route of a request and the variable parts of its path."""
        first = path[len(PREFIX) + 1 :].partition("/")[0]
        for regex, route in self._routes.get((method, first), ()):
            found = regex.fullmatch(path)
            if found:
                return route, found.groupdict()
        return None

    def methods(self, path: str) -> list[str]:
        """The methods that a path takes."""
        found = {method for regex, method in self._paths if regex.fullmatch(path)}
        if "GET" in found:
            found.add("HEAD")
        return sorted(found | {"OPTIONS"}) if found else []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        method, path = scope["method"], scope["path"]
        origin = self.origins.of(scope)
        if origin:
            send = self.origins.answering(origin, send)
        found = self.find("GET" if method == "HEAD" else method, path)
        if found is None:
            await self._lost(method, path, send)
            return
        route, variables = found
        call = Call(self.state, scope, receive, send, variables)
        try:
            _check_site(call, method, origin)
            answer = await _run(route, call, method)
        except ModelyardError as error:
            await respond(call.send, *errors.answer(error), errors.CONTENT_TYPE)
        except Refused as error:
            await respond(send, *errors.problem(error.kind, error.detail), errors.CONTENT_TYPE)
        except Exception:
            log.exception("%s %s failed", method, path)
            failed = errors.STATUS[ModelyardError]
            await respond(send, *errors.problem(failed, failed.advice), errors.CONTENT_TYPE)
        else:
            if route.media:
                return
            if route.gives is not None:
                body = answer if type(answer) is bytes else _encode(answer)
                headers = [(b"location", _location(route, answer))] if route.location else []
                await respond(send, route.status, body, _JSON, *headers)
            else:
                await send({"type": "http.response.start", "status": 204, "headers": []})
                await send({"type": "http.response.body", "body": b""})

    async def _lost(self, method: str, path: str, send: Send) -> None:
        """Answer a request that has no endpoint."""
        allowed = self.methods(path)
        header = (b"allow", ", ".join(allowed).encode())
        if not allowed:
            detail = f"There is nothing at {path[:200]!r}."
            await respond(send, *errors.problem(errors.NO_ENDPOINT, detail), errors.CONTENT_TYPE)
        elif method == "OPTIONS":
            headers = [header, *self.origins.preflight(allowed)]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
        else:
            detail = f"This path takes {', '.join(allowed)}, not {method[:20]}."
            await respond(send, *errors.problem(errors.NOT_ALLOWED, detail), errors.CONTENT_TYPE, header)


def _check_site(call: Call, method: str, origin: bytes) -> None:
    """Nobody signs in yet, so a page from elsewhere must not act through the reader's browser."""
    if method not in ("GET", "HEAD") and not origin and call.header(b"sec-fetch-site") == b"cross-site":
        raise PermissionDenied("Pages of other sites cannot change anything here.")


async def _run(route: Route, call: Call, method: str) -> Any:
    if "\0" in call.scope["path"]:
        raise InvalidArgument(messages.NUL_REFUSED)
    if route.media:
        return await route.endpoint(call)
    accept = call.header(b"accept")
    if accept and accept != b"*/*" and not _ACCEPTED.search(accept):
        raise Refused(errors.NOT_ACCEPTABLE, "This endpoint answers application/json only.")
    if route.takes is None:
        return await route.endpoint(call)
    if method in _READING:
        return await route.endpoint(call, messages.from_query(call.scope["query_string"], route.takes))
    kind, expected = call.header(b"content-type"), PACKED if route.packed else "application/json"
    if kind.partition(b";")[0].strip().lower() != expected.encode():
        declared = kind[:100].decode("latin-1") or "nothing"
        raise Refused(errors.WRONG_MEDIA, f"The body is declared as {declared}; {expected} was expected.")
    read = messages.from_msgpack if route.packed else messages.from_body
    return await route.endpoint(call, read(await call.body(), route.takes))


def _location(route: Route, answer: Any) -> bytes:
    names = re.findall(r"\{(\w+)\}", route.location)
    return (
        PREFIX + route.location.format(**{name: quote(str(getattr(answer, name)), safe="") for name in names})
    ).encode()
