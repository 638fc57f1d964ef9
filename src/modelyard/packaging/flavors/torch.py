"""PyTorch models, without pickle unless asked for.

What a model is kept as, in the folder `data`:

* `safetensors` (`structure.json`, `weights.safetensors`): the module itself comes back, of its own class (see
  `torch_structure`). The default without an input example.
* `pt2` (`model.pt2`): a program of `torch.export`; it needs no code of the user's to load, and stock MLflow 3 reads it
  natively. The default with an input example, if PyTorch can trace the model.
* `torchscript`: what a scripted module is kept as.
* `pickle` (`model.pth`): only when asked for, loaded only when allowed; MLflow's own format until 3.16.

All but the pickle are also a python_function that brings its loader with it, so that stock MLflow of any version
predicts with it where Modelyard is not installed.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from modelyard.domain.errors import DataCorrupted, InvalidArgument, PermissionDenied
from modelyard.packaging import code
from modelyard.packaging.flavors import torch_loader, torch_program, torch_structure
from modelyard.packaging.flavors.base import Predict, Saved
from modelyard.packaging.trust import Trust

_logger = logging.getLogger("modelyard")

FORMATS: Final = ("safetensors", "pt2", "torchscript", "pickle")
LOADER: Final = "modelyard_torch_loader_1"
"""Name under which a copy of `torch_loader` lies in a model's code folder. The number changes when old folders would
not load with a new loader: MLflow keeps the first module of a name for all models of a process."""

TRUSTED_PACKAGES: Final = frozenset(
    {
        "lightning", "lightning_fabric", "pytorch_lightning", "sentence_transformers", "timm", "torch",
        "torch_geometric", "torchaudio", "torchmetrics", "torchvision", "transformers",
    }
)  # fmt: skip
"""Packages whose classes a model may be made of without anybody vouching for them; its own code folder is another."""

_TRUSTED_VALUES: Final = ("builtins", "collections", "datetime", "decimal", "enum", "fractions", "pathlib", "uuid")
_DATA: Final = "data"
_PICKLED: Final = "model.pth"
_PICKLE_MODULE: Final = "pickle_module_info.txt"


class TorchFlavor:
    """PyTorch models and Lightning modules; MLflow's flavor `pytorch`."""

    name = "pytorch"
    takes_input_example = True
    """`save` wants the input example among its options: exporting a model means running it."""

    @staticmethod
    def kept_example(example: Any) -> Any:
        """The input example as arrays, as it is kept with the model and described by the signature.

        None for several inputs without names, which neither has a way to say: those serve the export alone.
        """
        if isinstance(example, tuple) and len(example) == 2 and isinstance(example[1], dict):
            return (TorchFlavor.kept_example(example[0]), example[1])
        if isinstance(example, Mapping):
            return {name: TorchFlavor.kept_example(value) for name, value in example.items()}
        if isinstance(example, (list, tuple)) and example and hasattr(example[0], "shape"):
            return TorchFlavor.kept_example(example[0]) if len(example) == 1 else None
        return torch_loader.to_arrays(example) if isinstance(example, torch.Tensor) else example

    def save(self, model: Any, folder: Path, **options: Any) -> Saved:
        """Write the model.

        Args:
            model: a `torch.nn.Module`, a Lightning module, or a scripted module.
            folder: the model's directory.
            options: `serialization_format`, one of `FORMATS` or None to choose; `input_example`, arrays or tensors, one
                or several (a tuple or list by position, a dict by name), or a DataFrame; `export_example`, likewise,
                for an example that is used, and not kept with the model.

        Raises:
            InvalidArgument: the model cannot be kept in that format; the message says in which it can.
        """
        wanted, example = options.pop("serialization_format", None), options.pop("input_example", None)
        example = options.pop("export_example", example)
        if options:
            raise InvalidArgument(f"The pytorch flavor has no option {min(options)!r}.")
        if not isinstance(model, nn.Module):
            raise InvalidArgument(f"A PyTorch model is a torch.nn.Module, not a {type(model).__name__}.")
        if wanted is not None and wanted not in FORMATS:
            raise InvalidArgument(f"serialization_format is one of {', '.join(FORMATS)}, not {wanted!r}.")
        model = torch_structure.unwrap(model)
        data = folder / _DATA
        data.mkdir()
        inputs = _Inputs(example)
        packages: list[str] = []
        if isinstance(model, torch.jit.ScriptModule) and wanted in (None, "torchscript"):
            torch.jit.save(model, data / torch_loader.SCRIPT)
            chosen = "torchscript"
        else:
            chosen, packages = self._write(model, folder, wanted, inputs)
        config: dict[str, Any] = {
            "model_data": _DATA,
            "pytorch_version": str(torch.__version__),
            "serialization_format": chosen,
        }
        requires = ["numpy", "torch", *packages]
        if chosen == "pickle":
            return Saved(config, {"loader_module": "mlflow.pytorch", "data": _DATA}, requires)
        if inputs.given:
            config["input_dtypes"] = inputs.dtypes
            text = json.dumps({"dtypes": inputs.dtypes})
            (data / torch_loader.INPUTS).write_text(text, encoding="utf-8")
        own = folder / code.FOLDER
        own.mkdir(exist_ok=True)
        (own / f"{LOADER}.py").write_text(Path(torch_loader.__file__).read_text(encoding="utf-8"), encoding="utf-8")
        return Saved(config, {"loader_module": LOADER, "data": _DATA}, requires)

    def _write(self, model: nn.Module, folder: Path, wanted: str | None, inputs: _Inputs) -> tuple[str, list[str]]:
        """The format that was chosen, and the packages beside torch that it needs."""
        if wanted == "pickle":
            _pickle(model, folder / _DATA)
            return "pickle", ["cloudpickle"]
        if wanted == "torchscript":
            raise InvalidArgument(
                "torchscript keeps modules that torch.jit.script or torch.jit.trace made; this is none."
            )
        if wanted == "pt2" and not inputs.given:
            raise InvalidArgument(
                f"serialization_format='pt2' exports the model by running it with an input_example, and {inputs.why}."
            )
        refusal: InvalidArgument | None = None
        if wanted != "safetensors" and inputs.given:
            try:
                torch_program.export(model, *inputs.tensors(model), folder / _DATA / torch_loader.PROGRAM)
                return "pt2", []
            except InvalidArgument as error:
                if wanted == "pt2":
                    raise
                (folder / _DATA / torch_loader.PROGRAM).unlink(missing_ok=True)
                refusal = error
        try:
            files, packages = torch_structure.save(model, folder / _DATA)
        except InvalidArgument as error:
            if refusal is not None:
                raise InvalidArgument(f"{error.message} ({refusal.message})") from error
            raise
        if refusal is not None:
            _logger.warning("%s It is saved as its modules and weights instead.", refusal.message)
        for name, text in files.items():
            place = folder / code.FOLDER / name
            if not place.exists():  # code_paths brought it
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text, encoding="utf-8")
        if strangers := sorted(packages - TRUSTED_PACKAGES):
            _logger.warning("Loading this model will need trusted=%r: it holds classes of these packages.", strangers)
        return "safetensors", ["safetensors", *sorted(packages - {"torch"})]

    def load(self, folder: Path, config: Mapping[str, Any], trust: Trust, *, map_location: Any = None) -> nn.Module:
        """The module, ready for predictions (`eval`), on the device it was saved on if that exists here.

        Args:
            folder: the model's directory, ours or MLflow's.
            config: its entry in the MLmodel file.
            trust: what the caller allows.
            map_location: another device, as for `torch.load`.

        Raises:
            PermissionDenied: it is a pickle, or made of classes of packages that nobody vouched for.
            DataCorrupted: files are missing or do not fit each other.
        """
        data = code.contained(folder, str(config.get("model_data") or _DATA))
        pickled = data if data.is_file() else data / _PICKLED
        own = code.contained(folder, str(config.get("code") or code.FOLDER))
        if pickled.exists():
            if trust.pickle:
                code.add(own)
            return _unpickle(pickled, trust, map_location)
        if (data / torch_loader.PROGRAM).exists() and not trust.pickle:
            torch_program.verify(data / torch_loader.PROGRAM)
        try:
            with torch_loader.code_on_path(own) as names:
                return torch_loader.load_folder(data, resolve=_resolver(names, trust), map_location=map_location)
        except torch_loader.UntrustedNameError as error:
            raise PermissionDenied(
                f"This model is not loaded: {error}. If you trust it, load the model with trusted=[{error.package!r}]."
            ) from None
        except torch_loader.BrokenModelError as error:
            raise DataCorrupted(f"The PyTorch model in '{folder}' does not load: {error}.") from error

    def function(self, model: Any, config: Mapping[str, Any], entry: Mapping[str, Any]) -> Predict:  # noqa: ARG002 - the protocol's
        """Tables, arrays or tensors in; tables or arrays out (see `torch_loader.Predictor`)."""
        where = next((t.device for t in model.state_dict().values()), torch.device("cpu"))
        predictor = torch_loader.Predictor(model, where, config.get("input_dtypes") or [])

        def predict(data: Any, params: dict[str, Any] | None) -> Any:
            modes = [part for part in model.modules() if part.training]
            for part in modes:
                part.training = False
            try:
                return predictor.predict(data, params)
            finally:
                for part in modes:
                    part.training = True

        return predict


