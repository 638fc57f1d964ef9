"""Cursors: where a page ended, as a text that means nothing to its reader.

A cursor holds the sort values of the page's last row, so rows that come or go meanwhile neither shift nor repeat the
rest. Its checksum only tells a damaged cursor, or one of another ordering, from a good one; it keeps no secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Any, Final

import msgspec

from modelyard.domain.errors import InvalidArgument
from modelyard.domain.search import order_to_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.domain.search import OrderKey, Scalar

Values = tuple[str | int | float | None, ...]
_SIZE: Final = 8
_decode: Final = msgspec.msgpack.Decoder(Values).decode


def write(values: Sequence[str | int | float | None], of: str, order: Sequence[OrderKey] = ()) -> str:
    """The cursor behind a row with these sort values.

    Args:
        values: what `read` will give back.
        of: what is listed, such as `runs`.
        order: how it is sorted.
    """
    body = msgspec.msgpack.encode(tuple(values))
    return base64.urlsafe_b64encode(_checksum(body, of, order) + body).rstrip(b"=").decode()


def read(cursor: str, of: str, order: Sequence[OrderKey] = ()) -> Values | None:
    """The values that `write` was given; None for the empty cursor, which is the beginning.

    Raises:
        InvalidArgument: the cursor was not made for this listing and this order.
    """
    if not cursor:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        checksum, body = raw[:_SIZE], raw[_SIZE:]
        if checksum == _checksum(body, of, order):
            return _decode(body)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        pass
    raise InvalidArgument(
        "The cursor is damaged, or belongs to another listing or order. Begin again without a cursor."
    )


def _checksum(body: bytes, of: str, order: Sequence[OrderKey]) -> bytes:
    context: Any = "\n".join([of, *map(order_to_text, order)]).encode()
    return hashlib.blake2b(body, digest_size=_SIZE, key=hashlib.blake2b(context, digest_size=16).digest()).digest()


def read_sorted(cursor: str, of: str, order: Sequence[OrderKey] = ()) -> tuple[Scalar, ...] | None:
    """As `read`, for listings whose sort values are never missing."""
    values = read(cursor, of, order)
    return None if values is None else tuple("" if value is None else value for value in values)


def following(places: Sequence[Sequence[Scalar]], limit: int, of: str, order: Sequence[OrderKey] = ()) -> str | None:
    """The cursor behind the `limit`-th row, if more rows were found than that."""
    return write(places[limit - 1], of, order) if len(places) > limit else None
