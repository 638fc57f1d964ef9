"""MLflow's artifact proxy: `/api/2.0/mlflow-artifacts/*`, and the same transfers for a run's or a version's files.

Paths in the URL are relative to the server's artifact root. Names in a listing are base names here, and relative to the
run under `artifacts/list`: MLflow's clients rely on both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

import msgspec

from modelyard.artifacts.base import Part
from modelyard.artifacts.paths import contained
from modelyard.domain.errors import InvalidArgument, Unavailable
from modelyard.server.transfer import receive_artifact, repr_digest, send_artifact

from .edge import Route

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelyard.artifacts.base import ArtifactStore, Entry
    from modelyard.artifacts.places import Place
    from modelyard.server.call import Call

_SIGNED_FOR_S: Final = 900
_MAX_PARTS: Final = 10_000


class _CreateUpload(msgspec.Struct):
    path: str = ""
    num_parts: int = 0


class _UploadPart(msgspec.Struct):
    part_number: int = 0
    etag: str | None = None


class _EndUpload(msgspec.Struct):
    path: str = ""
    upload_id: str = ""
    parts: list[_UploadPart] = []


async def download(call: Call) -> None:
    """GET or HEAD `mlflow-artifacts/artifacts/PATH`."""
    path = contained(call.path["path"])
    await send_artifact(call.scope, call.send, _store(call), path, idle_s=call.state.settings.body_timeout_s)


async def upload(call: Call) -> None:
    """PUT `mlflow-artifacts/artifacts/PATH`, the raw body."""
    await receive_into(call, _store(call), contained(call.path["path"]))


async def receive_into(call: Call, store: ArtifactStore, path: str) -> None:
    """Store the request's body at `path`, and answer `{}`."""
    settings = call.state.settings
    written = await receive_artifact(
        call.scope, call.receive, store, path, idle_s=settings.body_timeout_s, max_bytes=settings.max_artifact_bytes
    )
    await _answer(call, b"{}", (b"etag", written.etag.encode()), (b"repr-digest", repr_digest(written.digest)))


async def delete(call: Call) -> None:
    """DELETE `mlflow-artifacts/artifacts/PATH`, a file or a folder; nothing there is fine too, as in MLflow."""
    path = contained(call.path["path"])
    if not path:
        raise InvalidArgument("Invalid path: it is empty; the whole artifact root is not deleted over HTTP")
    await _store(call).delete(path)
    await _answer(call, b"{}")


async def listing(call: Call) -> None:
    """GET `mlflow-artifacts/artifacts?path=`."""
    path = contained(_query(call).get("path", ""))
    await _answer(call, file_infos(await _store(call).list(path)))


async def list_below(call: Call, root: Place, root_uri: str, path: str) -> None:
    """Answer `artifacts/list`: the files in the folder `path` of the run or version whose artifacts are at `root`."""
    inner = contained(path)
    place = root.below(inner)
    await _answer(call, file_infos(await place.store.list(place.path), below=inner, root_uri=root_uri))


async def send_below(call: Call, root: Place, path: str) -> None:
    """Answer `get-artifact`: the file `path` of the run or version whose artifacts are at `root`."""
    place = root.below(path)
    await send_artifact(call.scope, call.send, place.store, place.path, idle_s=call.state.settings.body_timeout_s)


def file_infos(entries: Iterable[Entry], *, below: str = "", root_uri: str | None = None) -> bytes:
    """A listing as MLflow writes it; a folder has no size, an empty listing no `files`."""
    prefix = below + "/" if below else ""
    files: list[dict[str, Any]] = []
    for entry in entries:
        info: dict[str, Any] = {"path": prefix + entry.name, "is_dir": entry.is_dir}
        if entry.size is not None:
            info["file_size"] = entry.size
        files.append(info)
    message: dict[str, Any] = {} if root_uri is None else {"root_uri": root_uri}
    if files:
        message["files"] = files
    return msgspec.json.encode(message)


