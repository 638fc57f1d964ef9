"""The line in a server's lock."""

from hypothesis import given
from hypothesis import strategies as st

from modelyard.domain.holders import Holder, read

words = st.text(st.characters(codec="ascii", categories=("L", "N", "P")), min_size=1).filter(lambda url: "," not in url)


@given(st.builds(Holder, st.integers(0, 10**9), words, st.booleans(), st.booleans()))
def test_what_is_written_is_read(holder) -> None:
    assert read(f"{holder}\n") == holder
    assert read(f"{holder}\nand what a longer line left behind") == holder


@given(st.text())
def test_anything_else_is_nobody(text) -> None:
    found = read(text)
    assert found is None or text.startswith(f"{found}\n")


def test_a_line_that_is_not_whole_is_nobody() -> None:
    line = f"{Holder(7, 'http://127.0.0.1:5000', ready=True, passing=True)}\n"
    assert all(read(line[:end]) is None for end in range(len(line)))
