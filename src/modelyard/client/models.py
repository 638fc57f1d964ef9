"""Models through the client: logged, registered, downloaded, loaded.

A model is saved into a temporary directory by `packaging`, and uploaded: as a logged model where the server has those
(ours, and MLflow from 3.0 on), else among the run's artifacts. While the server is away the directory goes into the
journal with everything else that the run logs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from modelyard.artifacts.paths import contained
from modelyard.domain.errors import AlreadyExists, InvalidArgument, ModelyardError, NotFound
from modelyard.domain.versions import DIGEST_TAG, GOLDEN_TAG, SIGNATURE_TAG
from modelyard.packaging import digest as digests
from modelyard.packaging import golden as golden_tests
from modelyard.packaging import model as packaging

from . import lifecycle, logged_files, refusals, transfers, uris
from . import references as refs
from .active import state
from .client import Client
from .model_files import download_model
from .model_info import ModelInfo
from .references import FACTS
from .transport import MLFLOW

if TYPE_CHECKING:
    from .entities import LoggedModel, ModelVersion
    from .recorder import RunRecorder

_log: Final = logging.getLogger("modelyard")

AWAIT_S: Final = 300
"""Seconds that a new version may take to become ready, as in MLflow."""

VERSIONS_TAG: Final = "mlflow.modelVersions"
"""Tag of a logged model that lists the versions made from it, as MLflow's interface reads it."""


# ------------------------------------------------------------------------------------ logging


def log_model(
    flavor: str,
    model: Any,
    artifact_path: str | None = None,
    registered_model_name: str | None = None,
    await_registration_for: int | None = AWAIT_S,
    *,
    name: str | None = None,
    run_id: str | None = None,
    model_id: str | None = None,
    model_type: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    step: int = 0,
    **options: Any,
) -> ModelInfo:
    """Save a model and log it to a run: the active one, which is started if there is none.

    A server that is away stops nothing: the model is then kept with the rest of the run and delivered later, among the
    run's artifacts.

    Args:
        flavor: see `packaging.model.save`.
        model: the library's own object.
        artifact_path: MLflow's older word for `name`.
        registered_model_name: register it under this name, too.
        await_registration_for: seconds to wait at most until the new version is ready.
        name: what it is called; `model` by default.
        run_id: the run to log to.
        model_id: a logged model that exists already, whose files these are.
        model_type: a word for what it is.
        params: of the logged model, besides the run's.
        tags: of the logged model, and of the new version.
        step: of the run, that the model belongs to; the metrics of this step are noted with the model.
        options: `signature`, `input_example`, `metadata`, `golden`, `baseline`, ... of `packaging.model.save`.

    Returns:
        What was logged; `model_uri` loads it.

    Raises:
        InvalidArgument: the model cannot be saved, or the server refuses something.
        MissingExtraError: the flavor's library is not installed.
    """
    if name is not None and artifact_path is not None:
        raise InvalidArgument("Both `artifact_path` (the older word) and `name` were given; give `name` alone.")
    called = contained(name or artifact_path or "model")
    if not called:
        raise InvalidArgument("The model's name is empty.")
    recorder = lifecycle.recorder_of(run_id)
    client = Client(lifecycle.recorder_uri(recorder))
    texts = {str(key): str(value) for key, value in (tags or {}).items()}
    made: LoggedModel | None = None
    if _reachable(client, recorder):
        with _outage():
            made = _begin(client, recorder, called, model_id, model_type, params or {}, texts)
    with tempfile.TemporaryDirectory(prefix="modelyard-model-") as scratch:
        folder = Path(scratch) / "model"
        try:
            manifest = packaging.save(
                model,
                folder,
                flavor=flavor,
                run_id=recorder.run_id,
                model_id=made.model_id if made else None,
                artifact_path=made.artifact_location if made else called,
                **options,
            )
            digest = digests.recorded(folder) or digests.compute(folder)
            facts = _facts(manifest, folder, digest)
            delivered = _deliver(client, recorder, made, called, folder, facts, step)
        except BaseException:
            if made is not None:
                with contextlib.suppress(ModelyardError):
                    client.finalize_logged_model(made.model_id, "FAILED")
            raise
        if made is None:
            _note_in_run(client, recorder, manifest.to_dict(), delivered=delivered)
    kept = made if delivered else None
    info = ModelInfo(
        model_uri=f"models:/{kept.model_id}" if kept else f"runs:/{recorder.run_id}/{called}",
        run_id=recorder.run_id,
        model_id=kept.model_id if kept else None,
        model_uuid=kept.model_id if kept else manifest.model_uuid,
        artifact_path=kept.artifact_location if kept else called,
        name=called,
        digest=digest,
        signature=manifest.signature,
        flavors=manifest.flavors,
        metadata=manifest.metadata,
        saved_input_example_info=manifest.saved_input_example_info,
        utc_time_created=manifest.utc_time_created,
        params=kept.params if kept else {},
        tags={**texts, **facts},
        step=step,
    )
    if kept is not None:
        state.own.last_model_id = kept.model_id
    if registered_model_name is not None:
        _register_logged(client, info, registered_model_name, await_registration_for, delivered=delivered)
    return info


