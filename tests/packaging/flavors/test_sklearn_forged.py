"""skops files that somebody made up: what scikit-learn would follow without looking is refused when it is loaded."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KernelDensity, KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler
from sklearn.svm import SVC, SVR, OneClassSVM
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from modelyard.domain.errors import DataCorrupted, InvalidArgument, PermissionDenied
from modelyard.packaging import model as packaging
from tests.contracts.flavor import rows

X = rows(60) / 100
Y = (X[:, 0] > X[:, 1]).astype("int64") + (X[:, 2] > X[:, 3])


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., str]:
    """Puts what was made up in the place of a model's file, and gives the words with which that is refused."""
    packaging.save(StandardScaler().fit(X), tmp_path / "model", flavor="sklearn")

    def load(model: Any, change: Callable[[zipfile.ZipFile, dict[str, Any]], dict[str, bytes]] | None = None) -> str:
        data = skops.io.dumps(model)
        if change is not None:
            data = changed(data, change)
        (tmp_path / "model" / "model.skops").write_bytes(data)
        with pytest.raises(DataCorrupted) as caught:
            packaging.load(tmp_path / "model")
        return str(caught.value)

    return load


def changed(data: bytes, change: Callable[[zipfile.ZipFile, dict[str, Any]], dict[str, bytes]]) -> bytes:
    """A skops file with some of its parts written anew."""
    source, target = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    schema = json.loads(source.read("schema.json"))
    parts = {name: source.read(name) for name in source.namelist()} | change(source, schema)
    parts["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(target, "w") as written:
        for name, content in parts.items():
            written.writestr(name, content)
    return target.getvalue()


def set_nodes(tree: Any, edit: Callable[[Any], None]) -> None:
    state = tree.__getstate__()
    nodes = state["nodes"].copy()
    edit(nodes)
    tree.__setstate__({**state, "nodes": nodes})


def inner(nodes: Any) -> int:
    """The last node that has children, which is not the first."""
    found = np.flatnonzero(nodes["left_child"] != -1)
    assert len(found) > 1
    return int(found[-1])


def put(field: str, value: int) -> Callable[[Any], None]:
    def edit(nodes: Any) -> None:
        nodes[field][inner(nodes)] = value

    return edit


def leaf_with_child(nodes: Any) -> None:
    nodes["right_child"][np.flatnonzero(nodes["left_child"] == -1)[0]] = len(nodes) - 1


def twice(nodes: Any) -> None:
    nodes["right_child"][0] = nodes["left_child"][0]


# ------------------------------------------------------------------------------------ trees


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (put("left_child", 10**9), "none of its nodes"),
        (put("right_child", -7), "none of its nodes"),
        (put("right_child", 0), "none of its nodes"),  # a circle
        (put("left_child", -1), "leaf has a child"),
        (twice, "the child of one other"),
        (leaf_with_child, "leaf has a child"),
        (put("feature", 4), "feature that there is not"),
        (put("feature", -3), "feature that there is not"),
    ],
)
def test_a_tree_whose_nodes_lead_astray(refused: Any, edit: Any, told: str) -> None:
    model = DecisionTreeClassifier(random_state=0).fit(X, Y)
    set_nodes(model.tree_, edit)
    text = refused(model)
    assert told in text
    assert "allow_pickle=True" in text


def test_a_tree_that_is_deeper_than_it_says(refused: Any) -> None:
    model = DecisionTreeClassifier().fit(X, Y)
    model.tree_.max_depth = 1
    assert "deeper" in refused(model)


def _content(schema: Any, key: str) -> dict[str, Any]:
    """Where a schema keeps the value of a key."""
    if isinstance(schema, dict):
        found: Any = schema.get(key)
        if isinstance(found, dict) and "__loader__" in found:
            return found
    each: Any
    for each in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        if found := _content(each, key):
            return found  # type: ignore[no-any-return]
    return {}


