"""What people say to a deployment: `modelyard pause`, `resume`, `approve`, `abort`, `rollback`, `rehearse`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .asking import asks
from .deploy import reasoned
from .following import say_event
from .tables import plain

if TYPE_CHECKING:
    from modelyard.client.client import Client
    from modelyard.wire.deployments import Deployment

_name = click.argument("name", metavar="NAME")


@click.command("pause")
@_name
@reasoned
@asks
def pause(client: Client, *, name: str, reason: str) -> None:
    """Stay at the current step of a rollout (checks go on), and begin nothing new."""
    _say(client.pause_deployment(name, reason))


@click.command("resume")
@_name
@reasoned
@asks
def resume(client: Client, *, name: str, reason: str) -> None:
    """Go on; if nothing is paused, try again what was rolled back."""
    _say(client.resume_deployment(name, reason))


@click.command("approve")
@_name
@click.option("--all", "everything", is_flag=True, help="Skip all that is left: the new revision gets all traffic.")
@reasoned
@asks
def approve(client: Client, *, name: str, everything: bool, reason: str) -> None:
    """Agree that a rollout goes on that waits for it."""
    _say(client.approve_rollout(name, everything=everything, reason=reason))


@click.command("abort")
@_name
@reasoned
@asks
def abort(client: Client, *, name: str, reason: str) -> None:
    """Stop a rollout: what answered before gets all traffic."""
    _say(client.abort_rollout(name, reason))


@click.command("rollback")
@_name
@reasoned
@asks
def rollback(client: Client, *, name: str, reason: str) -> None:
    """Stop a rollout or, if none runs, return to the revision before."""
    _say(client.rollback_deployment(name, reason))


@click.command("rehearse")
@_name
@click.option("--wait/--no-wait", default=True, help="Wait for its end; the exit code is 1 if it failed. [wait]")
@reasoned
@asks
def rehearse(client: Client, *, name: str, wait: bool, reason: str) -> None:
    """Deploy a copy, run its golden tests, remove it."""
    after = client.get_deployment_events(name, max_results=1).next_after
    copy = client.rehearse_deployment(name, reason)
    if not wait:
        click.echo(f"The rehearsal {copy} has begun; an event of {name} tells its end.")
        return
    for event in client.watch_deployment(name, after):
        say_event(event)
        if event.kind == "rehearsed":
            if not (event.document or {}).get("passed"):
                raise click.ClickException(plain(event.told))
            return


def _say(found: Deployment) -> None:
    click.echo(plain(found.told))
