"""Artifact bytes over HTTP, in both directions, with constant memory; the same for both edges.

Downloads follow RFC 9110 on ranges and conditions: one byte range, `If-Range`, `If-None-Match`. Digests travel as
`Repr-Digest` (RFC 9530).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import mimetypes
import re
from email.utils import formatdate
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from modelyard.domain.errors import InvalidArgument, ModelyardError, Timeout, TooLarge, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping

    from modelyard.artifacts.base import ArtifactStore, Download, Stat, Written

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    Headers = list[tuple[bytes, bytes]]

_log: Final = logging.getLogger(__name__)

# A sender that drips bytes is given up like one that sends none: below this it uses up its patience.
_SLOWEST_BYTES_PER_S: Final = 1024

_RANGE: Final = re.compile(rb"bytes=(\d*)-(\d*)")
_SHA256: Final = re.compile(rb"(?:^|[\s,])sha-256=:?([A-Za-z0-9+/]{43}=):?", re.IGNORECASE)
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$&+.^_`|~-]+")

# An artifact is anybody's file: no browser may run it on our origin, show it as a page of ours, or guess what it is.
_SAVED: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"sandbox; default-src 'none'"),
)
_SHOWN: Final = (
    (b"x-content-type-options", b"nosniff"),
    (
        b"content-security-policy",
        (
            b"sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
            b"form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
        ),
    ),
    (b"referrer-policy", b"no-referrer"),
)
_PREVIEWS: Final = {
    "text/html": b"text/html; charset=utf-8",
    "text/plain": b"text/plain; charset=utf-8",
    **{f"image/{kind}": f"image/{kind}".encode() for kind in ("png", "jpeg", "gif", "webp", "bmp", "svg+xml")},
}

# What MLflow shows as text, whatever else its ending might mean.
_TEXT: Final = frozenset(
    (
        *("txt", "log", "err", "cfg", "conf", "cnf", "cf", "ini", "properties", "prop", "hocon", "toml", "yaml", "yml"),
        *("xml", "json", "js", "py", "py3", "csv", "tsv", "md", "rst", "MLmodel", "MLproject", "mlproject"),
    )
)


async def receive_artifact(
    scope: Scope, receive: Receive, store: ArtifactStore, path: str, *, idle_s: float, max_bytes: int = 0
) -> Written:
    """Store the request's body as `path`, a contained path. Nothing is left behind if it does not arrive complete.

    Args:
        scope: of the request; a `Repr-Digest`, `Content-Digest` or `Digest` header with SHA-256 is checked.
        receive: of the request.
        store: where to.
        path: where in it.
        idle_s: seconds without a byte after which the sender is given up.
        max_bytes: largest artifact; 0 for no limit.

    Raises:
        TooLarge: over the limit.
        Timeout: the sender is too slow.
        InvalidArgument: the sender hung up, or the digest does not fit.
    """
    headers = dict(scope["headers"])
    declared = headers.get(b"content-length", b"")
    size = int(declared) if declared.isdigit() else None
    if max_bytes and size is not None and size > max_bytes:
        raise TooLarge(f"The artifact has {size} bytes; this server accepts at most {max_bytes}.")
    return await store.write(path, _body(receive, idle_s, max_bytes), size=size, digest=_promised(headers))


async def _body(receive: Receive, idle_s: float, max_bytes: int) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    waited, size = 0.0, 0
    while True:
        began = loop.time()
        patience = min(idle_s, idle_s + size / _SLOWEST_BYTES_PER_S - waited)
        try:
            async with asyncio.timeout(patience):
                message = await receive()
        except TimeoutError:
            raise Timeout(
                f"The upload was given up after {size} bytes: nothing more came for {patience:.0f} s. Send it again."
            ) from None
        waited += loop.time() - began
        if message["type"] == "http.disconnect":
            raise InvalidArgument(f"The client hung up after {size} bytes, before the artifact was complete.")
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if max_bytes and size > max_bytes:
            raise TooLarge(f"The artifact has more than {max_bytes} bytes, which is the most this server accepts.")
        if chunk:
            yield chunk
        if not message.get("more_body", False):
            return


def _promised(headers: dict[bytes, bytes]) -> str | None:
    for name in (b"repr-digest", b"content-digest", b"digest"):
        if name in headers and (found := _SHA256.search(headers[name])):
            try:
                return base64.b64decode(found[1], validate=True).hex()
            except binascii.Error:
                raise InvalidArgument(f"The {name.decode()} header is not base64.") from None
    return None


async def send_artifact(
    scope: Scope, send: Send, store: ArtifactStore, path: str, *, idle_s: float, preview: bool = False
) -> None:
    """Answer a GET or HEAD with the artifact `path`, a contained path.

    Args:
        scope: of the request, for its method, range and conditions.
        send: of the request.
        store: where from.
        path: where in it.
        idle_s: seconds after which a client that takes no bytes is given up.
        preview: answer it to be shown in a frame, where nothing in it is run, instead of saved.

    Raises:
        NotFound: before anything was sent.
        InvalidArgument: there are no previews of such files.
        Unavailable: before anything was sent. A store that fails later breaks the connection off, so that the client
            sees an incomplete body.
    """
    headers = dict(scope["headers"])
    shown = _shown(path) if preview else _saved(path)
    head = scope["method"] == "HEAD"
    if not head and b"range" not in headers and b"if-none-match" not in headers:
        whole = await store.open(path)
        await _send(send, 200, _describe(shown, whole.stat, whole.stat.size), whole, path, idle_s)
        return
    stat = await store.stat(path)
    described = _describe(shown, stat, stat.size)
    if _matches(headers.get(b"if-none-match"), stat):
        kept = [
            pair for pair in described if pair[0] not in (b"content-type", b"content-length", b"content-disposition")
        ]
        await _send_empty(send, 304, kept)
        return
    bounds = None if head else _bounds(headers, stat)
    if head:
        await _send_empty(send, 200, described)
    elif bounds is None:
        whole = await store.open(path)
        await _send(send, 200, _describe(shown, whole.stat, whole.stat.size), whole, path, idle_s)
    elif bounds[0] >= bounds[1]:
        await _send_empty(send, 416, [(b"content-range", b"bytes */%d" % stat.size), (b"content-length", b"0")])
    else:
        start, stop = bounds
        part = await store.open(path, start, stop)
        described = _describe(shown, part.stat, stop - start)
        described.append((b"content-range", b"bytes %d-%d/%d" % (start, stop - 1, part.stat.size)))
        await _send(send, 206, described, part, path, idle_s)


async def _send(send: Send, status: int, headers: Headers, download: Download, path: str, idle_s: float) -> None:
    chunks = download.chunks
    left = int(dict(headers)[b"content-length"])
    try:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if not left:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        while left > 0:
            async with asyncio.timeout(idle_s):
                chunk = await anext(chunks, b"")
                if not chunk:
                    raise Unavailable(f"{left} bytes of it are missing")
                left -= len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": left > 0})
    except (ModelyardError, TimeoutError) as error:
        # Too late for another status. The response stays incomplete, so the server closes the connection.
        slow = isinstance(error, TimeoutError)
        _log.warning(
            "Download of %s was broken off: %s", path, f"nothing was taken for {idle_s:g} s" if slow else error
        )
    finally:
        await chunks.aclose()


async def _send_empty(send: Send, status: int, headers: Headers) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _bounds(headers: dict[bytes, bytes], stat: Stat) -> tuple[int, int] | None:
    """The bytes [start, stop) that the request wants; None for all; empty if they lie outside the artifact."""
    unless = headers.get(b"if-range")
    if unless is not None and unless not in (stat.etag.encode(), _http_date(stat)):
        return None
    wanted = _RANGE.fullmatch(headers.get(b"range", b"").strip())
    if wanted is None or wanted[0] == b"bytes=-":
        return None  # several ranges, other units and nonsense are allowed to get everything
    first, last = wanted[1], wanted[2]
    if not first:
        return max(stat.size - int(last), 0), stat.size
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, stat.size) if last else stat.size


def _matches(condition: bytes | None, stat: Stat) -> bool:
    if condition is None:
        return False
    tags = [tag.strip().removeprefix(b"W/") for tag in condition.split(b",")]
    return b"*" in tags or stat.etag.encode() in tags


def _saved(path: str) -> Headers:
    name = path.rpartition("/")[2]
    return [(b"content-type", media_type(name).encode()), (b"content-disposition", _disposition(name)), *_SAVED]


def _shown(path: str) -> Headers:
    name = path.rpartition("/")[2]
    kind = _PREVIEWS.get(media_type(name))
    if kind is None:
        raise InvalidArgument(f"There is no preview of {name[:100]!r}: HTML, text and images have one.")
    return [(b"content-type", kind), (b"content-disposition", b"inline"), *_SHOWN]


def _describe(shown: Headers, stat: Stat, length: int) -> Headers:
    headers = [
        *shown,
        (b"content-length", b"%d" % length),
        (b"accept-ranges", b"bytes"),
        (b"etag", stat.etag.encode()),
        (b"last-modified", _http_date(stat)),
    ]
    if stat.digest is not None:
        headers.append((b"repr-digest", repr_digest(stat.digest)))
    return headers


def repr_digest(sha256: str) -> bytes:
    """A SHA-256, given in hex, as the value of a `Repr-Digest` header."""
    return b"sha-256=:" + base64.b64encode(bytes.fromhex(sha256)) + b":"


@lru_cache(4096)
def media_type(name: str) -> str:
    """The media type for a file's name, as MLflow guesses it."""
    ending = name.rpartition(".")[2] if "." in name else name
    if ending in _TEXT:
        return "text/plain"
    guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
    # what a page of ours could take for its own script or style
    return "text/plain" if guessed.endswith(("javascript", "ecmascript", "/css")) else guessed


def _disposition(name: str) -> bytes:
    if _TOKEN.fullmatch(name):
        return b"attachment; filename=" + name.encode()
    plain = re.sub(r'[^ -~]|["\\]', "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}".encode()


def _http_date(stat: Stat) -> bytes:
    return _seconds_as_date(stat.modified_ms // 1000)


@lru_cache(4096)
def _seconds_as_date(seconds: int) -> bytes:
    return formatdate(seconds, usegmt=True).encode()
