"""Inputs of runs, datasets and models, as MLflow's clients see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelyard.domain.runs import Dataset, DatasetInput
from modelyard.services import datasets

from .experiments import numbers_of
from .protojson import Fields

if TYPE_CHECKING:
    from modelyard.server.call import Call


def _dataset_input(item: Fields) -> DatasetInput:
    given = item.message("dataset") or Fields({})
    return DatasetInput(
        Dataset(
            name=given.text("name"),
            digest=given.text("digest"),
            source_type=given.text("source_type"),
            source=given.text("source"),
            schema=given.optional_text("schema"),
            profile=given.optional_text("profile"),
        ),
        tuple((tag.text("key"), tag.text("value")) for tag in item.messages("tags")),
    )


async def log_inputs(call: Call, fields: Fields) -> Any:
    await call.write(
        datasets.log_inputs,
        call.principal,
        fields.text("run_id", required=True),
        [_dataset_input(item) for item in fields.messages("datasets")],
        [item.text("model_id", required=True) for item in fields.messages("models")],
    )
    return {}


async def search(call: Call, fields: Fields) -> Any:
    """For the browser: which datasets the runs of some experiments read."""
    ids = fields.texts("experiment_ids")
    datasets.check_experiments(len(ids))
    numbers = numbers_of(ids)
    found = await call.scan(datasets.summaries, numbers) if numbers else []
    if not found:
        return {}
    summaries = []
    for experiment, name, digest, context in found:
        summary = {"experiment_id": str(experiment), "name": name, "digest": digest}
        summaries.append(summary if context is None else {**summary, "context": context})
    return {"dataset_summaries": summaries}
