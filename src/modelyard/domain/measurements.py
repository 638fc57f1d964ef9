"""What gateways count, and how counts of seconds, gateways and segments come together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .checks import BOUNDS_S, SCORE_BINS, Sample, quantile

MOST_OUTPUTS: Final = 16
"""So many of the commonest answers are counted each; all others together, under the empty name."""
OTHERS: Final = ""

_NUMBERS: Final = ("requests", "errors", "labelled", "positives", "pairs", "disagreements")


class Whose(NamedTuple):
    """Of whom something was measured.

    Attributes:
        revision: its number; 0: somebody else's endpoint.
        endpoint: name of that one; empty for a revision.
        role: `stable`, `canary`, `shadow` or `endpoint`.
        segment: empty for requests of none.
    """

    revision: int
    endpoint: str
    role: str
    segment: str


@dataclass(slots=True)
class Counts:
    """What was counted. See `checks.Sample`, which is what checks are given.

    Attributes:
        outputs: how often each answer came, by its digest; the commonest ones only, and all others under `OTHERS`.
    """

    requests: int = 0
    errors: int = 0
    labelled: int = 0
    positives: int = 0
    pairs: int = 0
    disagreements: int = 0
    latency: list[int] = field(default_factory=list)
    scores: list[int] = field(default_factory=list)
    outputs: dict[str, int] = field(default_factory=dict)

    def add(self, other: Counts) -> None:
        """Count these, too."""
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        _add(self.latency, other.latency[: len(BOUNDS_S) + 1])
        _add(self.scores, other.scores[:SCORE_BINS])
        for digest, count in other.outputs.items():
            self.outputs[digest] = self.outputs.get(digest, 0) + count
        if len(self.outputs) > 2 * MOST_OUTPUTS:
            self._shorten()

    def _shorten(self) -> None:
        others = self.outputs.pop(OTHERS, 0)
        order = sorted(self.outputs, key=lambda digest: (-self.outputs[digest], digest))
        others += sum(self.outputs.pop(digest) for digest in order[MOST_OUTPUTS:])
        if others:
            self.outputs[OTHERS] = others

    def quantile(self, wanted: float) -> float | None:
        """Of the time to an answer, in seconds; None if nothing was timed."""
        return quantile(self.latency, wanted) if any(self.latency) else None

    @property
    def mean_score(self) -> float | None:
        """By the middle of the bins; None without scores."""
        total = sum(self.scores)
        if not total:
            return None
        return sum((at + 0.5) * count for at, count in enumerate(self.scores)) / total / SCORE_BINS

    def sample(self, feedback: int = 0, right: int = 0) -> Sample:
        """As checks want it, with what is known of the truth."""
        named = [count for digest, count in self.outputs.items() if digest != OTHERS]
        return Sample(
            requests=self.requests,
            errors=self.errors,
            latency=tuple(self.latency),
            labelled=self.labelled,
            positives=self.positives,
            commonest=max(named, default=0),
            outputs=sum(self.outputs.values()),
            scores=tuple(self.scores),
            pairs=self.pairs,
            disagreements=self.disagreements,
            feedback=feedback,
            right=right,
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """What a gateway counted in one second.

    Attributes:
        deployment: its name.
        second: since the epoch.
        whose: of whom.
        counts: it.
    """

    deployment: str
    second: int
    whose: Whose
    counts: Counts


def together(found: Iterable[tuple[Whose, Counts]]) -> dict[Whose, Counts]:
    """Counts of each, added up."""
    totals: dict[Whose, Counts] = {}
    for whose, counts in found:
        totals.setdefault(whose, Counts()).add(counts)
    return totals


def samples(
    found: Mapping[Whose, Counts], revision: int, roles: Sequence[str], feedback: Mapping[str, tuple[int, int]]
) -> dict[str, Sample]:
    """What was measured of a revision: by segment, and under `""` of all requests together.

    Args:
        found: counts.
        revision: whose.
        roles: in which it answered.
        feedback: by segment (`""` for answers of none): of how many answers the truth is known, and how many were
            right.
    """
    segments: dict[str, Counts] = {}
    total = Counts()
    for whose, counts in found.items():
        if whose.revision == revision and not whose.endpoint and whose.role in roles:
            total.add(counts)
            if whose.segment:
                segments.setdefault(whose.segment, Counts()).add(counts)
    for segment in feedback:
        if segment:
            segments.setdefault(segment, Counts())
    known, right = (sum(each[at] for each in feedback.values()) for at in (0, 1))
    by_segment = {name: each.sample(*feedback.get(name, (0, 0))) for name, each in segments.items()}
    return {"": total.sample(known, right), **by_segment}


def _add(to: list[int], more: Sequence[int]) -> None:
    to.extend([0] * (len(more) - len(to)))
    for at, count in enumerate(more):
        to[at] += count
