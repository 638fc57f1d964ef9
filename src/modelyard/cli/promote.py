"""`modelyard promote`: put a version into an environment and raise its allowance in one step, or take that back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .asking import asks

if TYPE_CHECKING:
    from modelyard.client.client import Client


@click.command("promote")
@click.argument("name", metavar="MODEL")
@click.argument("version", metavar="[VERSION]", required=False)
@click.option("--to", "environment", default="production", metavar="ENVIRONMENT", help="Where to. [production]")
@click.option("--allow", "allowance", metavar="SPEC", help="Labels that may serve from now on, such as '<=2.0'.")
@click.option("--slot", default="", metavar="SLOT", help="Whose policy it is; the model's own by default.")
@click.option("--undo", is_flag=True, help="Take back the last promotion: pointer and allowance together.")
@click.option("--reason", default="", help="Why; it is kept in the history.")
@asks
def command(
    client: Client,
    *,
    name: str,
    version: str | None,
    environment: str,
    allowance: str | None,
    slot: str,
    undo: bool,
    reason: str,
) -> None:
    """Put VERSION of MODEL into an environment, and raise the allowance with it: both or neither.

    VERSION is a number, a label, @alias or an environment, such as staging. A deployment of that environment follows at
    once. Only on a Modelyard server.
    """
    if undo == (version is not None):
        raise click.UsageError("Give a VERSION, or --undo.")
    if version is None:
        was = client.undo_promotion(name, environment, reason)
        now = "nothing" if was.before is None else f"version {was.before}"
        click.echo(f"{environment} of {name} has {now} again, instead of version {was.after}.")
        return
    found = client.promote(name, version, environment, allowance=allowance, slot=slot, reason=reason)
    click.echo(f"{environment} of {slot or name}: {found.model} version {found.version}. {found.reason}")
