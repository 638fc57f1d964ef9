"""`modelyard runs`: list, search, show, compare, tag."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from .asking import (
    answer,
    as_json,
    asks,
    document,
    duration,
    encoded,
    limited,
    moment,
    number,
    ordered,
    pairs,
    removed,
    tagged,
)
from .experiments import VIEWS, shown_tags
from .tables import Column, facts, heading
from .tables import show as show_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from modelyard.client.client import Client
    from modelyard.client.entities import Run

METRICS_SHOWN: Final = 4
"""Metrics that a list shows on a terminal if nobody says which."""


@click.group("runs")
def command() -> None:
    """Look at runs: their params, metrics, tags; compare them."""


_where = click.option(
    "--experiment",
    "-e",
    "experiments",
    multiple=True,
    metavar="NAME|ID",
    help="Only of this experiment; may be repeated. [all]",
)
_columns = click.option(
    "--column",
    "-c",
    "columns",
    multiple=True,
    metavar="KEY",
    help="Also show this, such as metrics.loss, params.lr or tags.team; may be repeated.",
)
_view = click.option(
    "--view", type=click.Choice(VIEWS), default="active", help="In use, in the trash, or both. [active]"
)


@command.command("list")
@_where
@_columns
@_view
@limited
@as_json
@asks
def list_(client: Client, **options: Any) -> None:
    """List runs, the newest first."""
    _answer(client, "", (), **options)


@command.command()
@click.argument("filter", metavar="FILTER")
@_where
@_columns
@ordered
@_view
@limited
@as_json
@asks
def search(client: Client, *, filter: str, order_by: Sequence[str], **options: Any) -> None:
    """Find runs by FILTER, such as "metrics.loss < 0.1 AND params.kind = 'forest'"."""
    _answer(client, filter, order_by, **options)


def _answer(
    client: Client,
    wanted: str,
    order_by: Sequence[str],
    *,
    experiments: Sequence[str],
    columns: Sequence[str],
    view: str,
    limit: int | None,
    json: bool,
) -> None:
    if experiments:
        places = [client.find_experiment(each).experiment_id for each in experiments]
    else:
        places = [each.experiment_id for each in client.search_experiments("all" if view != "active" else "active")]
    for each in columns:
        _check(each)
    found = client.search_runs(places, wanted, view, limit, list(order_by))
    extra = list(columns)
    if not extra and not json and sys.stdout.isatty():
        extra = _usual_metrics(itertools.islice(found, 50))
    titles = [Column("RUN ID", whole=True), Column("NAME"), Column("STATUS", whole=True), Column("STARTED", whole=True)]
    titles += [Column("TOOK"), *(Column(each.removeprefix("metrics."), right=_is_metric(each)) for each in extra)]

    def row(run: Run) -> list[str]:
        info = run.info
        told = [info.run_id, info.run_name, info.status, moment(info.start_time)]
        return [*told, duration(info.start_time, info.end_time), *(_cell(run, each) for each in extra)]

    answer(found, titles, row, json=json, nothing="No runs found.")


def _is_metric(column: str) -> bool:
    return column.startswith("metrics.")


def _usual_metrics(runs: Iterable[Run]) -> list[str]:
    """The metrics that most of these runs have."""
    counts: dict[str, int] = {}
    for run in runs:
        for key in run.data.metrics:
            counts[key] = counts.get(key, 0) + (0 if key.startswith("system/") else 1)
    usual = sorted((key for key, count in counts.items() if count), key=lambda key: (-counts[key], key))
    return [f"metrics.{key}" for key in usual[:METRICS_SHOWN]]


def _check(column: str) -> None:
    kind, dot, key = column.partition(".")
    if kind not in ("metrics", "params", "tags") or not dot or not key:
        raise click.UsageError(f"{column!r} is no column; expected metrics.KEY, params.KEY or tags.KEY.")


def _cell(run: Run, column: str) -> str:
    kind, _, key = column.partition(".")
    value = getattr(run.data, kind).get(key)
    return number(value) if _is_metric(column) else value or ""


@command.command()
@click.argument("run", metavar="RUN")
@as_json
@asks
def show(client: Client, *, run: str, json: bool) -> None:
    """Show RUN, an id: everything that it logged but the histories of its metrics."""
    found = client.get_run(run)
    if json:
        document(found)
        return
    info, data = found.info, found.data
    facts(
        [
            ("Name", info.run_name),
            ("ID", info.run_id),
            ("Experiment", info.experiment_id),
            ("Status", info.status),
            ("State", info.lifecycle_stage if info.lifecycle_stage != "active" else ""),
            ("User", info.user_id or data.tags.get("mlflow.user", "")),
            ("Started", moment(info.start_time)),
            ("Ended", moment(info.end_time)),
            ("Took", duration(info.start_time, info.end_time)),
            ("Source", data.tags.get("mlflow.source.name", "")),
            ("Commit", data.tags.get("mlflow.source.git.commit", "")),
            ("Parent", data.tags.get("mlflow.parentRunId", "")),
            ("Artifacts", info.artifact_uri),
        ]
    )
    if data.params:
        heading("Params")
        facts(sorted(data.params.items()))
    if data.latest:
        heading("Metrics, latest")
        points = sorted(data.latest, key=lambda point: point.key)
        columns = [
            Column("METRIC"),
            Column("VALUE", right=True),
            Column("STEP", right=True),
            Column("TIME", whole=True),
        ]
        show_table(columns, ([each.key, number(each.value), str(each.step), moment(each.timestamp)] for each in points))
    if tags := shown_tags(data.tags):
        heading("Tags")
        facts(sorted(tags.items()))
    if found.inputs.dataset_inputs:
        heading("Datasets")
        columns = [Column("NAME"), Column("DIGEST"), Column("CONTEXT"), Column("SOURCE")]
        show_table(columns, (_dataset(each) for each in found.inputs.dataset_inputs))
    if found.outputs.model_outputs:
        heading("Models")
        columns = [Column("MODEL ID", whole=True), Column("STEP", right=True)]
        show_table(columns, ([each.model_id, str(each.step)] for each in found.outputs.model_outputs))


def _dataset(used: Any) -> list[str]:
    context = next((tag.value for tag in used.tags if tag.key == "mlflow.data.context"), "")
    return [used.dataset.name, used.dataset.digest, context, used.dataset.source]


@command.command()
@click.argument("runs", metavar="RUN RUN...", nargs=-1, required=True)
@click.option("--all", "everything", is_flag=True, help="Also what is the same in all of them.")
@as_json
@asks
def compare(client: Client, *, runs: Sequence[str], everything: bool, json: bool) -> None:
    """Compare RUNs, ids: the params and metrics in which they differ, side by side."""
    if len(runs) < 2:
        raise click.UsageError("Give two runs or more.")
    found = [client.get_run(each) for each in runs]
    rows = [
        *_differences("params", found, lambda run: run.data.params, everything=everything),
        *_differences("metrics", found, lambda run: run.data.metrics, everything=everything),
    ]
    if json:
        compared = [{"key": key, "values": dict(zip(runs, values, strict=True))} for key, values in rows]
        click.echo(encoded(compared))
        return
    columns = [Column("KEY"), *(Column(each.info.run_name or each.info.run_id, right=True) for each in found)]
    about: list[tuple[str, list[str]]] = [
        ("run_id", list(runs)),
        ("status", [each.info.status for each in found]),
        ("started", [moment(each.info.start_time) for each in found]),
        ("took", [duration(each.info.start_time, each.info.end_time) for each in found]),
    ]
    cells = [[key, *values] for key, values in about]
    cells += [[key, *(number(each) if isinstance(each, float) else each or "" for each in told)] for key, told in rows]
    show_table(columns, cells)
    if not rows:
        click.echo("Their params and metrics are the same.", err=True)


def _differences(
    kind: str, runs: Sequence[Run], part: Callable[[Run], dict[str, Any]], *, everything: bool
) -> list[tuple[str, list[Any]]]:
    keys = sorted({key for run in runs for key in part(run)})
    rows = [(f"{kind}.{key}", [part(run).get(key) for run in runs]) for key in keys]
    return [(key, values) for key, values in rows if everything or len(set(map(str, values))) > 1]


@command.command()
@click.argument("run", metavar="RUN")
@pairs
@removed
@asks
def tag(client: Client, *, run: str, pairs: Sequence[tuple[str, str]], remove: Sequence[str]) -> None:
    """Set and remove tags of RUN, an id."""
    tagged(pairs, remove, lambda key, value: client.set_tag(run, key, value), lambda key: client.delete_tag(run, key))
