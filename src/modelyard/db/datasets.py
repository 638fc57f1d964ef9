"""SQL for datasets, and for the runs that read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, select
from sqlalchemy.dialects.postgresql import insert

from modelyard.domain.runs import Dataset, DatasetInput

from .statement import Statement
from .tables import dataset, run_input, run_input_tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .transaction import Transaction

CONTEXT_TAG = "mlflow.data.context"

_runs: Any = bindparam("runs", expanding=True)
_INPUTS = Statement(
    select(
        run_input.c.run_id,
        run_input.c.id,
        dataset.c.name,
        dataset.c.digest,
        dataset.c.source_type,
        dataset.c.source,
        dataset.c.schema,
        dataset.c.profile,
    )
    .join(dataset, dataset.c.id == run_input.c.dataset_id)
    .where(run_input.c.run_id.in_(_runs))
    .order_by(run_input.c.id)
)
_INPUT_TAGS = Statement(
    select(run_input_tag.c.input_id, run_input_tag.c.key, run_input_tag.c.value)
    .join(run_input, run_input.c.id == run_input_tag.c.input_id)
    .where(run_input.c.run_id.in_(_runs))
    .order_by(run_input_tag.c.input_id, run_input_tag.c.key)
)
_INSERT = Statement(
    insert(dataset)
    .values(
        experiment_id=bindparam("experiment"),
        name=bindparam("name"),
        digest=bindparam("digest"),
        source_type=bindparam("source_type"),
        source=bindparam("source"),
        schema=bindparam("schema"),
        profile=bindparam("profile"),
    )
    .on_conflict_do_nothing()
)
_FIND = Statement(
    select(dataset.c.id).where(
        dataset.c.experiment_id == bindparam("experiment"),
        dataset.c.name == bindparam("name"),
        dataset.c.digest == bindparam("digest"),
    )
)
_LINK = Statement(
    insert(run_input)
    .values(run_id=bindparam("run"), dataset_id=bindparam("dataset"))
    .on_conflict_do_nothing()
    .returning(run_input.c.id)
)
_INSERT_TAG = Statement(
    insert(run_input_tag).values(input_id=bindparam("input"), key=bindparam("key"), value=bindparam("value"))
)
_SUMMARIES = Statement(
    select(dataset.c.experiment_id, dataset.c.name, dataset.c.digest, run_input_tag.c.value)
    .join(run_input, run_input.c.dataset_id == dataset.c.id)
    .outerjoin(run_input_tag, and_(run_input_tag.c.input_id == run_input.c.id, run_input_tag.c.key == CONTEXT_TAG))
    .where(dataset.c.experiment_id.in_(bindparam("experiments", expanding=True)))
    .distinct()
    .order_by(dataset.c.experiment_id, dataset.c.name, dataset.c.digest, run_input_tag.c.value)
    .limit(bindparam("most"))
)


def load_for_runs(tx: Transaction, run_ids: Sequence[int]) -> dict[int, list[DatasetInput]]:
    """The dataset inputs of runs, in the order in which they were logged; runs without any are left out."""
    rows = tx.rows(_INPUTS, runs=run_ids)
    if not rows:
        return {}
    tags: dict[int, list[tuple[str, str]]] = {}
    for number, key, value in tx.rows(_INPUT_TAGS, runs=run_ids):
        tags.setdefault(number, []).append((key, value))
    found: dict[int, list[DatasetInput]] = {}
    for run, number, *columns in rows:
        found.setdefault(run, []).append(DatasetInput(Dataset(*columns), tuple(tags.get(number, ()))))
    return found


def log(tx: Transaction, experiment: int, run: int, inputs: Sequence[DatasetInput]) -> None:
    """Link datasets to a run. A dataset that is known keeps what it was first logged with, and so does a link."""
    for each in inputs:
        known = each.dataset
        key = {"experiment": experiment, "name": known.name, "digest": known.digest}
        tx.run(
            _INSERT,
            **key,
            source_type=known.source_type,
            source=known.source,
            schema=known.schema,
            profile=known.profile,
        )
        row = tx.row(_FIND, **key)
        assert row is not None  # noqa: S101 - it was there or has just been inserted
        link = tx.row(_LINK, run=run, dataset=row[0])
        if link is not None:
            tx.many(
                _INSERT_TAG,
                [{"input": link[0], "key": name, "value": value} for name, value in dict(each.tags).items()],
            )


def summaries(tx: Transaction, experiments: Sequence[int], most: int) -> list[tuple[int, str, str, str | None]]:
    """Experiment, name, digest and context of the datasets that runs of these experiments read, each once."""
    return [(row[0], row[1], row[2], row[3]) for row in tx.rows(_SUMMARIES, experiments=experiments, most=most)]
