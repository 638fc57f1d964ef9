"""`modelyard gc`: what has been in the trash for long enough is deleted for good."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from .opening import open_database
from .options import setting_options, settings_from

if TYPE_CHECKING:
    from modelyard.domain.trash import Emptied

RETENTION = "30d"

_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[dhms])+")
_SHOWN = 10


class Duration(click.ParamType[float]):
    """A time such as `30d`, `12h` or `1d6h30m`, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        text = str(value).replace(" ", "")
        if not _DURATION.fullmatch(text):
            self.fail(f"{value!r} is not a duration; expected something like 30d, 12h or 1d6h30m.", param, ctx)
        return sum(float(number) * _SECONDS[unit] for number, unit in re.findall(r"([\d.]+)([dhms])", text))


def _ids(context: click.Context, parameter: click.Parameter, value: str | None) -> frozenset[str] | None:
    del context, parameter
    return frozenset(part.strip() for part in value.split(",") if part.strip()) if value is not None else None


@click.command("gc")
@click.option(
    "--older-than",
    type=Duration(),
    help=f"Only what was deleted at least this long ago, such as 12h or 1d6h. [{RETENTION}; 0s where ids are given]",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.option("--runs", callback=_ids, metavar="ID,...", help="Only these runs.")
@click.option("--experiments", callback=_ids, metavar="ID,...", help="Only these experiments, whole.")
@setting_options("data", "database", "artifacts")
def command(
    older_than: float | None,
    *,
    dry_run: bool,
    runs: frozenset[str] | None,
    experiments: frozenset[str] | None,
    **values: Any,
) -> None:
    """Empty the trash: delete runs, logged models and experiments for good, with their artifacts.

    What a model version or an active logged model still points to is kept. Servers may be running. It can be stopped
    at any time; the next time goes on. Exit code 1 if some artifacts could not be deleted.
    """
    from modelyard.db.schema import prepare
    from modelyard.domain.trash import Selection
    from modelyard.services import trash

    if runs is not None and experiments is not None:
        raise click.UsageError("Give --runs or --experiments, not both.")
    if experiments is not None and not all(number.isdigit() for number in experiments):
        raise click.UsageError("--experiments takes experiments' numbers, such as 1,2.")
    named = runs is not None or experiments is not None
    age = older_than if older_than is not None else (0.0 if named else Duration().convert(RETENTION, None, None))
    wanted = Selection(
        int((time.time() - age) * 1000), runs, frozenset(map(int, experiments)) if experiments is not None else None
    )
    settings = settings_from(values)
    from modelyard.artifacts.places import Places

    places = Places(settings.artifact_root)
    with closing(open_database(settings)) as database:
        prepare(database, "mlflow-artifacts:" if settings.serve_artifacts else settings.artifact_root)
        done = asyncio.run(trash.empty(database, places, wanted, dry_run=dry_run))
    report(done, dry_run=dry_run)
    if done.failed:
        raise SystemExit(1)


def report(done: Emptied, *, dry_run: bool) -> None:
    """Say what was done, and what was not and why."""
    verb = "Would delete" if dry_run else "Deleted"
    click.echo(
        f"{verb} {_count(done.runs, 'run')}, {_count(done.logged_models, 'logged model')}, "
        f"{_count(done.experiments, 'experiment')}; {_count(done.files, 'artifact')} of {done.size:,} bytes."
    )
    if done.kept:
        click.echo(f"Kept {len(done.kept)} whose artifacts a model version or an active logged model needs:")
        _some([f"{item.kind.replace('_', ' ')} {item.name}" for item in done.kept])
    if done.left:
        click.echo(f"{'Would leave' if dry_run else 'Left'} {len(done.left)} artifact folders that are out of reach:")
        _some(done.left)
    if done.failed:
        click.echo(f"Could not delete the artifacts of {len(done.failed)}; run it again once this is mended:", err=True)
        _some([f"{item.kind.replace('_', ' ')} {item.name}: {why}" for item, why in done.failed], err=True)


def _some(lines: list[str], *, err: bool = False) -> None:
    for line in lines[:_SHOWN]:
        click.echo(f"  {line}", err=err)
    if len(lines) > _SHOWN:
        click.echo(f"  and {len(lines) - _SHOWN} more", err=err)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
