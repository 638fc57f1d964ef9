"""What the front and a worker tell one another beside calls and answers: to load a model, and what came of it."""

from __future__ import annotations

from typing import Any

import msgspec


class GoldenResult(msgspec.Struct):
    """What one golden test came to; without differences and error it passed."""

    name: str
    differences: list[str] = []
    error: str = ""


class Loaded(msgspec.Struct, tag="loaded", tag_field="note", kw_only=True):
    """A model is ready to answer.

    Attributes:
        slot: where.
        rows: of the plan, see `calls.Plan`.
        least: likewise.
        curve: number of rows and measured seconds of one prediction.
        reason: of the plan.
        tuned: what was changed so that it answers faster.
        golden: what its golden tests came to.
        warnings: packages in other versions than it was saved with.
        size: bytes by which the process grew.
        seconds: that loading and testing took.
        forked: whether the copies were made.
        process: its number, of a copy.
    """

    slot: int
    rows: int = 1
    least: int = 1
    curve: list[tuple[int, float]] = []
    reason: str = ""
    tuned: list[str] = []
    golden: list[GoldenResult] = []
    warnings: list[str] = []
    size: int = 0
    seconds: float = 0.0
    forked: bool = False
    process: int = 0


class Load(msgspec.Struct, tag="load", tag_field="note", kw_only=True):
    """Load a model into a slot, test it, and say what came of it.

    Attributes:
        slot: its number, of the front's choosing.
        path: the model's directory.
        name: under which it is served.
        version: of the registered model; empty for a directory.
        batching: `auto`, `on` or `off`.
        max_rows: at most so many rows in one prediction; None as it pays.
        unknown_columns: `refuse` or `ignore`.
        allow_pickle: whether pickles may be loaded.
        trusted: further types that a skops file may hold.
        golden: whether to run the golden tests.
        onnx: whether an accepted conversion to ONNX answers instead of the model.
        threads: for the libraries' pools.
        quick: whether to measure in a hurry, being one of many.
        known: the plan, if this very version was measured and tested before; its process is being replaced.
        copies: file descriptors; for each, a copy of this process by fork, once the model is loaded.
    """

    slot: int
    path: str
    name: str
    version: str = ""
    batching: str = "auto"
    max_rows: int | None = None
    unknown_columns: str = "refuse"
    allow_pickle: bool = False
    trusted: list[str] = []
    golden: bool = True
    onnx: bool = True
    threads: int = 1
    quick: bool = False
    known: Loaded | None = None
    copies: list[int] = []


class Drop(msgspec.Struct, tag="drop", tag_field="note"):
    """Forget the model in a slot."""

    slot: int


class Failed(msgspec.Struct, tag="failed", tag_field="note", kw_only=True):
    """A model could not be made ready; the slot is empty.

    Attributes:
        slot: where.
        reason: what was wrong and what to do.
        golden: what its golden tests came to, if it came that far.
    """

    slot: int
    reason: str
    golden: list[GoldenResult] = []


_ENCODER = msgspec.json.Encoder()
_TO_WORKER = msgspec.json.Decoder(Load | Drop)
_TO_FRONT = msgspec.json.Decoder(Loaded | Failed)


def write(note: Any) -> bytes:
    """The note as it stands in a frame."""
    return _ENCODER.encode(note)


def for_worker(content: bytes | memoryview) -> Load | Drop:
    """A note that the front wrote."""
    found: Load | Drop = _TO_WORKER.decode(content)
    return found


def for_front(content: bytes | memoryview) -> Loaded | Failed:
    """A note that a worker wrote."""
    found: Loaded | Failed = _TO_FRONT.decode(content)
    return found
