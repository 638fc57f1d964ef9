"""`modelyard predictions`, `statistics` and `feedback`: what was answered, what was learnt about it, who is better."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from .asking import answer, as_json, asks, document, limited, moment, number
from .tables import Column, facts, heading
from .tables import show as show_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modelyard.client.client import Client


class Moment(click.ParamType[int]):
    """A time: so long ago (`30m`, `2h`, `7d`), or a date, with a time of day if you like."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Milliseconds since the epoch."""
        from modelyard.domain.reading import seconds

        ago = seconds(str(value))
        if ago is not None:
            return round((time.time() - ago) * 1000)
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time; expected 30m, 2h, 7d, or 2026-11-21T09:00.", param, ctx)
        return round((at if at.tzinfo else at.astimezone()).astimezone(UTC).timestamp() * 1000)


_FILTERS = [
    click.option("--model", metavar="NAME", help="Only of this registered model."),
    click.option("--version", metavar="VERSION", help="Only of this version."),
    click.option("--revision", type=int, metavar="N", help="Only of this revision."),
    click.option(
        "--role",
        type=click.Choice(["stable", "canary", "shadow", "endpoint"]),
        help="What the revision was when it answered.",
    ),
    click.option("--segment", metavar="NAME", help="Only of this segment."),
    click.option("--status", metavar="STATUS", help="`ok`, `error`, or a number."),
    click.option("--label", metavar="LABEL", help="Only with this label in the answer."),
    click.option("--key", metavar="KEY", help="Only of requests with this key."),
    click.option("--right/--wrong", "right", default=None, help="Only those that feedback says are right, or wrong."),
]
_PERIOD = [
    click.option("--since", "since_ms", type=Moment(), help="From here on: 2h (ago), 7d, 2026-11-21T09:00."),
    click.option("--until", "until_ms", type=Moment(), help="Before that."),
]
_deployment = click.argument("deployment", metavar="[DEPLOYMENT]", required=False, default="")


