"""`modelyard models verify`: whether a model is what was saved, and answers here as it did there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .asking import as_json, connect, document, of_server
from .tables import Column, show
from .transfer_bar import transfer_bar

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command("verify")
@click.argument("model", metavar="DIRECTORY|URI")
@click.option("--any-environment", is_flag=True, help="Other versions of packages and of Python are no failure.")
@click.option(
    "--allow-pickle", is_flag=True, default=None, help="Load pickles, which run code of their author. "
    "(MODELYARD_ALLOW_PICKLE)",
)  # fmt: skip
@click.option("--trusted", multiple=True, metavar="TYPE", help="A type that a skops file may hold; may be repeated.")
@of_server
@as_json
def command(
    *,
    model: str,
    any_environment: bool,
    allow_pickle: bool | None,
    trusted: Sequence[str],
    tracking_uri: str | None,
    json: bool,
) -> None:
    """Look whether a model is what was saved, and answers here as it did there.

    Its files are compared with its digest, its requirements with what is installed here; then it is loaded, which runs
    the code that it brings, and its golden tests are run. The exit code is 1 if something fails.
    """
    from modelyard.packaging.verification import FAILED, verify

    folder, digest = model, None
    if not Path(model).is_dir():
        from modelyard.client import references
        from modelyard.client.model_files import download_model
        from modelyard.client.progress import Progress

        client = connect(tracking_uri)
        digest = references.resolve(client, model).digest
        with transfer_bar("Fetching") as report:
            folder = download_model(model, client=client, progress=Progress(report))
    found = verify(folder, digest=digest, any_environment=any_environment, allow_pickle=allow_pickle, trusted=trusted)
    if json:
        document({"model": model, **found.to_dict()})
    else:
        rows = [[each.check, each.state, each.told] for each in found.findings]
        show([Column("CHECK", whole=True), Column("RESULT", whole=True), Column("FOUND")], rows)
        for each in found.findings:
            if each.state == FAILED:
                click.echo(f"{each.check}: {each.told}", err=True)
    if not found.passed:
        click.get_current_context().exit(1)
