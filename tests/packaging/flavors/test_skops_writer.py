"""Writing skops files without importing all of scikit-learn, in fresh processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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

from modelyard.packaging.flavors import skops_writer
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
found = [skops_writer.dump(model.fit(data, targets), file, OWN) for model, file in zip(models, files)]
told = {"cheap": not [name for name in sys.modules if name.partition(".")[0] in ("skops_io", "pytest", "torch")]}
told["cheap"] &= "skops.io" not in sys.modules
doubtful = make_pipeline(FunctionTransformer(np.cbrt), SVC()).fit(data, targets)
found.append(skops_writer.dump(doubtful, folder / "doubtful.skops", OWN))
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


def test_what_is_written_quickly_is_what_the_whole_skops_finds_and_loads(tmp_path: Path) -> None:
    output = subprocess.run(
        [sys.executable, "-c", _WRITING, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert output.stderr == ""
    assert json.loads(output.stdout) == {"cheap": True, "asked": True, "differ": [], "same": True}


_CUSTOM = """
import sys
from pathlib import Path
from sklearn.preprocessing import StandardScaler
import skops
from modelyard.packaging.flavors import skops_writer
%s
print(skops_writer.dump(StandardScaler().fit([[1.0]]), Path(sys.argv[1]), set()), "skops.io" in sys.modules)
import skops.io
print(skops.io.get_untrusted_types(file=sys.argv[1]), skops.io is skops_writer.whole(), len(sys.modules) > 500)
"""


def test_a_version_of_skops_that_is_not_known_is_imported_whole(tmp_path: Path) -> None:
    for change, whole in (("skops.__version__ = '1.0.0'", True), ("skops_writer._LIST_NAMES = ()", True), ("", False)):
        output = subprocess.run(
            [sys.executable, "-c", _CUSTOM % change, str(tmp_path / "model.skops")],
            capture_output=True, text=True, timeout=60, check=True,
        ).stdout  # fmt: skip
        assert output.splitlines() == [f"[] {whole}", "[] True True"]
