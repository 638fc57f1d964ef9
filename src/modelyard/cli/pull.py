"""`modelyard models pull`: all models that match, on this disk, or the names of those that are not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .asking import as_json, asks, scaled
from .transfer_bar import transfer_bar

if TYPE_CHECKING:
    from modelyard.client.client import Client


@click.command("pull")
@click.option("--filter", "wanted", metavar="FILTER", help="Such as \"tags.model_type = 'x'\". [all models]")
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("models"),
    help="The directory: NAME/VERSION in it. [./models]",
)
@click.option("--stage", help="Of each model the version in this stage.")
@click.option("--alias", help="Of each model the version of this alias.")
@click.option("--environment", help="Of each model the version in this environment. Only on a Modelyard server.")
@click.option("--versions", is_flag=True, help="The filter is about versions; all that match are fetched.")
@as_json
@asks
def command(
    client: Client,
    *,
    wanted: str | None,
    to: Path,
    stage: str | None,
    alias: str | None,
    environment: str | None,
    versions: bool,
    json: bool,
) -> None:
    """Fetch all models that match: of each the latest version, unless something else is asked for.

    What is here already is not fetched again, and a pull that was cut off goes on where it ended. Every file is
    verified. Models that are missing or broken are named, and the exit code is 1; the others are here all the same.
    """
    from modelyard.client.pull import pull

    with transfer_bar("Fetching") as report:
        done = pull(
            client, wanted, to, stage=stage, alias=alias, environment=environment, versions=versions, report=report
        )
    if json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(done.to_dict()), indent=2).decode())
    else:
        fetched = [each for each in done.models if each.state == "fetched"]
        present = sum(each.state == "present" for each in done.models)
        size = scaled(sum(each.size for each in fetched))
        click.echo(
            f"{len(done.models)} matched: {len(fetched)} fetched ({size}), {present} here already, "
            f"{len(done.failed)} failed."
        )
        for each in done.failed:
            version = f" version {each.version}" if each.version else ""
            click.echo(f"{each.state}: {each.name}{version}: {each.reason}", err=True)
    if done.failed:
        click.get_current_context().exit(1)
