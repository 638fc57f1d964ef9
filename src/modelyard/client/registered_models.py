"""`Client`: registered models and their aliases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from . import messages
from .connection import Connection, pairs, searched
from .entities import ModelVersion, RegisteredModel

if TYPE_CHECKING:
    from .pages import Page, Results

MOST: Final = 1000
"""Most registered models in one answer of MLflow's server."""


class RegisteredModels(Connection):
    """Registered models: names under which versions are kept."""

    def create_registered_model(
        self,
        name: str,
        tags: Mapping[str, Any] | None = None,
        description: str | None = None,
        deployment_job_id: str | None = None,  # noqa: ARG002 - MLflow's signature; only its hosted service has these
    ) -> RegisteredModel:
        """Register a name.

        Raises:
            AlreadyExists: it is taken.
            InvalidArgument: it is empty, or holds `/` or `:`.
        """
        message: dict[str, Any] = {"name": name, "tags": pairs(tags)}
        if description is not None:
            message["description"] = description
        answer = self._register(
            "POST", "registered-models/create", message, messages.RegisteredModelAnswer, again=False
        )
        return answer.registered_model.entity()

    def get_registered_model(self, name: str) -> RegisteredModel:
        """Read a registered model.

        Raises:
            NotFound: there is none of this name.
        """
        answer = self._register("GET", "registered-models/get", {"name": name}, messages.RegisteredModelAnswer)
        return answer.registered_model.entity()

    def update_registered_model(
        self,
        name: str,
        description: str | None = None,
        deployment_job_id: str | None = None,  # noqa: ARG002 - MLflow's signature
    ) -> RegisteredModel:
        """Change a registered model's description."""
        message = {"name": name, "description": description}
        answer = self._register("PATCH", "registered-models/update", message, messages.RegisteredModelAnswer)
        return answer.registered_model.entity()

    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        """Give a registered model another name.

        Raises:
            NotFound: there is none of this name.
            AlreadyExists: the new name is taken.
        """
        message = {"name": name, "new_name": new_name}
        answer = self._register(
            "POST", "registered-models/rename", message, messages.RegisteredModelAnswer, again=False
        )
        return answer.registered_model.entity()

    def delete_registered_model(self, name: str) -> None:
        """Delete a registered model with all its versions, for good."""
        self._register("DELETE", "registered-models/delete", {"name": name}, again=False)

    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> Page[RegisteredModel] | Results[RegisteredModel]:
        """Find registered models.

        Args:
            filter_string: such as `name LIKE 'wine%' AND tags.team = 'red'`; None: everything.
            max_results: the most that are wanted; None: all.
            order_by: such as `["name DESC"]`; None: by name.
            page_token: the `token` of an earlier page: go on there.

        Returns:
            All that match, fetched as they are read; with `max_results` a list with a `token`.
        """

        def ask(message: dict[str, Any]) -> tuple[list[RegisteredModel], str]:
            answer = self._register("GET", "registered-models/search", message, messages.RegisteredModelsAnswer)
            return [each.entity() for each in answer.registered_models], answer.next_page_token

        return searched(
            ask,
            {"filter": filter_string, "order_by": list(order_by or ())},
            identity=lambda model: model.name,
            max_results=max_results,
            page_token=page_token,
            most=MOST,
        )

    def set_registered_model_tag(self, name: str, key: str, value: Any) -> None:
        """Set a tag of a registered model; the value is turned into a text."""
        self._register("POST", "registered-models/set-tag", {"name": name, "key": key, "value": str(value)})

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Remove a tag of a registered model."""
        self._register("DELETE", "registered-models/delete-tag", {"name": name, "key": key})

    def set_registered_model_alias(self, name: str, alias: str, version: str | int) -> None:
        """Point an alias to a version, wherever it pointed before.

        Raises:
            NotFound: there is no such model or version.
            InvalidArgument: the alias is not allowed: `latest` and `v1` are not.
        """
        self._register("POST", "registered-models/alias", {"name": name, "alias": alias, "version": str(version)})

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Remove an alias, if it is there."""
        self._register("DELETE", "registered-models/alias", {"name": name, "alias": alias})

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """Read the version that an alias points to.

        Raises:
            NotFound: there is no such model.
            InvalidArgument: the model has no such alias (MLflow's answer).
        """
        message = {"name": name, "alias": alias}
        return self._register("GET", "registered-models/alias", message, messages.VersionAnswer).model_version.entity()
