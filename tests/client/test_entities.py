"""Entities look like MLflow's, and are read from whatever spelling of numbers a server has."""

import math
import re
import warnings

import msgspec
import pytest

from modelyard.client import entities, messages
from modelyard.client.entities import Metric, Run, RunData, RunInfo, RunStatus, ViewType
from modelyard.domain.errors import InvalidArgument

RUN = {
    "info": {
        "run_id": "r", "run_uuid": "r", "experiment_id": "1", "run_name": "n", "status": "FINISHED",
        "start_time": "1700000000000", "artifact_uri": "a", "unheard_of": 1,
    },
    "data": {
        "metrics": [
            {"key": "loss", "value": "NaN", "timestamp": "5", "step": "7"},
            {"key": "best", "value": 0.5, "timestamp": 6},
        ],
        "params": [{"key": "p", "value": "1"}, {"key": "empty"}],
    },
}  # fmt: skip


def read(value: object) -> Run:
    data = msgspec.json.encode({"run": value})
    return msgspec.json.Decoder(messages.RunAnswer, strict=False).decode(data).run.entity()


def test_numbers_may_come_as_texts_and_fields_may_be_missing() -> None:
    run = read(RUN)
    assert (run.info.start_time, run.info.end_time, run.info.user_id) == (1_700_000_000_000, None, "")
    assert math.isnan(run.data.metrics["loss"])
    assert [(each.key, each.step, each.timestamp) for each in run.data.latest] == [("loss", 7, 5), ("best", 0, 6)]
    assert run.data.params == {"p": "1", "empty": ""}
    assert run.data.tags == {}
    assert run.inputs.dataset_inputs == []
    assert run.info.run_uuid == "r"


def test_entities_become_plain_values() -> None:
    run = Run(RunInfo("r", "1"), RunData({"m": 1.0}, {"p": "1"}, {}, [Metric("m", 1.0)]))
    plain = run.to_dictionary()
    assert plain["data"] == {"metrics": {"m": 1.0}, "params": {"p": "1"}, "tags": {}}
    assert plain["inputs"] == {"dataset_inputs": [], "model_inputs": []}
    assert dict(run.info)["run_id"] == "r"
    assert msgspec.json.decode(msgspec.json.encode(plain)) == plain


def test_a_run_shows_itself_briefly() -> None:
    run = Run(RunInfo("r", run_name="n"), RunData({f"m{i}": float(i) for i in range(100)}))
    assert "... 95 more" in repr(run)
    assert len(repr(run)) < 300
    assert repr(Metric("loss", 0.5, 1)) == "Metric(key='loss', value=0.5, timestamp=1)"


def test_entities_take_mlflows_positions() -> None:
    """What scripts construct themselves."""
    assert (Metric("k", 1.5, 2, 3).step, entities.Param("k", "v").value, entities.RunTag("k", "v").key) == (3, "v", "k")
    used = entities.DatasetInput(entities.Dataset("d", "x", "local", "{}"), [entities.InputTag("a", "b")])
    assert used.dataset.source_type == "local"


def test_words_of_a_view() -> None:
    assert [ViewType.to_string(each) for each in (1, "2", "ALL", "active", "deleted_only")] == [
        "ACTIVE_ONLY", "DELETED_ONLY", "ALL", "ACTIVE_ONLY", "DELETED_ONLY",
    ]  # fmt: skip
    assert ViewType.from_string("ALL") == ViewType.ALL
    with pytest.raises(InvalidArgument, match="ACTIVE_ONLY"):
        ViewType.to_string("everything")


def test_words_of_a_status() -> None:
    assert RunStatus.to_string(RunStatus.KILLED) == "KILLED"
    assert RunStatus.from_string("FINISHED") == 3
    assert [RunStatus.is_terminated(each) for each in RunStatus.all_status()] == [False, False, True, True, True]
    with pytest.raises(InvalidArgument, match="RUNNING"):
        RunStatus.to_string("done")


@pytest.mark.parametrize(
    ("value", "spelled"),
    [(1.5, 1.5), (math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity"), (-1e308, -1e308)],
)
def test_numbers_that_json_has_not_are_texts(value: float, spelled: object) -> None:
    assert entities.number(value) == spelled


NOT_OURS = re.compile(
    r"from_|to_(proto|int)|get_(orderable|searchable)_attributes|is_valid|matches_view_type|view_type_to_stages|"
    r"workspace|deployment_job|trace_|effective_"
)
"""Names of MLflow's entities that belong to its own plumbing, or to hosted services."""

SHARED = [
    "Dataset", "DatasetInput", "Experiment", "ExperimentTag", "FileInfo", "InputTag", "LifecycleStage", "LoggedModel",
    "LoggedModelInput", "LoggedModelOutput", "LoggedModelStatus", "Metric", "Param", "Run", "RunData", "RunInfo",
    "RunInputs", "RunOutputs", "RunStatus", "RunTag", "ViewType", "ModelVersion", "RegisteredModel",
]  # fmt: skip


@pytest.mark.parametrize("name", SHARED)
def test_entities_have_mlflows_attributes(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = pytest.importorskip("mlflow.entities", reason="MLflow is not installed")
        registry = pytest.importorskip("mlflow.entities.model_registry")
    kind = getattr(theirs, name, None) or getattr(registry, name)
    wanted = {each for each in vars(kind) if not each.startswith("_") and not NOT_OURS.match(each)}
    assert wanted, name
    assert {each for each in wanted if not hasattr(getattr(entities, name), each)} == set()
