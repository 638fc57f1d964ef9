"""Tables fit their terminal, lose nothing in a pipe, and cannot command a terminal."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.cli import asking, tables
from modelyard.cli.tables import Column

ROOM = st.integers(20, 120)
CELL = st.text(max_size=60)


@given(CELL, st.integers(1, 40))
def test_a_cell_takes_exactly_its_room(text: str, room: int) -> None:
    shown = tables.plain(text)
    assert tables.width(tables.pad(shown, room)) == room
    assert tables.width(tables.cut(shown, room)) <= room
    if tables.width(shown) <= room:
        assert tables.cut(shown, room) == shown


@given(CELL)
def test_nothing_commands_the_terminal(text: str) -> None:
    assert tables.plain(text).isprintable()
    assert tables.plain("\x1b[2Ja\nb\tc") == "\\x1b[2Ja b c"


@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=5), ROOM)
def test_a_table_is_no_wider_than_its_room(rows: list[list[str]], room: int) -> None:
    columns = [Column("A"), Column("LONGER TITLE"), Column("C", right=True)]
    kept, widths = tables.fit(columns, rows, room)
    assert kept == list(range(len(kept)))
    assert kept
    assert sum(widths) + tables.GAP * (len(widths) - 1) <= room


def test_room_goes_to_the_short_cells_first() -> None:
    columns = [Column("ID", whole=True), Column("NAME"), Column("NOTE")]
    rows = [["x" * 32, "short", "long " * 40]]
    kept, widths = tables.fit(columns, rows, 60)
    assert (kept, widths) == ([0, 1, 2], [32, 5, 19])
    kept, widths = tables.fit(columns, rows, 42)
    assert (kept, widths) == ([0, 1], [32, 5])


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("", 0), ("é", 1)])
def test_width_is_what_a_terminal_shows(text: str, columns: int) -> None:
    assert tables.width(text) == columns


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [(1, 1501, "1.5s"), (1, 61_001, "1m 01s"), (1, 3_900_001, "1h 05m"), (None, 5, ""), (5, None, ""), (9, 5, "")],
)
def test_how_long_it_took(start: int | None, end: int | None, told: str) -> None:
    assert asking.duration(start, end) == told


@pytest.mark.parametrize(("count", "told"), [(0, "0 B"), (999, "999 B"), (1234, "1.2 kB"), (5 * 10**12, "5.0 TB")])
def test_how_large_it_is(count: int, told: str) -> None:
    assert asking.scaled(count) == told


@given(st.text(string.printable, min_size=1), st.text())
def test_tags_are_read(key: str, value: str) -> None:
    if "=" not in key:
        assert asking.Pair().convert(f"{key}={value}", None, None) == (key, value)
