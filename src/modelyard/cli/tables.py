"""Tables on a terminal, tab-separated lines in a pipe.

On a terminal a table is as wide as that at most: long cells are cut with `…`, and columns that find no room are left
out, which is said. In a pipe every cell is whole, there is no header, and a tab stands between two cells. Control
characters, which could command the terminal, are never passed on.
"""

from __future__ import annotations

import itertools
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import click

MEASURED: Final = 200
"""Rows whose widths decide how wide the columns are; those behind them are printed as they come."""

LEAST: Final = 8
"""Columns (of the terminal) that are left of a cell that is cut."""

GAP: Final = 2

_COLOURS: Final = {
    "FINISHED": "green", "READY": "green", "FAILED": "red", "KILLED": "red", "RUNNING": "cyan", "deleted": "yellow",
    "Production": "green", "Staging": "cyan",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        title: its header.
        right: whether it is aligned to the right, as numbers are.
        whole: whether its cells are never cut, as ids are not.
    """

    title: str
    right: bool = False
    whole: bool = False


def show(columns: Sequence[Column], rows: Iterable[Sequence[str]], nothing: str = "Nothing found.") -> None:
    """Print rows: as a table on a terminal, else tab-separated.

    Args:
        columns: one for each cell of a row.
        rows: read once; not all of them before the first is printed.
        nothing: what is said, on stderr, if there are none.
    """
    waiting = iter(rows)
    first = list(itertools.islice(waiting, MEASURED))
    if not first:
        click.echo(nothing, err=True)
        return
    if not sys.stdout.isatty():
        for row in itertools.chain(first, waiting):
            click.echo("\t".join(" ".join(plain(cell).split("\t")) for cell in row))
        return
    kept, widths = fit(columns, first, shutil.get_terminal_size().columns)
    click.echo(click.style(_line([columns[at].title for at in kept], [columns[at] for at in kept], widths), bold=True))
    for row in itertools.chain(first, waiting):
        click.echo(_line([plain(row[at]) for at in kept], [columns[at] for at in kept], widths, coloured=True))
    if len(kept) < len(columns):
        left = ", ".join(column.title for at, column in enumerate(columns) if at not in kept)
        click.echo(f"No room for: {left}. A wider terminal, a pipe or --json shows them.", err=True)


def fit(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int) -> tuple[list[int], list[int]]:
    """Which columns a table has, and how wide each is.

    Args:
        columns: all of them, the most important first.
        rows: those that are measured.
        room: how wide the table may be.

    Returns:
        Places of the columns that are kept, and their widths.
    """
    needed = [max([width(column.title), *(width(plain(row[at])) for row in rows)]) for at, column in enumerate(columns)]
    least = [need if column.whole else min(need, LEAST) for need, column in zip(needed, columns, strict=True)]
    kept: list[int] = []
    taken = -GAP
    for at, need in enumerate(least):
        if kept and taken + GAP + need > room:
            break
        kept.append(at)
        taken += GAP + need
    widths = {at: least[at] for at in kept}
    spare = room - taken
    for at in sorted(kept, key=lambda each: needed[each] - least[each]):  # the shortest wishes first
        share = min(needed[at] - widths[at], max(spare, 0))
        widths[at] += share
        spare -= share
    return kept, [widths[at] for at in kept]


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    """Print names and values, one pair a line; what is empty is left out."""
    told = [(name, plain(value)) for name, value in pairs if value]
    if not sys.stdout.isatty():
        for name, value in told:
            click.echo(f"{name}\t{value}")
        return
    longest = max((width(name) for name, _ in told), default=0)
    for name, value in told:
        click.echo(click.style(pad(name, longest), bold=True) + " " * GAP + click.style(value, fg=_COLOURS.get(value)))


def heading(text: str) -> None:
    """Print the title of what follows, on a terminal."""
    if sys.stdout.isatty():
        click.echo("\n" + click.style(text, bold=True, underline=True))


def plain(text: str) -> str:
    """The text on one line, its control characters made visible."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(each if each.isprintable() else " " if each in "\t\n\r" else f"\\x{ord(each):02x}" for each in text)


def width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )


def cut(text: str, room: int) -> str:
    """The text, in so many columns of a terminal at most."""
    if width(text) <= room:
        return text
    kept, taken = [], 0
    for each in text:
        taken += width(each)
        if taken > room - 1:
            break
        kept.append(each)
    return "".join(kept) + "…"


def pad(text: str, room: int, *, right: bool = False) -> str:
    """The text, in exactly so many columns of a terminal."""
    shown = cut(text, room)
    space = " " * (room - width(shown))
    return space + shown if right else shown + space


def _line(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int], *, coloured: bool = False) -> str:
    padded = []
    for cell, column, room in zip(cells, columns, widths, strict=True):
        text = pad(cell, room, right=column.right)
        colour = _COLOURS.get(cell) if coloured else None
        padded.append(click.style(text, fg=colour) if colour else text)
    return (" " * GAP).join(padded).rstrip()