def _reachable(client: Client, recorder: RunRecorder) -> bool:
    """Whether the server answers and knows the run."""
    recorder.settle(lifecycle.WAIT_S)
    if not recorder.delivered:
        return False
    try:
        return client.tracking.server is not None
    except ModelyardError as error:
        if refusals.may_pass(error):
            return False
        raise


@contextlib.contextmanager
def _outage() -> Any:
    """Swallow what may pass by itself: the model then goes the way that waits."""
    try:
        yield
    except ModelyardError as error:
        if not refusals.may_pass(error):
            raise
        _log.warning("The model is kept and delivered later: %s", error)


def has_logged_models(client: Client) -> bool:
    """Whether the tracking server has logged models: ours, and MLflow from 3.0 on."""
    server = client.tracking.server
    return server.native or server.version >= (3,)


def _begin(
    client: Client,
    recorder: RunRecorder,
    name: str,
    model_id: str | None,
    model_type: str | None,
    params: Mapping[str, Any],
    tags: dict[str, str],
) -> LoggedModel | None:
    """The logged model that the files will be of; None where the server has none."""
    if not has_logged_models(client):
        return None
    if model_id is not None:
        return client.get_logged_model(model_id)
    run = client.get_run(recorder.run_id)
    return client.create_logged_model(
        run.info.experiment_id,
        name=name,
        source_run_id=recorder.run_id,
        tags=tags,
        params={**params, **run.data.params},
        model_type=model_type,
    )


def _deliver(
    client: Client,
    recorder: RunRecorder,
    made: LoggedModel | None,
    name: str,
    folder: Path,
    facts: dict[str, str],
    step: int,
) -> bool:
    """Upload a model's directory, or put it into the journal.

    Returns:
        Whether it is on the server.
    """
    if made is not None:
        with _outage():
            transfers.upload_folder(client.model_folder(made.model_id), "", folder)
            client.set_logged_model_tags(made.model_id, facts)
            client.finalize_logged_model(made.model_id, "READY")
            recorder.log_outputs([{"model_id": made.model_id, "step": step}])
            _note_metrics(client, recorder, made, step)
            return True
    elif _reachable(client, recorder):
        with _outage():
            transfers.upload_folder(client.run_folder(recorder.run_id), name, folder)
            return True
    logged_files.log_artifacts(folder, name, recorder.run_id)
    return False


def _note_metrics(client: Client, recorder: RunRecorder, made: LoggedModel, step: int) -> None:
    """Note the run's metrics of this step as the model's, so that models can be searched by them."""
    with contextlib.suppress(ModelyardError):
        latest = client.get_run(recorder.run_id).data.latest
        points = [_of_model(point, made.model_id) for point in latest if point.step == step and not point.model_id]
        if points:
            client.log_batch(recorder.run_id, metrics=points)


def _of_model(point: Any, model_id: str) -> Any:
    import copy

    mine = copy.copy(point)
    mine.model_id = model_id
    return mine


def _note_in_run(client: Client, recorder: RunRecorder, manifest: dict[str, Any], *, delivered: bool) -> None:
    """Tell an MLflow before 3.0 which models a run has, for its interface."""
    if not delivered:
        return
    import msgspec

    message = {"run_id": recorder.run_id, "model_json": msgspec.json.encode(manifest).decode()}
    with contextlib.suppress(ModelyardError):
        client.tracking.call("POST", MLFLOW + "runs/log-model", message)


def _register_logged(client: Client, info: ModelInfo, name: str, wait_s: int | None, *, delivered: bool) -> None:
    later = f"modelyard.register_model({info.model_uri!r}, {name!r})"
    if not delivered:
        _log.warning(
            "The model %s is not registered as %r: the server is away. Once the run is delivered, run: %s",
            info.name, name, later,
        )  # fmt: skip
        return
    try:
        version = register_model(info.model_uri, name, wait_s, tags=info.tags, client=client)
    except ModelyardError as error:
        if not refusals.may_pass(error):
            raise
        _log.warning("The model %s is logged, but not registered: %s Later, run: %s", info.name, error, later)
    else:
        info.registered_model_version = int(version.version)


# ------------------------------------------------------------------------------------ registering


def register_model(
    model_uri: str,
    name: str,
    await_registration_for: int | None = AWAIT_S,
    *,
    tags: Mapping[str, Any] | None = None,
    label: str | None = None,
    client: Client | None = None,
) -> ModelVersion:
    """Make a new version of a registered model, which is made if it is missing.

    Args:
        model_uri: `runs:/ID/PATH`, `models:/m-ID`, `models:/NAME/VERSION`, or where the files are.
        name: the registered model's.
        await_registration_for: seconds to wait at most until it is ready; None or 0: do not.
        tags: of the version.
        label: the user's own version, such as `2.3.1`. Only on a Modelyard server.
        client: None: one for the current tracking URI.

    Raises:
        NotFound: there is no such model or run.
        InvalidArgument: the name or the URI is not allowed.
        AlreadyExists: the label is taken.
    """
    client = client or Client()
    source, run_id, model_id, facts = _source(client, model_uri)
    with contextlib.suppress(AlreadyExists):
        client.create_registered_model(name)
    texts = {**facts, **{str(key): str(value) for key, value in (tags or {}).items()}}
    version = client.create_model_version(
        name,
        source,
        run_id=run_id or None,
        tags=texts,
        await_creation_for=await_registration_for,
        model_id=model_id or None,
        label=label,
    )
    if model_id:
        _note_version(client, model_id, version)
    return version


