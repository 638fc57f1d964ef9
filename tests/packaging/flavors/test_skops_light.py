"""Writing skops files without importing all of scikit-learn, in fresh processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.packaging.flavors import skops_light

_WRITING = """
import json, sys, warnings
from pathlib import Path
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from modelyard.packaging.flavors import skops_light
from modelyard.packaging.flavors.sklearn_types import OWN

class Own(BaseEstimator):
    def fit(self, data, targets):
        self.state_, self.generator_ = np.random.RandomState(0), np.random.default_rng(0)
        return self

warnings.simplefilter("ignore")
data = np.random.default_rng(0).normal(size=(60, 3))
targets = (data[:, 0] > 0).astype(int)
models = [
    KMeans(2), GradientBoostingClassifier(n_estimators=2), HistGradientBoostingRegressor(max_iter=2),
    RandomForestClassifier(2), SGDClassifier(), GaussianNB(), KNeighborsClassifier(), SVC(), Own(),
    MLPClassifier(max_iter=2), GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=2),
    make_pipeline(StandardScaler(), LogisticRegression()),
]
folder = Path(sys.argv[1])
files = [folder / f"{number}.skops" for number, _ in enumerate(models)]
found = [skops_light.dump(model.fit(data, targets), file, OWN) for model, file in zip(models, files)]
told = {"cheap": not [name for name in sys.modules if name.partition(".")[0] in ("skops_io", "pytest", "torch")]}
told["cheap"] &= "skops.io" not in sys.modules
doubtful = make_pipeline(FunctionTransformer(np.cbrt), SVC()).fit(data, targets)
found.append(skops_light.dump(doubtful, folder / "doubtful.skops", OWN))
told["asked"] = "skops.io" in sys.modules
import skops.io
told["differ"] = [
    (str(file), mine, theirs) for file, mine in zip([*files, folder / "doubtful.skops"], found)
    if mine != (theirs := skops.io.get_untrusted_types(file=file))
]
loaded = [skops.io.load(file, trusted=mine) for file, mine in zip(files, found)]
told["same"] = all(type(model) is type(read) for model, read in zip(models, loaded))
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("written")
    return folder, subprocess.run(
        [sys.executable, "-c", _WRITING, str(folder)], capture_output=True, text=True, timeout=100, check=False
    )


def test_what_is_written_quickly_is_what_the_whole_skops_finds_and_loads(written) -> None:
    _, output = written
    assert output.stderr == ""
    assert json.loads(output.stdout) == {"cheap": True, "asked": True, "differ": [], "same": True}


_CUSTOM = """
import os, sys
from pathlib import Path
from sklearn.preprocessing import StandardScaler
import skops
from modelyard.packaging.flavors import skops_light

for change in sys.argv[2:]:
    if os.fork():  # each in a process to which nothing happened before
        os.wait()
        continue
    exec(change)
    print(skops_light.dump(StandardScaler().fit([[1.0]]), Path(sys.argv[1]), set()), "skops.io" in sys.modules)
    import skops.io
    print(skops.io.get_untrusted_types(file=sys.argv[1]), skops.io is skops_light.whole(), len(sys.modules) > 500)
    sys.stdout.flush()
    os._exit(0)
"""


def test_a_version_of_skops_that_is_not_known_is_imported_whole(tmp_path: Path) -> None:
    changes = ("skops.__version__ = '1.0.0'", "skops_light._LIST_NAMES = ()", "")
    output = subprocess.run(
        [sys.executable, "-c", _CUSTOM, str(tmp_path / "model.skops"), *changes],
        capture_output=True, text=True, timeout=100, check=True,
    ).stdout  # fmt: skip
    assert output.splitlines() == [
        line for whole in (True, True, False) for line in (f"[] {whole}", "[] True True")
    ]  # fmt: skip


_READING = """
import sys
from pathlib import Path
from modelyard.packaging.flavors import skops_light
from modelyard.packaging.flavors.sklearn_types import OWN

files = sorted(Path(sys.argv[1]).glob("[0-9]*.skops"), key=lambda file: int(file.stem))
for file in files:
    skops_io, found, strange = skops_light.reader(file, {*OWN, "__main__.Own"})
    print(file.stem, len(strange), "skops.io" in sys.modules)
"""


def test_what_scikit_learn_offers_is_read_without_importing_all_of_it(written) -> None:
    folder, _ = written
    output = subprocess.run(
        [sys.executable, "-c", _READING, str(folder)], capture_output=True, text=True, timeout=60, check=True
    ).stdout.splitlines()
    assert output == [f"{number} 0 False" for number in range(12)]


@pytest.mark.parametrize(
    "name",
    [
        "sklearn.ensemble._forest.RandomForestClassifier",
        "sklearn.pipeline.Pipeline",
    ],
)
def test_estimators_are_public(name: str) -> None:
    assert skops_light._is_public(name)


@pytest.mark.parametrize(
    "name",
    [
        "sklearn.base.BaseEstimator2",
        "sklearn.ensemble._forest.BaseForest",
        "sklearn.ensemble.RandomForestClassifier",
        "sklearn.externals.joblib.Memory",
        "sklearn.tests.test_base.MyEstimator",
        "sklearn.utils.discovery.all_estimators",
        "sklearn_evil.Estimator",
        "sklearn.nothing.Estimator",
        "os.system",
        "sklearn...os.system",
        "",
    ],
)
def test_nothing_else_is(name: str) -> None:
    assert not skops_light._is_public(name)
