"""The MLflow edge's dispatcher: from a path to an endpoint, from an endpoint's value or error to an answer."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from modelyard.domain.errors import InvalidArgument, ModelyardError, NotSupported
from modelyard.http.asgi import respond
from modelyard.server.answers import pattern
from modelyard.server.call import Call

from . import errors, protojson

if TYPE_CHECKING:
    from modelyard.db.bulk import Bulk
    from modelyard.domain.principals import Principal
    from modelyard.server.call import Receive, Scope, Send
    from modelyard.server.state import State

log = logging.getLogger("modelyard.mlflow")

Endpoint = Callable[[Call, protojson.Fields], Awaitable[Any]]
RawEndpoint = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class DataCommand:
    """An endpoint whose request becomes one command for the writer.

    Attributes:
        read: from a JSON body and who sent it to the command; raises ModelyardErrors.
        answer: from the command's value to the answer's JSON.
    """

    read: Callable[[bytes, Principal], Bulk]
    answer: Callable[[Any], bytes]


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the endpoint table.

    Attributes:
        method: HTTP method.
        path: below the prefixes, as `mlflow/runs/create`; `{name}` matches one segment, `{name*}` the rest.
        endpoint: takes the call and its message, returns what becomes JSON (bytes: JSON already). None: not served.
        data: instead of an endpoint: the request is a command that is data.
        raw: the endpoint reads the body itself and may answer itself (then it returns None).
        reason: why it is not served.
        prefixes: under which it stands.
    """

    method: str
    path: str
    endpoint: Callable[..., Awaitable[Any]] | None = None
    data: DataCommand | None = None
    raw: bool = False
    reason: str = ""
    prefixes: tuple[str, ...] = ("/api/2.0/", "/ajax-api/2.0/")


_JSON = (b"content-type", b"application/json")
_HTML = (b"content-type", b"text/html; charset=utf-8")


INTERNAL = msgspec.json.encode(
    {"error_code": "INTERNAL_ERROR", "message": "An internal error occurred; the server's log has the details."}
)


class Edge:
    """All MLflow endpoints as one ASGI application."""

    def __init__(self, state: State, routes: list[Route]) -> None:
        self.state = state
        self._exact: dict[tuple[str, str], Route] = {}
        self._patterns: list[tuple[re.Pattern[str], str, Route]] = []
        self._methods: dict[str, set[str]] = {}
        for route in routes:
            for prefix in route.prefixes:
                path = prefix + route.path
                if "{" in path:
                    self._patterns.append((re.compile(pattern(path)), route.method, route))
                else:
                    self._exact[route.method, path] = route
                    self._methods.setdefault(path, set()).add(route.method)

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route of a request and the variable parts of its path."""
        route = self._exact.get((method, path))
        if route is not None:
            return route, {}
        for regex, its_method, route in self._patterns:
            if its_method == method and (found := regex.fullmatch(path)):
                return route, found.groupdict()
        return None

    def knows(self, path: str) -> bool:
        """Whether the path exists with any method."""
        return path in self._methods or any(regex.fullmatch(path) for regex, _, _ in self._patterns)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        method: str = scope["method"]
        found = self.find("GET" if method == "HEAD" else method, scope["path"])
        if found is None and "//" in scope["path"]:  # as MLflow's own server, which redirects there
            found = self.find(method, re.sub("//+", "/", scope["path"]))
        if found is None:
            known = self.knows(scope["path"])
            status, title = (405, "Method Not Allowed") if known else (404, "Not Found")
            text = "The method is not allowed for the requested URL." if known else "The requested URL was not found."
            page = (
                f"<!doctype html>\n<html lang=en>\n<title>{status} {title}</title>\n<h1>{title}</h1>\n<p>{text}</p>\n"
            )
            await respond(send, status, page.encode(), _HTML)
            return
        route, path = found
        call = Call(self.state, scope, receive, send, path)
        try:
            answer = await self._run(route, call, method)
            if answer is None:
                return
            body = answer if type(answer) is bytes else msgspec.json.encode(answer)
            status = 200
        except ModelyardError as error:
            status, body = errors.answer(error)
        except Exception:
            log.exception("%s %s failed", method, scope["path"])
            status = 500
            body = INTERNAL
        await respond(call.send, status, body, _JSON)

    async def _run(self, route: Route, call: Call, method: str) -> Any:
        if route.data is not None:
            command = route.data.read(await json_body(call), call.principal)
            return route.data.answer(await call.state.database.writer.bulk(command))
        if route.endpoint is None:
            raise NotSupported(f"{method} {call.scope['path']} is not served: {route.reason}.")
        if route.raw:
            return await route.endpoint(call)
        if method in ("GET", "HEAD"):
            return await route.endpoint(call, protojson.from_query(call.scope["query_string"]))
        body = await json_body(call)
        if not body and call.scope["query_string"]:
            return await route.endpoint(call, protojson.from_query(call.scope["query_string"]))
        return await route.endpoint(call, protojson.from_body(body))


async def json_body(call: Call) -> bytes:
    """The body of a request that must be JSON.

    Raises:
        InvalidArgument: another content type was declared.
    """
    body = await call.body()
    kind = call.header(b"content-type")
    if kind != b"application/json" and body and kind.split(b";")[0].strip().lower() != b"application/json":
        if not kind:
            raise InvalidArgument("Bad Request. Content-Type header is missing.")
        raise InvalidArgument("Bad Request. Content-Type must be one of ['application/json'].")
    return body