def _source(client: Client, uri: str) -> tuple[str, str, str, dict[str, str]]:
    """What a version is made from: URI of the files, run, logged model, facts; the last three if they are known."""
    if uri.startswith("models:"):
        named = uris.parse_model(uri)
        if named.model_id:
            model = client.get_logged_model(named.model_id)
            return _location(client, model, named.path), model.source_run_id or "", model.model_id, _told(model.tags)
        found = client.get_model_version_by_uri(uri)
        return f"models:/{found.name}/{found.version}", found.run_id, found.model_id or "", _told(found.tags)
    if not uri.startswith("runs:"):
        return uri, "", "", {}
    named_run = uris.parse_run(uri)
    run = client.get_run(named_run.run_id)
    folder = client.run_folder(run.info.run_id)
    root = run.info.artifact_uri.rstrip("/")
    source = f"{root}/{named_run.path}" if named_run.path else root
    if not named_run.path or transfers.find_file(folder, f"{named_run.path}/MLmodel") or folder.list(named_run.path):
        return source, run.info.run_id, "", {}
    made = refs.model_of_run(client, run, named_run.path.partition("/")[0])
    if made is None:
        raise NotFound(
            f"Run {run.info.run_id} has no artifact {named_run.path!r}, and has logged no model of that name."
        )
    return _location(client, made, named_run.path.partition("/")[2]), run.info.run_id, made.model_id, _told(made.tags)


def _location(client: Client, model: LoggedModel, path: str) -> str:
    """A logged model as a version's source: by id where the registry knows it, else by where its files are."""
    if path or client.registry_uri != client.tracking_uri:
        return "/".join(part for part in (model.artifact_location.rstrip("/"), path) if part)
    return f"models:/{model.model_id}"


def _told(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: tags[key] for key in FACTS if key in tags}


def _facts(manifest: packaging.Model, folder: Path, digest: str) -> dict[str, str]:
    """What policies ask of a version, as tags."""
    facts = {DIGEST_TAG: digest}
    if manifest.signature is not None:
        facts[SIGNATURE_TAG] = "true"
    if (folder / golden_tests.FILE).is_file():
        facts[GOLDEN_TAG] = "true"
    return facts


def _note_version(client: Client, model_id: str, version: ModelVersion) -> None:
    import json

    with contextlib.suppress(ModelyardError, ValueError):
        known = json.loads(client.get_logged_model(model_id).tags.get(VERSIONS_TAG, "[]"))
        entry = {"name": version.name, "version": version.version}
        if entry not in known:
            client.set_logged_model_tags(model_id, {VERSIONS_TAG: json.dumps([*known, entry])})


# ------------------------------------------------------------------------------------ loading


def load_model(
    model_uri: str,
    dst_path: str | os.PathLike[str] | None = None,
    *,
    flavor: str | None = None,
    allow_pickle: bool | None = None,
    trusted: Sequence[str] = (),
    client: Client | None = None,
) -> Any:
    """The library's own object, from wherever a URI says.

    Args:
        model_uri: see `references.resolve`.
        dst_path: see `download_model`.
        flavor: which of the model's flavors; None: the library's.
        allow_pickle: whether a pickle may be loaded, which runs code of its author; None: MODELYARD_ALLOW_PICKLE.
        trusted: names of types, beyond our own list, that a skops file may hold.
        client: None: one for the current tracking URI.

    Raises:
        NotFound: there is no such model, or it has no such flavor.
        DataCorrupted: what was downloaded is not what was saved; the files are named.
        PermissionDenied: it is a pickle, and none is allowed.
    """
    folder = download_model(model_uri, dst_path, client=client)
    return packaging.load(folder, flavor=flavor, allow_pickle=allow_pickle, trusted=trusted)


def load_function(
    model_uri: str,
    dst_path: str | os.PathLike[str] | None = None,
    *,
    allow_pickle: bool | None = None,
    trusted: Sequence[str] = (),
    client: Client | None = None,
) -> packaging.LoadedFunction:
    """Any model as a python function; arguments as of `load_model`."""
    folder = download_model(model_uri, dst_path, client=client)
    return packaging.load_function(folder, allow_pickle=allow_pickle, trusted=trusted)


__all__ = [
    "ModelInfo",
    "download_model",
    "has_logged_models",
    "load_function",
    "load_model",
    "log_model",
    "register_model",
]
