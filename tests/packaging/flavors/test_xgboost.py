"""XGBoost's flavor: boosters and wrappers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost
import yaml

from modelyard.domain.errors import InvalidArgument
from modelyard.packaging import model as packaging
from tests.contracts.flavor import FlavorContract, rows

X = pd.DataFrame(rows(60), columns=["a", "b", "c", "d"])
Y = (X["a"] > X["b"]).astype("int64").to_numpy()


class TestWrapper(FlavorContract):
    flavor = "xgboost"
    file = "model.ubj"

    @pytest.fixture
    def model(self) -> Any:
        return xgboost.XGBClassifier(n_estimators=2).fit(X, Y)

    @pytest.fixture
    def data(self) -> Any:
        return X[:5]

    def test_a_subclass_is_refused_because_it_would_not_come_back(self, tmp_path: Path) -> None:
        class Mine(xgboost.XGBClassifier):  # type: ignore[misc]
            pass

        with pytest.raises(InvalidArgument, match="python_function"):
            self.save(Mine(n_estimators=1).fit(X, Y), tmp_path / "model")

    def test_a_model_cannot_say_what_class_is_imported(self, model: Any, tmp_path: Path) -> None:
        self.save(model, tmp_path / "model")
        file = tmp_path / "model" / "MLmodel"
        file.write_text(file.read_text().replace("xgboost.sklearn.XGBClassifier", "subprocess.Popen"))
        with pytest.raises(InvalidArgument, match=r"subprocess\.Popen"):
            packaging.load(tmp_path / "model")


class TestBooster(FlavorContract):
    flavor = "xgboost"
    file = "model.json"
    options = {"model_format": "json"}  # noqa: RUF012

    @pytest.fixture
    def model(self) -> Any:
        return xgboost.train({"max_depth": 2}, xgboost.DMatrix(X, Y), 2)

    @pytest.fixture
    def data(self) -> Any:
        return X[:5]

    def answers(self, model: Any, data: Any) -> Any:
        return model.predict(xgboost.DMatrix(data))

    def test_params_reach_the_library(self, model: Any, data: Any, tmp_path: Path) -> None:
        self.save(model, tmp_path / "model", input_example=(data, {"output_margin": False}))
        loaded = packaging.load_function(tmp_path / "model")
        margins = model.predict(xgboost.DMatrix(data), output_margin=True)
        assert np.array_equal(loaded.predict(data, {"output_margin": True}), margins)


def test_the_class_is_named_as_mlflow_names_it(tmp_path: Path) -> None:
    packaging.save(xgboost.XGBRegressor(n_estimators=1).fit(X, Y), tmp_path / "model", flavor="xgboost")
    flavors = yaml.safe_load((tmp_path / "model" / "MLmodel").read_text())["flavors"]
    assert flavors["xgboost"]["model_class"] == "xgboost.sklearn.XGBRegressor"
    assert flavors["python_function"]["loader_module"] == "mlflow.xgboost"