def _with(options: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


@click.group("predictions")
def command() -> None:
    """Look at recorded predictions: list, show, export. Only on a Modelyard server."""


@command.command("list")
@_deployment
@_with(_FILTERS)
@_with(_PERIOD)
@limited
@as_json
@asks
def list_(client: Client, *, deployment: str, limit: int | None, json: bool, **wanted: Any) -> None:
    """List predictions, the newest first."""
    found = client.search_predictions(deployment, max_results=limit, **_given(wanted))
    columns = [
        Column("ID", whole=True), Column("WHEN", whole=True), Column("DEPLOYMENT"), Column("ANSWERED BY"),
        Column("ROLE"), Column("STATUS", right=True), Column("LABEL"), Column("RIGHT"), Column("MS", right=True),
        Column("SEGMENT"), Column("KEY"),
    ]  # fmt: skip
    answer(found, columns, _row, json=json, nothing="No predictions found.")


def _row(each: Any) -> list[str]:
    right = "" if each.right is None else "yes" if each.right else "no"
    return [
        each.id, moment(each.at_ms), each.deployment, _who(each), each.role, str(each.status), each.label or "", right,
        number(each.latency_ms), each.segment, each.key or "",
    ]  # fmt: skip


def _who(each: Any) -> str:
    if each.endpoint:
        return f"endpoint {each.endpoint}"
    return f"{each.model} {each.version}".strip() or f"revision {each.revision}"


@command.command()
@click.argument("prediction", metavar="PREDICTION")
@as_json
@asks
def show(client: Client, *, prediction: str, json: bool) -> None:
    """Show PREDICTION, an id: input, answer, all feedback, and what shadows answered."""
    import msgspec

    found = client.get_prediction(prediction)
    if json:
        document(found)
        return
    shown = {name: msgspec.json.encode(value).decode() for name, value in (("in", found.input), ("out", found.output))}
    facts(
        [
            ("ID", found.id),
            ("When", moment(found.at_ms)),
            ("Deployment", found.deployment),
            ("Answered by", _who(found)),
            ("Revision", str(found.revision) if found.revision else ""),
            ("Role", found.role),
            ("Segment", found.segment),
            ("Key", found.key or ""),
            ("Status", str(found.status)),
            ("Latency", f"{number(found.latency_ms)} ms"),
            ("Input", shown["in"] if found.input is not None else f"hash {found.input_hash}" * bool(found.input_hash)),
            ("Output", shown["out"] if found.output is not None else ""),
            ("Label", found.label or ""),
            ("Score", number(found.score)),
            ("Truth", found.truth or ""),
            ("Right", "" if found.right is None else "yes" if found.right else "no"),
            ("Shadow of", found.parent or ""),
        ]
    )
    if found.feedback:
        heading("Feedback, the newest first")
        titles = [Column("WHEN", whole=True), Column("TRUTH"), Column("RIGHT"), Column("BY")]
        rows = (
            [moment(each.at_ms), each.truth or "", "" if each.right is None else "yes" if each.right else "no",
             each.principal]
            for each in found.feedback
        )  # fmt: skip
        show_table(titles, rows)
    if found.shadows:
        heading("Shadows")
        titles = [Column("ID", whole=True), Column("ANSWERED BY"), Column("STATUS"), Column("LABEL"), Column("MS")]
        rows = (
            [each.id, _who(each), str(each.status), each.label or "", number(each.latency_ms)]
            for each in found.shadows
        )  # fmt: skip
        show_table(titles, rows)


@command.command()
@_deployment
@_with(_FILTERS)
@_with(_PERIOD)
@click.option("--to", "to", metavar="FILE", help="Where to; its suffix says which format. [stdout, JSON lines]")
@click.option("--format", "form", type=click.Choice(["jsonl", "parquet"]), help="Whatever the suffix says.")
@asks
def export(client: Client, *, deployment: str, to: str | None, form: str | None, **wanted: Any) -> None:
    """Write predictions to a file, as JSON lines or Parquet, the newest first."""
    if to is None:
        if form == "parquet":
            raise click.UsageError("Parquet needs a file: give --to FILE.")
        for line in client.stream_predictions(deployment, **_given(wanted)):
            sys.stdout.buffer.write(line + b"\n")
        return
    count = client.export_predictions(to, deployment, format=form or "", **_given(wanted))
    click.echo(f"{count:,} predictions in {to}", err=True)


# ------------------------------------------------------------------------------------ statistics


@click.command("statistics")
@click.argument("deployment", metavar="DEPLOYMENT")
@click.option("--compare", nargs=2, metavar="A B", help="Two versions: which is better, and how sure that is.")
@click.option("--version", metavar="VERSION", help="Only of this version.")
@click.option("--segment", metavar="NAME", help="Only of this segment.")
@click.option("--window", type=click.Choice(["hour", "day"]), help="Also by hour, or by day (UTC).")
@_with(_PERIOD)
@as_json
@asks
def statistics(client: Client, *, deployment: str, compare: tuple[str, str] | None, json: bool, **wanted: Any) -> None:
    """Correctness, errors and latency of DEPLOYMENT: overall, by version, by segment, by time."""
    given = _given(wanted)
    if compare is not None:
        if given.keys() & {"version", "window"}:
            raise click.UsageError("--compare goes with --segment, --since and --until only.")
        found = client.compare_versions(deployment, *compare, **given)
        if json:
            document(found)
        else:
            click.echo(found.told)
        return
    told = client.get_statistics(deployment, **given)
    if json:
        document(told)
        return
    columns = [
        Column("OF"), Column("CALLS", right=True), Column("ERRORS", right=True), Column("CORRECT", right=True),
        Column("95 %", right=True), Column("FEEDBACK", right=True), Column("POSITIVE", right=True),
        Column("P50 MS", right=True), Column("P99 MS", right=True), Column("AGREES", right=True),
    ]  # fmt: skip
    show_table(columns, _lines(told))


def _lines(told: Any) -> Iterator[list[str]]:
    yield _line("everything", told.total)
    for each in told.versions:
        yield _line(_who(each), each)
    if len(told.segments) > 1 or (told.segments and told.segments[0].segment):
        for segment in told.segments:
            name = f"segment {segment.segment}" if segment.segment else "no segment"
            yield _line(name, segment)
            if len(segment.versions) > 1:
                for each in segment.versions:
                    yield _line(f"{name}, {_who(each)}", each)
    for window in told.windows:
        yield _line(moment(window.start_ms), window)
    for shadow in told.shadows:
        yield _line(f"shadow {_who(shadow)}", shadow, _percent(shadow.agreement))


def _line(name: str, of: Any, agrees: str = "") -> list[str]:
    interval = "" if of.correctness is None else f"{_percent(of.correctness_low)} to {_percent(of.correctness_high)}"
    return [
        name, f"{of.calls:,}", f"{of.errors:,}", _percent(of.correctness), interval, f"{of.answered:,}",
        _percent(of.positive_share), _ms(of.latency_p50_ms), _ms(of.latency_p99_ms), agrees,
    ]  # fmt: skip


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.1f} %"


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


# ------------------------------------------------------------------------------------ feedback


@click.command("feedback")
@click.argument("prediction", metavar="[PREDICTION]", required=False)
@click.option("--truth", metavar="LABEL", help="The label that would have been right.")
@click.option("--right/--wrong", "right", default=None, help="Whether the answer was right.")
@click.option("--key", metavar="KEY", help="Instead of PREDICTION: the key of the requests.")
@click.option("--deployment", default="", metavar="NAME", help="With --key: the deployment that they asked.")
@click.option("--file", "file", type=click.File("rb"), metavar="FILE", help="JSON lines with these as fields.")
@as_json
@asks
def feedback(
    client: Client,
    *,
    prediction: str | None,
    truth: str | None,
    right: bool | None,
    key: str | None,
    deployment: str,
    file: Any,
    json: bool,
) -> None:
    """Say what turned out about PREDICTION, an id; the newest feedback counts."""
    if file is not None:
        if (prediction, truth, right, key) != (None, None, None, None):
            raise click.UsageError("Give a file, or one feedback.")
        taken = client.give_feedback_many(_read(file, deployment))
    else:
        taken = client.give_feedback(prediction, truth=truth, right=right, deployment=deployment, key=key)
    if json:
        document(taken)
    else:
        waiting = "" if taken.joined else "; none of them is recorded yet"
        click.echo(f"{taken.taken:,} taken, about {taken.joined:,} predictions{waiting}.", err=True)


def _read(file: Any, deployment: str) -> Iterator[Any]:
    import msgspec

    from modelyard.wire.predictions import Feedback

    decode = msgspec.json.Decoder(Feedback).decode
    for at, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            each = decode(line)
        except msgspec.DecodeError as error:
            raise click.UsageError(f"Line {at} is no feedback: {error}.") from None
        if each.key is not None and not each.deployment:
            each.deployment = deployment
        yield each
