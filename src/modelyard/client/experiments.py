"""`Client`: experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelyard.domain.errors import NotFound

from . import messages
from .connection import Connection, pairs, searched
from .entities import Experiment, ViewType

if TYPE_CHECKING:
    from .pages import Page, Results

MOST = 50_000
"""Most experiments in one answer of MLflow's server."""


class Experiments(Connection):
    """Experiments: named sets of runs."""

    def create_experiment(
        self, name: str, artifact_location: str | None = None, tags: dict[str, Any] | None = None
    ) -> str:
        """Make an experiment.

        Args:
            name: unique, also among those in the trash.
            artifact_location: URI below which its runs keep artifacts; None: the server's own place.
            tags: its tags; values are turned into texts.

        Returns:
            Its id.

        Raises:
            AlreadyExists: the name is taken.
        """
        message: dict[str, Any] = {"name": name, "tags": pairs(tags)}
        if artifact_location:
            message["artifact_location"] = str(artifact_location)
        return self._track("POST", "experiments/create", message, messages.ExperimentId, again=False).experiment_id

    def get_experiment(self, experiment_id: str) -> Experiment:
        """Read an experiment, in the trash or not.

        Raises:
            NotFound: there is none with this id.
        """
        message = {"experiment_id": str(experiment_id)}
        return self._track("GET", "experiments/get", message, messages.ExperimentAnswer).experiment.entity()

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """Read an experiment, in the trash or not; None if there is none of this name."""
        try:
            answer = self._track("GET", "experiments/get-by-name", {"experiment_name": name}, messages.ExperimentAnswer)
        except NotFound:
            return None
        return answer.experiment.entity()

    def search_experiments(
        self,
        view_type: int | str = ViewType.ACTIVE_ONLY,
        max_results: int | None = None,
        filter_string: str | None = None,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> Page[Experiment] | Results[Experiment]:
        """Find experiments.

        Args:
            view_type: active ones, those in the trash, or both.
            max_results: the most that are wanted; None: all.
            filter_string: such as `name LIKE 'wine%' AND tags.team = 'red'`; None: everything.
            order_by: such as `["name DESC"]`; None: the newest first.
            page_token: the `token` of an earlier page: go on there.

        Returns:
            All that match, fetched as they are read; with `max_results` a list with a `token`.
        """

        def ask(message: dict[str, Any]) -> tuple[list[Experiment], str]:
            answer = self._track("POST", "experiments/search", message, messages.ExperimentsAnswer)
            return [each.entity() for each in answer.experiments], answer.next_page_token

        return searched(
            ask,
            {"filter": filter_string, "order_by": order_by, "view_type": ViewType.to_string(view_type)},
            identity=lambda experiment: experiment.experiment_id,
            max_results=max_results,
            page_token=page_token,
            most=MOST,
        )

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        """Give an experiment another name.

        Raises:
            NotFound: there is none with this id.
            AlreadyExists: the name is taken.
        """
        self._track("POST", "experiments/update", {"experiment_id": str(experiment_id), "new_name": new_name})

    def delete_experiment(self, experiment_id: str) -> None:
        """Move an experiment and its runs to the trash.

        Raises:
            NotFound: there is none with this id, or it is there already.
        """
        self._track("POST", "experiments/delete", {"experiment_id": str(experiment_id)}, again=False)

    def restore_experiment(self, experiment_id: str) -> None:
        """Take an experiment and its runs out of the trash.

        Raises:
            NotFound: there is none with this id in it.
        """
        self._track("POST", "experiments/restore", {"experiment_id": str(experiment_id)}, again=False)

    def set_experiment_tag(self, experiment_id: str, key: str, value: Any) -> None:
        """Set a tag of an experiment; the value is turned into a text."""
        message = {"experiment_id": str(experiment_id), "key": key, "value": str(value)}
        self._track("POST", "experiments/set-experiment-tag", message)

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Remove a tag of an experiment.

        Raises:
            NotFound: it has no such tag.
            NotSupported: the server is a MLflow older than 3.0, which cannot.
        """
        message = {"experiment_id": str(experiment_id), "key": key}
        self._track("POST", "experiments/delete-experiment-tag", message, again=False)

    def find_experiment(self, name_or_id: str) -> Experiment:
        """Read an experiment by its name, or else by its id. Modelyard's own.

        Raises:
            NotFound: there is neither.
        """
        found = self.get_experiment_by_name(name_or_id)
        if found is None and name_or_id.isdigit():
            try:
                return self.get_experiment(name_or_id)
            except NotFound:
                pass
        if found is None:
            raise NotFound(f"There is no experiment {name_or_id!r}, neither by name nor by id.")
        return found
