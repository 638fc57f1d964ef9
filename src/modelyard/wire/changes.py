"""What changed, as the messages of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from .message import Answer

if TYPE_CHECKING:
    from modelyard.domain import changes as domain


class Changes(Answer):
    """What changed since the message before. What is named may be asked for again; nothing else has to be."""

    runs: Annotated[list[str], Meta(description="Ids of runs, at most 100.")]
    every_run: Annotated[bool, Meta(description="More runs changed than are named: any run of `experiments` may have.")]
    experiments: Annotated[
        list[int],
        Meta(description="Ids of experiments that changed themselves, or of which a run or a logged model did."),
    ]
    models: Annotated[list[str], Meta(description="Names of registered models; of a renamed one both.")]
    deployments: Annotated[
        list[str], Meta(description="Names of deployments: their revisions, rollouts, events and measurements.")
    ]
    predictions: Annotated[list[str], Meta(description="Names of deployments of which predictions or feedback came.")]
    environments: Annotated[
        bool, Meta(description="Environments or policies changed, or a version that one of them points to.")
    ]
    all: Annotated[bool, Meta(description="Too much changed to tell: anything may have.")]


def changes(found: domain.Changed) -> Changes:
    """As a message."""
    return Changes(
        runs=sorted(found.runs),
        every_run=found.every_run,
        experiments=sorted(found.experiments),
        models=sorted(found.models),
        deployments=sorted(found.deployments),
        predictions=sorted(found.predictions),
        environments=found.environments,
        all=found.all,
    )
