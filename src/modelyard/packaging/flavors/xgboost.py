"""XGBoost: boosters and the scikit-learn wrappers, both in the library's own format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import xgboost

from modelyard.domain.errors import DataCorrupted, InvalidArgument
from modelyard.packaging import code
from modelyard.packaging.flavors.base import Predict, Saved
from modelyard.packaging.trust import Trust

FORMATS: Final = ("ubj", "json")

CLASSES: Final = {
    f"{kind.__module__}.{kind.__name__}": kind
    for name in (
        "Booster",
        "XGBModel",
        "XGBClassifier",
        "XGBRegressor",
        "XGBRanker",
        "XGBRFClassifier",
        "XGBRFRegressor",
    )
    if (kind := getattr(xgboost, name, None)) is not None
}
"""What `model_class` may say; nothing else is imported because a model says so."""


class XGBoost:
    """MLflow's flavor `xgboost`."""

    name = "xgboost"

    def save(self, model: Any, folder: Path, *, model_format: str = "ubj", **options: Any) -> Saved:
        """Write a booster or a wrapper; `model_format` is `ubj` (binary) or `json`."""
        if options:
            raise InvalidArgument(f"No option {', '.join(map(repr, options))} for XGBoost models.")
        if model_format not in FORMATS:
            raise InvalidArgument(f"No model_format {model_format!r}; expected one of {', '.join(FORMATS)}.")
        named = next((name for name, kind in CLASSES.items() if type(model) is kind), None)
        if named is None:
            raise InvalidArgument(
                f"A {type(model).__name__} is not one of XGBoost's own models; expected {', '.join(CLASSES)}. "
                "Save a class of your own as a python_function."
            )
        file = f"model.{model_format}"
        try:
            model.save_model(folder / file)
        except (xgboost.core.XGBoostError, TypeError, ValueError) as fault:
            raise InvalidArgument(f"XGBoost cannot save this model: {str(fault).splitlines()[0]}") from None
        except Exception as fault:
            if type(fault).__name__ == "NotFittedError":
                raise InvalidArgument(f"XGBoost cannot save this model: {fault}") from None
            raise
        config = {
            "data": file,
            "model_class": named,
            "model_format": model_format,
            "xgb_version": xgboost.__version__,
        }
        wrapped = ["sklearn"] if named != "xgboost.core.Booster" else []
        return Saved(config, {"loader_module": "mlflow.xgboost", "data": file}, ["xgboost", "numpy", "scipy", *wrapped])

    def load(self, folder: Path, config: Mapping[str, Any], trust: Trust) -> Any:  # noqa: ARG002
        """The booster or the wrapper that was saved."""
        named = str(config.get("model_class", "xgboost.core.Booster"))
        if named not in CLASSES:
            raise InvalidArgument(f"The model says that it is a {named}, which is none of XGBoost's models.")
        file = code.contained(folder, str(config.get("data", "model.ubj")))
        model = CLASSES[named]()
        try:
            model.load_model(file)
        except (xgboost.core.XGBoostError, OSError, TypeError, ValueError) as fault:
            raise DataCorrupted(f"'{file.name}' does not load: {str(fault).splitlines()[0]}") from None
        return model

    def function(self, model: Any, config: Mapping[str, Any], entry: Mapping[str, Any]) -> Predict:  # noqa: ARG002
        """Its predictions; params are those of the library's `predict`."""
        if isinstance(model, xgboost.Booster):
            return lambda data, params: model.predict(xgboost.DMatrix(data), **(params or {}))
        return lambda data, params: model.predict(data, **(params or {}))


FLAVOR = XGBoost()
