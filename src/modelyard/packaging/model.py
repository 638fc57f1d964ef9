"""A model as a directory: saved in one step, and loaded, whatever library it is of.

The directory is an MLflow model (`MLmodel`, `requirements.txt`, `conda.yaml`, `python_env.yaml`, ...), which stock
MLflow reads without Modelyard. What MLflow has no place for lies in its folder `modelyard/`: checksums, golden tests,
the baseline profile.
"""

from __future__ import annotations

import importlib.util
import logging
import platform
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelyard.domain.errors import AlreadyExists, InvalidArgument, NotFound
from modelyard.optional import MissingExtraError
from modelyard.packaging import code, conversion, digest, environment, example, profile
from modelyard.packaging import golden as golden_tests
from modelyard.packaging.flavors.base import PYTHON_FUNCTION, Saved, find, known
from modelyard.packaging.function import LoadedFunction
from modelyard.packaging.manifest import Model
from modelyard.packaging.signature import ModelSignature, infer_signature
from modelyard.packaging.trust import Trust, trust

_logger = logging.getLogger("modelyard")

__all__ = ["LoadedFunction", "Model", "load", "load_function", "save"]


def save(
    model: Any,
    path: str | Path,
    *,
    flavor: str,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    golden: Any = None,
    tolerance: float | golden_tests.Tolerance | None = None,
    baseline: Any = None,
    requirements: Sequence[str] | str | None = None,
    extra_requirements: Sequence[str] | str | None = None,
    code_paths: Sequence[str | Path] | None = None,
    metadata: dict[str, Any] | None = None,
    run_id: str | None = None,
    model_id: str | None = None,
    artifact_path: str | None = None,
    convert: str | None = None,
    **options: Any,
) -> Model:
    """Save a model into a new directory. It appears whole or not at all.

    Args:
        model: The library's own object, or for `python_function` an instance of (or the) user's class.
        path: The directory; it must not exist, or be empty.
        flavor: `sklearn`, `xgboost`, `lightgbm`, `onnx`, `pytorch`, `python_function` or another package's.
        signature: What goes in and comes out; None infers it from the example, False leaves it out.
        input_example: DataFrame, array, dictionary, list or value; a pair with a dictionary adds params.
        golden: True keeps the model's answers to the example as golden tests; an example of its own, or a list of
            `GoldenCase`, likewise. For models that always answer alike.
        tolerance: How far numbers may be from the golden ones, relative; default 1e-5. Whole numbers, booleans and
            texts must be equal; a `Tolerance` can say otherwise.
        baseline: DataFrame of inputs, e.g. the training data, whose profile is kept to compare later data with.
        requirements: pip requirements that replace those found, a list or the path of a file.
        extra_requirements: pip requirements beside those found.
        code_paths: Files and folders of the user's own code, copied into the model.
        metadata: Plain values of the user's own.
        run_id: The run that makes it.
        model_id: The logged model it belongs to.
        artifact_path: Its path within the run, or its name.
        convert: `onnx` puts a graph beside the model, if it can be made and its answers agree with the golden tests or
            those to the input example; else a warning says why not.
        options: The flavor's own, e.g. `serialization_format`.

    Raises:
        AlreadyExists: the directory exists and is not empty.
        InvalidArgument: the model cannot be kept this way; the message says how it could.
    """
    target = Path(path).absolute()
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise AlreadyExists(f"'{path}' exists and is not empty. Give another path, or remove it first.")
    if signature is True:
        raise InvalidArgument("signature is a ModelSignature, None to infer it, or False to leave it out.")
    leaf = find(flavor)
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = target.parent / f".{target.name[:100]}.{uuid.uuid4().hex}"
    folder.mkdir()
    try:
        for source in code_paths or ():
            code.copy(Path(source), folder / code.FOLDER)
        if getattr(leaf, "takes_input_example", False):
            options.setdefault("input_example", input_example)
            input_example = leaf.kept_example(input_example)  # type: ignore[attr-defined]
        saved = leaf.save(model, folder, **options)
        manifest = Model(
            run_id=run_id,
            model_id=model_id,
            artifact_path=artifact_path,
            metadata=metadata,
            flavors=_flavors(leaf.name, saved, folder),
            signature=signature if isinstance(signature, ModelSignature) else None,
        )
        packages = list(saved.requires)
        if any(each is not None for each in (input_example, golden, baseline, convert)):
            if flavor == PYTHON_FUNCTION:  # the user's class, as a reader will have it; what we just wrote is ours
                model = leaf.load(folder, manifest.flavors[PYTHON_FUNCTION], Trust(pickle=True))
            predict = leaf.function(model, saved.config, saved.function or {})
            if input_example is not None:
                manifest.saved_input_example_info = example.save(input_example, folder)
                if signature is None:
                    data, params = example.split(input_example)
                    manifest.signature = infer_signature(data, predict(data, params), params)
            function = LoadedFunction(manifest, model, predict, folder)
            golden_tests.make(function, golden, input_example, tolerance)
            if baseline is not None:
                profile.make(function, baseline)
            if convert is not None and conversion.convert(function, convert, leaf.name):
                packages.append("onnxruntime")
        if manifest.takes_columns:
            packages.append("pandas")
        environment.write(folder, packages, requirements, extra_requirements)
        manifest.model_size_bytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        manifest.write(folder)
        digest.write(folder)
        folder.replace(target)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return manifest


