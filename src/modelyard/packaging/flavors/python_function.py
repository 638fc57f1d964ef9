"""Models that are a class of the user's own: code as files, beside the files that it needs."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from modelyard.domain.errors import DataCorrupted, InvalidArgument, NotSupported, PermissionDenied
from modelyard.packaging import code, loader, loader_file
from modelyard.packaging.flavors import pickled
from modelyard.packaging.flavors.base import PYTHON_FUNCTION, Predict, Saved
from modelyard.packaging.source import Source
from modelyard.packaging.trust import Trust

ARTIFACTS: Final = "artifacts"
PICKLE: Final = "python_model.pkl"

_STAND_INS: Final = {
    (module, name): getattr(loader, name)
    for module in ("mlflow.pyfunc", "mlflow.pyfunc.model")
    for name in ("PythonModel", "PythonModelContext")
}

_FROM_CODE = "mlflow.pyfunc.loaders.code_model"
"""MLflow's loader of models that are a script in their directory (models from code)."""


class PythonFunction:
    """MLflow's flavor `python_function`, where no library's flavor answers for it."""

    name = PYTHON_FUNCTION

    def save(
        self,
        model: Any,
        folder: Path,
        *,
        artifacts: Mapping[str, str | Path] | None = None,
        model_config: dict[str, Any] | None = None,
        serialization_format: str = "code",
        **options: Any,
    ) -> Saved:
        """Write a class of the user's own.

        Args:
            model: The class, or an instance: what it was given is kept too, if it is plain (numbers, texts, lists,
                tuples, dictionaries).
            folder: Where to.
            artifacts: Name → file or folder to bring along; `context.artifacts[name]` is its path when loaded.
            model_config: Plain values; `context.model_config` when loaded.
            serialization_format: `code`, or `cloudpickle` or `pickle` for the instance as it is.
            options: None others.

        Raises:
            InvalidArgument: the class has no `predict`, or cannot be written down as code; the message says why.
        """
        if options:
            raise InvalidArgument(f"No option {', '.join(map(repr, options))} for python_function models.")
        cls = model if isinstance(model, type) else type(model)
        predict = getattr(cls, "predict", None)
        if predict is None or getattr(predict, "__qualname__", "") == "PythonModel.predict":
            raise InvalidArgument(f"The class {cls.__name__} has no method 'predict'; it needs one, see PythonModel.")
        kept = _copy_artifacts(artifacts or {}, folder)
        description: dict[str, Any] = {"artifacts": kept}
        requires = []
        if serialization_format == "code":
            description |= {"kind": "class", **_written(model, cls, folder)}
        else:
            instance = model() if isinstance(model, type) else model
            pickled.dump(instance, folder / PICKLE, serialization_format)
            description |= {"kind": "cloudpickle", "file": PICKLE}
            requires = [serialization_format] if serialization_format == "cloudpickle" else []
        entry: dict[str, Any] = {"loader_module": loader_file.write(folder, description)}
        if kept:
            entry["artifacts"] = {name: {"path": path, "uri": path} for name, path in kept.items()}
        if model_config:
            entry["config"] = model_config
        if serialization_format != "code":
            entry["python_model"] = PICKLE
        return Saved({}, entry, requires)

    def load(self, folder: Path, config: Mapping[str, Any], trust: Trust) -> Any:
        """An object with `predict(data, params)`, from our code, MLflow's pickles or anybody's loader module.

        Code that lies in the model as files is run: that is what such a model is. Pickles need leave.
        """
        module = str(config.get("loader_module", ""))
        settings = config.get("config") or None
        inside = code.contained(folder, str(config.get("code") or code.FOLDER))
        if module == loader_file.MODULE:
            description = _description(folder)
            if description["kind"] == "cloudpickle":
                trust.require_pickle(f"'{description['file']}'")
            code.add(inside)
            if description["kind"] == "class":
                _importable(description)
            return loader.python_model(str(folder), description, settings)
        if module == "mlflow.pyfunc.model" and config.get("python_model"):
            return _mlflow_pickle(folder, config, inside, trust)
        if not trust.pickle and not brings_loader(folder, config):
            raise PermissionDenied(
                f"The model is loaded by the module {module!r}, which is not part of it and none of ours: what it runs "
                "cannot be known. If you trust where this model comes from, load it with allow_pickle=True."
            )
        if inside.is_dir():
            code.add(inside)
        return _delegated(module, folder, config, settings)

    def function(self, model: Any, config: Mapping[str, Any], entry: Mapping[str, Any]) -> Predict:  # noqa: ARG002
        """Its `predict`, or the method that `predict_fn` names."""
        method = getattr(model, str(entry.get("predict_fn", "predict")))
        if isinstance(model, loader.Function) or loader.takes_params(method):
            return lambda data, params: method(data, params=params)
        return lambda data, params: method(data)  # noqa: ARG005