@pytest.mark.parametrize("count", [0, 1])
def test_a_tree_of_another_number_of_nodes_than_it_says(refused: Any, count: int) -> None:
    def change(_: Any, schema: dict[str, Any]) -> dict[str, bytes]:
        _content(schema, "node_count")["content"] = str(count)
        return {}

    assert "node_count" in refused(DecisionTreeClassifier().fit(X, Y), change)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1000, 1, 3), (0,)])
def test_a_tree_whose_values_are_not_of_its_nodes(refused: Any, shape: tuple[int, ...]) -> None:
    def change(_: Any, schema: dict[str, Any]) -> dict[str, bytes]:
        target = io.BytesIO()
        np.save(target, np.zeros(shape))
        return {_content(schema, "values")["file"]: target.getvalue()}

    assert "shape" in refused(DecisionTreeClassifier().fit(X, Y), change)


def test_a_tree_of_other_classes_or_without_nodes(refused: Any) -> None:
    def change(_: Any, schema: dict[str, Any]) -> dict[str, bytes]:
        outputs = schema["content"]["content"]["tree_"]["__reduce__"]["args"]["content"][2]
        outputs |= {"content": "5", "__id__": 1}
        return {}

    assert "does not load" in refused(DecisionTreeClassifier().fit(X, Y), change)
    model = DecisionTreeClassifier().fit(X, Y)
    model.tree_ = type(model.tree_)(4, np.array([3], dtype=np.intp), 1)
    assert "node_count" in refused(model)


def test_an_estimator_that_expects_other_columns_than_its_tree(refused: Any) -> None:
    model = DecisionTreeClassifier().fit(X, Y)
    model.n_features_in_ = 2
    assert "n_features_in_" in refused(model)
    del model.n_features_in_
    assert "n_features_in_" in refused(model)
    model = DecisionTreeClassifier().fit(X, Y)
    model._validate_X_predict = np.multiply  # a function that skops trusts, which lets any data pass
    assert "_validate_X_predict" in refused(model)


def stacked() -> Any:
    return StackingClassifier([("tree", DecisionTreeClassifier()), ("line", LogisticRegression())], cv=2)


@pytest.mark.parametrize(
    ("model", "find"),
    [
        (RandomForestClassifier(3), lambda m: m.estimators_[2]),
        (ExtraTreesClassifier(3), lambda m: m.estimators_[1]),
        (IsolationForest(n_estimators=3), lambda m: m.estimators_[1]),
        (GradientBoostingClassifier(n_estimators=2), lambda m: m.estimators_[1, 2]),
        (BaggingClassifier(n_estimators=2), lambda m: m.estimators_[1]),
        (AdaBoostClassifier(DecisionTreeClassifier(max_depth=3), n_estimators=2), lambda m: m.estimators_[0]),
        (VotingClassifier([("tree", DecisionTreeClassifier())]), lambda m: m.estimators_[0]),
        (stacked(), lambda m: m.estimators_[0]),
        (
            CalibratedClassifierCV(DecisionTreeClassifier(), cv=2),
            lambda m: m.calibrated_classifiers_[1].estimator,
        ),
        (make_pipeline(StandardScaler(), DecisionTreeClassifier()), lambda m: m.steps[1][1]),
        (
            GridSearchCV(make_pipeline(DecisionTreeClassifier()), {}, cv=2),
            lambda m: m.best_estimator_.steps[0][1],
        ),
    ],
    ids=lambda each: type(each).__name__ if hasattr(each, "fit") else "",
)
def test_wherever_a_tree_is(model: Any, find: Any, refused: Any) -> None:
    model.fit(X, Y)
    set_nodes(find(model).tree_, put("feature", 400))
    assert "feature that there is not" in refused(model)


