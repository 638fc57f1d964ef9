"""LightGBM's flavor: boosters and wrappers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import pandas as pd
import pytest

from modelyard.domain.errors import PermissionDenied
from modelyard.packaging import model as packaging
from tests.contracts.flavor import FlavorContract, rows

X = pd.DataFrame(rows(60), columns=["a", "b", "c", "d"])
Y = (X["a"] > X["b"]).astype("int64").to_numpy()


class TestWrapper(FlavorContract):
    flavor = "lightgbm"
    file = "model.skops"

    @pytest.fixture
    def model(self) -> Any:
        return lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(X, Y)

    @pytest.fixture
    def data(self) -> Any:
        return X[:5]

    def test_a_pickle_needs_leave(self, model: Any, tmp_path: Path) -> None:
        self.save(model, tmp_path / "model", serialization_format="cloudpickle")
        with pytest.raises(PermissionDenied, match="allow_pickle"):
            packaging.load(tmp_path / "model")
        assert packaging.load(tmp_path / "model", allow_pickle=True).n_features_ == 4


class TestBooster(FlavorContract):
    flavor = "lightgbm"
    file = "model.lgb"

    @pytest.fixture
    def model(self) -> Any:
        return lightgbm.train({"verbose": -1}, lightgbm.Dataset(X, Y), 2)

    @pytest.fixture
    def data(self) -> Any:
        return X[:5]
