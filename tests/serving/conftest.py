"""Small models of each kind, saved once per session, and loaded as a worker loads them.

================  ===========================================================================================
`wine`            forest, fitted on a DataFrame of 13 doubles; answers classes
`wine_arrays`     forest, fitted on arrays: one tensor (-1, 13) without a name
`sentiment`       a class of the user's own: a column `text` to columns `label` and `score`
`unsigned`        a class of the user's own without a signature: sums of the last axis
`scaled`          a class of the user's own with params `factor` and `offset`
`touchy`          raises for negative numbers, answers one row too many for numbers above 1,000
`rich`            a column of each type, some of them optional; answers what it got, as text
================  ===========================================================================================

Each is a `LoadedFunction`; `servable(function, **plan)` makes one that answers.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from modelyard.packaging import model as models
from modelyard.packaging.function import LoadedFunction
from modelyard.packaging.schema import AnyType, Array, ColSpec, DataType, Map, Object, Property, Schema
from modelyard.packaging.signature import ModelSignature, infer_signature
from modelyard.pyfunc import PythonModel
from modelyard.serving.calls import INVOCATIONS, JSON, NATURAL, Answered, Asked, Plan
from modelyard.serving.servable import Servable


class Sentiment(PythonModel):
    def predict(self, data, params=None):
        import pandas as pd

        scores = [min(1.0, len(text) / 40) for text in data["text"].tolist()]
        return pd.DataFrame({"label": ["good" if each > 0.5 else "bad" for each in scores], "score": scores})


class Sums(PythonModel):
    def predict(self, data, params=None):
        import numpy as np

        return np.sum(data, axis=-1)


class Scaled(PythonModel):
    def predict(self, data, params=None):
        return data["x"].to_numpy() * params["factor"] + params["offset"]


class Touchy(PythonModel):
    def predict(self, data, params=None):
        import numpy as np

        values = data["x"].to_numpy()
        if (values < 0).any():
            raise RuntimeError("secret words about negative numbers")
        return np.append(values, 0) if (values > 1000).any() else values * 2


class Rich(PythonModel):
    def predict(self, data, params=None):
        import pandas as pd

        told = [{name: repr(row[name]) for name in data.columns} for row in data.to_dict(orient="records")]
        return pd.DataFrame({"told": [str(each) for each in told]})


RICH = Schema(
    [
        ColSpec("double", "number"),
        ColSpec("float", "short"),
        ColSpec("long", "whole"),
        ColSpec("integer", "small"),
        ColSpec("boolean", "flag"),
        ColSpec("string", "text"),
        ColSpec("datetime", "when"),
        ColSpec("binary", "bytes"),
        ColSpec(Array(DataType.double), "list"),
        ColSpec(Object([Property("a", DataType.long), Property("b", DataType.string, required=False)]), "object"),
        ColSpec(Map(DataType.long), "map"),
        ColSpec(AnyType(), "any", required=False),
        ColSpec("double", "maybe", required=False),
        ColSpec("long", "count", required=False),
    ]
)

RICH_ROW: dict[str, Any] = {
    "number": 1.5, "short": 0.25, "whole": 2**53 + 1, "small": -7, "flag": True, "text": "tea",
    "when": dt.datetime.fromisoformat("2026-01-31T08:30:00"), "bytes": b"\x00\xff", "list": [1.0, 2.0],
    "object": {"a": 1, "b": "x"}, "map": {"k": 3},
}  # fmt: skip


@pytest.fixture(scope="session")
def shelf(tmp_path_factory) -> Path:
    """Where the models of the session lie, each in the folder of its fixture's name."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def wine(shelf) -> LoadedFunction:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from sklearn.datasets import load_wine
    from sklearn.ensemble import RandomForestClassifier

    frame, target = load_wine(return_X_y=True, as_frame=True)
    forest = RandomForestClassifier(10, random_state=0).fit(frame, target)
    models.save(forest, shelf / "wine", flavor="sklearn", input_example=frame.iloc[[0, 80, 150]], golden=True)
    return models.load_function(shelf / "wine")


@pytest.fixture(scope="session")
def wine_arrays(shelf) -> LoadedFunction:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from sklearn.datasets import load_wine
    from sklearn.ensemble import RandomForestClassifier

    array, target = load_wine(return_X_y=True)
    forest = RandomForestClassifier(10, random_state=0).fit(array, target)
    models.save(
        forest, shelf / "wine_arrays", flavor="sklearn", input_example=array[[0, 80, 150]], predict_fn="predict_proba"
    )
    return models.load_function(shelf / "wine_arrays")


@pytest.fixture(scope="session")
def sentiment(shelf) -> LoadedFunction:
    import pandas as pd

    example = pd.DataFrame({"text": ["very good cafe", "a place to which we will come back again and again"]})
    models.save(Sentiment(), shelf / "sentiment", flavor="python_function", input_example=example)
    return models.load_function(shelf / "sentiment")


@pytest.fixture(scope="session")
def unsigned(shelf) -> LoadedFunction:
    models.save(Sums(), shelf / "unsigned", flavor="python_function", signature=False)
    return models.load_function(shelf / "unsigned")


@pytest.fixture(scope="session")
def scaled(shelf) -> LoadedFunction:
    import pandas as pd

    example = (pd.DataFrame({"x": [1.0, 2.0]}), {"factor": 3.0, "offset": 0.5})
    models.save(Scaled(), shelf / "scaled", flavor="python_function", input_example=example)
    return models.load_function(shelf / "scaled")


@pytest.fixture(scope="session")
def touchy(shelf) -> LoadedFunction:
    import pandas as pd

    models.save(Touchy(), shelf / "touchy", flavor="python_function", input_example=pd.DataFrame({"x": [1.0, 2.0]}))
    return models.load_function(shelf / "touchy")


@pytest.fixture(scope="session")
def rich(shelf) -> LoadedFunction:
    outputs = infer_signature(None, {"told": "x"}).outputs
    models.save(Rich(), shelf / "rich", flavor="python_function", signature=ModelSignature(RICH, outputs))
    return models.load_function(shelf / "rich")


def servable(function: LoadedFunction, *, unknown_columns: str = "refuse", rows: int = 64, least: int = 1) -> Servable:
    """A model that answers, with a plan of these rows."""
    plan = Plan(rows=rows, least=least)
    return Servable(function, name="m", version="1", plan=plan, unknown_columns=unknown_columns)


def ask(served: Servable, body: Any, *, protocol: int = NATURAL, content_type: bytes = JSON) -> Answered:
    """One question; what is not bytes is sent as JSON."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return served.answer([Asked(protocol, sent, content_type)])[0]


def told(served: Servable, body: Any, *, protocol: int = NATURAL, content_type: bytes = JSON) -> tuple[int, Any]:
    """Status and content of an answer, which has to be valid JSON."""
    answered = ask(served, body, protocol=protocol, content_type=content_type)
    return answered.status, strictly(answered.body)


def strictly(body: bytes) -> Any:
    """JSON without the words that JSON does not have."""

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(body, parse_constant=refuse)


__all__ = ["INVOCATIONS", "NATURAL", "RICH", "RICH_ROW", "ask", "servable", "strictly", "told"]
