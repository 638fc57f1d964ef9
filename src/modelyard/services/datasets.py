"""What one can do with the datasets and models that runs read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelyard.db import datasets as db
from modelyard.db import logged_models, runs
from modelyard.domain import validation
from modelyard.domain.errors import InvalidArgument
from modelyard.domain.runs import ModelLink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.db.transaction import Transaction
    from modelyard.domain.principals import Principal
    from modelyard.domain.runs import DatasetInput

MOST_SUMMARIES = 1000
MOST_EXPERIMENTS = 20
MOST_INPUTS = 1000


def log_inputs(
    tx: Transaction, principal: Principal, run: str, inputs: Sequence[DatasetInput], model_ids: Sequence[str] = ()
) -> None:
    """Note what a run read. Of a dataset that is named twice (same name and digest) the first mention counts.

    Args:
        tx: the transaction.
        principal: who does it.
        run: the run's uuid.
        inputs: datasets, each with the tags of its use.
        model_ids: logged models; they need not exist.

    Raises:
        NotFound: there is no such run.
        InvalidState: it is in the trash.
        InvalidArgument: something is too long, or there are more than 1000 datasets.
    """
    del principal  # a run's document does not say who noted its inputs
    validation.check_run_id(run)
    if len(inputs) > MOST_INPUTS or len(model_ids) > MOST_INPUTS:
        raise InvalidArgument(f"At most {MOST_INPUTS} datasets and {MOST_INPUTS} models can be logged in one request.")
    distinct: dict[tuple[str, str], DatasetInput] = {}
    for each in inputs:
        known = each.dataset
        validation.check_dataset(known.name, known.digest, known.source, known.schema, known.profile)
        for key, value in each.tags:
            validation.check_input_tag(key, value)
        distinct.setdefault((known.name, known.digest), each)
    number, experiment = runs.touch(tx, run)
    db.log(tx, experiment, number, list(distinct.values()))
    logged_models.link(tx, number, [ModelLink(model_id, "input") for model_id in model_ids])


def summaries(tx: Transaction, experiments: Sequence[int]) -> list[tuple[int, str, str, str | None]]:
    """Experiment, name, digest and context of the datasets that runs of some experiments read; at most 1000.

    Raises:
        InvalidArgument: none or more than 20 experiments are asked for.
    """
    check_experiments(len(experiments))
    return db.summaries(tx, experiments, MOST_SUMMARIES)


def check_experiments(count: int) -> None:
    """Refuse a search for datasets in none or too many experiments.

    Raises:
        InvalidArgument: none or more than 20 are asked for.
    """
    if not count:
        raise InvalidArgument("SearchDatasets request must specify at least one experiment_id.")
    if count > MOST_EXPERIMENTS:
        raise InvalidArgument(
            f"SearchDatasets request cannot specify more than {MOST_EXPERIMENTS} experiment_ids. "
            f"Received {count} experiment_ids."
        )
