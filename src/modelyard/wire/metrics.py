"""Series of metrics as messages: columns, for charts, and packed points on their way in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from modelyard.domain.metrics import MOST_PACKED, POINT

from .message import Answer, Integer, NaN, Request

if TYPE_CHECKING:
    from collections.abc import Sequence

Axis = Annotated[Literal["step", "time"], Meta(description="What the chart's horizontal axis shows.")]
PointLimit = Annotated[
    int,
    Meta(
        ge=4,
        le=1_000_000,
        description="A longer series is down-sampled to this many points that draw the same line; the first, the last, "
        "the least and the greatest are always among them.",
    ),
]
Start = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1, description="First step, or time in ms, that is shown.")]
End = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1, description="Last step, or time in ms, that is shown.")]


class PointBatch(Request):
    """Points of several runs in one message, as MessagePack; all of them are kept, or none."""

    runs: Annotated[list[str], Meta(max_length=1000, description="Ids of the runs that points belong to.")]
    keys: Annotated[list[str], Meta(max_length=MOST_PACKED, description="Keys of the metrics that points belong to.")]
    points: Annotated[
        bytes,
        Meta(
            max_length=MOST_PACKED * POINT.size,
            description="One record of 32 bytes after the other, little-endian: uint32 index of the run in `runs`, "
            "uint32 index of the key in `keys`, float64 value, int64 milliseconds since the epoch, int64 step.",
        ),
    ]


class SeriesQuery(Request):
    """How a series is wanted."""

    points: PointLimit = 500
    by: Axis = "step"
    start: Start | None = None
    end: End | None = None


class SeriesSearch(Request):
    """Several series at once: of these runs, those of these keys that have points."""

    run_ids: Annotated[list[str], Meta(max_length=500)]
    keys: Annotated[list[str], Meta(max_length=500)]
    points: PointLimit = 500
    by: Axis = "step"
    start: Start | None = None
    end: End | None = None


class Series(Answer):
    """A metric of a run as columns of one length, ordered by step or by time."""

    run_id: str
    key: str
    steps: list[Integer]
    timestamps_ms: list[int]
    values: list[NaN]
    total: Annotated[int, Meta(description="How many points there are in the range.")]
    sampled: Annotated[bool, Meta(description="Whether points were left out.")]


class SeriesList(Answer):
    """Several series."""

    series: list[Series]


def series(
    run_id: str, key: str, steps: Sequence[int], timestamps: Sequence[int], values: Sequence[float], total: int
) -> Series:
    """The message that holds a series of which there are `total` points."""
    return Series(
        run_id=run_id,
        key=key,
        steps=list(steps),
        timestamps_ms=list(timestamps),
        values=list(values),
        total=total,
        sampled=len(steps) < total,
    )
