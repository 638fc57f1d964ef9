"""Rebuild a PyTorch model from a folder, without pickle.

This file is complete in itself: a copy of it travels in the model's code folder, where stock MLflow finds it as the
`loader_module` of the python_function, so it imports nothing but the standard library, torch and safetensors.

The folder holds one of:

* `structure.json` and `weights.safetensors`: the tree of modules, each with its class by name and its plain attributes,
  and the tensors (written by `torch_structure`);
* `model.pt2`: a program of `torch.export`;
* `model.torchscript`: a TorchScript archive.

and, when an input example was given, `inputs.json` with the dtype of each input.
"""

import argparse
import collections
import contextlib
import functools
import importlib
import json
import logging
import pathlib
import threading
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Final

import torch
from torch import nn

STRUCTURE: Final = "structure.json"
WEIGHTS: Final = "weights.safetensors"
PROGRAM: Final = "model.pt2"
SCRIPT: Final = "model.torchscript"
INPUTS: Final = "inputs.json"
FORMAT_VERSION: Final = 1

FUNCTION_HOMES: Final = (
    "torch",
    "torch.nn.functional",
    "torch._C._nn",
    "torch.special",
    "torch.nn.init",
    "math",
    "operator",
)
"""Where a function of PyTorch may be looked up by name: these define arithmetic, and open no files."""

_ARITHMETIC: Final = ("_operator", "math", "torch", "torch._VF", "torch.functional", "torch.nn.functional")
_DTYPES: Final = {str(v).removeprefix("torch."): v for v in vars(torch).values() if isinstance(v, torch.dtype)}
_PRIVATE_IMPORTS = threading.RLock()

Resolve = Callable[[str], Any]


class BrokenModelError(ValueError):
    """The folder does not hold what its description promises."""


class UntrustedNameError(ValueError):
    """The description names a class or function from a package that is not trusted.

    Args:
        name: `package.module:Qualified.name`.
    """

    def __init__(self, name: str) -> None:
        self.package = name.partition(":")[0].partition(".")[0]
        super().__init__(f"the model asks for {name!r}, and the package {self.package!r} is not trusted to load it")


def lookup(name: str) -> Any:
    """Import `package.module:Qualified.name`.

    Raises:
        BrokenModelError: there is no such thing here.
    """
    module, _, qualified = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in qualified.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise BrokenModelError(f"the model needs {name!r}, which cannot be imported here: {error}") from error
    return found


def is_arithmetic(name: str) -> bool:
    """Whether `name` is a function of `FUNCTION_HOMES` that only computes (`torch:relu`; not `torch:load`)."""
    home, _, qualified = name.partition(":")
    if home not in FUNCTION_HOMES or "." in qualified:
        return False
    found = lookup(name)
    made_in = getattr(found, "__module__", None)
    return callable(found) and not isinstance(found, type) and (made_in in _ARITHMETIC or made_in in FUNCTION_HOMES)


