"""Artifacts in an object store: S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage.

The leaf that loads obstore; it is itself loaded by name (`base.STORES`). Error texts of the library may hold URLs with
tokens in them, so none is ever passed on: only what a pattern known to be harmless finds in it.
"""

import asyncio
import contextlib
import hashlib
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import AzureStore, GCSStore, S3Store, from_url

from modelyard.artifacts.base import (
    MULTIPART_UPLOAD_UNSUPPORTED,
    Download,
    Entry,
    MultipartUpload,
    Part,
    Stat,
    Written,
)
from modelyard.artifacts.multipart import S3Multipart
from modelyard.artifacts.paths import RESERVED
from modelyard.domain.errors import InvalidArgument, NotFound, NotSupported, RangeNotSatisfiable, Unavailable

_PART: Final = 8 * 2**20
_MOST_PARTS: Final = 9_000  # S3 allows 10,000; without an announced size that is 80 GB
_IN_FLIGHT: Final = 4
_READ: Final = 512 * 1024

# Metadata key of the SHA-256. Azure wants an identifier: no hyphen.
_DIGEST: Final = "modelyardsha256"

# Short enough that a caller hears "unavailable" and not his own time-out.
_RETRY: Final = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=15),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2},
}
_CLIENT: Final = {"connect_timeout": "4s", "read_timeout": "30s", "timeout": "86400s"}

_REASON: Final = re.compile(r"<Code>\w+</Code>|status code: \d{3} [A-Za-z ]+|error sending request|operation timed out")


def connect(uri: str, options: Mapping[str, str]) -> "ObjectStore":
    """The store at `uri`; see `base.store_for`. `options` are obstore's: `endpoint`, `region`, `access_key_id`, ...

    Raises:
        InvalidArgument: if the URI or an option is not understood.
    """
    try:
        return _connect(uri, options)
    except (BaseError, ValueError) as error:
        scheme = urlsplit(uri).scheme
        raise InvalidArgument(f"This {scheme}: artifact URI or a setting of its store is not understood.") from error