def _copy_artifacts(artifacts: Mapping[str, str | Path], folder: Path) -> dict[str, str]:
    kept = {}
    for name, given in artifacts.items():
        source = Path(given)
        if "://" in str(given) or str(given).startswith(("runs:/", "models:/")):
            raise InvalidArgument(f"Artifact {name!r}: download {given!r} first, and give the path.")
        if not source.exists():
            raise InvalidArgument(f"Artifact {name!r}: there is no '{given}'.")
        place = folder / ARTIFACTS / source.name
        if place.exists():
            place = folder / ARTIFACTS / name / source.name
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place)
        else:
            shutil.copy2(source, place)
        kept[str(name)] = place.relative_to(folder).as_posix()
    return kept


def _written(model: Any, cls: type, folder: Path) -> dict[str, Any]:
    """The class as files in `code`, and the instance's values."""
    remedy = "or save it with serialization_format='cloudpickle', which is loaded only where pickles are allowed"
    source = Source(f"modelyard_model_{uuid.uuid4().hex[:12]}")
    try:
        module = source.add(cls)
    except InvalidArgument as fault:
        raise InvalidArgument(f"{fault.message}; {remedy}.") from None
    for name, text in source.files.items():
        place = folder / code.FOLDER / name
        if not place.exists():  # given as code_paths
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    state = None
    if not isinstance(model, type):
        state = {}
        for name, value in vars(model).items():
            try:
                state[name] = loader.pack(value)
            except TypeError:
                raise InvalidArgument(
                    f"The attribute {name!r} of {cls.__name__} ({type(value).__name__}) is not plain, so it cannot be "
                    "kept as text. Write it to a file, give that as an artifact and read it in load(); "
                    f"{remedy}."
                ) from None
    return {"module": module, "class": cls.__qualname__, "state": state}


def _description(folder: Path) -> dict[str, Any]:
    """What our loader's file says of the class, its files within the model."""
    try:
        found: Any = loader.describe(str(folder))
        texts = {"class": ("module", "class"), "cloudpickle": ("file",)}[found["kind"]]
        kept = found.get("artifacts", {})
        if all(isinstance(each, str) for each in (*(found[name] for name in texts), *kept.values())):
            for each in (*kept.values(), *([found["file"]] if "file" in texts else [])):
                code.contained(folder, each)
            return dict(found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise DataCorrupted(f"'{loader.DESCRIPTION}' does not decode: {type(fault).__name__}: {fault}") from None
    raise DataCorrupted(f"'{loader.DESCRIPTION}' does not say how the model is loaded.")


def _importable(description: Mapping[str, Any]) -> None:
    try:
        found: Any = importlib.import_module(description["module"])
        for name in description["class"].split("."):
            found = getattr(found, name)
    except ModuleNotFoundError as missing:
        if f"{description['module']}.".startswith(f"{missing.name}."):
            raise DataCorrupted(f"The model's code lacks the module {description['module']!r}.") from None
        raise InvalidArgument(
            f"The model needs the module {missing.name!r}, which is not installed here and not in the model's code."
        ) from None
    except AttributeError as fault:
        raise DataCorrupted(f"The model's code lacks the class {description['class']!r}: {fault}") from None


def _mlflow_pickle(folder: Path, config: Mapping[str, Any], inside: Path, trust: Trust) -> loader.Function:
    file = code.contained(folder, str(config["python_model"]))
    trust.require_pickle(f"'{file.name}'")
    if inside.is_dir():
        code.add(inside)
    kept = {
        str(name): str(code.contained(folder, str(each["path"])))
        for name, each in (config.get("artifacts") or {}).items()
    }
    model = pickled.load(file, trust, _STAND_INS)
    return loader.Function(model, loader.PythonModelContext(kept, config.get("config")))


def brings_loader(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether the module that loads a model lies in the model, as a file that can be read."""
    module = str(config.get("loader_module", ""))
    if _lies_in(code.contained(folder, str(config.get("code") or code.FOLDER)), module):
        return True
    return module == _FROM_CODE and code.contained(folder, Path(str(config.get("model_code_path"))).name).is_file()


def _lies_in(folder: Path, module: str) -> bool:
    place = folder.joinpath(*module.split("."))
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


def _delegated(module: str, folder: Path, config: Mapping[str, Any], settings: dict[str, Any] | None) -> Any:
    data = code.contained(folder, str(config["data"])) if config.get("data") else folder
    try:
        entry = importlib.import_module(module)._load_pyfunc  # noqa: SLF001 - MLflow's name for the entry
    except ModuleNotFoundError as missing:
        raise NotSupported(
            f"The model is loaded by the module {module!r}, which needs {missing.name!r}; that is not installed."
        ) from None
    except AttributeError:
        raise InvalidArgument(f"The module {module!r} has no _load_pyfunc: it does not load models.") from None
    return entry(str(data), settings) if settings else entry(str(data))


FLAVOR = PythonFunction()
