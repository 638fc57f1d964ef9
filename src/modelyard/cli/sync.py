"""`modelyard sync`: what processes logged and could not deliver any more is delivered now."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pathlib import Path

    from modelyard.client.delivery import Deliverer
    from modelyard.client.journal.journal import Journal

_SHOWN = 10


@dataclass
class Outcome:
    """What became of one journal.

    Attributes:
        journal: its directory.
        uri: the server that it is for.
        state: `delivered`, `held` by a living process, or `left`.
        points, records: how many are still in it.
        reason: why, if it is left.
    """

    journal: str
    uri: str
    state: str
    points: int = 0
    records: int = 0
    reason: str = ""


@dataclass
class Result:
    """What a sync did.

    Attributes:
        points, records: how many were delivered.
        journals: one for each that was found.
        rejected: what servers refused, now or earlier, as it stands in the files.
    """

    points: int = 0
    records: int = 0
    journals: list[Outcome] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)


@click.command("sync")
@click.option("--spool", metavar="DIR", help="Directory of the journals. (MODELYARD_SPOOL)")
@click.option(
    "--tracking-uri", metavar="URI", help="Deliver to this server instead of the one that each journal was written for."
)
@click.option("--json", "as_json", is_flag=True, help="Say what was done as JSON.")
def command(spool: str | None, tracking_uri: str | None, *, as_json: bool) -> None:
    """Deliver what was logged and not delivered: by processes that died, that ran offline, or whose server was away.

    It can be stopped at any time and run again: nothing arrives twice. What a living process still holds is left to
    it. Exit code 1 if something could not be delivered.
    """
    from modelyard.settings import SPOOL

    if spool is not None:
        import os

        os.environ[SPOOL.variable] = spool  # for everything that asks where the journals are
    result = sync(tracking_uri, quiet=as_json)
    if as_json:
        import json

        click.echo(json.dumps(asdict(result), indent=2))
    else:
        report(result)
    if left := [each for each in result.journals if each.state == "left"]:
        raise click.ClickException(
            f"{len(left)} of {len(result.journals)} journals could not be delivered: {left[0].reason}"
        )


def sync(tracking_uri: str | None, *, quiet: bool) -> Result:
    """Deliver every journal whose process is dead, oldest first."""
    from modelyard.client import uris
    from modelyard.client.journal.journal import found

    result = Result()
    override = uris.normal(tracking_uri) if tracking_uri else None
    again: list[Path] = found()
    # a forked child's journal may have to wait for its parent's: as long as something moves, look again
    while again:
        waiting, moved = [], False
        result.journals = [each for each in result.journals if each.state != "left"]
        for folder in again:
            outcome = _one(folder, override, result, quiet=quiet)
            if outcome is None:
                continue
            result.journals.append(outcome)
            if outcome.state == "left":
                waiting.append(folder)
            moved = moved or outcome.state == "delivered"
        again = waiting if moved else []
    result.rejected = _rejected()
    return result


def _one(folder: Path, override: str | None, result: Result, *, quiet: bool) -> Outcome | None:
    """Deliver one journal; None if it has gone."""
    from modelyard.client.delivery import Deliverer
    from modelyard.client.exchange import Unreachable
    from modelyard.client.journal.journal import Journal, Taken, about
    from modelyard.client.transport import Transport

    uri = str(about(folder).get("uri", ""))
    try:
        journal = Journal.adopt(folder)
    except Taken:
        if not folder.exists():
            return None
        points, records = Journal.glance(folder)
        return Outcome(str(folder), uri, "held", points, records)
    if not (override or uri):
        journal.close()
        return Outcome(str(folder), uri, "left", reason=f"{folder} does not say for which server it is")
    points, records = journal.points_left, journal.records_waiting()
    try:
        deliverer = Deliverer(journal, Transport(override or uri, retries=2), adopted=True)
        _deliver(deliverer, points, folder.name, quiet=quiet)
        deliverer.finish()
    except Unreachable as away:
        outcome = Outcome(str(folder), uri, "left", journal.points_left, journal.records_waiting(), away.reason)
        journal.close()
    else:
        outcome = Outcome(str(folder), uri, "delivered")
        journal.remove()
    result.points += points - outcome.points
    result.records += records - outcome.records
    return outcome


def _deliver(deliverer: Deliverer, points: int, name: str, *, quiet: bool) -> None:
    journal: Journal = deliverer.journal
    shown = sys.stderr
    visible = not quiet and shown.isatty() and points > 0
    told = 0.0
    while _step(deliverer):
        if visible and time.monotonic() - told > 0.1:
            told = time.monotonic()
            done = points - journal.points_left
            click.echo(f"\r{name}: {done:,} of {points:,} points ({100 * done // points} %)", file=shown, nl=False)
    if visible:
        click.echo("\r\x1b[K", file=shown, nl=False)


def _step(deliverer: Deliverer) -> bool:
    """One step; what makes the server fail is tried as often as it takes to tell whether it is the data."""
    from modelyard.client.delivery import FAILURES
    from modelyard.client.exchange import Unreachable

    for _ in range(FAILURES - 1):
        try:
            return deliverer.step()
        except Unreachable as away:
            if not away.failed:
                raise
            time.sleep(0.5)
    return deliverer.step()


def _rejected() -> list[dict[str, Any]]:
    """What servers refused, from the files beside the journals."""
    import json

    from modelyard.client.journal import spool

    entries = []
    for place in spool.places():
        for path in sorted([*place.glob("rejected/*.jsonl"), *place.glob("*/rejected.jsonl")]):
            for line in path.read_text(errors="replace").splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                if isinstance(entry, dict):
                    entries.append({"file": str(path), **entry})
    return entries


def report(result: Result) -> None:
    """Say what was done, what is left to whom, and what was refused."""
    delivered = sum(each.state == "delivered" for each in result.journals)
    if not result.journals:
        click.echo("Nothing to deliver.")
    else:
        click.echo(
            f"Delivered {_count(result.points, 'metric point')} and {_count(result.records, 'other record')}; "
            f"{_count(delivered, 'journal')} done."
        )
    for each in result.journals:
        if each.state == "held":
            click.echo(
                f"A running process still holds {_count(each.points, 'metric point')} and "
                f"{_count(each.records, 'other record')}: {each.journal}"
            )
        elif each.state == "left":
            click.echo(
                f"Left {_count(each.points, 'metric point')} and {_count(each.records, 'other record')} in "
                f"{each.journal}: {each.reason}",
                err=True,
            )
    if result.rejected:
        click.echo(
            f"Servers refused {_count(len(result.rejected), 'record')}; delete the files once you have seen to it:"
        )
        for entry in result.rejected[:_SHOWN]:
            about = " ".join(str(entry.get(name, "")) for name in ("kind", "key") if entry.get(name))
            reason = " ".join(str(entry.get("reason", "")).split())
            click.echo(f"  run {entry.get('run', '')}: {about}: {reason[:400]} ({entry['file']})")
        if len(result.rejected) > _SHOWN:
            click.echo(f"  and {len(result.rejected) - _SHOWN} more")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