def rebuild(folder: pathlib.Path, *, resolve: Resolve = lookup, map_location: Any = None) -> nn.Module:
    """The module that `structure.json` and `weights.safetensors` describe, each part in the mode in which it was saved.

    No constructor runs: every module is made empty and given its attributes back, as unpickling would do.

    Args:
        folder: where the two files are.
        resolve: turns `package.module:Qualified.name` into the class or function; refuses what it does not trust.
        map_location: the device of all tensors. None: the device they were saved on if it exists here, else the CPU.

    Raises:
        BrokenModelError: the files do not fit each other, or a name cannot be imported.
        UntrustedNameError: raised by `resolve`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        structure = json.loads((folder / STRUCTURE).read_text(encoding="utf-8"))
        version = structure["version"]
        if version != FORMAT_VERSION:
            raise BrokenModelError(
                f"{STRUCTURE} is of version {version}; this loader reads {FORMAT_VERSION}: upgrade modelyard"
            )
        tensors = _tensors(structure["tensors"], load_file(folder / WEIGHTS), map_location)
        return _Rebuilding(structure["modules"], tensors, resolve).run()
    except (SafetensorError, OSError) as error:
        raise BrokenModelError(f"{WEIGHTS} does not read: {error}") from error
    except (KeyError, TypeError, IndexError, AttributeError, json.JSONDecodeError) as error:
        raise BrokenModelError(f"{STRUCTURE} is not a description of a model: {error!r}") from error


def _tensors(specs: dict[str, Any], stored: dict[str, torch.Tensor], map_location: Any) -> dict[str, torch.Tensor]:
    made: dict[str, torch.Tensor] = {}
    placed: dict[str, torch.Tensor] = {}
    for key, spec in specs.items():
        data_key = spec.get("data", key)
        data = placed.get(data_key)
        if data is None:
            if data_key not in stored:
                raise BrokenModelError(f"{WEIGHTS} lacks the tensor {data_key!r}")
            data = stored[data_key].to(device_for(spec["device"], map_location))
            placed[data_key] = data
        if list(data.shape) != spec["shape"] or data.dtype != _DTYPES[spec["dtype"]]:
            raise BrokenModelError(
                f"the tensor {key!r} is {list(data.shape)} of {data.dtype}, "
                f"and {STRUCTURE} says {spec['shape']} of {spec['dtype']}"
            )
        if spec["kind"] == "parameter":
            made[key] = nn.Parameter(data, requires_grad=spec["requires_grad"])
        else:
            made[key] = data.detach().requires_grad_(spec["requires_grad"])
    return made


def device_for(saved: str, map_location: Any) -> torch.device:
    """The device for a tensor that was saved on `saved`: `map_location`, else `saved` if it is here, else the CPU."""
    if isinstance(map_location, dict):
        map_location = map_location.get(saved)
    if map_location is not None:
        return torch.device(map_location)
    device = torch.device(saved)
    here = device.type == "meta" or (device.type == "cuda" and torch.cuda.is_available())
    here = here or (device.type == "mps" and torch.backends.mps.is_available())
    return device if here else torch.device("cpu")


class _Rebuilding:
    """One model on its way from JSON to modules."""

    def __init__(self, entries: list[dict[str, Any]], tensors: dict[str, torch.Tensor], resolve: Resolve) -> None:
        self._entries = entries
        self._tensors = tensors
        self._resolve = resolve
        self._modules: list[nn.Module] = []

    def run(self) -> nn.Module:
        for entry in self._entries:
            kind = self._resolve(entry["class"])
            if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
                raise BrokenModelError(f"{entry['class']!r} is not a subclass of torch.nn.Module")
            self._modules.append(kind.__new__(kind))
        # the last found is the deepest: children are whole before their parents' __setstate__ looks at them
        for module, entry in reversed(list(zip(self._modules, self._entries, strict=True))):
            self._fill(module, entry)
        return self._modules[0]

    def _fill(self, module: nn.Module, entry: dict[str, Any]) -> None:
        state = dict(vars(nn.Module()))  # the hooks' empty tables, as this version of PyTorch wants them
        state.update({name: self._value(value) for name, value in entry["attributes"].items()})
        state["training"] = entry["training"]
        state["_parameters"] = {name: self._tensor(key) for name, key in entry["parameters"].items()}
        state["_buffers"] = {name: self._tensor(key) for name, key in entry["buffers"].items()}
        state["_non_persistent_buffers_set"] = set(entry["non_persistent"])
        state["_modules"] = {
            name: None if index is None else self._modules[index] for name, index in entry["modules"].items()
        }
        module.__setstate__(state)  # type: ignore[no-untyped-call, unused-ignore]
        if entry["parametrized"]:
            from torch.nn.utils import parametrize

            parametrize._inject_new_class(module)  # noqa: SLF001 - what register_parametrization does, without a forward
            for name in entry["parametrized"]:
                parametrize._inject_property(module, name)  # noqa: SLF001 - likewise

    def _tensor(self, key: str | None) -> torch.Tensor | None:
        return None if key is None else self._tensors[key]

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if not isinstance(value, dict):
            return value
        ((kind, body),) = value.items()
        if kind not in _KINDS:
            raise BrokenModelError(f"{STRUCTURE} holds a value of the unknown kind {kind!r}")
        return _KINDS[kind](self, body)

    def _pairs(self, body: list[list[Any]]) -> list[tuple[Any, Any]]:
        return [(self._value(key), self._value(value)) for key, value in body]

    def _partial(self, body: list[Any]) -> Any:
        function, arguments, keywords = (self._value(part) for part in body)
        return functools.partial(function, *arguments, **keywords)

    def _named_tuple(self, body: list[Any]) -> Any:
        kind = self._class(body[0], tuple)
        return kind(*self._value(body[1]))

    def _mapping(self, body: list[Any]) -> Any:
        made = self._class(body[0], dict)()
        made.update(self._pairs(body[1]))
        return made

    def _enum(self, body: list[str]) -> Any:
        import enum

        return self._class(body[0], enum.Enum)[body[1]]

    def _object(self, body: list[Any]) -> Any:
        kind = self._class(body[0], object)
        made = kind.__new__(kind)
        made.__dict__.update(self._pairs(body[1]))
        return made

    def _numpy(self, body: list[Any]) -> Any:
        array = self._tensors[body[0]].detach().cpu().numpy().astype(body[1])
        return array[()] if body[2] else array

    def _class(self, name: str, parent: type) -> Any:
        kind = self._resolve(name)
        if not (isinstance(kind, type) and issubclass(kind, parent)):
            raise BrokenModelError(f"{name!r} is not a class of {parent.__name__}")
        return kind

    def _function(self, name: str) -> Any:
        return lookup(name) if is_arithmetic(name) else self._resolve(name)


def _attribute_of_torch(name: str) -> Any:
    found = getattr(torch, name)
    if not isinstance(found, (torch.dtype, torch.layout, torch.memory_format)):
        raise BrokenModelError(f"torch.{name} is not a dtype, a layout or a memory format")
    return found


_KINDS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "float": lambda _, body: float(body),
    "complex": lambda _, body: complex(*body),
    "bytes": lambda _, body: bytes.fromhex(body),
    "tuple": lambda self, body: tuple(self._value(body)),
    "set": lambda self, body: set(self._value(body)),
    "frozenset": lambda self, body: frozenset(self._value(body)),
    "range": lambda _, body: range(*body),
    "slice": lambda self, body: slice(*self._value(body)),
    "dict": lambda self, body: dict(self._pairs(body)),
    "ordered_dict": lambda self, body: collections.OrderedDict(self._pairs(body)),
    "mapping": _Rebuilding._mapping,  # noqa: SLF001 - the table of this class's kinds
    "named_tuple": _Rebuilding._named_tuple,  # noqa: SLF001
    "size": lambda _, body: torch.Size(body),
    "torch": lambda _, body: _attribute_of_torch(body),
    "device": lambda _, body: torch.device(body),
    "tensor": lambda self, body: self._tensors[body],
    "numpy": _Rebuilding._numpy,  # noqa: SLF001
    "module": lambda self, body: self._modules[body],
    "method": lambda self, body: getattr(self._modules[body[0]], body[1]),
    "function": _Rebuilding._function,  # noqa: SLF001
    "class": lambda self, body: self._class(body, object),
    "enum": _Rebuilding._enum,  # noqa: SLF001
    "partial": _Rebuilding._partial,  # noqa: SLF001
    "object": _Rebuilding._object,  # noqa: SLF001
    "namespace": lambda self, body: argparse.Namespace(**dict(self._pairs(body))),
    "simple_namespace": lambda self, body: types.SimpleNamespace(**dict(self._pairs(body))),
    "path": lambda _, body: pathlib.Path(body),
    "logger": lambda _, body: logging.getLogger(body),
}


def load_folder(folder: pathlib.Path, *, resolve: Resolve = lookup, map_location: Any = None) -> nn.Module:
    """Load whichever form of the model `folder` holds, ready for predictions.

    A program of `torch.export` keeps the mode and the device that it was traced for.
    """
    if (folder / STRUCTURE).exists():
        return rebuild(folder, resolve=resolve, map_location=map_location).eval()
    if (folder / SCRIPT).exists():
        where = device_for("cuda", map_location) if map_location is None else torch.device(map_location)
        return load_script(folder / SCRIPT, where)
    if (folder / PROGRAM).exists():
        return load_program(folder / PROGRAM, map_location=map_location)
    raise BrokenModelError(f"{folder} holds neither {STRUCTURE} nor {PROGRAM} nor {SCRIPT}")


def load_script(path: pathlib.Path, map_location: Any) -> nn.Module:
    """The module of a TorchScript archive: PyTorch advises against making new ones, and reads those that exist."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        load: Any = torch.jit.load
        module: nn.Module = load(path, map_location=map_location)
    return module.eval()


