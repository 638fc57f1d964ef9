"""What a search answers: everything, fetched as it is read, or one page that says when it is cut."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Generic, TypeVar, overload

from modelyard.domain.errors import InvalidArgument

T = TypeVar("T")

Fetch = Callable[[int, str], tuple[list[T], str]]
"""From how many at most, and a token (empty: from the beginning), to some items and the token of what follows."""

_SHOWN = 3


class Page(list[T]):
    """A list of what was found, up to the limit that was given.

    Attributes:
        token: pass it as `page_token` to read on; None: there is no more.
    """

    def __init__(self, items: Sequence[T] = (), token: str | None = None) -> None:
        super().__init__(items)
        self.token = token or None

    @property
    def cut(self) -> bool:
        """Whether there is more."""
        return self.token is not None

    def to_list(self) -> list[T]:
        """The items alone."""
        return list(self)

    def __repr__(self) -> str:
        if not self.cut:
            return super().__repr__()
        return f"<the first {len(self)}, cut by max_results: read on with page_token=page.token> {super().__repr__()}"


class Results(Sequence[T], Generic[T]):
    """Everything that a search finds, fetched page by page as it is read, each item once.

    It is what a list would be: iterate over it, index it, slice it, ask for its length (which reads all of it).

    Args:
        fetch: gets a page.
        page: how many items to ask for at once.
        identity: what makes two items the same. Servers number what they found, so that something new, logged while
            pages are read, shifts the rest: an item may be sent again, and is left out.
        token: where to begin.
    """

    def __init__(self, fetch: Fetch[T], page: int, identity: Callable[[T], Hashable], token: str | None = None) -> None:
        self._fetch = fetch
        self._page = page
        self._identity = identity
        self._next: str | None = token or ""
        self._items: list[T] = []
        self._seen: set[Hashable] = set()

    @property
    def token(self) -> None:
        """Always None: nothing follows what is everything."""
        return

    def to_list(self) -> list[T]:
        """All items."""
        return list(self)

    def _more(self) -> bool:
        """Fetch the next page; False if there is none."""
        if self._next is None:
            return False
        items, following = self._fetch(self._page, self._next)
        self._next = following if following and following != self._next else None
        for item in items:
            identity = self._identity(item)
            if identity not in self._seen:
                self._seen.add(identity)
                self._items.append(item)
        return True

    def __iter__(self) -> Iterator[T]:
        for index in itertools.count():
            while index >= len(self._items):
                if not self._more():
                    return
            yield self._items[index]

    def __len__(self) -> int:
        while self._more():
            pass
        return len(self._items)

    def __bool__(self) -> bool:
        return any(True for _ in self)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            forward = index.stop is not None and index.stop >= 0 and (index.start or 0) >= 0 and (index.step or 1) > 0
            needed = index.stop if forward else None
        else:
            needed = index + 1 if index >= 0 else None
        while (needed is None or needed > len(self._items)) and self._more():
            pass
        return self._items[index]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, list | tuple | Results):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        first = list(itertools.islice(self, _SHOWN + 1))
        if len(first) <= _SHOWN:
            return repr(first)
        known = f"{len(self._items)} in all" if self._next is None else f"more than {len(self._items) - 1}"
        return f"[{', '.join(map(repr, first[:_SHOWN]))}, ... {known}]"


def search(
    fetch: Fetch[T],
    *,
    identity: Callable[[T], Hashable],
    max_results: int | None,
    page_token: str | None,
    page: int,
    most: int,
) -> Page[T] | Results[T]:
    """What a search answers: everything without a limit, else a page of exactly so many, if there are.

    Args:
        fetch: gets a page.
        identity: what makes two items the same.
        max_results: the limit; None: there is none.
        page_token: where to begin; None: at the beginning.
        page: how many to ask for at once, without a limit.
        most: how many the server sends at once at most.

    Raises:
        InvalidArgument: the limit is not positive.
    """
    if max_results is None:
        return Results(fetch, page, identity, page_token)
    if max_results < 1:
        raise InvalidArgument(f"max_results is {max_results}; expected 1 or more, or None for everything.")
    found, token = fetch(min(max_results, most), page_token or "")
    while token and len(found) < max_results:
        more, token = fetch(min(max_results - len(found), most), token)
        found += more
    return Page(found, token)