class _Inputs:
    """An input example as what a module is called with."""

    def __init__(self, example: Any) -> None:
        if isinstance(example, tuple) and len(example) == 2 and isinstance(example[1], dict):
            example = example[0]  # MLflow's pair of data and params
        self._by_name: dict[str, torch.Tensor] = {}
        self._by_place: list[torch.Tensor] = []
        self.why = "there is no input_example"
        if example is not None:
            try:
                self._take(example)
            except (TypeError, ValueError) as error:
                self.why = f"the input_example cannot be made tensors: {error}"
        self.given = bool(self._by_name or self._by_place)

    def _take(self, example: Any) -> None:
        if hasattr(example, "columns") and hasattr(example, "to_numpy"):
            self._by_place = [_tensor(example.to_numpy(), floating=True)]
        elif isinstance(example, Mapping):
            self._by_name = {str(name): _tensor(value) for name, value in example.items()}
        elif isinstance(example, (list, tuple)) and example and hasattr(example[0], "shape"):
            self._by_place = [_tensor(value) for value in example]
        else:
            self._by_place = [_tensor(example)]

    @property
    def dtypes(self) -> dict[str, str] | list[str]:
        """Names of the dtypes, in the shape of the example."""
        if self._by_name:
            return {name: str(value.dtype).removeprefix("torch.") for name, value in self._by_name.items()}
        return [str(value.dtype).removeprefix("torch.") for value in self._by_place]

    def tensors(self, model: nn.Module) -> tuple[tuple[torch.Tensor, ...], dict[str, torch.Tensor]]:
        """Positional and named inputs, of the model's floating type and on its device."""
        parameters = list(model.parameters())
        where = parameters[0].device if parameters else torch.device("cpu")
        floating = next((p.dtype for p in parameters if p.is_floating_point()), torch.float32)

        def place(value: torch.Tensor) -> torch.Tensor:
            return value.to(device=where, dtype=floating if value.is_floating_point() else None)

        return tuple(map(place, self._by_place)), {name: place(value) for name, value in self._by_name.items()}


