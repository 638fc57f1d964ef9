"""A folder of artifacts, wherever it lies: behind a tracking server, in a directory, in an object store.

Paths are relative to the folder, with "/" between names, and go through `artifacts.paths.contained` here: a path or a
name in a listing that leads out of its folder is an error, whoever wrote it.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote, unquote, urlsplit

import msgspec

from modelyard import optional
from modelyard.artifacts.base import STORES, Entry
from modelyard.artifacts.paths import RESERVED, contained
from modelyard.domain.errors import DataCorrupted, InvalidArgument, ModelyardError, NotFound, Unavailable

from . import uris

if TYPE_CHECKING:
    from .transport import Transport

PROXY: Final = "/api/2.0/mlflow-artifacts/artifacts"
_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_SHA256: Final = re.compile(r"(?:^|[\s,])sha-256=:([A-Za-z0-9+/]{43}=):", re.IGNORECASE)


@dataclass(slots=True)
class Opened:
    """A file that is being read.

    Attributes:
        start: offset of the first byte that comes; 0 if the folder could not begin elsewhere.
        size: of the whole file, in bytes; None if it is not told.
        etag: changes when the bytes do; empty if there is none.
        digest: SHA-256 of the whole file, 64 hex digits; None if it is not known.
        read_into: fills a buffer from its start and says with how many bytes; 0 at the end. Raises Unavailable if the
            connection breaks.
        close: lets go; allowed at any time.
    """

    start: int
    size: int | None
    etag: str
    digest: str | None
    read_into: Callable[[memoryview], int]
    close: Callable[[], None]


class Body(Protocol):
    """What is uploaded: bytes with a known length, which can be had again from the start."""

    size: int

    def tell(self) -> int:
        """How far it was read."""

    def seek(self, at: int) -> object:
        """Go back."""

    def __iter__(self) -> Iterator[memoryview]:
        """The bytes from here on, block by block."""

    def promised(self) -> str | None:
        """SHA-256 in hex, if it is known before the first byte is sent."""

    def digest(self) -> str | None:
        """SHA-256 in hex of all that was read; None if nobody counts."""


class Folder(Protocol):
    """Files under one root. Every method raises Unavailable if the place cannot be reached."""

    @property
    def uri(self) -> str:
        """Its root, fit for messages."""

    @property
    def checks(self) -> bool:
        """Whether it says the SHA-256 of what it has stored."""

    def list(self, path: str = "") -> Sequence[Entry]:
        """One level, by name; nothing if there is no such folder, or if it is a file."""

    def open(self, path: str, start: int = 0, etag: str = "") -> Opened:
        """Begin to read a file.

        Args:
            path: which one.
            start: the byte to begin with, if the folder can.
            etag: begin there only if this is still its entity tag, else with the first byte.

        Raises:
            NotFound: there is none.
        """

    def send(self, path: str, body: Body) -> None:
        """Store a file, replacing what was there."""


def folder_at(transport: Transport, uri: str) -> Folder:
    """The folder that an artifact URI names.

    Args:
        transport: to the tracking server, which serves `mlflow-artifacts:` URIs.
        uri: `mlflow-artifacts:`, `http(s):`, a directory of this machine (a path or `file:`), `s3:`, `gs:`, `az:` and
            what else `artifacts.base.STORES` names.

    Raises:
        InvalidArgument: nothing can be read from such a URI.
        MissingExtraError: it is an object store, and the library for it is not installed.
    """
    scheme = urlsplit(uri).scheme.lower()
    if scheme == "mlflow-artifacts":
        host, path = uris.parse_proxied(uri)
        return HttpFolder(transport, _proxy_of(transport, host), contained(path), uri)
    if scheme in ("http", "https"):
        root, path = _split_http(uri)
        return HttpFolder(transport, _own(transport, root), contained(path), uri)
    if scheme in ("", "file"):
        return LocalFolder(local_path(uri))
    if scheme not in STORES:
        known = ", ".join(["a path", "mlflow-artifacts:", "http:", *(f"{name}:" for name in STORES if name)])
        raise InvalidArgument(f"Artifacts at {scheme}: URIs cannot be reached: {uri!r}. Expected {known}.")
    opened: Folder = optional.load("modelyard.client.buckets", to=f"reach artifacts at {scheme}: URIs").connect(uri)
    return opened


def local_path(uri: str) -> str:
    """The path that a `file:` URI or a path names."""
    if uri[:5].lower() != "file:":
        return uri
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise InvalidArgument(f"{uri} names a file of another machine, {parts.netloc}.")
    return unquote(parts.path)


def entry_name(name: str) -> str:
    """A name from a listing, as it may be used in a path.

    Raises:
        DataCorrupted: it is no plain name; a server that lists such is not to be trusted with our disk.
    """
    try:
        plain = contained(name) == name and name != "" and "/" not in name
    except InvalidArgument:
        plain = False
    if not plain:
        raise DataCorrupted(f"A folder lists {name[:200]!r}, which is not a file name. Nothing is written under it.")
    return name


# ------------------------------------------------------------------------------------ behind a server


class HttpFolder:
    """Files that a server hands out: over MLflow's artifact proxy, or over the native API.

    Args:
        transport: to the tracking server.
        root: path, or URL on another host, below which the files are.
        prefix: folder below it.
        uri: of the folder, for messages.
        native: whether `root` is one of the native API's.
    """

    def __init__(self, transport: Transport, root: str, prefix: str, uri: str, *, native: bool = False) -> None:
        self._transport = transport
        self._root = root
        self._prefix = prefix
        self._native = native
        self._uri = uris.shown(uri)

    @property
    def uri(self) -> str:
        """As it was given, without a password."""
        return self._uri

    @property
    def checks(self) -> bool:
        """Our servers do."""
        return not self._root.startswith("http") and self._transport.server.native

    def list(self, path: str = "") -> Sequence[Entry]:
        """One level. See `Folder.list`."""
        whole = self._whole(path)
        response = self._transport.request("GET", self._root, query=[("path", whole)] if whole else None)
        if response.status >= 300:
            raise self._transport.refusal(response, "GET", self._root)
        try:
            told = msgspec.json.decode(response.data, type=_Listing, strict=False)
        except msgspec.DecodeError as error:
            raise Unavailable(f"The listing of {self._shown(path)} is not what was expected: {error}.") from error
        below = whole + "/" if whole and self._native else ""  # the native API names whole paths, the proxy base names
        entries = []
        for each in (*told.files, *told.artifacts):
            size = each.size if each.file_size is None else each.file_size
            entries.append(Entry(entry_name(each.path.removeprefix(below)), each.is_dir, None if each.is_dir else size))
        return sorted(entries, key=lambda entry: entry.name)

    def open(self, path: str, start: int = 0, etag: str = "") -> Opened:
        """Begin to read. See `Folder.open`."""
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if etag:
                headers["If-Range"] = etag
        url = self._url(path)
        response = self._transport.request("GET", url, headers=headers, stream=True)
        if response.status not in (200, 206):
            error = self._transport.refusal(response, "GET", url)
            response.release_conn()
            # MLflow says with a 500 that there is none, and a web server with a 404 that explains nothing
            if response.status == 404 or (response.status == 500 and self._is_missing(path)):
                raise NotFound(f"There is no artifact {path!r} in {self.uri}.") from error
            raise error
        told = response.headers
        first, size = 0, int(told["content-length"]) if told.get("content-length", "").isdigit() else None
        if response.status == 206:
            bounds = _CONTENT_RANGE.match(told.get("content-range", ""))
            if bounds is None:
                response.close()
                raise Unavailable(f"{self._shown(path)} was answered with a part that does not say which.")
            first, size = int(bounds[1]), int(bounds[2]) if bounds[2] != "*" else None
        etag = told.get("etag", "")
        return Opened(
            start=first,
            size=size,
            etag="" if etag.startswith("W/") else etag,
            digest=_digest(told.get("repr-digest", "")),
            read_into=_reader(response, self._shown(path)),
            close=lambda: _let_go(response),
        )

    def send(self, path: str, body: Body) -> None:
        """Store a file. See `Folder.send`."""
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(body.size)}
        promised = body.promised()
        if promised is not None:
            headers["Repr-Digest"] = "sha-256=:" + base64.b64encode(bytes.fromhex(promised)).decode() + ":"
        url = self._url(path)
        response = self._transport.request("PUT", url, body=body, headers=headers)
        if response.status >= 300:
            raise self._transport.refusal(response, "PUT", url)
        stored, sent = _digest(response.headers.get("repr-digest", "")), body.digest()
        if stored is not None and sent is not None and stored != sent:
            raise DataCorrupted(
                f"{self._shown(path)} arrived damaged: its SHA-256 is {stored}, {sent} was sent. Upload it again."
            )

    def _is_missing(self, path: str) -> bool:
        parent, _, name = contained(path).rpartition("/")
        try:
            return name not in {entry.name for entry in self.list(parent)}
        except ModelyardError:
            return False

    def _whole(self, path: str) -> str:
        return "/".join(part for part in (self._prefix, contained(path)) if part)

    def _url(self, path: str) -> str:
        return f"{self._root}/{quote(self._whole(path))}"

    def _shown(self, path: str) -> str:
        return f"{self.uri}/{path}" if path else self.uri


class _File(msgspec.Struct):
    path: str
    is_dir: bool = False
    file_size: int | None = None
    size: int | None = None


class _Listing(msgspec.Struct):
    files: list[_File] = []
    artifacts: list[_File] = []


def _reader(response: Any, shown: str) -> Callable[[memoryview], int]:
    """Reads a response's body into buffers.

    urllib3's own `readinto` makes a new buffer and copies it. Below it is the standard library's, which does not; it is
    used where the length is announced, so that a body that is cut short is noticed by the caller.
    """
    from urllib3.exceptions import HTTPError

    plain: Any = getattr(response, "_fp", None)
    direct = hasattr(plain, "readinto") and response.headers.get("content-length", "").isdigit()

    def read_into(buffer: memoryview) -> int:
        try:
            if direct:
                count: int = plain.readinto(buffer)
                return count
            data: bytes = response.read(len(buffer))
        except (HTTPError, HTTPException, OSError) as error:
            raise Unavailable(f"The download of {shown} broke off: {error}.") from error
        buffer[: len(data)] = data
        return len(data)

    return read_into


def _let_go(response: Any) -> None:
    """Give the connection back if all was read; what is on its way otherwise is not worth waiting for."""
    plain = getattr(response, "_fp", None)
    if plain is not None and plain.isclosed():  # the standard library's way to say that everything was read
        response.release_conn()
    else:
        response.close()


def _digest(header: str) -> str | None:
    found = _SHA256.search(header)
    return base64.b64decode(found[1]).hex() if found else None


def _proxy_of(transport: Transport, host: str) -> str:
    """Where `mlflow-artifacts:` URIs lead; one that names a host leads there, over the tracking server's scheme."""
    if not host or uris.is_local(transport.uri):
        return PROXY
    parts = urlsplit(transport.uri)
    return PROXY if parts.netloc.rpartition("@")[2] == host else f"{parts.scheme}://{host}{PROXY}"


