"""What URIs and filters name in the registry now, asked as seldom as possible, since it is asked every few seconds.

A filter costs one search for all models of a page: it says of each which version every stage and alias points to. A
version is asked about once, since it never changes.
"""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from modelyard.client import references, transfers, uris
from modelyard.client.client import Client
from modelyard.client.transport import Transport
from modelyard.domain.errors import InvalidArgument, InvalidState, ModelyardError, NotFound
from modelyard.domain.versions import VersionStatus, find_stage
from modelyard.packaging import manifest

from .rounds import Found, Missing
from .wanted import Source

if TYPE_CHECKING:
    from modelyard.client.entities import ModelVersion, RegisteredModel

ABSENT: Final = (NotFound, InvalidArgument, InvalidState)
"""Errors by which a registry says that there is no such thing; all others say that it could not be asked."""

_TIMEOUT_S: Final = 10.0
_SHORT_TIMEOUT_S: Final = 5.0
_AT_ONCE: Final = 8
_NAMED: Final = 20


class Asking(Client):
    """A client with little patience: what it asks for is asked again in a few seconds anyway.

    It raises NotFound for a local store that is not there.

    Args:
        hurried: with no patience at all, since there is something to go on with.
    """

    def __init__(self, *, hurried: bool = False) -> None:
        super().__init__()
        self._ways: dict[str, Transport] = {}
        self._timeout_s = _SHORT_TIMEOUT_S if hurried else _TIMEOUT_S
        self._retries = 0 if hurried else 1

    def _way(self, uri: str) -> Transport:
        if uri not in self._ways:
            if uris.is_local(uri) and not uris.local_path(uri).exists():  # looking makes none
                raise NotFound(
                    f"There is no {uris.local_path(uri)}. Say where the models are registered with --tracking-uri "
                    "or MODELYARD_TRACKING_URI: a server's URL, or a directory."
                )
            self._ways[uri] = Transport(uri, timeout_s=self._timeout_s, retries=self._retries)
        return self._ways[uri]

    @property
    def tracking(self) -> Transport:
        """The way to the server that keeps runs."""
        return self._way(self.tracking_uri)

    @property
    def registry(self) -> Transport:
        """The way to the server that keeps registered models."""
        return self._way(self.registry_uri)


class Registry:
    """The registry and the tracking server that the environment names.

    Attributes:
        client: asks them.
    """

    def __init__(self) -> None:
        self.client: Client = Asking()
        self._facts: dict[tuple[str, str, int], tuple[str, str | None]] = {}
        self._pinned: dict[Source, Found] = {}
        self._seen: dict[tuple[str, str, int], ModelVersion] = {}

    def hurry(self, *, hurried: bool) -> None:
        """Have little patience from now on, or more again."""
        self.client = Asking(hurried=hurried)

    @property
    def uri(self) -> str:
        """Of the registry, fit for logs."""
        return uris.shown(self.client.registry_uri)

    def look(self, source: Source) -> list[Found | Missing]:
        """What a source names now: one model, or all that match a filter.

        Raises:
            InvalidArgument: the filter is not understood.
            NotSupported: an environment is asked for, and the registry is a stock MLflow server.
            Unavailable: the registry cannot be reached.
        """
        if source.uri:
            if source not in self._pinned:
                try:
                    found = self._one(source)
                except ABSENT as error:
                    return [Missing(source.name or source.likely_name, source.text, error.message)]
                if source.pinned:
                    self._pinned[source] = found
                return [found]
            return [self._pinned[source]]
        return self._matching(source)

    # -------------------------------------------------------------------------------- one URI

    def _one(self, source: Source) -> Found:
        if source.uri.startswith("models:"):
            parsed = uris.parse_model(source.uri)
            if not parsed.model_id and not parsed.path:
                return self._version(self.client.get_model_version_by_uri(source.uri), source)
        found = references.resolve(self.client, source.uri)
        identity = found.identity
        if not identity:  # files that may change: the manifest is another at each save
            identity = f"{uris.shown(self.client.tracking_uri)} {source.uri} {_manifest(found)}"
        version, tags, name = found.version, {}, ""
        if version is not None:
            tags, name = version.tags, version.name
        elif found.model_id:
            model = self.client.get_logged_model(found.model_id)
            tags, name = model.tags, model.name
        return Found(
            name=source.name or name or source.likely_name,
            source=source.text,
            uri=source.uri,
            identity=identity,
            digest=found.digest,
            registered_model=version.name if version else "",
            version=version.version if version else "",
            run_id=found.run_id,
            model_id=found.model_id,
            created_ms=version.creation_timestamp if version else 0,
            tags=tags,
        )

    def _version(self, version: ModelVersion, source: Source) -> Found:
        if version.status != VersionStatus.READY:
            raise InvalidState(
                f"Version {version.version} of {version.name!r} is {version.status}, not READY. "
                f"{version.status_message or ''}".rstrip()
            )
        key = (version.name, version.version, version.creation_timestamp)
        facts = self._facts.get(key)
        if facts is None:
            facts = references.identity_of(self.client, version), references.digest_told(version.tags)
            if facts[1] is None:  # perhaps the logged model that it is made from knows
                facts = facts[0], references.version(self.client, version).digest
            self._facts[key] = facts
        return Found(
            name=source.name or version.name,
            source=source.text,
            uri=f"models:/{version.name}/{version.version}",
            identity=facts[0],
            digest=facts[1],
            registered_model=version.name,
            version=version.version,
            label=version.label or "",
            run_id=version.run_id,
            model_id=version.model_id or _logged(version.source),
            created_ms=version.creation_timestamp,
            tags=version.tags,
        )

    # -------------------------------------------------------------------------------- a filter

    def _matching(self, source: Source) -> list[Found | Missing]:
        models = list(self.client.search_registered_models(source.filter))
        pick = self._picker(source)

        def one(model: RegisteredModel) -> Found | Missing:
            try:
                return self._version(pick(model), source)
            except ABSENT as error:
                return Missing(model.name, source.text, error.message)

        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="modelyard-look") as pool:
            return list(pool.map(one, models))

    def _picker(self, source: Source) -> _Picker:
        environments: frozenset[str] = frozenset()
        reference = source.stage or source.environment
        if reference:
            if source.environment or not find_stage(reference):
                self.client.registry.native("Environments")
            if self.client.registry.server.native:
                names = [each.name for each in self.client.list_environments()]
                environments = frozenset(name.casefold() for name in names)
                if not find_stage(reference) and reference.casefold() not in environments:
                    raise InvalidArgument(f"There is no environment {reference!r}; there are {', '.join(names)}.")
        return _Picker(self, source, environments)

    def numbered(self, model: RegisteredModel, number: str) -> ModelVersion:
        """A version of a model by its number: one that came with the model, is known, or is asked for."""
        for each in model.latest_versions:
            if each.version == number:
                return each
        key = (model.name, number, model.creation_timestamp)
        version = self._seen.get(key)
        if version is None:
            version = self.client.get_model_version(model.name, number)
            if version.status == VersionStatus.READY:
                self._seen[key] = version
        return version

    # -------------------------------------------------------------------------------- words

    def explained(self, source: Source, reason: str) -> str:
        """Why a source names nothing, with what there is instead, for people who are about to try again."""
        if not source.uri.startswith("models:"):
            return reason
        try:
            parsed = uris.parse_model(source.uri)
            if parsed.model_id:
                return reason
            models = {model.name: model for model in self.client.search_registered_models()}
        except ModelyardError:
            return reason
        model = models.get(parsed.name)
        if model is not None:
            return f"{reason} {_offered(model)}".rstrip()
        close = difflib.get_close_matches(parsed.name, models, cutoff=0.5)
        others = [name for name in models if name not in close]
        if not models:
            return f"There is no registered model {parsed.name!r}: {self.uri} has none."
        return f"There is no registered model {parsed.name!r} in {self.uri}. There are: {_listed(close + others)}."


