"""`Client`: runs, and what they log."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from modelyard.domain.errors import InvalidArgument

from . import messages
from .connection import Connection, pairs, recorder_for, searched
from .entities import (
    DatasetInput,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    Run,
    RunStatus,
    RunTag,
    ViewType,
    number,
)

if TYPE_CHECKING:
    from .pages import Page, Results

MOST: Final = 50_000
"""Most runs in one answer of MLflow's server."""

HISTORY_PAGE: Final = 25_000
"""Points that are asked for at once: as MLflow's own client does."""

BATCH_METRICS, BATCH_PARAMS, BATCH_TAGS, BATCH = 1000, 100, 100, 1000
"""What one log-batch may hold, and how much in all (MLflow's limits)."""

PARENT_TAG: Final = "mlflow.parentRunId"


class Runs(Connection):
    """Runs: one execution of training code each."""

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: Mapping[str, Any] | None = None,
        run_name: str | None = None,
    ) -> Run:
        """Make a run, and leave it running.

        Args:
            experiment_id: where it belongs.
            start_time: ms since the epoch; None: now.
            tags: its tags; values are turned into texts.
            run_name: None: a made-up one.

        Raises:
            NotFound: there is no such experiment.
            InvalidArgument: the experiment is in the trash.
        """
        message: dict[str, Any] = {
            "experiment_id": str(experiment_id),
            "start_time": start_time if start_time is not None else now(),
            "tags": pairs(tags),
        }
        user = (tags or {}).get("mlflow.user")
        message["user_id"] = str(user) if user else ""
        if run_name:
            message["run_name"] = run_name
        return self._track("POST", "runs/create", message, messages.RunAnswer, again=False).run.entity()

    def get_run(self, run_id: str) -> Run:
        """Read a run, in the trash or not.

        Raises:
            NotFound: there is none with this id.
        """
        return self._track("GET", "runs/get", {"run_id": run_id}, messages.RunAnswer).run.entity()

    def get_parent_run(self, run_id: str) -> Run | None:
        """Read the run that a run is nested in; None if it is not nested."""
        parent = self.get_run(run_id).data.tags.get(PARENT_TAG)
        return self.get_run(parent) if parent else None

    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str = "",
        run_view_type: int | str = ViewType.ACTIVE_ONLY,
        max_results: int | None = None,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> Page[Run] | Results[Run]:
        """Find runs.

        Args:
            experiment_ids: where to look.
            filter_string: such as `metrics.loss < 0.1 AND params.kind = 'forest'`; empty: everything.
            run_view_type: active ones, those in the trash, or both.
            max_results: the most that are wanted; None: all.
            order_by: such as `["metrics.loss DESC"]`; None: the newest first.
            page_token: the `token` of an earlier page: go on there.

        Returns:
            All that match, fetched as they are read; with `max_results` a list with a `token`.

        Raises:
            InvalidArgument: the filter or the order is not understood.
        """
        if isinstance(experiment_ids, str | int):
            experiment_ids = [str(experiment_ids)]

        def ask(message: dict[str, Any]) -> tuple[list[Run], str]:
            answer = self._track("POST", "runs/search", message, messages.RunsAnswer)
            return [each.entity() for each in answer.runs], answer.next_page_token

        return searched(
            ask,
            {
                "experiment_ids": [str(each) for each in experiment_ids],
                "filter": filter_string,
                "order_by": order_by,
                "run_view_type": ViewType.to_string(run_view_type),
            },
            identity=lambda run: run.info.run_id,
            max_results=max_results,
            page_token=page_token,
            most=MOST,
        )

    def update_run(self, run_id: str, status: str | int | None = None, name: str | None = None) -> None:
        """Change a run's status or name; what is None stays.

        Raises:
            NotFound: there is none with this id.
            InvalidArgument: there is no such status.
        """
        message: dict[str, Any] = {"run_id": run_id}
        if status is not None:
            message["status"] = RunStatus.to_string(status)
        if name:
            message["run_name"] = name
        self._track("POST", "runs/update", message)

    def set_terminated(self, run_id: str, status: str | int | None = None, end_time: int | None = None) -> None:
        """End a run.

        Args:
            run_id: which.
            status: None: FINISHED.
            end_time: ms since the epoch; None: now.
        """
        message = {
            "run_id": run_id,
            "status": RunStatus.to_string(status if status is not None else RunStatus.FINISHED),
            "end_time": end_time if end_time is not None else now(),
        }
        self._track("POST", "runs/update", message)

    def delete_run(self, run_id: str) -> None:
        """Move a run to the trash."""
        self._track("POST", "runs/delete", {"run_id": run_id})

    def restore_run(self, run_id: str) -> None:
        """Take a run out of the trash."""
        self._track("POST", "runs/restore", {"run_id": run_id})

    # -------------------------------------------------------------------------------- logging

    def log_metric(
        self,
        run_id: str,
        key: str,
        value: float,
        timestamp: int | None = None,
        step: int | None = None,
        synchronous: bool | None = None,  # noqa: FBT001 - MLflow's signature
        dataset_name: str | None = None,
        dataset_digest: str | None = None,
        model_id: str | None = None,
    ) -> None:
        """Log one point of a metric.

        Args:
            run_id: which run.
            key: the metric's name.
            value: a number, NaN and infinities included.
            timestamp: ms since the epoch; None: now.
            step: None: 0.
            synchronous: False: hand it to this process's recorder, which delivers it later, and never raises.
            dataset_name: the dataset that it was measured on.
            dataset_digest: that dataset's digest.
            model_id: the logged model that it was measured for.

        Raises:
            InvalidArgument: the value is not a number, or the key is not allowed.
        """
        stamp = timestamp if timestamp is not None else now()
        if synchronous is False and model_id is None and dataset_name is None:
            recorder_for(self.tracking_uri).attach(run_id).log_metric(key, measured(key, value), step or 0, stamp)
            return
        point = Metric(key, value, stamp, step or 0, model_id, dataset_name, dataset_digest)
        self._track("POST", "runs/log-metric", {"run_id": run_id, **spelled(point)})

    def log_param(
        self,
        run_id: str,
        key: str,
        value: Any,
        synchronous: bool | None = None,  # noqa: FBT001
    ) -> Any:
        """Log a param, which keeps its first value.

        Returns:
            The value, as MLflow does.

        Raises:
            InvalidArgument: it has another value already, or the key is not allowed.
        """
        if synchronous is False:
            recorder_for(self.tracking_uri).attach(run_id).log_params({key: str(value)})
        else:
            self._track("POST", "runs/log-parameter", {"run_id": run_id, "key": key, "value": str(value)})
        return value

    def set_tag(
        self,
        run_id: str,
        key: str,
        value: Any,
        synchronous: bool | None = None,  # noqa: FBT001
    ) -> None:
        """Set a tag of a run; the value is turned into a text."""
        if synchronous is False:
            recorder_for(self.tracking_uri).attach(run_id).set_tags({key: str(value)})
        else:
            self._track("POST", "runs/set-tag", {"run_id": run_id, "key": key, "value": str(value)})

    def delete_tag(self, run_id: str, key: str) -> None:
        """Remove a tag of a run.

        Raises:
            NotFound: it has no such tag.
        """
        self._track("POST", "runs/delete-tag", {"run_id": run_id, "key": key}, again=False)

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Sequence[RunTag] = (),
        synchronous: bool | None = None,  # noqa: FBT001
    ) -> None:
        """Log any number of metrics, params and tags; what is too much for one request is sent in several.

        Raises:
            InvalidArgument: something in it is not allowed. Requests before it have been kept, as in MLflow.
        """
        if synchronous is False:
            recorder = recorder_for(self.tracking_uri).attach(run_id)
            if params:
                recorder.log_params({each.key: str(each.value) for each in params})
            for each in metrics:
                recorder.log_metric(each.key, measured(each.key, each.value), each.step, each.timestamp)
            if tags:
                recorder.set_tags({each.key: str(each.value) for each in tags})
            return
        points = [spelled(each) for each in metrics]
        texts = [{"key": each.key, "value": str(each.value)} for each in params]
        labels = [{"key": each.key, "value": str(each.value)} for each in tags]
        while points or texts or labels:
            batch = {"params": texts[:BATCH_PARAMS], "tags": labels[:BATCH_TAGS]}
            room = BATCH - len(batch["params"]) - len(batch["tags"])
            now_sent = points[: min(BATCH_METRICS, room)]
            self._track("POST", "runs/log-batch", {"run_id": run_id, "metrics": now_sent, **batch})
            points, texts, labels = points[len(now_sent) :], texts[BATCH_PARAMS:], labels[BATCH_TAGS:]

    def log_inputs(
        self,
        run_id: str,
        datasets: Iterable[DatasetInput] | None = None,
        models: Iterable[LoggedModelInput] | None = None,
    ) -> None:
        """Note datasets and logged models that a run read."""
        message: dict[str, Any] = {"run_id": run_id, "datasets": [dataset_input(each) for each in datasets or ()]}
        if models:
            message["models"] = [{"model_id": each.model_id} for each in models]
        self._track("POST", "runs/log-inputs", message)

    def log_outputs(self, run_id: str, models: Iterable[LoggedModelOutput]) -> None:
        """Note logged models that a run made.

        Raises:
            NotSupported: the server is an MLflow older than 3.0, which has no logged models.
        """
        made = [{"model_id": each.model_id, "step": each.step} for each in models]
        self._track("POST", "runs/outputs", {"run_id": run_id, "models": made})

    def get_metric_history(self, run_id: str, key: str) -> list[Metric]:
        """Read every point of a metric, by time, step and value; nothing if the run has no such metric."""
        points: list[Metric] = []
        token = ""
        while True:
            message = {"run_id": run_id, "metric_key": key, "max_results": HISTORY_PAGE}
            if token:
                message["page_token"] = token
            answer = self._track("GET", "metrics/get-history", message, messages.HistoryAnswer)
            points += answer.metrics
            token = answer.next_page_token
            if not token:
                return points


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def measured(key: str, value: Any) -> float:
    """A metric's value as a number: anything that `float` understands, arrays of one item among it.

    Raises:
        InvalidArgument: it is something else.
    """
    if type(value) is float:
        return value
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(
            f"The value of metric {key!r} is {value!r}, of type {type(value).__name__}; a number was expected."
        ) from error


def spelled(point: Metric) -> dict[str, Any]:
    """A point as MLflow's JSON has it."""
    message: dict[str, Any] = {
        "key": point.key,
        "value": number(measured(point.key, point.value)),
        "timestamp": int(point.timestamp),
        "step": int(point.step or 0),
    }
    for name in ("model_id", "dataset_name", "dataset_digest"):
        if getattr(point, name, None):
            message[name] = getattr(point, name)
    return message


def dataset_input(of: DatasetInput) -> dict[str, Any]:
    """A dataset as an input, as MLflow's JSON has it."""
    data = of.dataset
    fields = {name: getattr(data, name) for name in ("name", "digest", "source_type", "source", "schema", "profile")}
    return {
        "dataset": {name: value for name, value in fields.items() if value is not None},
        "tags": [{"key": tag.key, "value": str(tag.value)} for tag in of.tags or ()],
    }