async def multipart_create(call: Call) -> None:
    """POST `mlflow-artifacts/mpu/create/FOLDER`: signed URLs to which the client sends the parts itself."""
    message = await _message(call, _CreateUpload)
    if not 1 <= message.num_parts <= _MAX_PARTS:
        raise InvalidArgument(
            f"Invalid value {message.num_parts} for parameter 'num_parts' supplied: expected 1 to {_MAX_PARTS}."
        )
    path = _part_path(call, message.path)
    begun = await _store(call).multipart_create(path, message.num_parts, _SIGNED_FOR_S)
    credentials = [{"url": url, "part_number": n, "headers": {}} for n, url in enumerate(begun.urls, start=1)]
    await _answer(call, msgspec.json.encode({"upload_id": begun.upload_id, "credentials": credentials}))


async def multipart_complete(call: Call) -> None:
    """POST `mlflow-artifacts/mpu/complete/FOLDER`."""
    message = await _message(call, _EndUpload)
    parts = [Part(part.part_number, part.etag or "") for part in message.parts]
    await _store(call).multipart_complete(_part_path(call, message.path), message.upload_id, parts)
    await _answer(call, b"{}")


async def multipart_abort(call: Call) -> None:
    """POST `mlflow-artifacts/mpu/abort/FOLDER`."""
    message = await _message(call, _EndUpload)
    await _store(call).multipart_abort(_part_path(call, message.path), message.upload_id)
    await _answer(call, b"{}")


async def presigned(call: Call) -> None:
    """GET `mlflow-artifacts/presigned/PATH`: a signed URL from which the client downloads the artifact itself."""
    path = contained(call.path["path"])
    store = _store(call)
    url = await store.presign_get(path, _SIGNED_FOR_S)
    stat = await store.stat(path)
    await _answer(call, msgspec.json.encode({"url": url, "headers": {}, "file_size": stat.size}))


ROUTES: Final = [
    Route("GET", "mlflow-artifacts/artifacts", listing, raw=True),
    Route("GET", "mlflow-artifacts/artifacts/{path*}", download, raw=True),
    Route("PUT", "mlflow-artifacts/artifacts/{path*}", upload, raw=True),
    Route("DELETE", "mlflow-artifacts/artifacts/{path*}", delete, raw=True),
    Route("POST", "mlflow-artifacts/mpu/create", multipart_create, raw=True),
    Route("POST", "mlflow-artifacts/mpu/create/{path*}", multipart_create, raw=True),
    Route("POST", "mlflow-artifacts/mpu/complete", multipart_complete, raw=True),
    Route("POST", "mlflow-artifacts/mpu/complete/{path*}", multipart_complete, raw=True),
    Route("POST", "mlflow-artifacts/mpu/abort", multipart_abort, raw=True),
    Route("POST", "mlflow-artifacts/mpu/abort/{path*}", multipart_abort, raw=True),
    Route("GET", "mlflow-artifacts/presigned/{path*}", presigned, raw=True),
]
"""The proxy's rows of the endpoint table."""


def _store(call: Call) -> ArtifactStore:
    if not call.state.settings.serve_artifacts:
        raise Unavailable(
            "This server does not proxy artifacts (--no-serve-artifacts); use the run's artifact URI itself."
        )
    return call.state.artifacts.root


def _query(call: Call) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(call.scope["query_string"].decode("latin-1")).items()}


def _part_path(call: Call, local_file: str) -> str:
    """Where a multipart upload goes: the folder in the URL, and the base name of the client's own file."""
    name = local_file.rpartition("/")[2]
    if not name:
        raise InvalidArgument(
            "Missing value for required parameter 'path'. "
            "See the API docs for more information about request parameters."
        )
    return contained("/".join(part for part in (call.path.get("path", "").rstrip("/"), name) if part))


async def _message(call: Call, kind: type[Any]) -> Any:
    body = await call.body()
    try:
        return msgspec.json.decode(body or b"{}", type=kind, strict=False)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidArgument(f"The body is not the JSON that was expected: {error}") from None


async def _answer(call: Call, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    start = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers]
    await call.send({"type": "http.response.start", "status": 200, "headers": start})
    await call.send({"type": "http.response.body", "body": body, "more_body": False})
