"""What a table of runs is made of, as messages."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from .message import Answer, Filter, Id, Limit, Request, TagChanges, View

Homes = Annotated[
    list[Id], Meta(max_length=10_000, description="Ids of experiments. Left out: all that are not in the trash.")
]
FieldName = Annotated[
    str, Meta(min_length=1, max_length=600, description="As in a filter: `params.kind`, `min(metrics.loss)`, `status`.")
]


class KeySearch(Request):
    """Of which runs the keys are wanted."""

    experiment_ids: Homes | None = None
    newest: Annotated[int, Meta(ge=1, le=5000, description="How many of the newest runs are looked at.")] = 200
    every: Annotated[
        bool,
        Meta(
            description="Also count over all runs, which takes about a second for a million values; the counts may be "
            "some seconds old."
        ),
    ] = False


class KeyUse(Answer):
    """A param, metric or tag that runs have."""

    key: str
    runs: Annotated[int, Meta(description="How many runs have it: of the newest, or of all with `every`.")]
    numeric: Annotated[bool, Meta(description="Whether its values in the newest runs are all numbers.")]
    min: Annotated[float | None, Meta(description="The least of these numbers; null: none is known.")]
    max: Annotated[float | None, Meta(description="The greatest.")]


class KeyList(Answer):
    """The keys that active runs have, the most used first."""

    params: list[KeyUse]
    metrics: list[KeyUse]
    tags: list[KeyUse]
    of_newest: Annotated[int, Meta(description="How many of the newest runs were looked at.")]


class ValueSearch(Request):
    """Which values of which runs."""

    field: FieldName
    experiment_ids: Homes | None = None
    filter: Filter = ""
    view: View = "active"
    contains: Annotated[str, Meta(max_length=1000, description="Only texts with this part, in any case.")] = ""
    limit: Limit = 50


class ValueUse(Answer):
    """A text, and how many runs have it."""

    value: str
    runs: int


class ValueList(Answer):
    """The values that a field has: of texts the most frequent ones, of numbers their range."""

    values: list[ValueUse]
    distinct: Annotated[int, Meta(description="How many texts there are; 0 for numbers.")]
    min: float | None
    max: float | None


class GroupSearch(Request):
    """Which runs to put together, by what they have in common."""

    by: Annotated[
        list[FieldName],
        Meta(min_length=1, max_length=5, description="Params, tags, `status`, `user_id` or `run_name`."),
    ]
    numbers: Annotated[
        list[FieldName], Meta(max_length=100, description="What is summarised, such as `metrics.f1`.")
    ] = []
    experiment_ids: Homes | None = None
    filter: Filter = ""
    view: View = "active"
    order_by: Annotated[
        str,
        Meta(
            max_length=700,
            description="`runs`, `newest`, `group`, or `mean`, `min`, `max` or `std` of one of the numbers, such as "
            "`mean(metrics.f1) DESC`.",
        ),
    ] = "runs DESC"
    limit: Limit = 100
    offset: Annotated[int, Meta(ge=0, le=2**63 - 1, description="How many groups to skip.")] = 0


class Spread(Answer):
    """A number over the runs of a group; null where no run has it."""

    count: Annotated[int, Meta(description="How many runs have it; NaN does not count.")]
    mean: float | None
    min: float | None
    max: float | None
    std: Annotated[float | None, Meta(description="The standard deviation of these runs.")]


class Group(Answer):
    """Runs that have something in common."""

    values: Annotated[list[str | None], Meta(description="For each of `by`; null: these runs have none.")]
    runs: int
    newest_ms: Annotated[int | None, Meta(description="When the newest of them began.")]
    numbers: Annotated[list[Spread], Meta(description="For each of the request's `numbers`.")]


class GroupList(Answer):
    """Some of the groups."""

    groups: list[Group]
    total: Annotated[int, Meta(description="How many groups there are.")]
    runs: Annotated[int, Meta(description="How many runs match.")]


class RunsChange(Request):
    """What is to change about several runs; all of them change, or none."""

    run_ids: Annotated[list[Annotated[str, Meta(max_length=250)]], Meta(min_length=1, max_length=1000)]
    tags: TagChanges = {}
    lifecycle: (
        Annotated[Literal["active", "deleted"], Meta(description="`deleted` moves them to the trash, `active` back.")]
        | None
    ) = None


class ChangedRuns(Answer):
    """How many runs were changed."""

    changed: int
