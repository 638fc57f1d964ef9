"""Processes that are started ahead: taken by the first that wants one like them, and ended if nobody does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.packaging import model as models
from modelyard.pyfunc import PythonModel
from modelyard.serving import spawning
from modelyard.settings import ServeSettings


class Loud(PythonModel):
    """Says so when it is imported or loaded."""

    def load(self, context) -> None:
        print("loaded")

    def predict(self, data, params=None):
        return data


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    spawning.forget()


def test_the_first_that_is_like_it_takes_it() -> None:
    settings = ServeSettings(workers=2, cpus_per_replica=4.0)
    spawning.ahead(settings, [""])
    kind = spawning.Kind(1, settings.log_format, settings.log_level, copies=1)
    taken, fresh = spawning.spawn(kind), spawning.spawn(kind)
    other = spawning.spawn(spawning.Kind(3, settings.log_format, settings.log_level))
    assert "" in taken.child.args
    assert "" not in fresh.child.args
    assert (len(taken.forks), len(taken.descriptors), len(other.forks)) == (1, 1, 0)
    for each in (taken, fresh, other):
        each.close()
        assert each.child.wait(30) == 0


def test_what_nobody_takes_ends_and_what_has_ended_is_not_taken() -> None:
    settings = ServeSettings(workers=1, cpus_per_replica=2.0)
    kind = spawning.Kind(1, settings.log_format, settings.log_level)
    spawning.ahead(settings, ["", ""])
    first, second = (each for _, each in spawning._ahead)
    first.child.kill()
    first.child.wait()
    assert spawning.spawn(kind) is second
    spawning.ahead(settings, [""])
    ((_, left),) = spawning._ahead[-1:]
    spawning.forget()
    assert left.child.poll() is not None
    second.close()
    assert second.child.wait(30) == 0


def prepared(folder: Path, tmp_path: Path) -> set[str]:
    """Which modules a process has after preparing, and that it wrote nothing."""
    code = (
        "import sys; from modelyard.serving import preparing;"
        f"preparing.prepare({str(folder)!r}, graphs=True); sys.stderr.write(' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == ""
    return set(done.stderr.split())


def test_libraries_are_imported_ahead_and_nothing_of_the_model_is_run(tmp_path) -> None:
    import pandas as pd

    path = tmp_path / "model"
    models.save(Loud(), path, flavor="python_function", input_example=pd.DataFrame({"x": [1.0]}))
    assert {"modelyard.serving.plan", "pandas"} <= prepared(path, tmp_path)
    assert "sklearn" not in prepared(path, tmp_path)
    (path / "MLmodel").write_text(
        "flavors: {python_function: {loader_module: mlflow.sklearn}, sklearn: "
        "{serialization_format: skops}, antigravity: {}}"
    )
    assert {"sklearn", "skops"} <= (found := prepared(path, tmp_path))
    assert "antigravity" not in found
    assert "scipy.stats" not in found  # for few models
    (path / "MLmodel").write_text("flavors: [")
    assert "modelyard.serving.plan" in prepared(path, tmp_path)


def test_a_library_without_all_of_its_imports_works(tmp_path) -> None:
    """What scikit-learn has of `scipy.stats`, each in its own way."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text(
        "flavors: {python_function: {loader_module: mlflow.sklearn}, sklearn: {serialization_format: skops}}"
    )
    code = f"""
import sys
from modelyard.serving import preparing
preparing.prepare({str(folder)!r}, graphs=True)
assert "sklearn.preprocessing" in sys.modules and "scipy.stats" not in sys.modules
import numpy as np
from sklearn.covariance import MinCovDet
from sklearn.metrics import label_ranking_loss
from sklearn.preprocessing import PowerTransformer, QuantileTransformer
data = np.random.default_rng(0).normal(size=(50, 2))
print(MinCovDet(random_state=0).fit(data).location_.shape)
print(QuantileTransformer(n_quantiles=10, output_distribution="normal").fit_transform(data).shape)
print(PowerTransformer("box-cox").fit_transform(np.exp(data)).shape)
print(label_ranking_loss([[1, 0, 0], [0, 0, 1]], [[0.75, 0.5, 1], [1, 0.2, 0.1]]))
import scipy, scipy.stats
from scipy.stats import norm
print(scipy.stats.norm is norm, norm.cdf(0.0), type(scipy.stats).__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split("\n")[:5] == ["(2,)", "(50, 2)", "(50, 2)", "0.75", "True 0.5 module"], done.stderr
