"""What a gateway counts of the answers: by second, revision, role and segment."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from modelyard.domain.checks import BOUNDS_S, SCORE_BINS
from modelyard.wire.routing import Measured

from .answers import NOTHING

if TYPE_CHECKING:
    from .answers import Said

_MOST_OUTPUTS: Final = 256
_TOLD_OUTPUTS: Final = 16


class Of(NamedTuple):
    """What is counted apart.

    Attributes:
        deployment: name of it.
        revision: its number; 0: an endpoint.
        endpoint: its name; empty: a revision.
        role: of the revision.
        segment: of the request; empty: none.
    """

    deployment: str
    revision: int
    endpoint: str
    role: str
    segment: str


class Cell:
    """Counts of one second, see `wire.routing.Measured`; and of the seconds that answers took, the sum."""

    __slots__ = (
        "disagreements",
        "errors",
        "labelled",
        "latency",
        "outputs",
        "pairs",
        "positives",
        "requests",
        "scores",
        "seconds",
    )

    def __init__(self) -> None:
        self.requests = self.errors = self.labelled = self.positives = self.pairs = self.disagreements = 0
        self.latency = [0] * (len(BOUNDS_S) + 1)
        self.seconds = 0.0
        self.scores: list[int] = []
        self.outputs: dict[str, int] = {}

    def answer(self, said: Said) -> None:
        """Count what an answer says, or each of its rows."""
        label, score, positive, rows = said
        if rows:
            for each in rows:
                self.answer(each)
            return
        if label is not None:
            outputs = self.outputs
            name = label if label in outputs or len(outputs) < _MOST_OUTPUTS else ""
            outputs[name] = outputs.get(name, 0) + 1
        if positive is not None:
            self.labelled += 1
            self.positives += positive
        if score is not None:
            if not self.scores:
                self.scores = [0] * SCORE_BINS
            self.scores[min(SCORE_BINS - 1, max(0, int(score * SCORE_BINS)))] += 1


class Totals:
    """Counts since the start, for `/metrics`.

    Attributes:
        requests: answers.
        errors: of them, see `deployed.Settings.fails`.
        latency: by bucket of `BOUNDS_S`.
        seconds: about their sum.
        pairs, disagreements: of a shadow.
    """

    __slots__ = ("disagreements", "errors", "latency", "pairs", "requests", "seconds")

    def __init__(self) -> None:
        self.requests = self.errors = self.pairs = self.disagreements = 0
        self.latency = [0] * (len(BOUNDS_S) + 1)
        self.seconds = 0.0


class Measuring:
    """Counts answers.

    Attributes:
        totals: since the start.
    """

    def __init__(self) -> None:
        self.totals: dict[Of, Totals] = {}
        self._cells: dict[tuple[Of, int], Cell] = {}

    def add(self, of: Of, second: int, failed: bool, seconds: float, said: Said) -> Cell:  # noqa: FBT001 - for each answer
        """Count an answer.

        Args:
            of: whose.
            second: since the epoch.
            failed: see `deployed.Settings.fails`.
            seconds: that it took.
            said: what it says.
        """
        cell = self._cells.get((of, second))
        if cell is None:
            cell = self._cells[of, second] = Cell()
        cell.requests += 1
        cell.errors += failed
        cell.latency[bisect_left(BOUNDS_S, seconds)] += 1
        cell.seconds += seconds
        if said is not NOTHING:
            cell.answer(said)
        return cell

    def take(self) -> list[Measured]:
        """What was counted since the last time; each second may come in parts."""
        cells, self._cells = self._cells, {}
        told = []
        for (of, second), cell in cells.items():
            self._sum(of, cell)
            told.append(
                Measured(
                    deployment=of.deployment,
                    revision=of.revision,
                    role=of.role,
                    second=second,
                    endpoint=of.endpoint,
                    segment=of.segment,
                    requests=cell.requests,
                    errors=cell.errors,
                    latency=cell.latency,
                    labelled=cell.labelled,
                    positives=cell.positives,
                    outputs=_commonest(cell.outputs),
                    scores=cell.scores,
                    pairs=cell.pairs,
                    disagreements=cell.disagreements,
                )
            )
        return told

    def _sum(self, of: Of, cell: Cell) -> None:
        total = self.totals.get(of)
        if total is None:
            total = self.totals[of] = Totals()
        total.requests += cell.requests
        total.errors += cell.errors
        total.pairs += cell.pairs
        total.disagreements += cell.disagreements
        total.seconds += cell.seconds
        for at, count in enumerate(cell.latency):
            if count:
                total.latency[at] += count


def _commonest(outputs: dict[str, int]) -> dict[str, int]:
    """By digest, the commonest; `` for all others."""
    ordered = sorted(outputs.items(), key=lambda each: each[1], reverse=True)
    told: dict[str, int] = {}
    for at, (label, count) in enumerate(ordered):
        name = digest(label) if label and at < _TOLD_OUTPUTS else ""
        told[name] = told.get(name, 0) + count
    return told


@lru_cache(maxsize=4096)
def digest(label: str) -> str:
    """Of a label, as it is reported: short ones as they are."""
    if len(label) <= 16:
        return label
    return hashlib.blake2b(label.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
