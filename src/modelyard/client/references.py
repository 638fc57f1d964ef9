"""Where the bytes are that a URI names: `models:/...`, `runs:/...`, `mlflow-artifacts:/...`, a path, a bucket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from modelyard.domain.errors import InvalidArgument, ModelyardError, NotFound, NotSupported
from modelyard.domain.versions import DIGEST_TAG, GOLDEN_TAG, SIGNATURE_TAG

from . import transfers, uris
from .folders import Folder, HttpFolder, LocalFolder, folder_at
from .transport import NATIVE

if TYPE_CHECKING:
    from pathlib import Path

    from .client import Client
    from .entities import LoggedModel, ModelVersion, Run
    from .transport import Transport

FACTS: Final = (DIGEST_TAG, SIGNATURE_TAG, GOLDEN_TAG)
"""Tags that a version takes over from the logged model that it is made from."""

_DEEPEST: Final = 5


@dataclass(frozen=True, slots=True)
class Reference:
    """What a URI turned out to name.

    Attributes:
        uri: as it was asked for.
        folder: where the files are.
        path: the file or folder in it; empty: all of it.
        identity: names the content for ever; empty if it may change, such as a run's artifacts.
        digest: of a model's content, if it is known.
        version: the registered model's version that it is, if it is one.
        model_id: the logged model that it is, if it is one.
        run_id: the run that made it, if that is known.
    """

    uri: str
    folder: Folder
    path: str = ""
    identity: str = ""
    digest: str | None = None
    version: ModelVersion | None = None
    model_id: str = ""
    run_id: str = ""

    @property
    def local(self) -> Path | None:
        """The path on this machine, if the files are here already."""
        return self.folder.path / self.path if isinstance(self.folder, LocalFolder) else None


def resolve(client: Client, uri: str) -> Reference:
    """Find out what a URI names.

    Args:
        client: asked about runs, models and versions; its tracking server serves `mlflow-artifacts:` URIs.
        uri: `models:/NAME/REFERENCE`, `models:/NAME@ALIAS`, `models:/m-ID`, `runs:/ID/PATH`, each perhaps with a path
            behind; or the URI of an artifact itself.

    Raises:
        NotFound: there is no such model, version or run, or it has no such artifact.
        InvalidArgument: the URI is not understood, or leads nowhere that can be reached.
        Unavailable: a server cannot be reached.
    """
    scheme = urlsplit(uri).scheme.lower()
    if scheme == "models":
        parsed = uris.parse_model(uri)
        if parsed.model_id:
            return logged_model(client, client.get_logged_model(parsed.model_id), uri, parsed.path)
        bare = uris.ModelUri(parsed.name, parsed.reference, parsed.alias)
        return version(client, client.get_model_version_by_uri(str(bare)), uri, parsed.path)
    if scheme == "runs":
        return _of_run(client, uris.parse_run(uri), uri)
    if scheme in ("", "file"):
        return Reference(uri, folder_at(client.tracking, uri))
    head, slash, name = uri.rstrip("/").rpartition("/")
    if not slash or head.endswith("/"):  # a bucket, or the proxy's root
        return Reference(uri, folder_at(client.tracking, uri))
    return Reference(uri, folder_at(client.tracking, head if "/" in head else head + "/"), name)


def logged_model(client: Client, model: LoggedModel, uri: str = "", path: str = "") -> Reference:
    """A logged model's files."""
    return Reference(
        uri or f"models:/{model.model_id}",
        _served(client.tracking, model.artifact_location, f"logged-models/{quote(model.model_id, safe='')}"),
        path,
        f"{uris.shown(client.tracking_uri)} {model.model_id}" if not path else "",
        digest_told(model.tags) if not path else None,
        model_id=model.model_id,
        run_id=model.source_run_id or "",
    )


def version(client: Client, found: ModelVersion, uri: str = "", path: str = "", depth: int = 0) -> Reference:
    """The files of a registered model's version."""
    location = client.get_model_version_download_uri(found.name, found.version)
    uri = uri or f"models:/{found.name}/{found.version}"
    if depth > _DEEPEST:
        raise InvalidArgument(f"{uri} is a copy of a copy of itself: its source is {location!r}.")
    digest = digest_told(found.tags) if not path else None
    folder, inner = None, ""
    if location.startswith(("models:", "runs:")):
        if location.startswith("models:") and not uris.parse_model(location).model_id:
            below = version(client, client.get_model_version_by_uri(location), depth=depth + 1)
        else:
            below = resolve(client, location)
        folder, inner, digest = below.folder, below.path, digest or below.digest
    else:
        place = f"models/{quote(found.name, safe='')}/versions/{quote(found.version, safe='')}"
        folder = _served(client.registry, location, place)
    return Reference(
        uri,
        folder,
        "/".join(part for part in (inner, path) if part),
        identity_of(client, found) if not path else "",
        digest if not path else None,
        version=found,
        model_id=found.model_id or "",
        run_id=found.run_id,
    )


def identity_of(client: Client, found: ModelVersion) -> str:
    """What names a version's content for ever, see `Reference`."""
    # The moment tells it from one of the same number in a model of the same name that was deleted and made again.
    return f"{uris.shown(client.registry_uri)} {found.name}/{found.version} {found.creation_timestamp}"


def model_of_run(client: Client, run: Run, name: str) -> LoggedModel | None:
    """The logged model of this name that a run has made; of several the one with the greatest step, then the newest.

    None also where the server has no logged models.
    """
    steps = {output.model_id: output.step for output in run.outputs.model_outputs}
    try:
        quoted = f'"{name}"' if "'" in name else f"'{name}'"
        named = client.search_logged_models([run.info.experiment_id], f"name = {quoted}")
        made = [model for model in named if model.source_run_id == run.info.run_id]
    except NotSupported:
        return None
    made.sort(key=lambda model: (steps.get(model.model_id, -1), model.creation_timestamp))
    return made[-1] if made else None


def _of_run(client: Client, parsed: uris.RunUri, uri: str) -> Reference:
    run = client.get_run(parsed.run_id)
    folder = _served(client.tracking, run.info.artifact_uri, f"runs/{quote(run.info.run_id, safe='')}")
    name, _, rest = parsed.path.partition("/")
    if name and not folder.list(parsed.path) and transfers.find_file(folder, parsed.path) is None:
        model = model_of_run(client, run, name)
        if model is None:
            raise NotFound(f"Run {parsed.run_id} has no artifact {parsed.path!r}, and has logged no model {name!r}.")
        return logged_model(client, model, uri, rest)
    return Reference(uri, folder, parsed.path, run_id=run.info.run_id)


def _served(transport: Transport, location: str, place: str) -> Folder:
    """Where files are; those that our server can read and we perhaps cannot come through its native API."""
    if not location.startswith(("mlflow-artifacts:", "http:", "https:")):
        try:
            native = transport.server.native
        except ModelyardError:
            native = False
        if native:
            return HttpFolder(transport, f"{NATIVE}{place}/artifacts", "", location, native=True)
    return folder_at(transport, location)


def digest_told(tags: Mapping[str, str]) -> str | None:
    """The digest that a version's or a logged model's tags say, if they do."""
    found = tags.get(DIGEST_TAG, "")
    return found if found.startswith("sha256:") else None
