"""Files of runs, logged models and versions over the native API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from modelyard.artifacts.paths import contained
from modelyard.domain.errors import InvalidArgument
from modelyard.http.asgi import respond
from modelyard.server.transfer import receive_artifact, repr_digest, send_artifact
from modelyard.services import logged_models, runs
from modelyard.wire import artifacts as wire

from .messages import from_query
from .versions import resolve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from modelyard.server.call import Call

    Root = Callable[[Call], Awaitable[str]]


async def _of_run(call: Call) -> str:
    return await call.read(runs.locate, call.path["run_id"])


async def _of_logged_model(call: Call) -> str:
    return (await call.read(logged_models.get, call.path["model_id"])).artifact_uri


async def _of_version(call: Call) -> str:
    return (await call.read(resolve, call.path["name"], call.path["version"])).location


def _listing(root: Root) -> Any:
    async def listing(call: Call, query: wire.FolderQuery) -> wire.ArtifactList:
        path = contained(query.path)
        uri = await root(call)
        place = call.state.artifacts.locate(uri).below(path)
        entries = await place.store.list(place.path)
        prefix = path + "/" if path else ""
        found = [wire.Artifact(path=prefix + each.name, is_dir=each.is_dir, size=each.size) for each in entries]
        return wire.ArtifactList(uri=uri, path=path, artifacts=found)

    return listing


def _download(root: Root) -> Any:
    async def download(call: Call) -> None:
        path = contained(call.path["path"])
        query = from_query(call.scope["query_string"], wire.FileQuery)
        place = call.state.artifacts.locate(await root(call)).below(path)
        idle_s = call.state.settings.body_timeout_s
        await send_artifact(call.scope, call.send, place.store, place.path, idle_s=idle_s, preview=query.preview)

    return download


def _upload(root: Root) -> Any:
    async def upload(call: Call) -> None:
        path = contained(call.path["path"])
        if not path:
            raise InvalidArgument("The path is empty: name the file to store.")
        place = call.state.artifacts.locate(await root(call)).below(path)
        settings = call.state.settings
        written = await receive_artifact(
            call.scope,
            call.receive,
            place.store,
            place.path,
            idle_s=settings.body_timeout_s,
            max_bytes=settings.max_artifact_bytes,
        )
        body = msgspec.json.encode(wire.Stored(path=path, size=written.size, sha256=written.digest))
        headers = (
            (b"content-type", b"application/json"),
            (b"etag", written.etag.encode()),
            (b"repr-digest", repr_digest(written.digest)),
        )
        await respond(call.send, 201, body, *headers)

    return upload


list_of_run, download_of_run, upload_to_run = _listing(_of_run), _download(_of_run), _upload(_of_run)
list_of_logged_model, download_of_logged_model = _listing(_of_logged_model), _download(_of_logged_model)
upload_to_logged_model = _upload(_of_logged_model)
list_of_version, download_of_version = _listing(_of_version), _download(_of_version)
