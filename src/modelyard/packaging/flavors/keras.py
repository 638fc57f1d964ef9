"""Keras 3 models in Keras's own format, `.keras`, on whichever backend.

The directory is as MLflow 3 writes it, so that `mlflow.keras` reads it natively. Keras loads it in its safe mode, which
refuses `Lambda` layers: those hold Python bytecode. Classes of the user's own have to be importable, or given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import keras

from modelyard.domain.errors import DataCorrupted, InvalidArgument, PermissionDenied
from modelyard.packaging import code
from modelyard.packaging.flavors import keras_loader
from modelyard.packaging.flavors.base import Predict, Saved
from modelyard.packaging.trust import Trust

LOADER: Final = "modelyard_keras_loader_1"
"""Name under which a copy of `keras_loader` lies in a model's code folder; see `torch.LOADER`."""

_DATA: Final = "data"
_BACKENDS: Final = {"jax": "jax", "tensorflow": "tensorflow", "torch": "torch"}


class KerasFlavor:
    """Keras models; MLflow's flavor `keras`."""

    name = "keras"

    def save(self, model: Any, folder: Path, **options: Any) -> Saved:
        """Write the model. There are no options.

        Raises:
            InvalidArgument: it is no Keras model, or Keras cannot save it.
        """
        if options:
            raise InvalidArgument(f"The keras flavor has no option {min(options)!r}.")
        if not isinstance(model, keras.Model):
            raise InvalidArgument(f"A Keras model is a keras.Model, not a {type(model).__name__}.")
        data = folder / _DATA
        data.mkdir()
        try:
            model.save(data / keras_loader.FILE)
        except (ValueError, TypeError, NotImplementedError) as error:
            raise InvalidArgument(f"Keras cannot save this {type(model).__name__}: {error}") from error
        backend = keras.backend.backend()
        (data / keras_loader.ABOUT).write_text(json.dumps({"backend": backend}), encoding="utf-8")
        own = folder / code.FOLDER
        own.mkdir(exist_ok=True)
        (own / f"{LOADER}.py").write_text(Path(keras_loader.__file__).read_text(encoding="utf-8"), encoding="utf-8")
        config = {
            "data": _DATA,
            "keras_version": keras.__version__,
            "keras_backend": backend,
            "save_exported_model": False,
        }
        requires = ["keras", "numpy", *([_BACKENDS[backend]] if backend in _BACKENDS else [])]
        return Saved(config, {"loader_module": LOADER, "data": _DATA}, requires)

    def load(
        self,
        folder: Path,
        config: Mapping[str, Any],
        trust: Trust,
        *,
        custom_objects: Mapping[str, Any] | None = None,
    ) -> Any:
        """The Keras model.

        Args:
            folder: The model's directory, ours or that of MLflow 3.
            config: Its entry in the MLmodel file.
            trust: What the caller allows; with pickles, Keras's safe mode is off.
            custom_objects: Names of classes and functions of the user's own, and what they stand for.

        Raises:
            PermissionDenied: it holds bytecode.
            DataCorrupted: the file is missing or does not decode, or needs a class that cannot be found.
        """
        file = code.contained(folder, f"{config.get('data') or _DATA}/{keras_loader.FILE}")
        if not file.is_file():
            raise DataCorrupted(f"The Keras model in '{folder}' has no file '{keras_loader.FILE}'.")
        try:
            return keras.saving.load_model(file, custom_objects=custom_objects, safe_mode=not trust.pickle)
        except Exception as error:  # Keras raises what its parts raise
            text = str(error).strip() or type(error).__name__
            if "safe_mode" in text or "unsafe" in text:
                raise PermissionDenied(
                    f"This Keras model is not loaded: {text.splitlines()[0]} If you trust where it comes from, load it "
                    "with allow_pickle=True, which switches Keras's safe mode off."
                ) from error
            raise DataCorrupted(f"The Keras model in '{folder}' does not load: {text}") from error

    def function(self, model: Any, config: Mapping[str, Any], entry: Mapping[str, Any]) -> Predict:  # noqa: ARG002 - the protocol's
        """Tables or arrays in; tables or arrays out (see `keras_loader.Predictor`)."""
        return keras_loader.Predictor(model).predict


FLAVOR: Final = KerasFlavor()
