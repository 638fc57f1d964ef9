"""`Client`: model versions and their stages."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from modelyard.domain.errors import AlreadyExists, InvalidArgument, NotFound, Unavailable
from modelyard.domain.versions import Stage, find_stage

from . import messages, uris
from .connection import searched
from .entities import ModelVersion
from .registered_models import RegisteredModels
from .runs import Runs
from .transport import NATIVE

if TYPE_CHECKING:
    from .pages import Page, Results

MOST: Final = 10_000
"""Most versions that are asked for at once; MLflow's server answers up to 200,000."""

AWAIT_S: Final = 300


class Versions(RegisteredModels, Runs):
    """Model versions: immutable packages under a registered model's name."""

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        await_creation_for: int | None = AWAIT_S,
        model_id: str | None = None,
        label: str | None = None,
    ) -> ModelVersion:
        """Make the next version of a registered model.

        Args:
            name: the registered model's name.
            source: URI of its files; a `runs:/` URI names the run that made it, too.
            run_id: the run that made it.
            tags: its tags.
            run_link: where to see that run.
            description: what it is.
            await_creation_for: seconds to wait at most until it is ready; None or 0: do not.
            model_id: the logged model that it is made from.
            label: the user's own version, such as `2.3.1`, unique within the model. Only on a Modelyard server.

        Raises:
            NotFound: there is no such registered model.
            AlreadyExists: the label is taken.
            InvalidArgument: the source is not allowed.
            NotSupported: a label was given, and the server is a stock MLflow server.
        """
        if source.startswith("runs:"):
            run = uris.parse_run(source)
            root = self.get_run(run.run_id).info.artifact_uri
            source, run_id = (f"{root.rstrip('/')}/{run.path}" if run.path else root), run_id or run.run_id
        texts = {str(key): str(value) for key, value in (tags or {}).items()}
        optional = {"run_id": run_id, "run_link": run_link, "description": description}
        said = {key: value for key, value in optional.items() if value is not None}
        if label is not None:
            made = self._create_labelled(name, {"source": source, "label": label, "tags": texts, **said}, model_id)
        else:
            message = {"name": name, "source": source, "tags": [{"key": k, "value": v} for k, v in texts.items()]}
            message |= said | ({"model_id": model_id} if model_id else {})
            answer = self._register("POST", "model-versions/create", message, messages.VersionAnswer, again=False)
            made = answer.model_version.entity()
        return self._await_ready(made, await_creation_for or 0)

    def _create_labelled(self, name: str, message: dict[str, Any], model_id: str | None) -> ModelVersion:
        from modelyard.wire.versions import NewVersion, Version

        self.registry.native("Labels of versions")
        new = NewVersion(**message, logged_model_id=model_id)
        path = f"{NATIVE}models/{quote(name, safe='')}/versions"
        return self.get_model_version(name, self.registry.call("POST", path, new, Version, again=False).version)

    def _await_ready(self, made: ModelVersion, seconds: float) -> ModelVersion:
        deadline = time.monotonic() + seconds
        while made.status == "PENDING_REGISTRATION" and seconds:
            if time.monotonic() > deadline:
                raise Unavailable(f"Version {made.version} of {made.name!r} was not ready after {seconds} s.")
            time.sleep(1)
            made = self.get_model_version(made.name, made.version)
        return made

    def copy_model_version(self, src_model_uri: str, dst_name: str) -> ModelVersion:
        """Make a version of another registered model from one that there is; the model is made if it is missing.

        Args:
            src_model_uri: such as `models:/wine/3` or `models:/wine@champion`.
            dst_name: the registered model that gets the new version.

        Raises:
            InvalidArgument: the URI is not a version's.
            NotFound: there is no such version.
        """
        found = self.get_model_version_by_uri(src_model_uri)
        with contextlib.suppress(AlreadyExists):
            self.create_registered_model(dst_name)
        return self.create_model_version(
            dst_name,
            f"models:/{found.name}/{found.version}",
            run_id=found.run_id or None,
            tags=found.tags,
            run_link=found.run_link or None,
            description=found.description,
        )

    def get_model_version(self, name: str, version: str | int) -> ModelVersion:
        """Read a version.

        Raises:
            NotFound: there is no such version.
            InvalidArgument: the version is not a number.
        """
        message = {"name": name, "version": str(version)}
        return self._register("GET", "model-versions/get", message, messages.VersionAnswer).model_version.entity()

    def get_model_version_by_uri(self, uri: str) -> ModelVersion:
        """Read the version that a `models:/` URI names. Modelyard's own.

        Args:
            uri: `models:/NAME/REFERENCE` with a number, a label, a stage, an environment or `latest`, or
                `models:/NAME@ALIAS`.

        Raises:
            InvalidArgument: the URI is not a version's.
            NotFound: there is no such version.
            NotSupported: the reference is a label or an environment, and the server is a stock MLflow server.
        """
        parsed = uris.parse_model(uri)
        if parsed.model_id:
            raise InvalidArgument(f"{uri!r} names a logged model; the URI of a registered model's version is expected.")
        if parsed.alias:
            return self.get_model_version_by_alias(parsed.name, parsed.alias)
        return self._referred(parsed.name, parsed.reference)

    def _referred(self, name: str, reference: str) -> ModelVersion:
        stage = find_stage(reference)
        if reference.isdigit():
            return self.get_model_version(name, reference)
        if reference.lower() == "latest":
            newest = self.search_model_versions(f"name = {quoted(name)}", 1, ["version_number DESC"])
            if not newest:
                raise NotFound(f"There is no registered model {name!r}, or it has no versions.")
            return newest[0]
        if stage is not None:
            found = self.get_latest_versions(name, [stage.value])
            if not found:
                raise NotFound(f"No version of {name!r} is in the stage {stage.value}.")
            return found[0]
        return self.get_model_version_by_label(name, reference)

    def get_model_version_by_label(self, name: str, label: str) -> ModelVersion:
        """Read the version that has a label, or that an environment of this name points to. Modelyard's own.

        Raises:
            NotFound: there is no such version.
            NotSupported: the server is a stock MLflow server.
        """
        from modelyard.wire.versions import Version

        self.registry.native(f"Labels of versions, such as {label!r},")
        path = f"{NATIVE}models/{quote(name, safe='')}/versions/{quote(label, safe='')}"
        return self.get_model_version(name, self.registry.call("GET", path, None, Version).version)

    def set_model_version_label(
        self, name: str, version: str | int, label: str | None, reason: str = ""
    ) -> ModelVersion:
        """Give a version a label: the user's own version, such as `2.3.1` (PEP 440). Modelyard's own.

        Args:
            name: the registered model's name.
            version: which version.
            label: unique within the model; None: it has none any more.
            reason: why; kept in the history.

        Raises:
            AlreadyExists: another version has this label.
            InvalidArgument: it is not a version as PEP 440 has them.
            NotSupported: the server is a stock MLflow server.
        """
        from modelyard.wire.versions import Version, VersionChange

        self.registry.native("Labels of versions")
        path = f"{NATIVE}models/{quote(name, safe='')}/versions/{quote(str(version), safe='')}"
        changed = self.registry.call("PATCH", path, VersionChange(label=label, reason=reason), Version)
        return self.get_model_version(name, changed.version)

    def update_model_version(self, name: str, version: str | int, description: str | None = None) -> ModelVersion:
        """Change a version's description."""
        message = {"name": name, "version": str(version), "description": description}
        return self._register("PATCH", "model-versions/update", message, messages.VersionAnswer).model_version.entity()

    def delete_model_version(self, name: str, version: str | int) -> None:
        """Delete a version; its number is not given again."""
        self._register("DELETE", "model-versions/delete", {"name": name, "version": str(version)}, again=False)

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> Page[ModelVersion] | Results[ModelVersion]:
        """Find versions of all registered models.

        Args:
            filter_string: such as `name = 'wine' AND tags.team = 'red'`; None: everything.
            max_results: the most that are wanted; None: all.
            order_by: such as `["version_number DESC"]`; None: the server's order.
            page_token: the `token` of an earlier page: go on there.

        Returns:
            All that match, fetched as they are read; with `max_results` a list with a `token`.
        """

        def ask(message: dict[str, Any]) -> tuple[list[ModelVersion], str]:
            answer = self._register("GET", "model-versions/search", message, messages.VersionsAnswer)
            return [each.entity() for each in answer.model_versions], answer.next_page_token

        return searched(
            ask,
            {"filter": filter_string, "order_by": list(order_by or ())},
            identity=lambda version: (version.name, version.version),
            max_results=max_results,
            page_token=page_token,
            most=MOST,
        )

    def get_latest_versions(self, name: str, stages: Sequence[str] | None = None) -> list[ModelVersion]:
        """Read a model's newest version in each stage.

        Args:
            name: the registered model's name.
            stages: only of these; None: of all.
        """
        message = {"name": name, "stages": list(stages or ())}
        answer = self._register("POST", "registered-models/get-latest-versions", message, messages.VersionsAnswer)
        return [each.entity() for each in answer.model_versions]

    def transition_model_version_stage(
        self,
        name: str,
        version: str | int,
        stage: str,
        archive_existing_versions: bool = False,  # noqa: FBT001, FBT002 - MLflow's signature
    ) -> ModelVersion:
        """Move a version to a stage.

        Args:
            name: the registered model's name.
            version: which version.
            stage: None, Staging, Production or Archived, in any case.
            archive_existing_versions: the stage's other versions move to Archived.

        Raises:
            InvalidArgument: there is no such stage.
        """
        message = {
            "name": name,
            "version": str(version),
            "stage": stage,
            "archive_existing_versions": archive_existing_versions,
        }
        answer = self._register("POST", "model-versions/transition-stage", message, messages.VersionAnswer)
        return answer.model_version.entity()

    def get_model_version_stages(self, name: str, version: str | int) -> list[str]:  # noqa: ARG002 - MLflow's signature
        """The stages that there are: the same for every version."""
        return [stage.value for stage in Stage]

    def set_model_version_tag(
        self,
        name: str,
        version: str | int | None = None,
        key: str | None = None,
        value: Any = None,
        stage: str | None = None,
    ) -> None:
        """Set a tag of a version; the value is turned into a text.

        Args:
            name: the registered model's name.
            version: which version.
            key: the tag's key.
            value: its value.
            stage: instead of a version: the newest one in this stage.

        Raises:
            InvalidArgument: not exactly one of version and stage is given, or no key.
        """
        message = {"name": name, "version": self._one(name, version, stage), "key": _key(key), "value": str(value)}
        self._register("POST", "model-versions/set-tag", message)

    def delete_model_version_tag(
        self, name: str, version: str | int | None = None, key: str | None = None, stage: str | None = None
    ) -> None:
        """Remove a tag of a version, or of the newest one in a stage; arguments as of `set_model_version_tag`."""
        message = {"name": name, "version": self._one(name, version, stage), "key": _key(key)}
        self._register("DELETE", "model-versions/delete-tag", message)

    def _one(self, name: str, version: str | int | None, stage: str | None) -> str:
        if (version is None) == (stage is None):
            raise InvalidArgument("Either a version or a stage is expected, and not both.")
        return str(version) if version is not None else self._referred(name, str(stage)).version

    def get_model_version_download_uri(self, name: str, version: str | int) -> str:
        """The URI where a version's files are."""
        message = {"name": name, "version": str(version)}
        return self._register(
            "GET", "model-versions/get-download-uri", message, messages.DownloadUriAnswer
        ).artifact_uri


def quoted(text: str) -> str:
    """A text as a value in a filter."""
    return f'"{text}"' if "'" in text else f"'{text}'"


def _key(key: str | None) -> str:
    if not key:
        raise InvalidArgument("The tag has no key; a text was expected.")
    return key