def _split_http(uri: str) -> tuple[str, str]:
    plain = uri.partition("?")[0].partition("#")[0]
    head, separator, rest = plain.partition("/mlflow-artifacts/artifacts")
    if separator:
        return head + separator, unquote(rest).strip("/")
    root, _, name = plain.rstrip("/").rpartition("/")  # any web server: it can only be asked for what is named
    return root, unquote(name)


def _own(transport: Transport, url: str) -> str:
    """A URL as a path of the tracking server, where it is one: only then do we sign in."""
    if uris.is_local(transport.uri):
        return url
    ours = urlsplit(transport.uri)
    base = f"{ours.scheme}://{ours.netloc.rpartition('@')[2]}{ours.path.rstrip('/')}"
    return url.removeprefix(base) if url.startswith(base + "/") else url


# ------------------------------------------------------------------------------------ on this machine


class LocalFolder:
    """Files below a directory of this machine.

    Args:
        root: the directory, or a single file; it need not exist before something is stored.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.path = Path(root).resolve()

    @property
    def uri(self) -> str:
        """The directory."""
        return str(self.path)

    @property
    def checks(self) -> bool:
        """A file system does not."""
        return False

    def list(self, path: str = "") -> Sequence[Entry]:
        """One level. See `Folder.list`."""
        found = []
        try:
            with os.scandir(self._inside(path)) as entries:
                for entry in entries:
                    is_dir = entry.is_dir()
                    if entry.name != RESERVED and (is_dir or entry.is_file()):
                        found.append(Entry(entry_name(entry.name), is_dir, None if is_dir else entry.stat().st_size))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise _unreadable(self._inside(path), error) from error
        return sorted(found, key=lambda entry: entry.name)

    def open(self, path: str, start: int = 0, etag: str = "") -> Opened:
        """Begin to read. See `Folder.open`."""
        full = self._inside(path)
        if not full.is_file():  # also: opening a pipe would wait for somebody to write into it
            raise NotFound(f"There is no file {full}.")
        try:
            file = full.open("rb", buffering=0)
            found = os.fstat(file.fileno())
            tag = f'"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"'
            start = start if etag in ("", tag) else 0
            file.seek(start)
        except OSError as error:
            raise _unreadable(full, error) from error
        return Opened(start, found.st_size, tag, None, file.readinto, file.close)

    def send(self, path: str, body: Body) -> None:
        """Store a file. See `Folder.send`."""
        full = self._inside(path)
        part = full.with_name(f".{secrets.token_hex(8)}.part")
        try:
            full.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                for block in body:
                    file.write(block)
            part.replace(full)
        except OSError as error:
            raise Unavailable(
                f"{full} cannot be written: {error.strerror}. The server keeps artifacts in this directory; either it "
                "can be reached from here under the same path, or the server has to hand them out itself."
            ) from error
        finally:
            part.unlink(missing_ok=True)

    def _inside(self, path: str) -> Path:
        full = self.path / contained(path)
        real = full.resolve()
        if real != self.path and self.path not in real.parents:
            raise InvalidArgument(f"Invalid path: {path!r} leads out of {self.path}.")
        return full


def _unreadable(path: Path, error: OSError) -> Unavailable:
    return Unavailable(f"{path} cannot be read: {error.strerror}.")
