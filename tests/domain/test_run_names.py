import re

from hypothesis import given
from hypothesis import strategies as st

from modelyard.domain import run_names


@given(st.integers(min_value=0, max_value=2**64))
def test_any_number_has_a_name_of_three_parts(number: int) -> None:
    assert re.fullmatch(r"[a-z]+-[a-z]+-\d{1,3}", run_names.make(number))


def test_neighbours_have_names_of_their_own() -> None:
    assert len({run_names.make(number) for number in range(10_000)}) == 10_000
