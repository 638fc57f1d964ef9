"""Models that travel with an ONNX graph: taken only if it answers the same, and refused in words."""

from __future__ import annotations

import json
import logging
import shutil
import sys

import pytest

from modelyard.domain.errors import DataCorrupted, InvalidArgument
from modelyard.packaging import conversion, digest, golden
from modelyard.packaging import model as models
from modelyard.packaging.model import load_function, save

np = pytest.importorskip("numpy", reason="NumPy is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
pytest.importorskip("skl2onnx", reason="skl2onnx is not installed")


@pytest.fixture(scope="module")
def wine():
    from sklearn.datasets import load_wine

    frame, target = load_wine(return_X_y=True, as_frame=True)
    return frame, np.array(["red", "white", "rosé"])[target]


@pytest.fixture(scope="module")
def forest(wine, tmp_path_factory):
    from sklearn.ensemble import RandomForestClassifier

    frame, target = wine
    folder = tmp_path_factory.mktemp("forest") / "model"
    fitted = RandomForestClassifier(20, random_state=0).fit(frame, target)
    save(fitted, folder, flavor="sklearn", input_example=frame[::9], golden=True, convert="onnx")
    return folder


def told(folder):
    return json.loads((folder / conversion.FILE).read_text(encoding="utf-8"))


def test_the_graph_answers_as_the_forest_does(wine, forest):
    frame, _ = wine
    graph, model = load_function(forest, prefer="onnx"), load_function(forest)

    assert type(graph.unwrap_python_model()).__name__ == "Graph"
    assert type(model.unwrap_python_model()).__name__ == "RandomForestClassifier"
    expected = model.predict(frame)
    for given in (graph.predict(frame), graph.predict_checked(np.asfortranarray(frame.to_numpy()))):
        assert given.dtype == expected.dtype
        assert given.tolist() == expected.tolist()
    assert golden.run(graph).passed


def test_what_was_found_lies_beside_the_graph_and_in_the_digest(forest):
    found = told(forest)

    assert found["accepted"] is True
    assert (found["flavor"], found["method"]) == ("sklearn", "predict")
    assert found["inputs"] == {"X": "float64"}  # with 32 bits, ties of its 20 trees go otherwise
    assert found["agreement"] == {"golden_tests": 1, "rows": 200, "example": 0.0, "largest": 0.0}
    assert found["microseconds"]["graph"]["1"] < found["microseconds"]["model"]["1"] / 3
    assert "onnxruntime" in (forest / "requirements.txt").read_text(encoding="utf-8")
    digest.verify(forest)


def test_missing_and_infinite_values_are_the_models_own_business(wine, forest, monkeypatch):
    frame, _ = wine
    gaps, infinite = frame[::9].copy(), frame[:2].copy()
    gaps.iloc[::2, 3] = np.nan
    infinite.iloc[0, 0] = np.inf
    loads = []
    original = models.load_function
    monkeypatch.setattr(
        models, "load_function", lambda *given, **named: loads.append(given) or original(*given, **named)
    )
    graph = original(forest, prefer="onnx")
    graph.predict(frame)
    assert loads == []

    assert graph.predict(gaps).tolist() == original(forest).predict(gaps).tolist()
    with pytest.raises(ValueError, match="infinity"):
        graph.predict(infinite)
    assert len(loads) == 1


def test_a_pipeline_with_a_scaler_and_probabilities(wine, tmp_path):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    frame, target = wine
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, target)
    save(
        pipeline, tmp_path / "model", flavor="sklearn", input_example=frame[:5], predict_fn="predict_proba",
        convert="onnx",
    )  # fmt: skip

    answer = load_function(tmp_path / "model", prefer="onnx").predict(frame)

    expected = pipeline.predict_proba(frame)
    assert (answer.dtype, answer.shape) == (expected.dtype, expected.shape)
    assert np.allclose(answer, expected, rtol=1e-5, atol=1e-8)
    assert 0 < told(tmp_path / "model")["agreement"]["largest"] < 1e-5


def test_columns_of_several_types_go_in_one_by_one(wine, tmp_path):
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame, target = wine
    mixed = frame[["alcohol", "od280/od315_of_diluted_wines"]].assign(colour=target)
    steps = make_column_transformer((OneHotEncoder(), ["colour"]), (StandardScaler(), ["alcohol"]))
    pipeline = make_pipeline(steps, LinearRegression()).fit(mixed, frame["proline"])
    save(pipeline, tmp_path / "model", flavor="sklearn", input_example=mixed[::9], convert="onnx")

    answer = load_function(tmp_path / "model", prefer="onnx").predict(mixed)

    assert list(told(tmp_path / "model")["inputs"]) == list(mixed.columns)
    assert answer.shape == (178,)
    assert np.allclose(answer, pipeline.predict(mixed), rtol=1e-5)


def assert_refused(folder, caplog, why):
    assert told(folder)["accepted"] is False
    assert why in told(folder)["reason"]
    assert why in caplog.text
    assert not (folder / conversion.GRAPH).exists()
    digest.verify(folder)
    assert type(load_function(folder, prefer="onnx").unwrap_python_model()).__name__ != "Graph"


