"""`modelyard reproduce`: a run once more, from its code and environment, and its metrics beside the first one's."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from modelyard.domain.errors import ModelyardError, NotFound

from .asking import Pair, as_json, asks, encoded
from .tables import Column
from .tables import show as show_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.client.client import Client
    from modelyard.client.entities import Run
    from modelyard.client.reproduction.comparison import Difference
    from modelyard.client.reproduction.recorded import Recorded


class _Failed(click.ClickException):
    """The run cannot be repeated, which is not the same as repeated with other results."""

    exit_code = 2


_COLUMNS: Final = (
    Column("metric"),
    Column("before", right=True),
    Column("now", right=True),
    Column("apart", right=True),
    Column(""),
)


@click.command("reproduce")
@click.argument("name", metavar="RUN")
@click.option(
    "--into", type=click.Path(path_type=Path), metavar="DIR", help="Work in this new directory. [a temporary one]"
)
@click.option(
    "--tolerance", type=click.FloatRange(0), default=1e-6, metavar="X", help="How far apart metrics may be. [1e-6]"
)
@click.option("--no-environment", is_flag=True, help="Use the packages that are installed here.")
@click.option("--keep", is_flag=True, help="Keep the temporary directory.")
@click.option("--secret", "secrets", type=Pair(), multiple=True, help="An argument that was masked; may be repeated.")
@click.option(
    "--link", "links", multiple=True, metavar="PATH", help="Data of the original copy, below its root; may be repeated."
)
@click.option(
    "--ignore", "ignored", multiple=True, metavar="GLOB", help="Metrics that are not compared; may be repeated."
)
@as_json
@asks
def command(
    client: Client,
    name: str,
    into: Path | None,
    tolerance: float,
    no_environment: bool,  # noqa: FBT001 - a flag
    keep: bool,  # noqa: FBT001
    secrets: Sequence[tuple[str, str]],
    links: Sequence[str],
    ignored: Sequence[str],
    json: bool,  # noqa: FBT001
) -> None:
    """Run a run again and compare its metrics.

    RUN is a run's id, or a model that it made: models:/NAME/VERSION. Its commit is checked out in a fresh directory,
    what was not committed is applied as a patch, its Python and packages are installed (by uv, or pip), and its command
    runs with the same arguments, as a new run with the tag modelyard.reproduces. This executes the code of that run.

    The exit code is 0 if all metrics are the same, 1 if some differ, 2 if the run cannot be repeated.
    """
    from modelyard.client.reproduction import comparison, recorded

    try:
        with ExitStack() as held:
            began = time.monotonic()
            before = recorded.run_of(client, name)
            told = recorded.read(client, before)
            given = _asked(told, dict(secrets))
            place = _place(into, held, keep=keep)
            after = _again(client, told, place, given, links, use_installed=no_environment)
            again = _recorded(client, after)
            differences = comparison.metrics(before, after, tolerance, ignored)
            causes = comparison.causes(before, after, told, again)
            _say(f"Took {time.monotonic() - began:.1f} s")
    except ModelyardError as error:
        raise _Failed(error.message) from error
    apart = [each for each in differences if each.verdict in ("differs", "missing", "new")]
    if json:
        found = [{"metric": d.key, "before": d.before, "now": d.after, "verdict": d.verdict} for d in differences]
        click.echo(encoded({"run": before.info.run_id, "again": after.info.run_id, "same": not apart, "metrics": found,
                            "causes": causes}))  # fmt: skip
    else:
        _show(differences, causes, len(apart), tolerance, after)
    raise SystemExit(1 if apart else 0)


def _place(into: Path | None, held: ExitStack, *, keep: bool) -> Path:
    """The directory to work in; one of ours goes when everything is done, and stays if something fails."""
    if into is not None:
        if into.exists() and (not into.is_dir() or any(into.iterdir())):
            raise click.UsageError(f"{into} is not empty; give a new directory.")
        into.mkdir(parents=True, exist_ok=True)
        return into.absolute()
    place = Path(tempfile.mkdtemp(prefix="modelyard-reproduce-"))

    def done(kind: type[BaseException] | None, *_: object) -> None:
        if keep or kind is not None:
            _say(f"Kept: {place}")
        else:
            shutil.rmtree(place, ignore_errors=True)

    held.push(done)
    return place


def _asked(told: Recorded, secrets: dict[str, str]) -> dict[str, str]:
    """The masked arguments, asked for on a terminal.

    Raises:
        InvalidState: there is nothing to run.
        InvalidArgument: one is not given.
    """
    from modelyard.client.reproduction import repeat

    repeat.check(told)
    if sys.stdin.isatty():
        for name in repeat.missing(told, secrets):
            secrets[name] = click.prompt(f"{name} (was masked)", hide_input=True, err=True)
    repeat.check_secrets(told, secrets)
    return secrets


def _again(
    client: Client,
    told: Recorded,
    place: Path,
    secrets: dict[str, str],
    links: Sequence[str],
    *,
    use_installed: bool,
) -> Run:
    from modelyard.client.reproduction import rebuild, repeat

    checkout = place / "code"
    rebuild.code(told, checkout, _say)
    rebuild.link(told, checkout, links)
    python = Path(sys.executable)
    if not use_installed:
        python = rebuild.environment(told, place / "environment", checkout, _say)
    words = repeat.command(told, checkout, python, secrets)
    return repeat.run(client, told, words, checkout, _say)


def _recorded(client: Client, run: Run) -> Recorded | None:
    from modelyard.client.reproduction import recorded

    try:
        return recorded.read(client, run)
    except NotFound:
        return None


def _say(text: str) -> None:
    click.echo(text, err=True)


def _show(differences: Sequence[Difference], causes: Sequence[str], apart: int, tolerance: float, after: Run) -> None:
    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.10g}"

    rows = [(d.key, number(d.before), number(d.after), number(d.apart), d.verdict) for d in differences]
    show_table(_COLUMNS, rows, "Neither run has metrics.")
    compared = sum(each.verdict != "not compared" for each in differences)
    verdict = f"{apart} of {compared} metrics differ" if apart else f"All {compared} metrics are the same"
    _say(f"{verdict} (tolerance {tolerance:g}); the new run is {after.info.run_id}")
    for cause in causes:
        _say(f"  {cause}")
