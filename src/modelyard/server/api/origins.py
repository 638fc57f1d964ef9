"""Which pages of other sites may use the native API from a browser (CORS): none, unless a setting names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

    from modelyard.server.call import Scope, Send
    from modelyard.settings import Settings

    Headers = list[tuple[bytes, bytes]]

_READABLE: Final = b"allow, content-range, etag, location, repr-digest"
_PREFLIGHT_S: Final = b"600"


class Origins:
    """The origins that a setting names.

    Args:
        settings: as the server was started.
    """

    def __init__(self, settings: Settings) -> None:
        named = (origin.strip().rstrip("/") for origin in settings.cors_origins.split(","))
        self._allowed = frozenset(origin.encode() for origin in named if origin)

    def of(self, scope: Scope) -> bytes:
        """The request's origin, if it is one of those; empty if not."""
        if not self._allowed:
            return b""
        origin = next((value for name, value in scope["headers"] if name == b"origin"), b"")
        return origin if origin in self._allowed else b""

    def answering(self, origin: bytes, send: Send) -> Send:
        """`send`, telling the browser that this origin may read the answer."""

        async def telling(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                told: Headers = [
                    (b"access-control-allow-origin", origin),
                    (b"access-control-expose-headers", _READABLE),
                    (b"vary", b"origin"),
                ]
                message = {**message, "headers": [*message["headers"], *told]}
            await send(message)

        return telling

    def preflight(self, methods: list[str]) -> Headers:
        """What answers the browser's question before a request that changes something."""
        return [
            (b"access-control-allow-methods", ", ".join(methods).encode()),
            (b"access-control-allow-headers", b"content-type, range, if-none-match, repr-digest"),
            (b"access-control-max-age", _PREFLIGHT_S),
        ]