def load_program(path: pathlib.Path, *, map_location: Any = None) -> nn.Module:
    """The module of a `torch.export` program; moved to `map_location` if one is given."""
    program = torch.export.load(path)
    if map_location is not None:
        from torch.export.passes import move_to_device_pass

        program = move_to_device_pass(program, str(torch.device(map_location)))
    module = program.module()
    # it was traced for predictions, and knows no other mode: asking for that one is no mistake
    object.__setattr__(module, "eval", lambda: module)
    return module


class Predictor:
    """The python_function of a PyTorch model: tables, arrays or tensors in, tables or arrays out.

    Args:
        module: called without gradients.
        device: where its tensors are.
        dtypes: one for each input, in order, or by name; empty when no example said so.
    """

    def __init__(self, module: nn.Module, device: torch.device, dtypes: dict[str, str] | list[str]) -> None:
        self.module = module
        self.device = device
        self._dtypes = dtypes
        self._floating = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)

    def get_raw_model(self) -> nn.Module:
        """The module itself (MLflow's name)."""
        return self.module

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Call the module.

        Args:
            data: a DataFrame (one row per item, columns in the model's order), an array or tensor, a list or tuple of
                these (positional inputs), or a dict of these (named inputs).
            params: further keyword arguments of the module's `forward`.

        Returns:
            A DataFrame with the same index if one came in; arrays otherwise, in the shape of the module's answer.
        """
        frame = hasattr(data, "to_numpy") and hasattr(data, "columns")
        arguments: list[Any] = []
        keywords = dict(params or {})
        if frame:
            arguments = [self._tensor(data.to_numpy(), 0, default=torch.float32)]
        elif isinstance(data, dict):
            keywords.update({name: self._tensor(value, name) for name, value in data.items()})
        elif isinstance(data, tuple) or (isinstance(data, list) and data and hasattr(data[0], "shape")):
            arguments = [self._tensor(value, position) for position, value in enumerate(data)]
        else:
            arguments = [self._tensor(data, 0)]
        with torch.no_grad():
            answer = to_arrays(self.module(*arguments, **keywords))
        if frame and hasattr(answer, "shape") and len(answer.shape) in {1, 2}:
            import pandas as pd

            return pd.DataFrame(answer, index=data.index)
        return answer

    def _tensor(self, value: Any, place: int | str, *, default: torch.dtype | None = None) -> torch.Tensor:
        if not isinstance(value, torch.Tensor):
            import numpy as np

            array = np.asarray(value)
            if array.dtype == object:
                array = array.astype(np.float32)
            # an array that may not be written to, or that runs backwards, cannot be shared with torch
            value = torch.from_numpy(np.array(array, copy=True, order="C"))
        wanted = self._dtype(place) or default
        if value.is_floating_point() if wanted is None else wanted.is_floating_point:
            wanted = self._floating
        tensor: torch.Tensor = value.to(device=self.device, dtype=wanted)
        return tensor

    def _dtype(self, place: int | str) -> torch.dtype | None:
        if isinstance(self._dtypes, dict):
            return _DTYPES.get(self._dtypes.get(str(place), ""))
        if isinstance(place, int) and place < len(self._dtypes):
            return _DTYPES.get(self._dtypes[place])
        return None


def to_arrays(answer: Any) -> Any:
    """Tensors as NumPy arrays, also inside lists, tuples and dicts; bfloat16, which NumPy lacks, as float32."""
    if isinstance(answer, torch.Tensor):
        answer = answer.detach().cpu()
        return (answer.float() if answer.dtype == torch.bfloat16 else answer).numpy()
    if isinstance(answer, dict):
        return {name: to_arrays(value) for name, value in answer.items()}
    if isinstance(answer, (list, tuple)):
        return [to_arrays(value) for value in answer]
    return answer


def predictor(folder: pathlib.Path, *, resolve: Resolve = lookup, device: str | None = None) -> Predictor:
    """The python_function of the model in `folder`.

    Args:
        folder: where the model's files are.
        resolve: see `rebuild`.
        device: e.g. `cuda:1`. None: the first GPU if there is one, else the CPU; a program stays where it was traced.
    """
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    program = not (folder / STRUCTURE).exists() and (folder / PROGRAM).exists()
    module = load_folder(folder, resolve=resolve, map_location=device if program else where)
    if program and device is None:
        where = next((t.device for t in module.state_dict().values()), torch.device("cpu"))
    dtypes: dict[str, str] | list[str] = []
    if (folder / INPUTS).exists():
        dtypes = json.loads((folder / INPUTS).read_text(encoding="utf-8"))["dtypes"]
    return Predictor(module, where, dtypes)


@contextlib.contextmanager
def code_on_path(code: pathlib.Path) -> Iterator[frozenset[str]]:
    """Import from `code` first, for the time of the block, and leave nothing of it behind under its public names.

    Two versions of a model may bring two files of one name, and the process may have imported a third: modules of these
    names step aside and come back. What was imported keeps working, since classes hold on to their own module.

    Yields:
        The names of the top-level modules in `code`.
    """
    import sys

    names = frozenset(
        entry.stem if entry.suffix == ".py" else entry.name
        for entry in (code.iterdir() if code.is_dir() else ())
        if entry.suffix == ".py" or (entry.is_dir() and not entry.name.startswith((".", "__")))
    ) - {*sys.stdlib_module_names, "modelyard", "numpy", "safetensors", "torch"}
    with _PRIVATE_IMPORTS:
        aside = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in names}
        sys.path.insert(0, str(code))
        importlib.invalidate_caches()
        bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # the folder stays what it was
        try:
            yield names
        finally:
            sys.dont_write_bytecode = bytecode
            with contextlib.suppress(ValueError):
                sys.path.remove(str(code))
            kept = {name.partition(".")[0] for name in aside}
            for name in list(sys.modules):
                if name.partition(".")[0] in kept:
                    del sys.modules[name]
            sys.modules.update(aside)


def _load_pyfunc(path: str, model_config: dict[str, Any] | None = None) -> Predictor:
    """What MLflow calls: `path` is the folder of the model's data."""
    folder = pathlib.Path(path)
    return predictor(folder if folder.is_dir() else folder.parent, device=(model_config or {}).get("device"))
