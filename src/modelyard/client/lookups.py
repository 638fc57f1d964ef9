"""The searches of MLflow's `mlflow` module. They answer everything that matches, unless a limit is given."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from modelyard.domain.errors import InvalidArgument

from . import reports

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .entities import Experiment, ModelVersion, RegisteredModel, Run

_FORMATS = ("pandas", "list")


def search_runs(
    experiment_ids: Sequence[str | int] | None = None,
    filter_string: str = "",
    run_view_type: int = 1,
    max_results: int | None = None,
    order_by: list[str] | None = None,
    output_format: str | None = None,
    search_all_experiments: bool = False,  # noqa: FBT001, FBT002 - MLflow's signature
    experiment_names: Sequence[str] | None = None,
) -> Any:
    """Find runs.

    Args:
        experiment_ids: where to look; else in `experiment_names`, else in the current experiment.
        filter_string: such as `metrics.loss < 0.1 AND params.kind = 'forest'`; empty: everything.
        run_view_type: of `ViewType`: what is in use, in the trash, or both.
        max_results: the most that are wanted; None: all.
        order_by: such as `["metrics.loss DESC"]`; None: the newest first.
        output_format: `pandas` for a DataFrame, one column per metric, param and tag; `list` for a list of `Run`.
            None: a DataFrame if pandas is installed.
        search_all_experiments: if no experiment is named, look in all.
        experiment_names: where to look, by name.

    Returns:
        A DataFrame or a list.

    Raises:
        InvalidArgument: experiments are named in both ways, or the filter is not understood.
        ImportError: a DataFrame was asked for, and pandas is not installed.
    """
    from .client import Client

    client = Client()
    if experiment_ids and experiment_names:
        raise InvalidArgument("Only experiment_ids or experiment_names can be used, but not both")
    wanted: list[str] = [str(each) for each in experiment_ids or ()]
    if experiment_names:
        for name in experiment_names:
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                reports.once(("experiment", name), "There is no experiment of the name %r.", name)
            else:
                wanted.append(experiment.experiment_id)
        if not wanted:
            return _answer([], output_format, _run_rows)
    elif not wanted and search_all_experiments:
        wanted = [each.experiment_id for each in client.search_experiments()]
    elif not wanted:
        from .current_experiment import current_experiment_id

        wanted = [current_experiment_id()]
    runs = _limited(
        lambda limit, token: client.search_runs(wanted, filter_string, run_view_type, limit, order_by, token),
        max_results,
    )
    return _answer(runs, output_format, _run_rows)


def search_experiments(
    view_type: int = 1,
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: list[str] | None = None,
) -> list[Experiment]:
    """Find experiments: all that match, or at most `max_results`. The newest come first."""
    from .client import Client

    return _limited(
        lambda limit, token: Client().search_experiments(view_type, limit, filter_string, order_by, token), max_results
    )


def search_registered_models(
    max_results: int | None = None, filter_string: str | None = None, order_by: list[str] | None = None
) -> list[RegisteredModel]:
    """Find registered models: all that match, such as `tags.domain = 'fraud'`, or at most `max_results`."""
    from .client import Client

    return _limited(
        lambda limit, token: Client().search_registered_models(filter_string, limit, order_by, token), max_results
    )


def search_model_versions(
    max_results: int | None = None, filter_string: str | None = None, order_by: list[str] | None = None
) -> list[ModelVersion]:
    """Find model versions: all that match, such as `name = 'churn'`, or at most `max_results`."""
    from .client import Client

    return _limited(
        lambda limit, token: Client().search_model_versions(filter_string, limit, order_by, token), max_results
    )


def search_logged_models(
    experiment_ids: Sequence[str | int] | None = None,
    filter_string: str | None = None,
    datasets: list[dict[str, str]] | None = None,
    max_results: int | None = None,
    order_by: list[dict[str, Any]] | None = None,
    output_format: str | None = None,
) -> Any:
    """Find logged models.

    Args:
        experiment_ids: where to look; None: in the current experiment.
        filter_string: such as `metrics.accuracy > 0.9`.
        datasets: only metrics measured on these: dicts with `dataset_name` and `dataset_digest`.
        max_results: the most that are wanted; None: all.
        order_by: dicts with `field_name` and `ascending`.
        output_format: `pandas` or `list`; None: a DataFrame if pandas is installed.

    Returns:
        A DataFrame or a list.
    """
    from .client import Client

    if not experiment_ids:
        from .current_experiment import current_experiment_id

        experiment_ids = [current_experiment_id()]
    wanted = [str(each) for each in experiment_ids]
    models = _limited(
        lambda limit, token: Client().search_logged_models(wanted, filter_string, datasets, limit, order_by, token),
        max_results,
    )
    return _answer(models, output_format, lambda found: [model.to_dictionary() for model in found])


def _limited(find: Any, limit: int | None) -> list[Any]:
    """What a search of `Client` finds: everything, or pages until there are as many as wanted."""
    if limit is None:
        return list(find(None, None))
    found: list[Any] = []
    token = None
    while True:
        page = find(limit - len(found), token)
        found += page
        token = page.token
        if len(found) >= limit or not token:
            return found


def _answer(found: list[Any], output_format: str | None, rows: Any) -> Any:
    if output_format not in (None, *_FORMATS):
        raise InvalidArgument(
            f"Unsupported output format: {output_format!r}. Supported string values are 'pandas' or 'list'"
        )
    if output_format == "list" or (output_format is None and importlib.util.find_spec("pandas") is None):
        return found
    import pandas as pd

    return pd.DataFrame(rows(found))


def _run_rows(runs: Iterable[Run]) -> dict[str, Any]:
    """Columns of a frame of runs, in MLflow's order: what all have, then metrics, params and tags."""
    import pandas as pd

    runs = list(runs)
    columns: dict[str, Any] = {
        name: [getattr(run.info, name) for run in runs]
        for name in ("run_id", "experiment_id", "status", "artifact_uri")
    }
    for name in ("start_time", "end_time"):
        columns[name] = pd.to_datetime([getattr(run.info, name) for run in runs], unit="ms", utc=True)
    for kind, missing in (("metrics", float("nan")), ("params", None), ("tags", None)):
        values: list[Mapping[str, Any]] = [getattr(run.data, kind) for run in runs]
        for key in dict.fromkeys(key for each in values for key in each):
            columns[f"{kind}.{key}"] = [each.get(key, missing) for each in values]
    return columns
