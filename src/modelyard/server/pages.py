"""The web UI's files: what a browser gets at every address that no API has.

They come with the package (`ui/` beside this file, made by `make ui`), are read when the first browser asks, and stay
in memory. Every page of the UI is the same `index.html`, which finds out from its address what to show, so an address
that names no file answers that one. It is asked for again each time; the files below `assets/` have their contents'
hash in their names and are asked for once. With the index goes a `Link` that names the scripts of the page at its
address, so that a browser loads them beside those of every page, and not after them (HTML, "modulepreload").
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from modelyard.http.asgi import respond

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from .call import Receive, Scope, Send

    Headers = tuple[tuple[bytes, bytes], ...]

BUNDLED: Final = Path(__file__).with_name("ui")
INDEX: Final = "index.html"
PRELOAD: Final = "preload.json"
"""What each page needs: see `ui/preload.ts`."""

PATHS: Final = frozenset(
    (
        *("assets", "compare", "deployments", "environments", "experiments"),
        *("models", "predictions", "runs", "settings"),
    )
)
"""First segments that belong to the UI whatever kind of answer is asked for."""

SECURITY: Final[Headers] = (
    (
        b"content-security-policy",
        (
            b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
            b"connect-src 'self'; frame-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
            b"object-src 'none'"
        ),
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
"""On every answer of the UI, whatever its status."""

_TYPES: Final = {
    ".css": b"text/css; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".ico": b"image/vnd.microsoft.icon",
    ".js": b"text/javascript; charset=utf-8",
    ".json": b"application/json",
    ".png": b"image/png",
    ".svg": b"image/svg+xml",
    ".txt": b"text/plain; charset=utf-8",
    ".wasm": b"application/wasm",
    ".webmanifest": b"application/manifest+json",
    ".webp": b"image/webp",
    ".woff2": b"font/woff2",
}
_ENCODINGS: Final = ((b"br", ".br"), (b"gzip", ".gz"))
"""The better first."""

_FOREVER: Final = (b"cache-control", b"public, max-age=31536000, immutable")
_FRESH: Final = (b"cache-control", b"no-cache")
_NEVER: Final = (b"cache-control", b"no-store")
_VARIES: Final = (b"vary", b"accept-encoding")
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")
_READING: Final = ("GET", "HEAD")
_OFFER: Final = re.compile(rb"\s*([\w*-]+)\s*(?:;\s*q=([\d.]+))?\s*", re.IGNORECASE)

_MISSING: Final = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Modelyard: the web UI was not built</title>
<h1>The web UI was not built</h1>
<p>This server runs from a checkout without it. Everything else works: clients, and the <a href="/docs">API</a>.</p>
<p>To build it, once: <code>make ui</code>. Then load this page again.</p>
<p>One that was built elsewhere is served with <code>MODELYARD_UI=DIRECTORY modelyard server</code>.</p>
</html>
"""