def _connect(uri: str, options: Mapping[str, str]) -> "ObjectStore":
    parts = urlsplit(uri)
    scheme = parts.scheme.lower()
    if not parts.netloc:
        raise InvalidArgument(f"{scheme}: artifact URIs name a bucket or container: {scheme}://NAME/PREFIX.")
    config: dict[str, Any] = {name: value for name, value in options.items() if name != "sync"}  # a directory's own
    store: S3Store | GCSStore | AzureStore
    if scheme in ("s3", "s3a"):
        config.setdefault("region", os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1")
        endpoint = config.get("endpoint") or _s3_endpoint()
        if endpoint:
            config["endpoint"] = endpoint
        bucket = parts.hostname or ""
        prefix = parts.path.strip("/")
        client = {**_CLIENT, "allow_http": str(endpoint or "").startswith("http://")}
        store = S3Store(
            bucket,
            prefix=prefix or None,
            config=config,  # type: ignore[arg-type] # names from the environment's documentation, checked by obstore
            client_options=client,  # type: ignore[arg-type]
            retry_config=_RETRY,  # type: ignore[arg-type]
        )
        return ObjectStore(store, f"s3://{bucket}/{prefix}".rstrip("/"), S3Multipart.of(bucket, prefix, config))
    if scheme in ("wasb", "wasbs"):  # the older name of the same thing
        account = (parts.hostname or "").partition(".")[0]
        uri = f"abfss://{parts.username}@{account}.dfs.core.windows.net{parts.path}"
    plain = uri.partition("?")[0]
    store = from_url(plain, config=config, client_options=_CLIENT, retry_config=_RETRY)  # type: ignore[call-overload]
    return ObjectStore(store, plain.rstrip("/"), None)


def _s3_endpoint() -> str | None:
    names = ("MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    return next((value for name in names if (value := os.environ.get(name))), None)


class ObjectStore:
    """An `ArtifactStore` in a bucket, under a prefix.

    Args:
        store: obstore's, with the prefix.
        uri: the root without credentials.
        multipart: the way to uploads in parts; None if there is none.
    """

    def __init__(self, store: S3Store | GCSStore | AzureStore, uri: str, multipart: S3Multipart | None) -> None:
        self._store = store
        self._uri = uri
        self._multipart = multipart

    @property
    def uri(self) -> str:
        """The root, without credentials."""
        return self._uri

    async def ready(self) -> None:
        """Return if the bucket can be listed now."""
        with self._translated(""):
            await obstore.list_with_delimiter_async(self._store, f"{RESERVED}/ready")

    async def stat(self, path: str) -> Stat:
        """Describe one artifact. The digest is kept as metadata, which only `open` gets to see."""
        if not path:
            raise NotFound("There is no artifact at the root: that is a folder. List it instead.")
        with self._translated(path):
            return _stat(await obstore.head_async(self._store, path), None)

    async def open(self, path: str, start: int = 0, stop: int | None = None) -> Download:
        """Open the bytes [start, stop) of an artifact. See `ArtifactStore.open`."""
        if start or stop is not None:
            stat = await self.stat(path)
            end = stat.size if stop is None else stop
            if not 0 <= start <= end <= stat.size:
                raise RangeNotSatisfiable(f"{path} has {stat.size} bytes; [{start}, {end}) is not within it.")
            if start == end:
                return Download(stat, _Stream(None, self._uri))
            with self._translated(path):
                found = await obstore.get_async(self._store, path, options={"range": (start, end)})
        elif path:
            with self._translated(path):
                found = await obstore.get_async(self._store, path)
        else:
            raise NotFound("There is no artifact at the root: that is a folder. List it instead.")
        digest = found.attributes.get(_DIGEST)
        return Download(_stat(found.meta, digest), _Stream(found.stream(min_chunk_size=_READ), self._uri))

    async def write(
        self, path: str, chunks: AsyncIterator[bytes], *, size: int | None = None, digest: str | None = None
    ) -> Written:
        """Store all of `chunks` as the artifact `path`. See `ArtifactStore.write`."""
        if not path:
            raise InvalidArgument("Invalid path: it is empty; the name of a file was expected")
        sha = hashlib.sha256()
        first: list[bytes] = []
        held = 0
        part = max(_PART, -(-(size or 0) // _MOST_PARTS))
        async for chunk in chunks:
            sha.update(chunk)
            first.append(chunk)
            held += len(chunk)
            if held >= _PART:
                return await self._write_parts(path, first, chunks, part, digest, sha)
        actual = _verified(sha.hexdigest(), digest, held)
        with self._translated(path, writing=True):
            kept = await obstore.put_async(
                self._store, path, b"".join(first), attributes={_DIGEST: actual}, use_multipart=False
            )
        return Written(held, actual, kept["e_tag"] or f'"{actual[:32]}"')

    async def _write_parts(
        self, path: str, first: Sequence[bytes], rest: AsyncIterator[bytes], part: int, digest: str | None, sha: Any
    ) -> Written:
        """Upload in parts while the bytes arrive. The upload is a task of its own, which is always let to its end.

        obstore drops the parts if its source raises, but would leave them behind if it were cancelled.
        """
        pipe: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue(maxsize=4)

        async def relay() -> AsyncGenerator[bytes, None]:
            for chunk in first:
                yield chunk
            while (item := await pipe.get()) is not None:
                if isinstance(item, BaseException):
                    raise _GaveUpError from item
                yield item

        async def put() -> str | None:
            kept = await obstore.put_async(
                self._store,
                path,
                relay(),
                attributes={_DIGEST: digest} if digest else None,
                use_multipart=True,
                chunk_size=part,
                max_concurrency=_IN_FLIGHT,
            )
            return kept["e_tag"]

        upload = asyncio.ensure_future(put())
        size = sum(map(len, first))
        try:
            async for chunk in rest:
                size += len(chunk)
                if len(chunk) > _READ:
                    await asyncio.to_thread(sha.update, chunk)
                else:
                    sha.update(chunk)
                await _put_unless_done(pipe, chunk, upload)
                if upload.done():
                    break
            actual = _verified(sha.hexdigest(), digest, size) if not upload.done() else ""
            await _put_unless_done(pipe, None, upload)
            with self._translated(path, writing=True):
                etag = await asyncio.shield(upload)
        except BaseException as error:
            if not upload.done():
                while not pipe.empty():
                    pipe.get_nowait()
                pipe.put_nowait(error)
            with contextlib.suppress(Exception):
                await asyncio.shield(upload)
            raise
        return Written(size, actual, etag or f'"{actual[:32]}"')

    async def list(self, path: str = "") -> Sequence[Entry]:
        """One level of a folder. See `ArtifactStore.list`."""
        with self._translated(path):
            found = await obstore.list_with_delimiter_async(self._store, path or None)
        skip = len(path) + 1 if path else 0
        entries = [Entry(folder[skip:].strip("/"), is_dir=True, size=None) for folder in found["common_prefixes"]]
        for item in found["objects"]:
            name = item["path"][skip:]
            if name:  # an empty name is a marker that some tools leave for a folder
                entries.append(Entry(name, is_dir=False, size=item["size"]))
        entries.sort(key=lambda entry: entry.name)
        return [entry for entry in entries if entry.name != RESERVED]

    async def delete(self, path: str) -> bool:
        """Delete a file or a folder. See `ArtifactStore.delete`; a folder goes in steps, not at once."""
        found = False
        with self._translated(path):
            if path:
                with contextlib.suppress(FileNotFoundError):
                    await obstore.head_async(self._store, path)
                    await obstore.delete_async(self._store, path)
                    found = True
            async for batch in obstore.list(self._store, path or None, chunk_size=1000):
                found = True
                with contextlib.suppress(FileNotFoundError):  # somebody else was quicker
                    await obstore.delete_async(self._store, [item["path"] for item in batch])
        return found

    async def presign_get(self, path: str, expires_s: int) -> str:
        """A URL that downloads one artifact."""
        with self._translated(path):
            return await obstore.sign_async(self._store, "GET", path, timedelta(seconds=expires_s))

    async def presign_put(self, path: str, expires_s: int) -> str:
        """A URL that uploads one artifact."""
        with self._translated(path):
            return await obstore.sign_async(self._store, "PUT", path, timedelta(seconds=expires_s))

    async def multipart_create(self, path: str, parts: int, expires_s: int) -> MultipartUpload:
        """Begin an upload in parts; S3 with keys from options or environment only."""
        return await asyncio.to_thread(self._parts().create, path, parts, expires_s)

    async def multipart_complete(self, path: str, upload_id: str, parts: Sequence[Part]) -> None:
        """Join the parts."""
        await asyncio.to_thread(self._parts().complete, path, upload_id, parts)

    async def multipart_abort(self, path: str, upload_id: str) -> None:
        """Drop the parts."""
        await asyncio.to_thread(self._parts().abort, path, upload_id)

    def _parts(self) -> S3Multipart:
        if self._multipart is None:
            raise NotSupported(MULTIPART_UPLOAD_UNSUPPORTED)
        return self._multipart

    @contextlib.contextmanager
    def _translated(self, path: str, *, writing: bool = False) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if writing or "NoSuchBucket" in str(error):
                raise _unavailable(self._uri, error) from None
            raise NotFound(f"There is no artifact {path!r}.") from None
        except (BaseError, OSError, ValueError) as error:
            raise _unavailable(self._uri, error) from None


class _GaveUpError(Exception):
    """The source of an upload failed or was cancelled; tells obstore to drop the parts."""


class _Bytes(Protocol):
    def __aiter__(self) -> AsyncIterator[Any]: ...


class _Stream:
    """The bytes of an open object, with errors translated."""

    def __init__(self, source: _Bytes | None, uri: str) -> None:
        self._source = aiter(source) if source is not None else None
        self._uri = uri

    def __aiter__(self) -> "_Stream":
        return self

    async def __anext__(self) -> bytes:
        if self._source is None:
            raise StopAsyncIteration
        try:
            return bytes(await anext(self._source))
        except (BaseError, OSError) as error:
            self._source = None
            raise _unavailable(self._uri, error) from None

    async def aclose(self) -> None:
        self._source = None  # the connection closes with the last reference


async def _put_unless_done(pipe: "asyncio.Queue[Any]", item: bytes | None, upload: "asyncio.Future[Any]") -> None:
    """Put an item into the pipe, unless the upload ends meanwhile: then nobody will ever take it."""
    if not pipe.full():
        pipe.put_nowait(item)
        return
    putting = asyncio.ensure_future(pipe.put(item))
    try:
        await asyncio.wait({putting, upload}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        putting.cancel()


def _verified(actual: str, promised: str | None, size: int) -> str:
    if promised is not None and promised != actual:
        raise InvalidArgument(
            f"The {size} bytes received have the SHA-256 {actual}, but {promised} was promised. Send it again."
        )
    return actual


def _stat(meta: Any, digest: str | None) -> Stat:
    modified_ms = int(meta["last_modified"].timestamp() * 1000)
    return Stat(meta["size"], meta["e_tag"] or f'"{modified_ms:x}-{meta["size"]:x}"', modified_ms, digest)


def _unavailable(uri: str, error: Exception) -> Unavailable:
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return Unavailable(f"The artifact store {uri} refuses the server's credentials.")
    text = str(error)
    if "NoSuchBucket" in text:
        return Unavailable(f"The artifact store {uri} cannot be used: its bucket does not exist.")
    reasons = ", ".join(dict.fromkeys(_REASON.findall(text))) or type(error).__name__
    return Unavailable(f"The artifact store {uri} cannot be used now: {reasons}.")
