"""Hyper-parameter searches of scikit-learn: the search is a run, and its best candidates are runs below it."""

from __future__ import annotations

import csv
import io
import time
from numbers import Number
from typing import TYPE_CHECKING, Any

from modelyard.client import fluent

from . import recording
from .patching import attempt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelyard.client.active import ActiveRun

    from .registry import Options


def is_search(estimator: Any) -> bool:
    """Whether it is a `GridSearchCV`, `RandomizedSearchCV`, one of the halving ones, or made like them."""
    import sys

    module = sys.modules.get("sklearn.model_selection._search")
    return module is not None and isinstance(estimator, module.BaseSearchCV)


def log(options: Options, search: Any, run: ActiveRun, start_ms: int) -> None:
    """Log what a finished search found: best score and params, every result as CSV, and runs for the best of them.

    Args:
        options: `max_tuning_runs` says how many of the best candidates become runs; None for all.
        search: The fitted search.
        run: Its own run.
        start_ms: When it began, in ms since the epoch; candidates do not say when they were tried.
    """
    score = getattr(search, "best_score_", None)
    if score is not None:
        fluent.log_metric("best_cv_score", float(score))
    recording.log_params({f"best_{name}": value for name, value in getattr(search, "best_params_", {}).items()})
    results = getattr(search, "cv_results_", None)
    if not results:
        return
    with attempt(options.library, "cv_results.csv"):
        fluent.log_text(table(results), "cv_results.csv")
    with attempt(options.library, "child runs"):
        _log_candidates(options, search, run, start_ms)


def table(results: Mapping[str, Any]) -> str:
    """`cv_results_` as CSV, one candidate a line; what was not set for a candidate is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(results)
    for row in zip(*results.values(), strict=True):
        writer.writerow(["" if str(value) in {"--", "nan"} else value for value in row])
    return text.getvalue()


def best_first(results: Mapping[str, Any], most: int | None) -> list[int]:
    """Indices of the candidates, by rank; by the first scorer's when there are several."""
    ranks = next((results[name] for name in results if name.startswith("rank_test_")), None)
    indices = list(range(len(results["params"])))
    if ranks is not None:
        indices.sort(key=lambda index: ranks[index])
    return indices[:most]


def _log_candidates(options: Options, search: Any, run: ActiveRun, start_ms: int) -> None:
    from modelyard.client.current_experiment import chosen
    from modelyard.client.recorder import recorder_for

    results = search.cv_results_
    kind = type(search.estimator)
    context = {key: value for key, value in run.data.tags.items() if key in _INHERITED}
    tags = {
        **context,
        **options.tags,
        "mlflow.parentRunId": run.info.run_id,
        "estimator_name": kind.__name__,
        "estimator_class": f"{kind.__module__}.{kind.__name__}",
    }
    common = search.estimator.get_params(deep=not is_search(search.estimator))
    number, name = chosen(run.uri, run.info.experiment_id or None)
    recorder = recorder_for(run.uri)
    now = int(time.time() * 1000)
    for index in best_first(results, options["max_tuning_runs"]):
        child = recorder.start_run(
            experiment_id=number,
            experiment_name=name,
            run_name=f"{run.info.run_name}-{index}",
            start_time_ms=start_ms,
            tags={**tags, "mlflow.runName": f"{run.info.run_name}-{index}"},
            user_id=tags.get("mlflow.user", ""),
            wait_s=0.0,
        )
        params = {**common, **results["params"][index]}
        child.log_params({str(key): recording.text(value) for key, value in params.items()})
        for key, column in results.items():
            value = column[index]
            if not key.startswith(("param", "split")) and isinstance(value, Number):
                child.log_metric(recording.metric_name(key), float(value), 0, now)  # type: ignore[arg-type]
        child.update(status="FINISHED", end_time_ms=now, run_name=None)


_INHERITED = frozenset({"mlflow.user", "mlflow.source.name", "mlflow.source.type", "mlflow.source.git.commit"})
