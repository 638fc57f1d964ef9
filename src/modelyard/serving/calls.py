"""What passes between protocols and model: a request as it came, as rows that the model takes, and its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelyard.domain.errors import ModelyardError

JSON: Final = b"application/json"

# The protocols, as they are numbered in frames.
NATURAL: Final = 0
INVOCATIONS: Final = 1
OPEN_INFERENCE: Final = 2
PROTOCOLS: Final = {NATURAL: "natural", INVOCATIONS: "invocations", OPEN_INFERENCE: "open_inference"}
"""As people and dashboards know them."""


@dataclass(slots=True)
class Asked:
    """A request as it came.

    Attributes:
        protocol: one of `NATURAL`, `INVOCATIONS`, `OPEN_INFERENCE`.
        body: as sent.
        content_type: the header's value as sent, without it `application/json`.
        json_bytes: `Inference-Header-Content-Length` of the binary tensor extension; -1 without that header.
    """

    protocol: int
    body: bytes | memoryview
    content_type: bytes = JSON
    json_bytes: int = -1


@dataclass(slots=True)
class Answered:
    """An answer as it is sent.

    Attributes:
        status: of HTTP.
        body: as sent.
        content_type: the header's value.
        json_bytes: `Inference-Header-Content-Length` of the answer; -1 for none.
        rows: how many predictions it holds.
    """

    status: int
    body: bytes
    content_type: bytes = JSON
    json_bytes: int = -1
    rows: int = 0


@dataclass(slots=True)
class Call:
    """A request, understood and checked against the signature.

    Attributes:
        data: what the model takes, in one of these shapes: a dictionary of columns in the signature's order (name →
            list, or array of one dimension; a signature of unnamed columns has their positions as names), an array
            (a signature of one unnamed tensor), a dictionary of arrays (named tensors), or anything (no signature).
        rows: how many predictions are asked for; the length of each column, the first length of each array. -1: not
            known, this call is never put together with others.
        params: of the prediction, checked and with defaults; None if the model takes none.
        echo: what the protocol needs to word the answer.
    """

    data: Any
    rows: int
    params: Mapping[str, Any] | None = None
    echo: Any = None


class Wire(Protocol):
    """One protocol's reading and writing for one model. An implementation keeps no state between calls."""

    def read(self, asked: Asked) -> Call:
        """The call that a body asks for.

        Raises:
            ModelyardError: it does not decode, or does not fit the signature; everything that is wrong is named.
        """

    def write(self, call: Call, output: Any) -> Answered:
        """The answer, from the model's output for this call's rows: array, DataFrame, Series, list, dictionary, value.

        Always valid JSON, or binary tensors: NaN and infinity become null where the protocol has no word for them.
        """

    def refuse(self, error: ModelyardError, status: int) -> Answered:
        """An error in the protocol's words."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model's calls are put together.

    Attributes:
        rows: at most so many rows in one prediction; 1: calls are never put together.
        least: predictions are of this many rows, or twice, three times, ... as many: the rest is filled up with
            `filler`, which makes the answers independent of the batch's size to the last bit; 1: nothing to fill.
        filler: the values of a row that costs little to answer, in the signature's order; None: the last row again.
        seconds: measured time of one prediction by number of rows, ascending; empty if it was not measured.
        reason: why it is so, for people.
    """

    rows: int = 1
    least: int = 1
    seconds: Mapping[int, float] = field(default_factory=dict)
    reason: str = ""
    filler: tuple[Any, ...] | None = None

    def missing(self, rows: int) -> int:
        """How many rows have to be filled up."""
        return -rows % self.least
