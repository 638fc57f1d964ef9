"""What all messages of the native API share.

Requests refuse unknown fields, so that a misspelt one is noticed. Fields of answers have no defaults: whoever makes an
answer says all of it. Readers ignore fields that they do not know, so that an older client understands a newer server.
Times are whole milliseconds since the epoch, in fields that end in `_ms`. NaN, which JSON cannot spell, is null.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

LEAST, GREATEST = -(2**63), 2**63 - 1


class Request(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A message to the server."""


class Answer(msgspec.Struct, kw_only=True):
    """A message from the server."""


Integer = Annotated[int, Meta(ge=LEAST, le=GREATEST)]
Id = Annotated[int, Meta(ge=0, le=GREATEST)]
Millis = Annotated[int, Meta(ge=0, le=GREATEST, description="Milliseconds since the epoch.")]
Text = Annotated[str, Meta(max_length=1_000_000)]
Tags = Annotated[dict[str, str], Meta(description="Labels: key and value.")]
TagChanges = Annotated[
    dict[str, str | None], Meta(description="Tags to add or replace; null removes one. Others stay as they are.")
]

View = Annotated[
    Literal["active", "deleted", "all"], Meta(description="What is in use, what is in the trash, or both.")
]
Filter = Annotated[
    str,
    Meta(
        description="Such as `metrics.loss < 0.1 AND (params.kind = 'a' OR NOT tags.old = 'yes')`; empty: everything."
    ),
]
OrderBy = Annotated[
    list[str], Meta(max_length=100, description="Such as `metrics.loss DESC`; what is missing comes last.")
]
Limit = Annotated[int, Meta(ge=1, le=5000, description="How many at most.")]
Cursor = Annotated[
    str,
    Meta(
        max_length=200_000,
        pattern="^[A-Za-z0-9_-]*$",
        description="`next_cursor` of the page before; empty: the first page.",
    ),
]
# A URL has room for 64 kB; what a query holds must fit, each letter as up to twelve bytes.
QueryFilter = Annotated[
    str,
    Meta(max_length=2000, description="Such as `name LIKE 'wine%' AND tags.team IN ('a', 'b')`; empty: everything."),
]
QueryOrderBy = Annotated[
    list[Annotated[str, Meta(max_length=300)]],
    Meta(max_length=10, description="Such as `name DESC`; what is missing comes last."),
]
QueryCursor = Annotated[
    str,
    Meta(
        max_length=24_000,
        pattern="^[A-Za-z0-9_-]*$",
        description="`next_cursor` of the page before; empty: the first page.",
    ),
]
Count = Annotated[bool, Meta(description="Also count everything that matches, as `total`.")]
NextCursor = Annotated[str | None, Meta(description="Where the next page begins; null: this is the last one.")]
Total = Annotated[int | None, Meta(description="How many match on all pages; null unless `count` was true.")]
NaN = Annotated[float | None, Meta(description="A number; null is NaN.")]
