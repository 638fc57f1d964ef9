"""What the commands for people share: whom they ask, how much of it, and in which form they answer."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from modelyard.domain.errors import NotFound

from .tables import Column, show

if TYPE_CHECKING:
    from modelyard.client.client import Client


of_server = click.option(
    "--tracking-uri",
    metavar="URI",
    help="The server's URL, a directory, or sqlite:///FILE.db. "
    "[./modelyard-data] (MODELYARD_TRACKING_URI, MLFLOW_TRACKING_URI)",
)


def asks(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator: the option `--tracking-uri`; the function gets a `client`."""

    @of_server
    @functools.wraps(function)
    def command(*arguments: Any, tracking_uri: str | None, **options: Any) -> Any:
        return function(*arguments, client=connect(tracking_uri), **options)

    return command


def connect(tracking_uri: str | None) -> Client:
    """The client of a tracking URI, or of the one that the environment names.

    Raises:
        NotFound: it names a local store that is not there; looking makes none.
    """
    from modelyard.client import uris
    from modelyard.client.client import Client

    client = Client(tracking_uri)
    if uris.is_local(client.tracking_uri) and not uris.local_path(client.tracking_uri).exists():
        raise NotFound(
            f"There is no {uris.local_path(client.tracking_uri)}. Say where the runs are with --tracking-uri or "
            "MODELYARD_TRACKING_URI: a server's URL, or a directory."
        )
    return client


as_json = click.option("--json", "json", is_flag=True, help="Answer in JSON.")
limited = click.option(
    "--limit", type=click.IntRange(1), metavar="N", help="The first N; it is said if there are more. [everything]"
)
ordered = click.option(
    "--order-by", "order_by", multiple=True, metavar="KEY", help="Such as 'metrics.loss DESC'; may be repeated."
)
removed = click.option("--remove", multiple=True, metavar="KEY", help="Remove this tag; may be repeated.")


class Pair(click.ParamType[tuple[str, str]]):
    """A tag, as KEY=VALUE."""

    name = "KEY=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Key and value."""
        key, sign, text = str(value).partition("=")
        if not key or not sign:
            self.fail(f"{value!r} is not a tag; expected KEY=VALUE.", param, ctx)
        return key, text


pairs = click.argument("pairs", type=Pair(), nargs=-1, metavar="[KEY=VALUE]...")


def answer(
    found: Iterable[Any],
    columns: Sequence[Column],
    row: Callable[[Any], Sequence[str]],
    *,
    json: bool,
    nothing: str = "Nothing found.",
) -> None:
    """Print what a search found, and say if it is not all.

    Args:
        found: entities; with a `token` if there are more.
        columns: of the table.
        row: from an entity to its cells.
        json: one JSON array instead, an entity a line.
        nothing: what is said if nothing was found.
    """
    if json:
        separator = "["
        for each in found:
            click.echo(f"{separator}\n{encoded(each)}", nl=False)
            separator = ","
        click.echo("[]" if separator == "[" else "\n]")
    else:
        show(columns, map(row, found), nothing)
    if getattr(found, "token", None):
        click.echo(f"There are more than these {len(found)}.", err=True)  # type: ignore[arg-type] # a page has a length


def document(value: Any) -> None:
    """Print one entity, or a dict of them, as JSON for people to read."""
    import msgspec

    click.echo(msgspec.json.format(encoded(value), indent=2))


def encoded(value: Any) -> str:
    """An entity, or a dict or list of them, as JSON on one line."""
    import msgspec

    return msgspec.json.encode(_plain(value)).decode()


def _plain(value: Any) -> Any:
    if hasattr(value, "to_dictionary"):
        return value.to_dictionary()
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def tagged(
    pairs: Sequence[tuple[str, str]],
    remove: Sequence[str],
    put: Callable[[str, str], object],
    take: Callable[[str], object],
) -> None:
    """Set and remove tags.

    Raises:
        click.UsageError: there is nothing to do.
    """
    if not pairs and not remove:
        raise click.UsageError("Nothing to do: give KEY=VALUE, or --remove KEY.")
    for key, value in pairs:
        put(key, value)
    for key in remove:
        take(key)


def moment(ms: int | None) -> str:
    """A time, in this machine's time zone: on a terminal to the minute, else to the second."""
    form = "%Y-%m-%d %H:%M" if sys.stdout.isatty() else "%Y-%m-%d %H:%M:%S"
    return datetime.fromtimestamp(ms / 1000).astimezone().strftime(form) if ms else ""


def duration(start_ms: int | None, end_ms: int | None) -> str:
    """How long something took, such as `1h 05m`."""
    if not start_ms or not end_ms or end_ms < start_ms:
        return ""
    seconds = (end_ms - start_ms) / 1000
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02}m" if hours else f"{minutes}m {rest:02}s"


def size(count: int | None) -> str:
    """A number of bytes: on a terminal such as `1.2 MB`, else exactly."""
    if count is None:
        return ""
    return scaled(count) if sys.stdout.isatty() else str(count)


def scaled(count: int) -> str:
    """A number of bytes, such as `1.2 MB`."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def number(value: float | None) -> str:
    """A metric's value: on a terminal in up to six digits, else exactly."""
    return "" if value is None else f"{value:.6g}" if sys.stdout.isatty() else repr(value)