def test_a_model_that_no_graph_is_made_of_stays_as_it_is(wine, tmp_path, caplog):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    frame, target = wine
    pipeline = make_pipeline(FunctionTransformer(np.log1p), LogisticRegression(max_iter=5000)).fit(frame, target)
    with caplog.at_level(logging.WARNING, "modelyard"):
        save(
            pipeline, tmp_path / "model", flavor="sklearn", input_example=frame[:5], trusted=["numpy.log1p"],
            convert="onnx",
        )  # fmt: skip

    told_why = "skl2onnx does not convert it: FunctionTransformer is not supported"
    assert told_why in told(tmp_path / "model")["reason"]
    assert told_why in caplog.text
    assert not (tmp_path / "model" / conversion.GRAPH).exists()


def test_a_graph_that_answers_otherwise_is_not_taken(wine, tmp_path, caplog):
    """Trees of graphs add up in 32 bits, which is too little for such a tolerance."""
    from sklearn.ensemble import GradientBoostingRegressor

    frame, _ = wine
    model = GradientBoostingRegressor(n_estimators=10, random_state=0).fit(frame, frame["proline"] * np.pi)
    with caplog.at_level(logging.WARNING, "modelyard"):
        save(
            model, tmp_path / "model", flavor="sklearn", input_example=frame[:5], golden=True, tolerance=1e-12,
            convert="onnx",
        )  # fmt: skip
    assert_refused(tmp_path / "model", caplog, "the graph does not pass the model's golden tests. 0 of 1")


def test_a_label_that_differs_is_enough(wine, tmp_path, caplog, monkeypatch):
    from sklearn.tree import DecisionTreeClassifier

    from modelyard.packaging.flavors import onnx_graph

    frame, target = wine
    tree = DecisionTreeClassifier(max_depth=3).fit(frame, target)
    answer = onnx_graph.Graph.predict

    def one_wrong(graph, data, params=None):
        found = answer(graph, data, params)
        found[-1] = "red" if found[-1] == "white" else "white"
        return found

    monkeypatch.setattr(onnx_graph.Graph, "predict", one_wrong)
    with caplog.at_level(logging.WARNING, "modelyard"):
        save(tree, tmp_path / "model", flavor="sklearn", input_example=frame[:7], convert="onnx")
    assert_refused(tmp_path / "model", caplog, "1 of 7 labels differ, for the example.")


def test_without_a_signature_or_rows_there_is_nothing_to_go_by(wine, tmp_path, caplog):
    from sklearn.linear_model import LinearRegression

    frame, _ = wine
    model = LinearRegression().fit(frame, frame["proline"])
    with caplog.at_level(logging.WARNING, "modelyard"):
        save(model, tmp_path / "bare", flavor="sklearn", convert="onnx")
    assert_refused(tmp_path / "bare", caplog, "it has no signature")


class Plain:
    def predict(self, data):
        return data


def test_models_of_other_libraries_are_refused(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "modelyard"):
        save(Plain(), tmp_path / "model", flavor="python_function", convert="onnx", input_example=[1.0])
    assert_refused(tmp_path / "model", caplog, "models of the flavor 'python_function' are not converted")


def test_without_the_converter_the_model_is_saved_all_the_same(wine, tmp_path, caplog, monkeypatch):
    from sklearn.linear_model import LinearRegression

    frame, _ = wine
    monkeypatch.delitem(sys.modules, "modelyard.packaging.sklearn_onnx", raising=False)
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with caplog.at_level(logging.WARNING, "modelyard"):
        save(
            LinearRegression().fit(frame, frame["proline"]), tmp_path / "model", flavor="sklearn",
            input_example=frame[:3], convert="onnx",
        )  # fmt: skip
    assert "pip install 'modelyard[convert]'" in told(tmp_path / "model")["reason"]


def test_there_is_no_other_form(wine, tmp_path):
    from sklearn.linear_model import LinearRegression

    frame, _ = wine
    with pytest.raises(InvalidArgument, match="'onnx' or None"):
        save(
            LinearRegression().fit(frame, frame["proline"]), tmp_path / "model", flavor="sklearn",
            input_example=frame[:3], convert="tensorrt",
        )  # fmt: skip
    assert not (tmp_path / "model").exists()


def test_without_onnx_runtime_the_model_itself_answers(wine, forest, monkeypatch):
    monkeypatch.delitem(sys.modules, "modelyard.packaging.flavors.onnx_graph", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    model = load_function(forest, prefer="onnx").unwrap_python_model()

    assert type(model).__name__ == "RandomForestClassifier"


@pytest.mark.parametrize("damage", ["graph", "file", "description"])
def test_a_damaged_graph_is_named(forest, tmp_path, damage):
    folder = tmp_path / "model"
    shutil.copytree(forest, folder)
    if damage == "graph":
        (folder / conversion.GRAPH).write_bytes(b"no graph")
    elif damage == "file":
        (folder / conversion.FILE).write_text("{", encoding="utf-8")
    else:
        (folder / conversion.FILE).write_text('{"accepted": true, "inputs": 3}', encoding="utf-8")
    with pytest.raises(DataCorrupted, match=r"onnx"):
        load_function(folder, prefer="onnx")


def test_stock_mlflow_reads_the_model(wine, forest):
    pyfunc = pytest.importorskip("mlflow.pyfunc", reason="MLflow is not installed")
    frame, _ = wine
    assert pyfunc.load_model(str(forest)).predict(frame).tolist() == load_function(forest).predict(frame).tolist()
