"""scikit-learn's flavor: the contract, and what is trusted."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    StackingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from modelyard.domain.errors import InvalidArgument, PermissionDenied
from modelyard.packaging import model as packaging
from tests.contracts.flavor import FlavorContract, rows

X = pd.DataFrame(rows(60), columns=["a", "b", "c", "d"])
Y = (X["a"] > X["b"]).astype("int64").to_numpy()


class TestSklearn(FlavorContract):
    flavor = "sklearn"
    file = "model.skops"

    @pytest.fixture
    def model(self) -> Any:
        return make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)

    @pytest.fixture
    def data(self) -> Any:
        return X[:5]


def fitted(model: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, Y)


@pytest.mark.parametrize(
    "model",
    [
        DecisionTreeClassifier(),
        RandomForestClassifier(3),
        GradientBoostingClassifier(n_estimators=2),
        HistGradientBoostingRegressor(max_iter=2),
        KNeighborsClassifier(),
        SVC(),
        MLPClassifier((3,), max_iter=3),
        GaussianProcessClassifier(),
        make_pipeline(SelectKBest(k=2), LogisticRegression()),
        GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2, scoring="f1"),
        StackingClassifier([("tree", DecisionTreeClassifier()), ("line", LogisticRegression())], cv=2),
        make_pipeline(ColumnTransformer([("n", StandardScaler(), ["a"]), ("c", OneHotEncoder(), ["b"])]), SVC()),
        make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()),
    ],
    ids=lambda model: (
        type(model).__name__ if not hasattr(model, "steps") else "-".join(name for name, _ in model.steps)
    ),
)
def test_common_estimators_need_no_trust_beyond_our_list(model: Any, tmp_path: Path) -> None:
    model = fitted(model)
    packaging.save(model, tmp_path / "model", flavor="sklearn")
    assert np.array_equal(packaging.load(tmp_path / "model").predict(X), model.predict(X))


def test_text_goes_in(tmp_path: Path) -> None:
    texts, labels = ["good film", "bad film", "so good", "too bad"], ["pos", "neg", "pos", "neg"]
    model = make_pipeline(TfidfVectorizer(), MultinomialNB()).fit(texts, labels)
    packaging.save(model, tmp_path / "model", flavor="sklearn")
    assert packaging.load_function(tmp_path / "model").predict(["a good one"]).tolist() == ["pos"]


def test_a_lambda_is_refused_with_both_remedies(tmp_path: Path) -> None:
    model = make_pipeline(FunctionTransformer(lambda x: x), LogisticRegression()).fit(X, Y)  # type: ignore[no-any-return]
    with pytest.raises(InvalidArgument, match=r"<lambda>.*importable parts.*serialization_format='cloudpickle'"):
        packaging.save(model, tmp_path / "model", flavor="sklearn")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("serialization_format", ["cloudpickle", "pickle"])
def test_a_pickle_is_loaded_only_where_it_is_allowed(
    serialization_format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = LogisticRegression().fit(X, Y)
    packaging.save(model, tmp_path / "model", flavor="sklearn", serialization_format=serialization_format)
    monkeypatch.delenv("MODELYARD_ALLOW_PICKLE", raising=False)
    for load in (packaging.load, packaging.load_function):
        with pytest.raises(PermissionDenied, match=r"runs code.*allow_pickle=True.*MODELYARD_ALLOW_PICKLE=1"):
            load(tmp_path / "model")
        assert load(tmp_path / "model", allow_pickle=True) is not None
        monkeypatch.setenv("MODELYARD_ALLOW_PICKLE", "1")
        assert load(tmp_path / "model") is not None
        with pytest.raises(PermissionDenied):
            load(tmp_path / "model", allow_pickle=False)
        monkeypatch.delenv("MODELYARD_ALLOW_PICKLE")


STEPS = """
from sklearn.base import BaseEstimator, TransformerMixin

class Clip(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self
    def transform(self, X):
        return X.clip(0, 10)
"""


def test_types_of_ones_own_are_vouched_for_by_the_loader_not_by_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "own_steps_of_test.py").write_text(STEPS)
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    import own_steps_of_test as steps  # type: ignore[import-not-found]

    model = make_pipeline(steps.Clip(), LogisticRegression()).fit(X, Y)
    target, name = tmp_path / "model", "own_steps_of_test.Clip"
    with pytest.raises(InvalidArgument, match=rf"trusted=\['{name}'\]"):
        packaging.save(model, target, flavor="sklearn")
    packaging.save(
        model, target, flavor="sklearn", trusted=[name], code_paths=[tmp_path / "code" / "own_steps_of_test.py"]
    )
    # the model says that it trusts the type, as MLflow wants it; that does not count
    assert name in yaml.safe_load((target / "MLmodel").read_text())["flavors"]["sklearn"]["skops_trusted_types"]
    with pytest.raises(PermissionDenied, match=rf"trusted=\['{name}'\]"):
        packaging.load(target)
    monkeypatch.undo()
    monkeypatch.delitem(__import__("sys").modules, "own_steps_of_test")
    loaded = packaging.load(target, trusted=[name])
    assert Path(__import__("sys").modules["own_steps_of_test"].__file__ or "").is_relative_to(target)
    assert np.array_equal(loaded.predict(X), model.predict(X))


def test_the_method_that_answers_can_be_chosen(tmp_path: Path) -> None:
    model = LogisticRegression().fit(X, Y)
    packaging.save(model, tmp_path / "model", flavor="sklearn", predict_fn="predict_proba", input_example=X[:2])
    loaded = packaging.load_function(tmp_path / "model")
    assert np.array_equal(loaded.predict(X), model.predict_proba(X))
    with pytest.raises(InvalidArgument, match="predict_fn"):
        packaging.save(model, tmp_path / "other", flavor="sklearn", predict_fn="__class__")


def test_a_transformer_has_no_python_function(tmp_path: Path) -> None:
    packaging.save(StandardScaler().fit(X), tmp_path / "model", flavor="sklearn")
    assert np.allclose(packaging.load(tmp_path / "model").mean_, X.mean())
    with pytest.raises(Exception, match="no python_function"):
        packaging.load_function(tmp_path / "model")
