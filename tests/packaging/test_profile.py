"""The baseline profile: how inputs and outputs looked, without their rows."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.domain.errors import DataCorrupted, InvalidArgument
from modelyard.packaging import model as packaging
from modelyard.packaging import profile
from modelyard.pyfunc import PythonModel

pytest.importorskip("scipy", reason="SciPy is not installed")


class Doubled(PythonModel):
    def predict(self, data: Any) -> Any:
        return {"doubled": data["a"] * 2, "rows": [len(data)] * len(data)}


def save(folder: Path, model: Any, baseline: Any) -> Any:
    packaging.save(model, folder, flavor="python_function", baseline=baseline)
    return profile.read(folder)


# ------------------------------------------------------------------------------------ columns


def test_numbers() -> None:
    found = profile.compute(pd.DataFrame({"a": [*range(1, 100), None], "n": [math.inf, -math.inf, *[0.0] * 98]}))
    assert found["rows"] == 100
    a = found["columns"]["a"]
    assert (a["dtype"], a["count"], a["missing"], a["infinite"]) == ("float64", 99, 1, 0)
    assert (a["min"], a["max"], a["mean"]) == (1, 99, 50)
    assert a["std"] == pytest.approx(pd.Series(range(1, 100)).std())
    assert a["quantiles"]["0.5"] == 50
    assert a["quantiles"]["0.25"] == 25.5
    assert sum(a["histogram"]["counts"]) == 99
    n = found["columns"]["n"]
    assert (n["count"], n["infinite"], n["min"], n["max"], n["std"]) == (100, 2, 0, 0, 0)
    assert n["histogram"] == {"edges": [0, 0], "counts": [98]}


def test_an_outlier_does_not_put_all_others_into_one_bin() -> None:
    values = [*np.linspace(0, 1, 1000), 1e9]
    counts = profile.compute({"a": values})["columns"]["a"]["histogram"]["counts"]
    assert counts[-1] <= 11
    assert max(counts) < 100


def test_words_and_other_things() -> None:
    frame = pd.DataFrame(
        {
            "word": ["x", "y", "x", None],
            "flag": [True, False, True, True],
            "kind": pd.Categorical(["a", "b", "a", "a"]),
            "when": pd.to_datetime(["2026-01-01", "2026-01-01", None, "2026-01-02"]),
            "list": [[1], [1], [2], None],
        }
    )
    columns = profile.compute(frame)["columns"]
    assert columns["word"] | {"dtype": ""} == {
        "dtype": "", "count": 3, "missing": 1, "distinct": 2, "top": {"x": 2, "y": 1}, "others": 0,
    }  # fmt: skip
    assert columns["flag"]["top"] == {"True": 3, "False": 1}
    assert columns["kind"]["top"] == {"a": 3, "b": 1}
    assert list(columns["when"]["top"].values()) == [2, 1]
    assert (columns["list"]["distinct"], columns["list"]["missing"]) == (2, 1)


def test_rare_and_long_words_are_cut() -> None:
    words = [f"{number:03}" for number in range(100)] + ["often"] * 5 + ["x" * 500] * 3 + ["x" * 400] * 2
    found = profile.compute(pd.Series(words, name="word"))["columns"]["word"]
    assert len(found["top"]) <= profile.TOP
    assert found["top"]["often"] == 5
    assert found["top"]["x" * 200] == 5
    assert found["distinct"] == 103
    assert sum(found["top"].values()) + found["others"] == found["count"] == 110


@pytest.mark.parametrize(
    ("data", "columns"),
    [
        (np.ones((5, 2)), ["0", "1"]),
        (np.ones(5), ["0"]),
        (np.ones((5, 2, 3)), ["0", "1", "2", "3", "4", "5"]),
        (scipy.sparse.csr_matrix(np.eye(5)), ["0", "1", "2", "3", "4"]),
        (pd.Series(range(5), name="s"), ["s"]),
        ({"a": range(5), "b": list("vwxyz")}, ["a", "b"]),
        ([{"a": 1}] * 5, ["a"]),
        (["text"] * 5, ["0"]),
        (pd.DataFrame({"a": pd.array([1, 2, None, 4, 5], dtype="Int64")}), ["a"]),
        (pd.DataFrame({"a": [math.nan] * 5}), ["a"]),
    ],
)
def test_data_in_any_shape(data: Any, columns: list[str]) -> None:
    found = profile.compute(data)
    assert found["rows"] == 5
    assert list(found["columns"]) == columns
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("data", [5, "text", None, {"a": 1}])
def test_what_has_no_rows_and_columns(data: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="rows and columns"):
        profile.compute(data)


@settings(max_examples=60)
@given(st.lists(st.none() | st.floats(), max_size=60))
def test_any_numbers(values: list[float | None]) -> None:
    found = profile.compute(pd.DataFrame({"a": pd.Series(values, dtype="float64")}))["columns"]["a"]
    json.dumps(found, allow_nan=False)
    present = [value for value in values if value is not None and not math.isnan(value)]
    finite = [value for value in present if math.isfinite(value)]
    assert (found["count"], found["missing"]) == (len(present), len(values) - len(present))
    assert found["infinite"] == len(present) - len(finite)
    assert ("min" in found) == bool(finite)
    if finite:
        edges, counts = found["histogram"]["edges"], found["histogram"]["counts"]
        assert sum(counts) == len(finite)
        assert len(edges) == len(counts) + 1
        assert edges == sorted(edges)
        assert (edges[0], edges[-1]) == (found["min"], found["max"]) == (min(finite), max(finite))
        quantiles = list(found["quantiles"].values())
        assert quantiles == sorted(quantiles)


# ------------------------------------------------------------------------------------ with a model


def test_it_is_saved_with_the_model(tmp_path: Path) -> None:
    data = pd.DataFrame({"a": [1.0, 2.0, 3.0], "word": ["x", "y", "x"]})
    found = save(tmp_path / "model", Doubled, data)
    assert list(found["inputs"]["columns"]) == ["a", "word"]
    assert found["inputs"]["columns"]["word"]["top"] == {"x": 2, "y": 1}
    assert found["outputs"]["columns"]["doubled"]["max"] == 6
    assert (
        "modelyard/profile.json"
        in json.loads((tmp_path / "model" / "modelyard" / "checksums.json").read_text())["files"]
    )


def test_of_a_large_baseline_the_model_is_asked_about_a_part(tmp_path: Path) -> None:
    data = pd.DataFrame({"a": np.arange(25_000.0)})
    found = save(tmp_path / "model", Doubled, data)
    assert found["inputs"]["rows"] == 25_000
    asked = found["outputs"]["rows"]
    assert 5_000 < asked <= 10_000
    assert found["outputs"]["columns"]["doubled"]["min"] == 0
    assert found["outputs"]["columns"]["doubled"]["max"] > 49_000  # evenly over all of it
    assert found["outputs"]["columns"]["rows"]["max"] == asked


class Sums(PythonModel):
    def predict(self, data: Any) -> Any:
        return np.asarray(data.sum(axis=1)).ravel()


@pytest.mark.parametrize("rows", [3, 25_000])
def test_a_sparse_baseline(rows: int, tmp_path: Path) -> None:
    found = save(tmp_path / "model", Sums, scipy.sparse.csr_matrix(np.ones((rows, 2))))
    assert found["inputs"]["rows"] == rows
    assert found["outputs"]["columns"]["0"]["mean"] == 2


def test_a_model_without_one(tmp_path: Path) -> None:
    packaging.save(Doubled, tmp_path / "model", flavor="python_function")
    assert profile.read(tmp_path / "model") is None


def test_a_baseline_without_rows_fails_the_save(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="rows and columns"):
        packaging.save(Doubled, tmp_path / "model", flavor="python_function", baseline=3)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    save(tmp_path / "model", Doubled, pd.DataFrame({"a": [1.0]}))
    (tmp_path / "model" / profile.FILE).write_text("{")
    with pytest.raises(DataCorrupted, match=r"profile\.json' does not decode"):
        profile.read(tmp_path / "model")
