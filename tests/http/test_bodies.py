"""Bodies that come in are bounded one by one and all together, in size and in time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from modelyard.domain.errors import TooLarge, Unavailable
from modelyard.http.bodies import Bodies, Gone, TooSlow


class Sender:
    """Sends pieces; None stands for its leaving, a number for a pause."""

    def __init__(self, *pieces: bytes | float | None) -> None:
        self.pieces = list(pieces)

    async def __call__(self) -> dict[str, Any]:
        while self.pieces:
            piece = self.pieces.pop(0)
            if piece is None:
                return {"type": "http.disconnect"}
            if isinstance(piece, bytes):
                return {"type": "http.request", "body": piece, "more_body": bool(self.pieces)}
            await asyncio.sleep(piece)
        raise AssertionError("asked for more than there is")


def read(bodies: Bodies, *pieces: bytes | float | None, announced: bytes = b"") -> bytes:
    return asyncio.run(bodies.read(Sender(*pieces), announced))


def test_a_body_is_put_together():
    bodies = Bodies(10, 100, 1)
    assert read(bodies, b"whole") == b"whole"
    assert read(bodies, b"in ", b"three", b" p", announced=b"10") == b"in three p"
    assert bodies.held == 0


@pytest.mark.parametrize(
    ("pieces", "announced", "error"),
    [
        ((b"x" * 11,), b"", TooLarge),
        ((b"x" * 6, b"x" * 6), b"", TooLarge),
        ((), b"11", TooLarge),
        ((b"x", None), b"2", Gone),
        ((None,), b"2", Gone),
        ((b"x", 0.5, b"x"), b"2", TooSlow),
        (tuple(each for _ in range(8) for each in (b"x", 0.03)), b"8", TooSlow),
    ],
)
def test_what_is_too_much_or_too_slow_is_refused(pieces, announced, error):
    bodies = Bodies(10, 100, 0.1)
    with pytest.raises(error):
        read(bodies, *pieces, announced=announced)
    assert bodies.held == 0


def test_together_they_hold_so_much_and_not_more():
    bodies = Bodies(100, 150, 5)
    freed: list[bytes] = []

    async def three() -> list[Any]:
        async def one(pause_s: float) -> None:
            freed.append(await bodies.read(Sender(b"x" * 60, pause_s, b"x" * 10)))

        return await asyncio.gather(one(0.05), one(0.05), one(0.05), return_exceptions=True)

    refused = [each for each in asyncio.run(three()) if each is not None]
    assert [type(each) for each in refused] == [Unavailable]
    assert [len(each) for each in freed] == [70, 70]
    assert bodies.held == 0