def _flavors(name: str, saved: Saved, folder: Path) -> dict[str, dict[str, Any]]:
    """The entries of the MLmodel file: the library's own and MLflow's common one."""
    flavors = {} if name == PYTHON_FUNCTION else {name: {"code": None, **saved.config}}
    if saved.function is not None:
        flavors[PYTHON_FUNCTION] = {
            **saved.function,
            "env": {"conda": environment.CONDA, "virtualenv": environment.PYTHON},
            "python_version": platform.python_version(),
        }
    if (folder / code.FOLDER).is_dir():
        for entry in flavors.values():
            entry["code"] = code.FOLDER
    return flavors


def load(
    path: str | Path, *, flavor: str | None = None, allow_pickle: bool | None = None, trusted: Sequence[str] = ()
) -> Any:
    """The library's own object from a directory that we or MLflow wrote.

    Args:
        path: The directory.
        flavor: Which of the model's flavors; None takes the library's.
        allow_pickle: Whether a pickle may be loaded; None asks `MODELYARD_ALLOW_PICKLE`.
        trusted: Names of types, beyond our own list, that a skops file may hold.

    Raises:
        NotFound: there is no model, or it has no such flavor.
        PermissionDenied: it is a pickle, or holds types that nobody vouched for.
        DataCorrupted: files are missing or do not decode.
    """
    folder, manifest = Path(path), Model.read(path)
    name = flavor or next(iter(_native(manifest)), PYTHON_FUNCTION)
    return _object(folder, manifest, name, trust(allow_pickle=allow_pickle, trusted=trusted))


def load_function(
    path: str | Path,
    *,
    allow_pickle: bool | None = None,
    trusted: Sequence[str] = (),
    model_config: Mapping[str, Any] | None = None,
    prefer: str | None = None,
) -> LoadedFunction:
    """The model as a python function, from a directory that we or MLflow wrote.

    Models of the libraries that we know are loaded by us, not by code that lies in the directory.

    Args:
        path: The directory.
        allow_pickle: As for `load`.
        trusted: As for `load`.
        model_config: Plain values for the context of a `PythonModel`, over those that were saved.
        prefer: `onnx` takes the graph that the model was converted to, if there is one and ONNX Runtime is installed;
            the model itself is then loaded only if it is given missing or infinite values.

    Raises:
        NotFound: there is no model, or it cannot predict.
        PermissionDenied: as for `load`.
        DataCorrupted: as for `load`.
        ModuleNotFoundError: it takes columns, and pandas is not installed.
    """
    folder, manifest = Path(path), Model.read(path)
    entry = manifest.flavors.get(PYTHON_FUNCTION)
    if entry is None:
        raise NotFound(
            f"The model in '{path}' has no python_function flavor; it has {', '.join(manifest.flavors)}. "
            "Load it with its own library's load_model."
        )
    if manifest.takes_columns and importlib.util.find_spec("pandas") is None:
        raise ModuleNotFoundError("pandas, in whose DataFrames columns reach a model, is not installed", name="pandas")
    if prefer == conversion.ONNX:
        try:
            found = conversion.load(
                folder, manifest, lambda: load_function(folder, allow_pickle=allow_pickle, trusted=trusted)
            )
            if found is not None:
                return found
        except MissingExtraError as missing:
            _logger.info("The model's ONNX graph is not used: %s", missing)
    name = maker(manifest, entry)
    if model_config and name == PYTHON_FUNCTION:
        entry = {**entry, "config": {**(entry.get("config") or {}), **model_config}}
        manifest.flavors[PYTHON_FUNCTION] = entry
    model = _object(folder, manifest, name, trust(allow_pickle=allow_pickle, trusted=trusted))
    predict = find(name).function(model, manifest.flavors[name], entry)
    return LoadedFunction(manifest, model, predict, folder)


def _native(manifest: Model) -> list[str]:
    return [name for name in manifest.flavors if name != PYTHON_FUNCTION and known(name)]


def maker(manifest: Model, entry: Mapping[str, Any]) -> str:
    """Which flavor answers for `python_function`."""
    native = _native(manifest)
    module = str(entry.get("loader_module", ""))
    if module.startswith(("modelyard_", "mlflow.")):  # a loader of ours, or MLflow's
        named = module.rpartition(".")[2]
        return named if named in native else PYTHON_FUNCTION if module.startswith("mlflow.pyfunc") else _one(native)
    return PYTHON_FUNCTION


def _one(native: Sequence[str]) -> str:
    return native[0] if native else PYTHON_FUNCTION


def _object(folder: Path, manifest: Model, name: str, trusted: Trust) -> Any:
    config = manifest.flavors.get(name)
    if config is None:
        raise NotFound(f"The model in '{folder}' has no flavor {name!r}; it has {', '.join(manifest.flavors)}.")
    if config.get("code") and name != PYTHON_FUNCTION and (trusted.pickle or trusted.types):
        code.add(code.contained(folder, str(config["code"])))
    return find(name).load(folder, config, trusted)
