"""`modelyard evaluate`: score versions of a model on a fixed dataset, and store the metrics on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .asking import as_json, asks, document
from .tables import Column, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.client.client import Client


@click.command("evaluate")
@click.argument("name", metavar="MODEL")
@click.argument("versions", metavar="[VERSION]...", nargs=-1)
@click.option(
    "--data", required=True, type=click.Path(exists=True, dir_okay=False), metavar="FILE",
    help="A table: .csv, .parquet, .json or .jsonl.",
)  # fmt: skip
@click.option("--target", required=True, metavar="COLUMN", help="The column with what should come out.")
@click.option("--metric", "metrics", multiple=True, metavar="METRIC", help="Such as f1; those that fit by default.")
@click.option("--answer", "label", default="", metavar="COLUMN", help="The answer's column, where it has several.")
@click.option("--dataset-name", default="", metavar="NAME", help="What people call the dataset; the file's name.")
@click.option(
    "--allow-pickle", is_flag=True, default=None, help="Load pickles, which run code of their author. "
    "(MODELYARD_ALLOW_PICKLE)",
)  # fmt: skip
@as_json
@asks
def command(
    client: Client,
    *,
    name: str,
    versions: Sequence[str],
    data: str,
    target: str,
    metrics: Sequence[str],
    label: str,
    dataset_name: str,
    allow_pickle: bool | None,
    json: bool,
) -> None:
    """Score versions of MODEL on a fixed dataset, and store the metrics on them; without VERSION, the newest one.

    Metrics are stored with the dataset's digest: a policy that chooses the best compares values of one digest alone.
    """
    from modelyard.client import evaluation

    dataset = evaluation.read(data, target, dataset_name)
    found = {
        each: evaluation.evaluate(client, name, each, dataset, metrics, label=label, allow_pickle=allow_pickle)
        for each in versions or ("latest",)
    }
    if json:
        document({"dataset": dataset.name, "digest": dataset.digest, "versions": found})
        return
    names = list(next(iter(found.values())))
    columns = [Column("VERSION"), *(Column(each.upper(), right=True) for each in names)]
    show(columns, ([version, *(f"{values[each]:.4f}" for each in names)] for version, values in found.items()), "")
    click.echo(f"Stored for dataset {dataset.digest} ({dataset.name}, {len(dataset.target)} rows).")
