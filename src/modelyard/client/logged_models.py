"""`Client`: logged models, which servers have from MLflow 3.0 on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from modelyard.domain.errors import InvalidArgument, NotSupported

from . import messages
from .connection import Connection, pairs, searched
from .entities import LoggedModel, LoggedModelStatus

if TYPE_CHECKING:
    from .pages import Page, Results

PAGE: Final = 100
"""How many a stock server answers by default; it says nothing about a maximum."""

MOST: Final = 1000
PARAMS_AT_ONCE: Final = 100
"""Params in one request: as MLflow's own client sends them."""


class LoggedModels(Connection):
    """Logged models: what one `log_model` call makes."""

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        model_type: str | None = None,
    ) -> LoggedModel:
        """Make a logged model, whose files are uploaded afterwards; `finalize_logged_model` then says that it is ready.

        Args:
            experiment_id: where it belongs.
            name: None: a made-up one.
            source_run_id: the run that makes it.
            tags: its tags.
            params: its params.
            model_type: what kind of model it is, in the user's words.

        Raises:
            NotFound: there is no such experiment.
            NotSupported: the server is an MLflow older than 3.0.
        """
        first, *rest = _chunks(params) or [{}]
        message: dict[str, Any] = {"experiment_id": str(experiment_id), "params": pairs(first), "tags": pairs(tags)}
        message |= {
            key: value
            for key, value in (("name", name), ("source_run_id", source_run_id), ("model_type", model_type))
            if value
        }
        try:
            answer = self._track("POST", "logged-models", message, messages.LoggedModelAnswer, again=False)
        except NotSupported:
            raise NotSupported("This server has no logged models; MLflow's have them from 3.0 on.") from None
        model = answer.model.entity()
        for chunk in rest:
            self.log_model_params(model.model_id, chunk)
        return self.get_logged_model(model.model_id) if rest else model

    def get_logged_model(self, model_id: str) -> LoggedModel:
        """Read a logged model.

        Raises:
            NotFound: there is none with this id, or it is in the trash.
        """
        return self._track("GET", _path(model_id), {}, messages.LoggedModelAnswer).model.entity()

    def finalize_logged_model(self, model_id: str, status: LoggedModelStatus | str) -> LoggedModel:
        """Say how the upload of a logged model's files ended.

        Args:
            model_id: which.
            status: READY or FAILED.
        """
        name = _STATUS.get(str(status))
        if name is None:
            raise InvalidArgument(f"A logged model's status is {status!r}; expected one of {', '.join(_STATUS)}.")
        message = {"model_id": model_id, "status": name}
        return self._track("PATCH", _path(model_id), message, messages.LoggedModelAnswer).model.entity()

    def delete_logged_model(self, model_id: str) -> None:
        """Move a logged model to the trash."""
        self._track("DELETE", _path(model_id), None)

    def set_logged_model_tags(self, model_id: str, tags: Mapping[str, Any]) -> None:
        """Set tags of a logged model; others stay."""
        self._track("PATCH", _path(model_id, "tags"), {"model_id": model_id, "tags": pairs(tags)})

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        """Remove a tag of a logged model.

        Raises:
            NotFound: it has no such tag.
        """
        self._track("DELETE", _path(model_id, "tags", key), None, again=False)

    def log_model_params(self, model_id: str, params: Mapping[str, Any]) -> None:
        """Log params of a logged model, each of which keeps its first value.

        Raises:
            InvalidArgument: one of them has another value already.
        """
        for chunk in _chunks(params):
            self._track("POST", _path(model_id, "params"), {"model_id": model_id, "params": pairs(chunk)})

    def search_logged_models(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = None,
        datasets: Sequence[Mapping[str, str]] | None = None,
        max_results: int | None = None,
        order_by: Sequence[Mapping[str, Any]] | None = None,
        page_token: str | None = None,
    ) -> Page[LoggedModel] | Results[LoggedModel]:
        """Find logged models.

        Args:
            experiment_ids: where to look.
            filter_string: such as `params.depth = '3' AND metrics.accuracy > 0.9`; None: everything.
            datasets: metrics of the filter must have been measured on one of these: `dataset_name`, `dataset_digest`.
            max_results: the most that are wanted; None: all.
            order_by: dicts with `field_name`, and perhaps `ascending`, `dataset_name`, `dataset_digest`.
            page_token: the `token` of an earlier page: go on there.

        Returns:
            All that match, fetched as they are read; with `max_results` a list with a `token`.
        """

        def ask(message: dict[str, Any]) -> tuple[list[LoggedModel], str]:
            answer = self._track("POST", "logged-models/search", message, messages.LoggedModelsAnswer)
            return [each.entity() for each in answer.models], answer.next_page_token

        return searched(
            ask,
            {
                "experiment_ids": [str(each) for each in experiment_ids],
                "filter": filter_string,
                "datasets": list(datasets or ()),
                "order_by": list(order_by or ()),
            },
            identity=lambda model: model.model_id,
            max_results=max_results,
            page_token=page_token,
            page=PAGE,
            most=MOST,
        )


_STATUS: Final = {"READY": "LOGGED_MODEL_READY", "FAILED": "LOGGED_MODEL_UPLOAD_FAILED"}


def _path(model_id: str, *more: str) -> str:
    return "/".join(["logged-models", quote(model_id, safe=""), *(quote(part, safe="") for part in more)])


def _chunks(params: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    items = list((params or {}).items())
    return [dict(items[start : start + PARAMS_AT_ONCE]) for start in range(0, len(items), PARAMS_AT_ONCE)]