def test_a_tree_in_an_array_of_arrays(refused: Any) -> None:
    model = MultiOutputClassifier(DecisionTreeClassifier()).fit(X, np.stack([Y, Y], axis=1))
    set_nodes(model.estimators_[1].tree_, put("left_child", 0))
    box = np.empty((2, 2), dtype=object)
    box[1, 0] = [{"a": (model,)}]
    scaler = StandardScaler().fit(X)
    scaler.box = box
    assert "none of its nodes" in refused(scaler)


def _two_columns(model: Any) -> None:
    model.estimators_ = np.hstack([model.estimators_, model.estimators_])


def _other_tree(model: Any) -> None:
    model.estimators_[1, 0] = DecisionTreeRegressor().fit(X[:, :3], Y)


def _two_outputs(model: Any) -> None:
    model.estimators_[1, 0] = DecisionTreeRegressor().fit(X, np.stack([Y, Y], axis=1))


def _constant(model: Any) -> None:
    model.init_.constant_ = np.zeros((3, 1))


def _classifier(model: Any) -> None:
    model.estimators_[0, 0] = LinearRegression().fit(X, Y)


@pytest.mark.parametrize("edit", [_two_columns, _other_tree, _two_outputs, _constant, _classifier])
def test_gradient_boosting_that_would_write_beyond_its_answers(refused: Any, edit: Any) -> None:
    model = GradientBoostingRegressor(n_estimators=2).fit(X, Y)
    edit(model)
    assert "gradient boosting" in refused(model) or edit is _constant


def test_gradient_boosting_on_top_of_another_model_needs_a_pickle(refused: Any, tmp_path: Path) -> None:
    model = GradientBoostingRegressor(n_estimators=2, init=LinearRegression()).fit(X, Y)
    with pytest.raises(InvalidArgument, match=r"init.*cloudpickle"):
        packaging.save(model, tmp_path / "other", flavor="sklearn")
    skops.io.dump(model, tmp_path / "model" / "model.skops")
    with pytest.raises(PermissionDenied, match=r"init.*allow_pickle=True"):
        packaging.load(tmp_path / "model")
    loaded = packaging.load(tmp_path / "model", allow_pickle=True)
    assert np.array_equal(loaded.predict(X), model.predict(X))


def by_category() -> Any:
    data = X.copy()
    data[:, 1] = np.arange(60) % 5
    return HistGradientBoostingRegressor(max_iter=2, min_samples_leaf=2, categorical_features=[1]).fit(
        data, np.sin(data[:, 1]) * 9
    )


def _histogram(field: str, value: int) -> Callable[[Any], None]:
    def edit(model: Any) -> None:
        nodes = model._predictors[1][0].nodes
        nodes[field][np.flatnonzero(nodes["is_leaf"] == 0)[-1]] = value

    return edit


def _columns(model: Any) -> None:
    model.n_features_in_ = 2


def _amid(model: Any) -> None:
    model._in_fit = True


def _no_nodes(model: Any) -> None:
    model._predictors[0][0].nodes = model._predictors[0][0].nodes[:0]


def _narrow(model: Any) -> None:
    model._preprocessor = StandardScaler().fit(X)


@pytest.mark.parametrize(
    "edit",
    [
        _histogram("left", 10**6), _histogram("right", 0), _histogram("feature_idx", 4), _histogram("feature_idx", -1),
        _histogram("is_categorical", 1), _columns, _amid, _no_nodes, _narrow,
    ],
)  # fmt: skip
def test_histogram_gradient_boosting(refused: Any, edit: Any) -> None:
    model = HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=2).fit(X, Y)
    edit(model)
    assert "does not hold together" in refused(model)