def _tensor(value: Any, *, floating: bool = False) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value.detach()
    import numpy as np

    return torch.from_numpy(np.array(value, dtype=np.float32 if floating else None))


def _resolver(own: frozenset[str], trust: Trust) -> Callable[[str], Any]:
    def vouched_for(name: str) -> bool:
        dotted = name.replace(":", ".")
        return any(dotted == each or dotted.startswith(f"{each}.") for each in trust.types)

    def resolve(name: str) -> Any:
        package = name.partition(":")[0].partition(".")[0]
        if package in own or vouched_for(name):
            return torch_loader.lookup(name)
        if package in TRUSTED_PACKAGES or package in _TRUSTED_VALUES:
            found = torch_loader.lookup(name)
            if isinstance(found, type) or name.startswith("torchmetrics."):
                return found
        raise torch_loader.UntrustedNameError(name)

    return resolve


def _pickle(model: nn.Module, data: Path) -> None:
    module: Any = pickle
    if importlib.util.find_spec("cloudpickle"):
        import cloudpickle  # type: ignore[import-untyped, unused-ignore]

        module = cloudpickle
    _logger.warning(
        "The model is saved as a pickle, as asked for: who loads it runs the code in it, and must allow that."
    )
    (data / _PICKLE_MODULE).write_text(module.__name__, encoding="utf-8")
    try:
        torch.save(model, data / _PICKLED, pickle_module=module)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InvalidArgument(f"This model cannot be pickled: {error}.") from error


def _unpickle(file: Path, trust: Trust, map_location: Any) -> nn.Module:
    if map_location is None and not torch.cuda.is_available():
        map_location = "cpu"
    if _is_torchscript(file):
        return torch_loader.load_script(file, map_location)
    trust.require_pickle(f"The PyTorch model '{file.name}'")
    # whatever module the directory names: all that MLflow and we write are read by the plain unpickler
    found = torch.load(file, map_location=map_location, weights_only=False, pickle_module=pickle)
    if not isinstance(found, nn.Module):
        raise DataCorrupted(f"'{file.name}' holds a {type(found).__name__}, not a torch.nn.Module.")
    return found.eval()


def _is_torchscript(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.partition("/")[2] == "constants.pkl" for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def load_state_dict(file: Path, map_location: Any = None) -> dict[str, torch.Tensor]:
    """Weights saved by `torch.save(module.state_dict())`, read without running what a pickle could hold.

    Raises:
        PermissionDenied: it holds more than tensors and plain containers.
    """
    try:
        found: dict[str, torch.Tensor] = torch.load(file, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        raise PermissionDenied(f"'{file.name}' holds more than tensors: {str(error).splitlines()[0]}") from error
    return found


FLAVOR: Final = TorchFlavor()