class _Picker:
    """Which version of a model a filter's source means."""

    def __init__(self, registry: Registry, source: Source, environments: frozenset[str]) -> None:
        self._registry = registry
        self._source = source
        self._environments = environments

    def __call__(self, model: RegisteredModel) -> ModelVersion:
        source = self._source
        reference = source.stage or source.environment
        if source.alias and source.alias.lower() != "latest":
            return self._aliased(model, source.alias, f"The model has no alias {source.alias!r}.")
        if reference.casefold() in self._environments:  # its pointer stands among the aliases
            return self._aliased(model, reference, f"No version of the model is in {reference}.", folded=True)
        stage = find_stage(reference) if reference else None
        versions = [each for each in model.latest_versions if stage is None or each.current_stage == stage]
        if not versions:
            raise NotFound(f"No version of the model is in {stage}." if stage else "The model has no versions.")
        return max(versions, key=lambda each: int(each.version))

    def _aliased(self, model: RegisteredModel, alias: str, absent: str, *, folded: bool = False) -> ModelVersion:
        number = model.aliases.get(alias)
        if number is None and folded:
            number = next((to for name, to in model.aliases.items() if name.casefold() == alias.casefold()), None)
        if number is None:
            raise NotFound(absent)
        return self._registry.numbered(model, number)


def _logged(source: str) -> str:
    """The logged model that a version was made from, if its source says so."""
    first = source.removeprefix("models:/").partition("/")[0]
    return first if uris.is_model_id(first) else ""


def _manifest(found: references.Reference) -> str:
    """The digest of a model's MLmodel file, which holds an id of its own from each save.

    Raises:
        NotFound: there is no model.
    """
    path = f"{found.path}/{manifest.FILE}" if found.path else manifest.FILE
    with tempfile.TemporaryDirectory(prefix="modelyard-") as scratch:
        try:
            return transfers.download_file(found.folder, path, Path(scratch) / manifest.FILE)
        except NotFound:
            raise NotFound(f"There is no model at {found.uri}: no file {manifest.FILE} is there.") from None


def _offered(model: RegisteredModel) -> str:
    newest = max((int(each.version) for each in model.latest_versions), default=0)
    told = [f"Its newest version is {newest}"] if newest else ["It has no versions"]
    stages = {each.current_stage: each.version for each in model.latest_versions if each.current_stage != "None"}
    for word, pointers in (("stages", stages), ("aliases", model.aliases)):
        if pointers:
            told.append(f"{word}: {', '.join(f'{name} → {version}' for name, version in pointers.items())}")
    return "; ".join(told) + "."


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return ", ".join(every[:_NAMED]) + more
