"""The files of a run, a model version or a logged model: listed, downloaded, uploaded by its id and a path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from modelyard.artifacts.paths import contained
from modelyard.domain.errors import InvalidArgument
from modelyard.domain.validation import check_version_number
from modelyard.services import logged_models, runs, versions

from .artifacts import list_below, receive_into, send_below
from .protojson import from_query

if TYPE_CHECKING:
    from modelyard.artifacts.places import Place
    from modelyard.server.call import Call

    from .protojson import Fields

LARGEST_UPLOAD = 10 * 2**20
"""Bytes of one upload by the browser, as in MLflow."""
LONGEST_SIGNED_S = 604_800
SIGNED_FOR_S = 900


async def _of_run(call: Call, run: str) -> str:
    return await call.read(runs.locate, run)


async def _of_model(call: Call, model_id: str) -> str:
    return (await call.read(logged_models.get, model_id)).artifact_uri


def _place(call: Call, uri: str) -> Place:
    return call.state.artifacts.locate(uri)


async def list_of_run(call: Call, fields: Fields) -> Any:
    """GET `artifacts/list`."""
    run = fields.text("run_id") or fields.text("run_uuid") or fields.text("run_id", required=True)
    path = contained(fields.text("path"))
    uri = await _of_run(call, run)
    await list_below(call, _place(call, uri), uri, path)


async def list_of_model(call: Call, fields: Fields) -> Any:
    """GET `logged-models/ID/artifacts/directories`."""
    path = contained(fields.text("artifact_directory_path"))
    uri = await _of_model(call, call.path["model_id"])
    await list_below(call, _place(call, uri), uri, path)


async def send_of_run(call: Call) -> Any:
    """GET `/get-artifact`."""
    fields = from_query(call.scope["query_string"])
    path = contained(fields.text("path", required=True))
    run = fields.text("run_id") or fields.text("run_uuid") or fields.text("run_id", required=True)
    await send_below(call, _place(call, await _of_run(call, run)), path)


async def send_of_version(call: Call) -> Any:
    """GET `/model-versions/get-artifact`."""
    fields = from_query(call.scope["query_string"])
    path = contained(fields.text("path", required=True))
    name, version = fields.text("name", required=True), fields.text("version", required=True)
    uri = await call.read(versions.download_uri, name, check_version_number(version))
    await send_below(call, _place(call, uri), path)


async def send_of_model(call: Call) -> Any:
    """GET `logged-models/ID/artifacts/files`."""
    path = from_query(call.scope["query_string"]).text("artifact_file_path")
    if not path:
        raise InvalidArgument('Request must include the "artifact_file_path" query parameter.')
    path = contained(path)
    await send_below(call, _place(call, await _of_model(call, call.path["model_id"])), path)


async def upload_to_run(call: Call) -> Any:
    """POST `upload-artifact`, the raw body: what the browser sends, so at most 10 MB."""
    fields = from_query(call.scope["query_string"])
    run = fields.text("run_uuid")
    if not run:
        raise InvalidArgument("Request must specify run_uuid.")
    path = fields.text("path")
    if not path:
        raise InvalidArgument("Request must specify path.")
    path = contained(path)
    length = call.header(b"content-length")
    if length and int(length) > LARGEST_UPLOAD:
        await call.body()  # a browser shows the answer only when it could send everything
        raise InvalidArgument("Artifact size is too large. Max size is 10MB.")
    if not int(length or 0) and not call.header(b"transfer-encoding"):
        raise InvalidArgument("Request must specify data.")
    place = _place(call, await _of_run(call, run)).below(path)
    await receive_into(call, place.store, place.path)


# ------------------------------------------------------------------------------------ signed URLs


async def sign_upload(call: Call, fields: Fields) -> Any:
    """POST `artifacts/presigned-upload-url`: a URL that uploads straight to an object store."""
    run, model_id = fields.text("run_id"), fields.text("model_id")
    path = contained(fields.text("path", required=True))
    seconds = _seconds(fields)
    if bool(run) == bool(model_id):
        raise InvalidArgument("Exactly one of run_id and model_id must be provided.")
    uri = await _of_run(call, run) if run else await _of_model(call, model_id)
    _check_direct(uri, "Presigned upload is not supported for", "a direct cloud storage artifact URI")
    place = _place(call, uri).below(path)
    return {"presigned_url": await place.store.presign_put(place.path, seconds), "headers": {}}


async def sign_download(call: Call, fields: Fields) -> Any:
    """POST `artifacts/presigned-download-url`: a URL that downloads straight from an object store."""
    run = fields.text("run_id", required=True)
    path = contained(fields.text("path", required=True))
    seconds = _seconds(fields)
    uri = await _of_run(call, run)
    _check_direct(
        uri, "Presigned download is not supported for runs with", "a run with a direct cloud storage artifact URI"
    )
    place = _place(call, uri).below(path)
    url = await place.store.presign_get(place.path, seconds)
    stat = await place.store.stat(place.path)
    return {"presigned_url": url, "headers": {}, "file_size": stat.size}


def _seconds(fields: Fields) -> int:
    seconds = fields.integer("expiration", SIGNED_FOR_S)
    if not 1 <= seconds <= LONGEST_SIGNED_S:
        raise InvalidArgument(f"expiration must be between 1 and {LONGEST_SIGNED_S} seconds (got {seconds}).")
    return seconds


def _check_direct(uri: str, refusal: str, needed: str) -> None:
    scheme = urlsplit(uri).scheme
    if scheme in ("http", "https", "mlflow-artifacts"):
        raise InvalidArgument(
            f"{refusal} proxied artifact storage (artifact URI scheme: {scheme}). This endpoint requires {needed}."
        )
