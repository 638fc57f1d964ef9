"""`modelyard experiments`: list, search, show, tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .asking import answer, as_json, asks, document, limited, moment, ordered, pairs, removed, tagged
from .tables import Column, facts, heading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.client.client import Client
    from modelyard.client.entities import Experiment

VIEWS = ("active", "deleted", "all")


@click.group("experiments")
def command() -> None:
    """Look at experiments: named sets of runs."""


@command.command("list")
@click.option("--view", type=click.Choice(VIEWS), default="active", help="In use, in the trash, or both. [active]")
@limited
@as_json
@asks
def list_(client: Client, *, view: str, limit: int | None, json: bool) -> None:
    """List experiments, the newest first."""
    _answer(client, None, (), view, limit, json=json)


@command.command()
@click.argument("filter", metavar="FILTER")
@ordered
@click.option("--view", type=click.Choice(VIEWS), default="active", help="In use, in the trash, or both. [active]")
@limited
@as_json
@asks
def search(client: Client, *, filter: str, order_by: Sequence[str], view: str, limit: int | None, json: bool) -> None:
    """Find experiments by FILTER, such as "name LIKE 'wine%' AND tags.team = 'red'"."""
    _answer(client, filter, order_by, view, limit, json=json)


def _answer(
    client: Client, wanted: str | None, order_by: Sequence[str], view: str, limit: int | None, *, json: bool
) -> None:
    found = client.search_experiments(view, limit, wanted, list(order_by))
    columns = [Column("ID", whole=True), Column("NAME"), Column("CREATED", whole=True), Column("STATE"), Column("TAGS")]
    answer(found, columns, _row, json=json, nothing="No experiments found.")


def _row(experiment: Experiment) -> list[str]:
    return [
        experiment.experiment_id,
        experiment.name,
        moment(experiment.creation_time),
        experiment.lifecycle_stage,
        ", ".join(f"{key}={value}" for key, value in shown_tags(experiment.tags).items()),
    ]


def shown_tags(tags: dict[str, str]) -> dict[str, str]:
    """The user's own tags: MLflow's and ours begin with a name and a dot."""
    return {key: value for key, value in tags.items() if not key.startswith(("mlflow.", "modelyard."))}


@command.command()
@click.argument("experiment", metavar="EXPERIMENT")
@as_json
@asks
def show(client: Client, *, experiment: str, json: bool) -> None:
    """Show EXPERIMENT, a name or an id."""
    found = client.find_experiment(experiment)
    if json:
        document(found)
        return
    facts(
        [
            ("Name", found.name),
            ("ID", found.experiment_id),
            ("State", found.lifecycle_stage),
            ("Artifacts", found.artifact_location),
            ("Created", moment(found.creation_time)),
            ("Updated", moment(found.last_update_time)),
        ]
    )
    if found.tags:
        heading("Tags")
        facts(found.tags.items())


@command.command()
@click.argument("experiment", metavar="EXPERIMENT")
@pairs
@removed
@asks
def tag(client: Client, *, experiment: str, pairs: Sequence[tuple[str, str]], remove: Sequence[str]) -> None:
    """Set and remove tags of EXPERIMENT, a name or an id."""
    number = client.find_experiment(experiment).experiment_id
    tagged(
        pairs,
        remove,
        lambda key, value: client.set_experiment_tag(number, key, value),
        lambda key: client.delete_experiment_tag(number, key),
    )
