"""LightGBM: boosters in the library's own text, the scikit-learn wrappers in skops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import lightgbm

from modelyard import optional
from modelyard.domain.errors import DataCorrupted, InvalidArgument
from modelyard.packaging import code, loader_file
from modelyard.packaging.flavors import pickled
from modelyard.packaging.flavors.base import Predict, Saved
from modelyard.packaging.trust import Trust

BOOSTER: Final = "lightgbm.basic.Booster"
WRAPPERS: Final = frozenset(
    f"lightgbm.sklearn.{name}" for name in ("LGBMModel", "LGBMClassifier", "LGBMRegressor", "LGBMRanker")
)
OWN: Final = WRAPPERS | {BOOSTER, "collections.OrderedDict", "collections.defaultdict"}
"""Types that a skops file of ours may hold; a booster in it is made of its model's text. Never taken from a model."""


def _skops() -> Any:
    return optional.load("modelyard.packaging.flavors.skops_file", to="save and load LightGBM's scikit-learn models")


class LightGBM:
    """MLflow's flavor `lightgbm`."""

    name = "lightgbm"

    def save(
        self,
        model: Any,
        folder: Path,
        *,
        serialization_format: str = "skops",
        trusted: Sequence[str] = (),
        **options: Any,
    ) -> Saved:
        """Write a booster or a wrapper; the format is for wrappers: `skops`, `cloudpickle` or `pickle`."""
        if options:
            raise InvalidArgument(f"No option {', '.join(map(repr, options))} for LightGBM models.")
        named = f"{type(model).__module__}.{type(model).__qualname__}"
        config: dict[str, Any] = {"lgb_version": lightgbm.__version__, "model_class": named}
        module, requires = "mlflow.lightgbm", ["lightgbm", "numpy", "scipy"]
        if isinstance(model, lightgbm.Booster):
            file = "model.lgb"
            config["model_class"] = BOOSTER
            model.save_model(str(folder / file))
        elif not isinstance(model, lightgbm.LGBMModel):
            raise InvalidArgument(f"A {type(model).__name__} is not one of LightGBM's models.")
        elif serialization_format == "skops":
            file = "model.skops"
            types = _skops().dump(model, folder / file, OWN, trusted)
            config |= {"serialization_format": "skops", "skops_trusted_types": types}
            module = loader_file.write(folder, {"kind": "skops", "file": file, "trusted": types})
            requires += ["sklearn", "skops"]
        else:
            file = "model.pkl"
            pickled.dump(model, folder / file, serialization_format)
            config["serialization_format"] = serialization_format
            requires += ["sklearn", serialization_format]
        return Saved({**config, "data": file}, {"loader_module": module, "data": file}, requires)

    def load(self, folder: Path, config: Mapping[str, Any], trust: Trust) -> Any:
        """The booster or the wrapper that was saved; before it wrote skops, MLflow wrote wrappers as cloudpickles."""
        file = code.contained(folder, str(config.get("data", "model.lgb")))
        if config.get("model_class", BOOSTER) == BOOSTER:
            try:
                return lightgbm.Booster(model_file=str(file))
            except (lightgbm.basic.LightGBMError, OSError, ValueError) as fault:
                raise DataCorrupted(f"'{file.name}' does not load: {fault}") from None
        if config.get("serialization_format", "cloudpickle") == "skops":
            return _skops().load(file, OWN, trust)
        return pickled.load(file, trust)

    def function(self, model: Any, config: Mapping[str, Any], entry: Mapping[str, Any]) -> Predict:  # noqa: ARG002
        """Its predictions; params are those of the library's `predict`."""
        return lambda data, params: model.predict(data, **(params or {}))


FLAVOR = LightGBM()
