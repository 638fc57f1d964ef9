"""What an artifact store does, and which module does it for which kind of URI.

A store holds files under one root. Paths are relative to it, with "/" between names, and have been through
`paths.contained`; each store checks again what only it can see, such as symbolic links.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

from modelyard import optional
from modelyard.domain.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a listing.

    Attributes:
        name: base name, without "/".
        is_dir: whether more entries lie below it.
        size: in bytes; None for a folder.
    """

    name: str
    is_dir: bool
    size: int | None


@dataclass(frozen=True, slots=True)
class Stat:
    """What is known of an artifact without reading it.

    Attributes:
        size: in bytes.
        etag: a strong validator in double quotes: it changes whenever the bytes do.
        modified_ms: time of the last change, milliseconds since the epoch.
        digest: SHA-256 of the whole, 64 hex digits; None where it was not recorded, as for files that were put into
            the store behind its back.
    """

    size: int
    etag: str
    modified_ms: int
    digest: str | None


class Chunks(Protocol):
    """Bytes that arrive piece by piece, and can be given up half-way."""

    def __aiter__(self) -> "Chunks":
        """Itself."""

    async def __anext__(self) -> bytes:
        """The next piece, never empty."""

    async def aclose(self) -> None:
        """Let go of the file or the connection; allowed at any time and any number of times."""


@dataclass(frozen=True, slots=True)
class Download:
    """An artifact that has been opened.

    Attributes:
        stat: of exactly the bytes that `chunks` will give, whatever is written meanwhile.
        chunks: the bytes asked for, in pieces of about 1 MiB at most. Raises Unavailable if the store fails on the way.
    """

    stat: Stat
    chunks: Chunks


@dataclass(frozen=True, slots=True)
class Written:
    """What a finished upload left behind: its size in bytes, its SHA-256 in hex, its entity tag."""

    size: int
    digest: str
    etag: str


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart upload: its number from 1 on, and the entity tag the store gave it."""

    number: int
    etag: str


@dataclass(frozen=True, slots=True)
class MultipartUpload:
    """A multipart upload that was begun: its id, and one signed URL per part, in order."""

    upload_id: str
    urls: tuple[str, ...]


class ArtifactStore(Protocol):
    """Files under one root, streamed in both directions with constant memory.

    Every method raises Unavailable, with a reason, if the store cannot be reached, is full or is read-only; the same
    call works again once that is over. Every method raises InvalidArgument for a path that leads out of the root.
    """

    @property
    def uri(self) -> str:
        """The root, without credentials: fit for a log."""

    async def ready(self) -> None:
        """Return if the store can be written to now; raise Unavailable if not."""

    async def stat(self, path: str) -> Stat:
        """Describe one artifact.

        Raises:
            NotFound: if there is none, or the path is a folder.
        """

    async def open(self, path: str, start: int = 0, stop: int | None = None) -> Download:
        """Open the bytes [start, stop) of an artifact; `stop` None means the end.

        Raises:
            NotFound: if there is none, or the path is a folder.
            RangeNotSatisfiable: if the range does not lie within the artifact.
        """

    async def write(
        self, path: str, chunks: AsyncIterator[bytes], *, size: int | None = None, digest: str | None = None
    ) -> Written:
        """Store all of `chunks` as the artifact `path`, replacing what was there.

        Atomic: the artifact appears complete, after the last byte, or not at all; an exception from `chunks` or a
        cancellation leaves nothing behind.

        Args:
            path: where to; folders come into being as needed.
            chunks: the bytes.
            size: how many bytes the sender announced; lets a store refuse at once what will not fit.
            digest: the SHA-256 that the sender promised, in hex; checked before the artifact appears.

        Raises:
            InvalidArgument: if the bytes do not have that digest, or `path` is a folder or lies below a file.
        """

    async def list(self, path: str = "") -> Sequence[Entry]:
        """One level of a folder, ordered by name; empty if there is no such folder, or if it is a file."""

    async def delete(self, path: str) -> bool:
        """Delete a file, or a folder with all that is in it. False if there was nothing. The root "" is allowed."""

    async def presign_get(self, path: str, expires_s: int) -> str:
        """A URL that downloads one artifact straight from the store.

        Raises:
            NotFound: if there is no such artifact.
            NotSupported: if the store cannot sign.
        """

    async def presign_put(self, path: str, expires_s: int) -> str:
        """A URL that uploads one artifact straight to the store.

        Raises:
            NotSupported: if the store cannot sign.
        """

    async def multipart_create(self, path: str, parts: int, expires_s: int) -> MultipartUpload:
        """Begin an upload in parts, which the caller sends straight to the store.

        Raises:
            NotSupported: if the store cannot; the message is `MULTIPART_UPLOAD_UNSUPPORTED`.
        """

    async def multipart_complete(self, path: str, upload_id: str, parts: Sequence[Part]) -> None:
        """Join the parts; only now the artifact appears."""

    async def multipart_abort(self, path: str, upload_id: str) -> None:
        """Drop the parts."""


MULTIPART_UPLOAD_UNSUPPORTED: Final = "Multipart upload is not supported for the current artifact repository"
"""MLflow's client goes back to a plain upload only if the message begins with exactly this."""

PRESIGN_UNSUPPORTED: Final = "Multipart download is not supported for the current artifact repository"
"""What MLflow's server says where it cannot sign a download."""

STORES: Final[Mapping[str, str]] = {
    "": "modelyard.artifacts.local",
    "file": "modelyard.artifacts.local",
    "s3": "modelyard.artifacts.objects",
    "s3a": "modelyard.artifacts.objects",
    "gs": "modelyard.artifacts.objects",
    "az": "modelyard.artifacts.objects",
    "abfs": "modelyard.artifacts.objects",
    "abfss": "modelyard.artifacts.objects",
    "wasb": "modelyard.artifacts.objects",
    "wasbs": "modelyard.artifacts.objects",
}
"""Scheme of a URI → the module that serves it, which has a function `connect(uri, options) -> ArtifactStore`."""


def store_for(uri: str, options: Mapping[str, str] | None = None) -> ArtifactStore:
    """The store whose root is `uri`. Cheap: nothing is contacted until the first call.

    Args:
        uri: a directory (absolute or relative path, or `file:`), `s3://bucket/prefix`, `gs://bucket/prefix`,
            or Azure (`az://container/prefix`, `abfss://container@account.dfs.core.windows.net/prefix`, `wasbs:` alike).
        options: settings for an object store by their usual names (`endpoint`, `region`, `access_key_id`, ...); what is
            not named is taken from the environment (`AWS_*`, `GOOGLE_*`, `AZURE_*`). `sync` = "full" makes an upload
            to a directory wait for the disk.

    Raises:
        InvalidArgument: for a scheme that is not in `STORES`.
        MissingExtraError: if the library behind it is not installed.
    """
    scheme = urlsplit(uri).scheme.lower()
    module = STORES.get(scheme)
    if module is None:
        known = ", ".join(f"{name}://" for name in STORES if name)
        raise InvalidArgument(f"Artifacts cannot be kept at {scheme}: URIs. Use a directory, or one of {known}.")
    connect: Callable[[str, Mapping[str, str]], ArtifactStore] = optional.load(
        module, to=f"keep artifacts at {scheme or 'file'}: URIs"
    ).connect
    return connect(uri, options or {})
