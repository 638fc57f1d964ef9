"""What changed: enough for whoever shows it to know what to ask for again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

MOST_NAMED: Final = 100
"""So many of each are named; where more changed, it is said that more did."""


@dataclass(slots=True)
class Changed:
    """What changed since it was last said.

    Attributes:
        runs: ids of runs, or their metrics, params, tags, inputs and outputs.
        every_run: more runs changed than are named: any of `experiments` may have.
        experiments: ids of experiments that changed themselves, or of which a run or a logged model did.
        models: names of registered models, old names too.
        deployments: names of deployments: revisions, rollouts, events, what was measured.
        predictions: names of deployments of which predictions or feedback came.
        environments: whether environments or policies did, or a version that one of them points to.
        all: too much changed to tell: anything may have.
    """

    runs: set[str] = field(default_factory=set)
    every_run: bool = False
    experiments: set[int] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
    deployments: set[str] = field(default_factory=set)
    predictions: set[str] = field(default_factory=set)
    environments: bool = False
    all: bool = False

    def __bool__(self) -> bool:
        return bool(
            self.all
            or self.every_run
            or self.environments
            or self.runs
            or self.experiments
            or self.models
            or self.deployments
            or self.predictions
        )

    def __or__(self, other: Changed) -> Changed:
        return Changed(
            self.runs | other.runs,
            self.every_run or other.every_run,
            self.experiments | other.experiments,
            self.models | other.models,
            self.deployments | other.deployments,
            self.predictions | other.predictions,
            self.environments or other.environments,
            self.all or other.all,
        ).bounded()

    def bounded(self) -> Changed:
        """The same, no longer than a message may be."""
        names = (self.experiments, self.models, self.deployments, self.predictions)
        if self.all or any(len(each) > MOST_NAMED for each in names):
            return Changed(all=True)
        if len(self.runs) > MOST_NAMED:
            self.every_run = True
            self.runs = set(sorted(self.runs)[:MOST_NAMED])
        return self
