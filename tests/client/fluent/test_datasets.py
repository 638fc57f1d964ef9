"""Datasets: MLflow's digests, schemas and sources, readable by its own client."""

import datetime as dt
import json
import warnings

import numpy as np
import pandas as pd
import pytest

import modelyard
from modelyard.client.dataset_digests import MLFLOW_SEES
from modelyard.domain.errors import InvalidArgument

FRAMES = {
    "numbers": pd.DataFrame({"b": [1, 2, 3], "a": [0.5, 1.5, -2.0]}),
    "texts": pd.DataFrame({"x": ["one", "two"], "n": [1, 2]}, index=["first", "second"]),
    "large": pd.DataFrame({"n": np.arange(MLFLOW_SEES)}),
}
ARRAYS = {
    "floats": np.arange(12.0).reshape(3, 4),
    "integers": np.arange(5, dtype=np.int32),
    "booleans": np.array([True, False]),
    "half": np.arange(4, dtype=np.float16),
    "dates": np.array(["2024-01-01", "2025-01-01"], dtype="datetime64[D]"),
    "images": np.zeros((2, 3, 3, 1), dtype=np.uint8),
}


@pytest.fixture
def stock():
    pytest.importorskip("mlflow", reason="MLflow is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow

        yield mlflow


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_a_frame_is_described_as_mlflow_does(stock, frame) -> None:
    ours = modelyard.data.from_pandas(frame, source="/data/wine.csv", name="wine", targets=frame.columns[0])
    theirs = stock.data.from_pandas(frame, source="/data/wine.csv", name="wine", targets=frame.columns[0])
    assert {**ours.to_dict(), "schema": json.loads(ours.to_dict()["schema"])} == {
        **theirs.to_dict(),
        "schema": json.loads(theirs.to_dict()["schema"]),
    }
    assert ours.digest == theirs.digest


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_arrays_are_described_as_mlflow_does(stock, array) -> None:
    for data in (array, {"x": array, "y": array}):
        ours = modelyard.data.from_numpy(data, source="https://example.org/a.npy", targets=array)
        theirs = stock.data.from_numpy(data, source="https://example.org/a.npy", targets=array)
        assert ours.to_dict() == theirs.to_dict()


def test_arrays_of_texts_have_mlflow_s_digest(stock) -> None:
    texts = np.array(["a", "bc"])
    assert modelyard.data.from_numpy(texts).digest == stock.data.from_numpy(texts).digest


def test_the_digest_covers_everything() -> None:
    rows = MLFLOW_SEES + 10

    def digest(**changed) -> str:
        frame = pd.DataFrame({
            "n": np.arange(rows), "when": [dt.date(2024, 1, 1)] * rows, "list": [[1, 2]] * rows,
        })  # fmt: skip
        for column, value in changed.items():
            frame[column] = [*frame[column][:-1], value]
        return modelyard.data.from_pandas(frame).digest

    digests = [digest(), digest(n=-1), digest(when=dt.date(2024, 1, 2)), digest(list=[1, 3])]
    assert len(set(digests)) == 4
    assert digest() == digests[0]
    large = np.zeros(rows)
    other = large.copy()
    other[-1] = 1
    assert modelyard.data.from_numpy(large).digest != modelyard.data.from_numpy(other).digest


def test_a_run_remembers_its_data(mlflow, stock) -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": ["a", "b"]})
    dataset = mlflow.data.from_pandas(frame, source="s3://bucket/wine.csv", name="wine")
    code = mlflow.data.from_numpy(np.zeros((2, 2)), digest="given")
    meta = mlflow.data.MetaDataset("https://example.org/big.tar.gz", name="big")
    with mlflow.start_run() as run:
        mlflow.log_input(dataset, context="training", tags={"split": "a"})
        mlflow.log_inputs([code, meta], ["test", None], [None, {"k": "v"}])
        mlflow.log_input(stock.data.from_pandas(frame, source="s3://bucket/wine.csv", name="theirs"), context="eval")

    found = {each.dataset.name: each for each in mlflow.get_run(run.info.run_id).inputs.dataset_inputs}
    assert sorted(found) == ["big", "dataset", "theirs", "wine"]
    assert {tag.key: tag.value for tag in found["wine"].tags} == {"split": "a", "mlflow.data.context": "training"}
    assert found["wine"].dataset.digest == found["theirs"].dataset.digest == dataset.digest
    assert found["dataset"].dataset.digest == "given"
    assert mlflow.data.get_source(found["wine"]).uri == "s3://bucket/wine.csv"
    assert mlflow.data.get_source(found["dataset"]).to_dict()["tags"]["mlflow.source.type"] == "LOCAL"

    read = stock.MlflowClient(mlflow.get_tracking_uri()).get_run(run.info.run_id)
    sources = {each.dataset.name: stock.data.get_source(each) for each in read.inputs.dataset_inputs}
    assert sources["wine"].uri == "s3://bucket/wine.csv"
    assert sources["big"].url == "https://example.org/big.tar.gz"
    assert sources["dataset"].to_dict()["tags"]["mlflow.source.type"] == "LOCAL"


def test_mistakes_with_data(ours, said, tmp_path) -> None:
    with pytest.raises(InvalidArgument, match="no column 'z'"):
        ours.data.from_pandas(FRAMES["numbers"], targets="z")
    with pytest.raises(InvalidArgument, match="source"):
        ours.data.from_numpy(np.zeros(1), source=5)
    with pytest.raises(InvalidArgument):
        ours.data.get_source(5)
    with ours.start_run():
        ours.log_input("not a dataset")
        ours.log_metric("still here", 1.0)
    assert len(said) == 1
    path = tmp_path / "a.csv"
    path.write_text("x\n1\n")
    assert ours.data.from_numpy(np.zeros(1), source=path).source.load() == str(path)
