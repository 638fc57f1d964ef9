"""The same script, autologged by stock MLflow and by us: the names that people chart and filter by are the same."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from modelyard.autolog import registry

pytest.importorskip("mlflow", reason="MLflow is not installed")
for library in ("sklearn", "xgboost", "lightgbm"):
    pytest.importorskip(library)

SCRIPT = """
import numpy as np
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

generator = np.random.default_rng(0)
X = generator.normal(size=(60, 3))
y = (X[:, 0] + 0.3 * X[:, 1] > 0).astype(int)

model = LogisticRegression(C=0.5).fit(X, y)
make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
LinearRegression().fit(X, X[:, 0] ** 2)
GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, cv=3).fit(X, y)
model.score(X, y)

import lightgbm, xgboost
held = xgboost.DMatrix(X[:20], 1 - y[:20])
xgboost.train(
    {"objective": "binary:logistic", "max_depth": 2}, xgboost.DMatrix(X, y), 9, evals=[(held, "held")],
    early_stopping_rounds=2, verbose_eval=False,
)
data = lightgbm.Dataset(X, y)
lightgbm.train(
    {"objective": "binary", "verbose": -1}, data, 9, valid_sets=[lightgbm.Dataset(X[:20], 1 - y[:20], reference=data)],
    callbacks=[lightgbm.early_stopping(2, verbose=False)],
)
import sklearn.metrics
accuracy_score = sklearn.metrics.accuracy_score
accuracy_score(y, model.predict(X))
"""
TIMES = {"mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time"}


@pytest.fixture
def theirs(tracked) -> dict[str, list[Any]]:
    """What stock MLflow logs, in an experiment of its own of the same server."""
    program = f"""
import warnings
warnings.simplefilter("ignore")
import mlflow
mlflow.set_tracking_uri({tracked.url!r})
mlflow.set_experiment({(tracked.experiment + " stock")!r})
for library in (mlflow.sklearn, mlflow.xgboost, mlflow.lightgbm):
    library.autolog(log_models=False, silent=True)
{SCRIPT}
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=100, capture_output=True)
    return by_estimator(tracked.runs(tracked.experiment + " stock"))


def by_estimator(runs: list[Any]) -> dict[str, list[Any]]:
    """Runs by what was trained; children by their search's name, the best first."""
    names = {run.info.run_id: run.data.tags.get("estimator_name", run.data.tags["mlflow.autologging"]) for run in runs}
    found: dict[str, list[Any]] = {}
    for run in runs:
        parent = run.data.tags.get("mlflow.parentRunId")
        found.setdefault(f"{names[parent]}'s child" if parent else names[run.info.run_id], []).append(run)
    for group in found.values():
        group.sort(key=lambda run: (run.data.metrics.get("rank_test_score", 0), run.data.params.get("C", "")))
    return found


def test_params_metrics_and_tags_are_the_same(tracked, theirs) -> None:
    for library in ("sklearn", "xgboost", "lightgbm"):
        registry.autolog(library, log_models=False)
    exec(compile(SCRIPT, "script.py", "exec"), {"__name__": "__main__"})
    ours = by_estimator(tracked.runs())
    assert {name: len(runs) for name, runs in ours.items()} == {
        "LogisticRegression": 1,
        "Pipeline": 1,
        "LinearRegression": 1,
        "GridSearchCV": 1,
        "GridSearchCV's child": 3,
        "xgboost": 1,
        "lightgbm": 1,
    }
    assert {name: len(runs) for name, runs in theirs.items()} == {name: len(runs) for name, runs in ours.items()}
    for name, runs in theirs.items():
        for stock, mine in zip(runs, ours[name], strict=True):
            assert mine.data.params == stock.data.params, name
            assert set(mine.data.metrics) == set(stock.data.metrics), name
            for key in set(stock.data.metrics) - TIMES:
                assert mine.data.metrics[key] == pytest.approx(stock.data.metrics[key]), (name, key)
            for tag in ("estimator_name", "estimator_class", "mlflow.autologging"):
                assert mine.data.tags.get(tag) == stock.data.tags.get(tag), name
    assert {"accuracy_score_X", "LogisticRegression_score_X"} <= set(ours["LogisticRegression"][0].data.metrics)
    stock_files = set(tracked.files(theirs["GridSearchCV"][0]))
    assert {"cv_results.csv", "estimator.html"} <= stock_files & set(tracked.files(ours["GridSearchCV"][0]))
