"""`modelyard db`: upgrade, check, backup."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelyard.settings import masked

from .opening import open_database
from .options import setting_options, settings_from

if TYPE_CHECKING:
    from modelyard.db.backup import Health

_where = setting_options("data", "database")


@click.group("db")
def command() -> None:
    """Look after the database: upgrade its schema, check it, back it up."""


@command.command()
@_where
def upgrade(**values: Any) -> None:
    """Bring the schema up to this release.

    A server does the same when it starts. Servers of the previous release may go on meanwhile.
    """
    from modelyard.db.revisions import newest_revision
    from modelyard.db.schema import prepare, revision

    settings = settings_from(values)
    with closing(open_database(settings, create=True)) as database:
        before = database.read(revision)
        prepare(database, "mlflow-artifacts:" if settings.serve_artifacts else settings.artifact_root)
    if before == newest_revision():
        click.echo(f"The schema is up to date: revision {before}.")
    else:
        click.echo(f"The schema is at revision {newest_revision()} now; it was {before or 'not there'}.")


@command.command()
@_where
def check(**values: Any) -> None:
    """Look for damage: schema revision, SQLite's integrity check, rows that lack their other half.

    Exit code 1 if something is wrong. Reads the whole database; servers go on meanwhile.
    """
    from modelyard.db import backup

    settings = settings_from(values)
    with closing(open_database(settings)) as database:
        health = backup.check(database)
    click.echo(f"database   {masked(settings.database_url)}")
    _report(health)
    if not health.sound:
        raise SystemExit(1)


def _report(health: Health) -> None:
    if health.revision is None:
        click.echo("schema     none: `modelyard db upgrade` makes it")
        return
    behind = "" if health.revision == health.expected else f"; this release brings {health.expected}"
    click.echo(f"schema     revision {health.revision}{behind}")
    click.echo(f"integrity  {'ok' if not health.damage else 'DAMAGED: restore a backup'}")
    for line in health.damage:
        click.echo(f"           {line}")
    if not health.damage:
        click.echo(f"orphans    {'none' if not health.orphans else ''}".rstrip())
    for what, count in health.orphans.items():
        click.echo(f"           {count} {what}")


@command.command()
@click.argument("target", type=click.Path(path_type=Path))
@_where
def backup(target: Path, **values: Any) -> None:
    """Copy the database to TARGET, a new file or a folder, while servers go on.

    SQLite: a consistent copy, to be used like the original. PostgreSQL: runs pg_dump (restore with pg_restore).
    Artifacts are files or objects of their own: back them up after the database, with the tools of their store.
    """
    from modelyard.db.backup import backup as copy

    with closing(open_database(settings_from(values))) as database:
        made = copy(database, target)
    click.echo(f"{made}  {made.stat().st_size:,} bytes")