def test_histogram_gradient_boosting_by_category(tmp_path: Path) -> None:
    model, target = by_category(), tmp_path / "model"
    assert any(each[0].nodes["is_categorical"].any() for each in model._predictors)
    own = ["functools.partial", "sklearn.utils.validation.check_array"]
    packaging.save(model, target, flavor="sklearn", trusted=own)
    assert np.array_equal(packaging.load(target, trusted=own).predict(X % 5), model.predict(X % 5))
    for name, edit in {
        "set": lambda nodes: nodes["bitset_idx"].fill(10**6),
        "categories": lambda nodes: nodes["feature_idx"].__setitem__(nodes["is_categorical"] == 1, 3),
    }.items():
        forged = by_category()
        edit(forged._predictors[0][0].nodes)
        skops.io.dump(forged, target / "model.skops")
        with pytest.raises(DataCorrupted, match=name):
            packaging.load(target, trusted=own)
    forged = by_category()
    name, encoder, columns = forged._preprocessor.transformers_[0]
    forged._preprocessor.transformers_[0] = (name, encoder, np.zeros_like(columns))
    skops.io.dump(forged, target / "model.skops")
    with pytest.raises(DataCorrupted, match="number of its columns"):
        packaging.load(target, trusted=own)


# ------------------------------------------------------------------------------------ neighbours


def _part(at: int, edit: Callable[[Any], Any]) -> Callable[[Any], None]:
    def change(tree: Any) -> None:
        state = list(tree.__getstate__())
        part = state[at].copy() if isinstance(state[at], np.ndarray) else state[at]
        made = edit(part)
        state[at] = part if made is None else made
        tree.__setstate__(tuple(state))

    return change


@pytest.mark.parametrize(
    "edit",
    [
        _part(1, lambda order: order.__setitem__(0, 10**6)),
        _part(1, lambda order: order.__setitem__(0, -1)),
        _part(1, lambda order: order[:5].copy()),
        _part(2, lambda nodes: nodes["idx_end"].__setitem__(0, 10**6)),
        _part(2, lambda nodes: nodes["idx_start"].__setitem__(1, -5)),
        _part(2, lambda nodes: nodes["is_leaf"].__setitem__(-1, 0)),
        _part(2, lambda nodes: nodes[:1].copy()),
        _part(3, lambda bounds: bounds[:, :1].copy()),
        _part(3, lambda bounds: bounds[:, :, :1].copy()),
        _part(5, lambda levels: levels + 9),
        _part(6, lambda count: count + 9),
        _part(11, lambda metric: None if metric is None else _metric()),
        _part(12, lambda weights: np.ones(3)),
    ],
)
@pytest.mark.parametrize("algorithm", ["kd_tree", "ball_tree"])
def test_trees_of_neighbours(refused: Any, edit: Any, algorithm: str) -> None:
    model = KernelDensity(algorithm=algorithm, leaf_size=4).fit(X)
    edit(model.tree_)
    assert "does not hold together" in refused(model)


def _metric() -> Any:
    """Weights for two columns, where there are four."""
    from sklearn.metrics import DistanceMetric

    return DistanceMetric.get_metric("minkowski", p=3, w=np.ones(2))


@pytest.mark.parametrize(
    "forged",
    [
        {"_y": np.full(60, 99)},
        {"_y": np.full(60, -1)},
        {"_y": np.zeros(2, dtype="int64")},
        {"_fit_X": X[:, :2].copy()},
        {"n_features_in_": 9},
    ],
)
def test_neighbours(refused: Any, forged: dict[str, Any]) -> None:
    model = KNeighborsClassifier(algorithm="brute").fit(X, Y)
    vars(model).update(forged)
    assert "neighbours" in refused(model)


# ------------------------------------------------------------------------------------ others


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("support_vectors_", lambda a: a[:2].copy()), ("support_vectors_", lambda a: a[:, :2].copy()),
        ("support_vectors_", lambda a: a[:0, :0].copy()),
        ("support_", lambda a: a + 1000), ("support_", lambda a: a[:3].copy()),
        ("_dual_coef_", lambda a: a[:, :3].copy()),
        ("_dual_coef_", lambda a: a[:0].copy()), ("_intercept_", lambda a: a[:0].copy()),
        ("_n_support", lambda a: a * 100), ("_n_support", lambda a: -a), ("_n_support", lambda a: a[:1].copy()),
        ("_probA", lambda a: np.ones(2)), ("n_features_in_", lambda a: 9), ("_sparse", lambda a: True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [SVC, SVR, OneClassSVM])
