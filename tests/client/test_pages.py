"""Searches are sequences of everything, or pages that say when they are cut."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.client.pages import Page, Results, search
from modelyard.domain.errors import InvalidArgument


class Source:
    """A server's numbered answers; what it has may grow while it is read."""

    def __init__(self, items: list[int]) -> None:
        self.items = items
        self.asked: list[tuple[int, str]] = []

    def fetch(self, limit: int, token: str) -> tuple[list[int], str]:
        self.asked.append((limit, token))
        start = int(token or 0)
        end = start + limit
        return self.items[start:end], str(end) if end < len(self.items) else ""


def results(source: Source, page: int) -> Results[int]:
    return Results(source.fetch, page, lambda item: item)


SIZES = st.tuples(st.integers(0, 40), st.integers(1, 12))


@given(SIZES, st.slices(50))
def test_results_are_what_a_list_would_be(sizes: tuple[int, int], part: slice) -> None:
    count, page = sizes
    whole = list(range(count))
    assert list(results(Source(whole), page)) == whole
    assert len(results(Source(whole), page)) == count
    assert results(Source(whole), page)[part] == whole[part]
    assert bool(results(Source(whole), page)) is bool(whole)
    assert results(Source(whole), page) == whole
    assert list(reversed(results(Source(whole), page))) == whole[::-1]
    assert (5 in results(Source(whole), page)) is (5 in whole)


@given(SIZES, st.integers(-50, 50))
def test_an_index_finds_what_a_list_would_find(sizes: tuple[int, int], index: int) -> None:
    count, page = sizes
    whole = list(range(count))
    found = results(Source(whole), page)
    try:
        wanted: int | None = whole[index]
    except IndexError:
        with pytest.raises(IndexError):
            found[index]
    else:
        assert found[index] == wanted


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 39))
def test_no_page_is_fetched_before_it_is_needed(count: int, page: int, index: int) -> None:
    source = Source(list(range(count)))
    found = results(source, page)
    assert source.asked == []
    if index < count:
        assert found[index] == index
        assert len(source.asked) == index // page + 1


@given(SIZES, st.integers(1, 60), st.integers(1, 12))
def test_a_limit_gives_exactly_so_many(sizes: tuple[int, int], limit: int, most: int) -> None:
    count, page = sizes
    source = Source(list(range(count)))
    found = search(source.fetch, identity=lambda item: item, max_results=limit, page_token=None, page=page, most=most)
    assert isinstance(found, Page)
    assert found == list(range(min(limit, count)))
    assert (found.token is not None) is found.cut is (limit < count)
    assert all(asked <= most for asked, _ in source.asked)
    if found.token:
        rest = search(
            source.fetch, identity=lambda item: item, max_results=None, page_token=found.token, page=page, most=most
        )
        assert found + list(rest) == source.items


def test_items_that_are_sent_again_are_left_out() -> None:
    """Something new pushes the rest one place on while pages are read."""
    source = Source(list(range(10)))
    found = results(source, 4)
    assert found[3] == 3
    source.items = [99, *source.items]
    assert list(found) == list(range(10))


def test_a_server_that_repeats_its_token_is_not_asked_for_ever() -> None:
    asked: list[str] = []

    def fetch(limit: int, token: str) -> tuple[list[int], str]:
        asked.append(token)
        return [len(asked)], "again"

    assert list(Results(fetch, 1, lambda item: item)) == [1, 2]


def test_what_is_cut_says_so() -> None:
    def shown(found: object) -> str:
        return repr(found)

    cut: Callable[[int | None], object] = lambda limit: search(  # noqa: E731
        Source(list(range(10))).fetch, identity=lambda item: item, max_results=limit, page_token=None, page=4, most=9
    )
    assert shown(cut(2)) == "<the first 2, cut by max_results: read on with page_token=page.token> [0, 1]"
    assert shown(cut(10)) == str(list(range(10)))
    assert shown(cut(None)) == "[0, 1, 2, ... more than 3]"
    assert shown(results(Source([1, 2]), 5)) == "[1, 2]"
    assert shown(results(Source(list(range(9))), 20)) == "[0, 1, 2, ... 9 in all]"


def test_everything_has_no_token() -> None:
    found = results(Source(list(range(10))), 4)
    assert found.token is None
    assert found.to_list() == list(range(10))


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_is_positive(limit: int) -> None:
    with pytest.raises(InvalidArgument, match="max_results"):
        search(Source([]).fetch, identity=id, max_results=limit, page_token=None, page=1, most=1)