@dataclass(frozen=True, slots=True)
class File:
    """A file of the UI, ready to be sent.

    Attributes:
        headers: all but the encoding's.
        tag: its entity tag.
        bodies: its contents by encoding; empty: as it is.
    """

    headers: Headers
    tag: bytes
    bodies: dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was built.

    Attributes:
        stamp: what its index looked like on the disk, to notice another one.
        files: by path, without the slash in front.
        links: what an address needs, see `preload.json`: the segments of its pattern, what its query must hold, and the
            value of `Link`; the more particular first.
    """

    stamp: tuple[int, ...] = ()
    files: dict[str, File] = field(default_factory=dict)
    links: tuple[tuple[list[str], bytes, bytes], ...] = ()

    def link(self, path: str, query: bytes) -> bytes:
        """What the page at an address needs; empty if that is not known."""
        segments = path.rstrip("/").split("/") if path != "/" else ["", ""]
        asked = query.split(b"&")
        for pattern, more, link in self.links:
            if len(pattern) != len(segments) or (more and more not in asked):
                continue
            if all(place in ("*", segment) for place, segment in zip(pattern, segments, strict=True)):
                return link
        return b""


class Pages:
    """The web UI as an ASGI application.

    Args:
        folder: where it was built; empty: what came with the package.
        threads: where files are read.
    """

    def __init__(self, folder: str, threads: Executor) -> None:
        self._folder = Path(folder) if folder else BUNDLED
        self._threads = threads
        self._bundle = Bundle()

    def takes(self, scope: Scope) -> bool:
        """Whether a request that no API knows is for the UI."""
        path: str = scope["path"]
        if path.startswith("//"):  # of a client whose tracking URI ends in a slash
            return False
        if path == "/" or path.split("/", 2)[1] in PATHS or path[1:] in self._bundle.files:
            return True
        return scope["method"] in _READING and (b"text/html" in _header(scope, b"accept") or self._has(path))

    def _has(self, path: str) -> bool:
        """Whether it is a file at the top, such as an icon, that was not asked for yet."""
        name = path[1:]
        return bool(name) and name.isprintable() and "/" not in name and (self._folder / name).is_file()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Answer one request."""
        path, method = scope["path"], scope["method"]
        if method not in _READING:
            await respond(send, 405, b"Method Not Allowed", _TEXT, (b"allow", b"GET, HEAD"), *SECURITY)
            return
        name = path[1:]
        is_asset = name.startswith("assets/")
        if not is_asset or not self._bundle.files:
            await self._renew()
        file = self._bundle.files.get(name)
        if file is None and is_asset:  # a page would be taken for a script
            await respond(send, 404, b"There is no such file; load the page again.", _TEXT, _NEVER, *SECURITY)
            return
        address = (scope.get("raw_path") or path.encode()).decode("latin-1")  # a name may hold a slash
        link = b"" if file is not None else self._bundle.link(address, scope["query_string"])
        file = file or self._bundle.files.get(INDEX)
        if file is None:
            await respond(send, 503, _MISSING, (b"content-type", _TYPES[".html"]), _NEVER, *SECURITY)
            return
        known = [tag.strip() for tag in _header(scope, b"if-none-match").split(b",")]
        if file.tag in known or b"*" in known:
            headers = [pair for pair in file.headers if pair[0] != b"content-type"]
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        encoding = chosen(_header(scope, b"accept-encoding"), file.bodies)
        headers = [*file.headers, (b"content-encoding", encoding)] if encoding else [*file.headers]
        if link:
            headers.append((b"link", link))
        await respond(send, 200, file.bodies[encoding], *headers)

    async def _renew(self) -> None:
        """Read everything, if that was not done yet, or if the UI was built anew meanwhile."""
        stamp = _stamp(self._folder / INDEX)
        if stamp and stamp != self._bundle.stamp:
            loop = asyncio.get_running_loop()
            self._bundle = await loop.run_in_executor(self._threads, _read, self._folder, stamp)


def chosen(accepted: bytes, bodies: dict[bytes, bytes]) -> bytes:
    """The encoding to answer in: the best of those that a client accepts and a file has; empty: none.

    Args:
        accepted: the value of `Accept-Encoding` (RFC 9110, section 12.5.3).
        bodies: the file's contents by encoding.
    """
    if len(bodies) == 1 or not accepted:
        return b""
    offers: dict[bytes, bool] = {}
    for part in accepted.split(b","):
        offer = _OFFER.fullmatch(part)
        if offer is not None:
            offers[offer[1].lower()] = offer[2] is None or bool(offer[2].strip(b"0."))
    anything = offers.get(b"*", False)
    return next((name for name, _ in _ENCODINGS if name in bodies and offers.get(name, anything)), b"")


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(folder: Path, stamp: tuple[int, ...]) -> Bundle:
    files = {}
    for path in folder.rglob("*"):
        kind = _TYPES.get(path.suffix)
        if kind is None or not path.is_file():
            continue
        name = path.relative_to(folder).as_posix()
        body = path.read_bytes()
        bodies = {b"": body}
        for encoding, ending in _ENCODINGS:
            packed = path.with_name(path.name + ending)
            if packed.is_file():
                bodies[encoding] = packed.read_bytes()
        tag = b'W/"' + hashlib.sha256(body).hexdigest()[:24].encode() + b'"'
        age = _FOREVER if name.startswith("assets/") else _FRESH
        files[name] = File(((b"content-type", kind), (b"etag", tag), age, _VARIES, *SECURITY), tag, bodies)
    return Bundle(stamp, files, _links(folder / PRELOAD))


def _links(path: Path) -> tuple[tuple[list[str], bytes, bytes], ...]:
    """See `Bundle.links`; nothing if the file is not there or not as it should be."""
    found = []
    try:
        for pattern, files in json.loads(path.read_bytes()).items():
            wanted, _, more = pattern.partition("?")
            link = ", ".join(f"<{file}>; rel=modulepreload" for file in files).encode("ascii")
            found.append((wanted.split("/"), more.encode("ascii"), link))
    except (OSError, ValueError, AttributeError, TypeError):
        return ()
    return tuple(sorted(found, key=lambda each: not each[1]))


def _header(scope: Scope, name: bytes) -> bytes:
    return b",".join(value for key, value in scope["headers"] if key == name)