def test_support_vector_machines(refused: Any, kind: Any, name: str, value: Any) -> None:
    model = kind().fit(X, Y)
    setattr(model, name, value(getattr(model, name)))
    assert "does not hold together" in refused(model)


def test_support_vectors_in_a_sparse_matrix(refused: Any) -> None:
    model = SVC().fit(scipy.sparse.csr_matrix(X), Y)
    model.support_vectors_.indices[0] = 10**6
    assert "does not hold together" in refused(model)
    model = SVC().fit(scipy.sparse.csr_matrix(X), Y)
    model._dual_coef_.data = model._dual_coef_.data[:3]
    assert refused(model)


def test_centers_of_other_columns(refused: Any) -> None:
    model = KMeans(2, n_init=1).fit(X)
    model.cluster_centers_ = model.cluster_centers_[:, :1].copy()
    assert "centers" in refused(model)


def test_sparse_matrices(refused: Any) -> None:
    model = KNeighborsClassifier().fit(scipy.sparse.csr_matrix(X), Y)
    model._fit_X.indices[3] = 10**6
    assert "does not hold together" in refused(model)


def test_splines(refused: Any) -> None:
    model = SplineTransformer().fit(X)
    model.bsplines_[0].k = 50
    assert "does not hold together" in refused(model)


def test_a_model_that_refers_to_itself_is_refused_in_words(tmp_path: Path) -> None:
    model = HistGradientBoostingRegressor(early_stopping=True, max_iter=2, scoring="r2").fit(X, Y)
    with pytest.raises(InvalidArgument, match=r"refers to itself.*cloudpickle"):
        packaging.save(model, tmp_path / "model", flavor="sklearn")


# ------------------------------------------------------------------------------------ genuine ones


@pytest.mark.parametrize(
    "model",
    [
        DecisionTreeClassifier(max_leaf_nodes=5),  # built best first
        DecisionTreeClassifier(ccp_alpha=0.02),  # pruned
        RandomForestClassifier(3, max_leaf_nodes=4),
        ExtraTreesClassifier(3),
        IsolationForest(n_estimators=3, max_features=2),
        GradientBoostingClassifier(n_estimators=2),
        GradientBoostingClassifier(n_estimators=2, init="zero"),
        HistGradientBoostingClassifier(max_iter=2),
        KNeighborsClassifier(leaf_size=3),
        KNeighborsClassifier(leaf_size=3, algorithm="ball_tree", p=3, metric_params={"w": np.ones(4)}),
        KNeighborsClassifier(algorithm="ball_tree", metric="mahalanobis", metric_params={"VI": np.eye(4)}),
        KNeighborsClassifier(algorithm="brute"),
        SVC(),
        SVC(kernel="poly"),
        SVR(),
        OneClassSVM(),
        KMeans(2, n_init=1),
        make_pipeline(SplineTransformer(), LogisticRegression(max_iter=2000)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_what_was_fitted_loads(model: Any, tmp_path: Path) -> None:
    model.fit(X, Y)
    packaging.save(model, tmp_path / "model", flavor="sklearn")
    assert np.array_equal(packaging.load(tmp_path / "model").predict(X), model.predict(X))


@pytest.mark.parametrize("model", [SVC(), SVR(), KNeighborsClassifier(), RandomForestClassifier(2)])
def test_what_was_fitted_on_sparse_data_loads(model: Any, tmp_path: Path) -> None:
    data = scipy.sparse.csr_matrix(X)
    model.fit(data, Y)
    packaging.save(model, tmp_path / "model", flavor="sklearn")
    assert np.array_equal(packaging.load(tmp_path / "model").predict(data), model.predict(data))
