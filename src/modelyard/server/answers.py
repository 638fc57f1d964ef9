"""What both edges need to find an endpoint and to answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .call import Send


async def respond(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """Send a whole answer."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


def pattern(path: str) -> str:
    """The regular expression of a route: `{name}` matches one segment, `{name*}` the rest."""
    parts = re.split(r"(\{\w+\*?\})", path)
    return "".join(
        (f"(?P<{part[1:-2]}>.*)" if part.endswith("*}") else f"(?P<{part[1:-1]}>[^/]+)")
        if part.startswith("{")
        else re.escape(part)
        for part in parts
    )
