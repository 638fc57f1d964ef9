"""Which reader a signature needs."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from modelyard.packaging.schema import Schema
from modelyard.serving.tables import Table
from modelyard.serving.tensors import Free, Tensors


class Reader(Protocol):
    """JSON to what `Call.data` holds."""

    def decode(self, body: bytes | memoryview | msgspec.Raw) -> tuple[Any, int, bool]:
        """Data, number of rows (-1: not known) and whether one row came by itself.

        Raises:
            MsgspecError, ValueError, RecursionError, InvalidArgument: try `plain`.
        """

    def plain(self, content: Any) -> tuple[Any, int, bool]:
        """The same, of plain JSON.

        Raises:
            InvalidArgument: it does not fit; all that is wrong is named.
        """


def reader(schema: Schema | None, *, lenient: bool = False) -> Reader:
    """The reader for a signature's inputs, or for none."""
    if schema is None:
        return Free()
    return Tensors(schema, lenient=lenient) if schema.is_tensor_spec() else Table(schema, lenient=lenient)
