"""scikit-learn: skops by default, pickles when asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import sklearn

from modelyard.domain.errors import InvalidArgument
from modelyard.packaging import code, loader_file
from modelyard.packaging.flavors import pickled, skops_file, skops_light
from modelyard.packaging.flavors.base import Predict, Saved
from modelyard.packaging.flavors.sklearn_types import OWN
from modelyard.packaging.trust import Trust

SKOPS: Final = "model.skops"
PICKLE: Final = "model.pkl"

PREDICTIONS: Final = ("predict", "predict_proba", "predict_log_proba", "predict_joint_log_proba", "score")
"""What may answer for the model: MLflow's list."""


class Sklearn:
    """MLflow's flavor `sklearn`; since 3.8 or so MLflow writes skops too, before it wrote pickles."""

    name = "sklearn"

    def save(
        self,
        model: Any,
        folder: Path,
        *,
        serialization_format: str = "skops",
        predict_fn: str = "predict",
        trusted: Sequence[str] = (),
        **options: Any,
    ) -> Saved:
        """Write an estimator.

        Args:
            model: Any estimator, transformer or pipeline.
            folder: Where to.
            serialization_format: `skops`, `cloudpickle` or `pickle`.
            predict_fn: The method that answers for the python function, one of `PREDICTIONS`.
            trusted: Types of the caller's own that a skops file may hold.
            options: None others.
        """
        if options:
            raise InvalidArgument(f"No option {', '.join(map(repr, options))} for scikit-learn models.")
        if predict_fn not in PREDICTIONS:
            raise InvalidArgument(f"No predict_fn {predict_fn!r}; expected one of {', '.join(PREDICTIONS)}.")
        safe = serialization_format == "skops"
        file = SKOPS if safe else PICKLE
        types: list[str] | None = None
        if safe:
            types = skops_file.dump(model, folder / file, OWN, trusted)
        else:
            pickled.dump(model, folder / file, serialization_format)
        config = {
            "pickled_model": file,
            "serialization_format": serialization_format,
            "sklearn_version": sklearn.__version__,
            "skops_trusted_types": types,
        }
        function = None
        if hasattr(model, predict_fn):
            module = "mlflow.sklearn"
            if safe:  # older MLflow does not know the format; the loader in the model does
                module = loader_file.write(folder, {"kind": "skops", "file": file, "trusted": types})
            function = {"loader_module": module, "model_path": file, "predict_fn": predict_fn}
        return Saved(config, function, ["sklearn", "numpy", "scipy", "skops" if safe else serialization_format])

    def load(self, folder: Path, config: Mapping[str, Any], trust: Trust) -> Any:
        """The estimator; MLflow before 1.30 or so did not say its format, which was pickle."""
        file = code.contained(folder, str(config.get("pickled_model", PICKLE)))
        if config.get("serialization_format", "pickle") == "skops":
            return skops_file.load(file, OWN, trust)
        return pickled.load(file, trust)

    def function(self, model: Any, config: Mapping[str, Any], entry: Mapping[str, Any]) -> Predict:  # noqa: ARG002
        """The method named by `predict_fn`, on the data alone: scikit-learn's take no params."""
        name = str(entry.get("predict_fn", "predict"))
        if name not in PREDICTIONS or not hasattr(model, name):
            raise InvalidArgument(f"The model cannot answer: a {type(model).__name__} has no method {name!r}.")
        # looked up each time: a server may have given the object a quicker one
        return lambda data, params: getattr(model, name)(data)  # noqa: ARG005


FLAVOR = Sklearn()


def prepare(config: Mapping[str, Any]) -> None:
    """Import what loading a model with this entry in its MLmodel file needs; nothing of the model itself."""
    if config.get("serialization_format") == "skops":
        skops_light.prepare()
