"""`modelyard deployments`: list, delete, events; and `modelyard status`, `modelyard history`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import click

from . import following
from .asking import answer, as_json, asks, document, moment
from .deploy import reasoned
from .following import said_change, say_event, shown_target
from .tables import Column

if TYPE_CHECKING:
    from modelyard.client.client import Client

_name = click.argument("name", metavar="NAME")
_COLUMNS = [Column("NAME"), Column("PHASE"), Column("ENVIRONMENT"), Column("ANSWERS"), Column("STATUS")]


@click.group("deployments")
def command() -> None:
    """Look at deployments, and remove them. Only on a Modelyard server."""


@command.command("list")
@as_json
@asks
def list_(client: Client, *, json: bool) -> None:
    """List deployments, and how each stands."""
    _list(client, json=json)


def _list(client: Client, *, json: bool) -> None:
    answer(_plain(client.list_deployments(), json), _COLUMNS, _row, json=json, nothing="There are no deployments.")


def _row(found: Any) -> list[str]:
    target = found.stable.target if found.stable else None
    return [found.name, found.phase, found.environment, shown_target(target), found.told]


def _plain(found: list[Any], json: bool) -> list[Any]:  # noqa: FBT001 - of `answer`
    if not json:
        return found
    import msgspec

    return [msgspec.to_builtins(each) for each in found]


@command.command()
@_name
@reasoned
@asks
def delete(client: Client, *, name: str, reason: str) -> None:
    """Delete a deployment: it answers no more; its past is kept."""
    client.delete_deployment(name, reason)
    click.echo(f"Deployment {name} is deleted.")


@command.command()
@_name
@click.option("--limit", type=click.IntRange(1, 1000), default=100, metavar="N", help="The newest N. [100]")
@click.option("--follow", is_flag=True, help="Go on with what happens from now on.")
@as_json
@asks
def events(client: Client, *, name: str, limit: int, follow: bool, json: bool) -> None:
    """Say what happened to a deployment, the newest last."""
    found = client.get_deployment_events(name, max_results=limit)
    if json:
        import msgspec

        document([msgspec.to_builtins(each) for each in found.events])
        return
    for event in found.events:
        say_event(event)
    if follow:
        with contextlib.suppress(KeyboardInterrupt):
            for event in client.watch_deployment(name, found.next_after):
                say_event(event)


@click.command("status")
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--watch", is_flag=True, help="Go on showing it as it changes; Ctrl-C ends that.")
@as_json
@asks
def status(client: Client, *, name: str | None, watch: bool, json: bool) -> None:
    """Say what is wanted of a deployment, what answers, and what goes on; without NAME, of all in short."""
    if name is None:
        if watch:
            raise click.UsageError("--watch needs a deployment's NAME.")
        _list(client, json=json)
    elif json:
        import msgspec

        document(msgspec.to_builtins(client.get_deployment(name)))
    elif watch:
        with contextlib.suppress(KeyboardInterrupt):
            following.watch(client, name)
    else:
        following.show(client.get_deployment(name))


@click.command("history")
@_name
@click.option("--limit", type=click.IntRange(1, 1000), default=100, metavar="N", help="The newest N. [100]")
@as_json
@asks
def history(client: Client, *, name: str, limit: int, json: bool) -> None:
    """List a deployment's revisions, the newest first: who, when, why, what came of it, what changed."""
    found = client.list_deployment_revisions(name, limit)
    columns = [
        Column("REVISION", right=True, whole=True), Column("ANSWERS"), Column("OUTCOME"), Column("WHEN", whole=True),
        Column("WHO"), Column("WHY"), Column("CHANGES"),
    ]  # fmt: skip
    answer(_plain(found, json), columns, _past, json=json, nothing=f"{name} has no revisions yet.")


def _past(revision: Any) -> list[str]:
    rollout = revision.rollout
    outcome = rollout.status if rollout is not None else ""
    if rollout is not None and rollout.status in ("rolled_back", "aborted"):
        outcome += f": {rollout.reason}"
    return [
        str(revision.number) + (f" ({revision.role})" if revision.role else ""),
        shown_target(revision.target),
        outcome,
        moment(revision.created_ms),
        revision.principal,
        revision.reason,
        "; ".join(said_change(each) for each in revision.changes) if revision.number > 1 else "",
    ]
