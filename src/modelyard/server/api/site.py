"""The native API with its description and its page: everything below `/api/v1`, and `/docs`."""

from __future__ import annotations

import gzip
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final

from modelyard.http.asgi import respond

from . import errors, openapi
from .edge import PREFIX, Edge
from .routes import ROUTES

if TYPE_CHECKING:
    from modelyard.server.call import Receive, Scope, Send
    from modelyard.server.state import State

DESCRIPTION: Final = f"{PREFIX}/openapi.json"
PAGE: Final = "/docs"
# The page is whole in itself: it loads nothing but the description, from here.
_ONLY_ITSELF: Final = (
    b"content-security-policy",
    (
        b"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
        b"connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
)
_FRESH: Final = (b"cache-control", b"no-cache")
_VARIES: Final = (b"vary", b"accept-encoding")
_GZIP: Final = (b"content-encoding", b"gzip")


@cache
def _page() -> bytes:
    return resources.files(__package__).joinpath("docs.html").read_bytes()


@cache
def _packed(path: str) -> bytes:
    return gzip.compress(_FILES[path][1]())


_FILES: Final = {
    DESCRIPTION: ((b"content-type", b"application/json"), openapi.document),
    PAGE: ((b"content-type", b"text/html; charset=utf-8"), _page),
}


class Site:
    """What the native API consists of, as one ASGI application.

    Args:
        state: what requests share.
    """

    def __init__(self, state: State) -> None:
        self._edge = Edge(state, ROUTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path, method = scope["path"], scope["method"]
        if path not in _FILES:
            await self._edge(scope, receive, send)
            return
        if method not in ("GET", "HEAD"):
            status, body = errors.problem(errors.NOT_ALLOWED, f"This path takes GET, HEAD, not {method[:20]}.")
            await respond(send, status, body, errors.CONTENT_TYPE, (b"allow", b"GET, HEAD"))
            return
        kind, read = _FILES[path]
        headers = [kind, _ONLY_ITSELF, _FRESH, _VARIES]
        if b"gzip" in dict(scope["headers"]).get(b"accept-encoding", b""):
            await respond(send, 200, _packed(path), *headers, _GZIP)
        else:
            await respond(send, 200, read(), *headers)
