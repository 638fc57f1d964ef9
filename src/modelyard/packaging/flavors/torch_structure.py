"""Describe a PyTorch model without pickle: the tree of its modules as JSON, its tensors as safetensors.

`torch_loader.rebuild` is the way back; the kinds of values are listed there in `_KINDS`.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import enum
import functools
import inspect
import json
import logging
import math
import pathlib
import sys
import types
import uuid
import weakref
from collections.abc import Mapping
from typing import Any, Final

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils import parametrize

from modelyard.domain.errors import InvalidArgument
from modelyard.packaging.flavors.torch_loader import (
    FORMAT_VERSION,
    FUNCTION_HOMES,
    STRUCTURE,
    WEIGHTS,
    is_arithmetic,
)
from modelyard.packaging.source import Source, local_file

# Kept by nn.Module itself; described by their own fields, or made afresh.
_OF_MODULE: Final = frozenset(vars(nn.Module()))
_HOOKS: Final = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
# Lightning's ties to the trainer of the moment: a loaded model has none.
_OF_TRAINING: Final[dict[str, Any]] = {
    "_trainer": None,
    "_fabric": None,
    "_fabric_optimizers": [],
    "_compiler_ctx": None,
    "_current_fx_name": None,
    "_metric_attributes": None,
    "_param_requires_grad_state": {},
    "_device_mesh": None,
}
_LIGHTNING: Final = ("lightning", "pytorch_lightning")
# What only training uses stays behind, and is None in the loaded model.
_LEFT_BEHIND: Final = (
    torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler, torch.utils.data.Dataset, torch.utils.data.DataLoader,
    torch.utils.data.Sampler, torch.amp.GradScaler,
)  # fmt: skip
_NO_SHAPE: Final = "it has no shape yet: call the model once before saving it"
_DEEPEST: Final = 60
# Methods that a model which only predicts never runs: what they refer to may stay behind.
_TRAINING: Final = (
    "__init__", "training_step", "validation_step", "test_step", "configure_optimizers", "configure_callbacks",
    "train_dataloader", "val_dataloader", "test_dataloader", "predict_dataloader", "prepare_data", "setup", "teardown",
    "backward", "optimizer_step", "lr_scheduler_step", "configure_gradient_clipping", "on_fit_start", "on_fit_end",
    "on_train_start", "on_train_end", "on_train_epoch_start", "on_train_epoch_end", "on_train_batch_start",
    "on_train_batch_end", "on_validation_start", "on_validation_end", "on_validation_epoch_start",
    "on_validation_epoch_end", "on_test_epoch_end", "on_before_optimizer_step",
)  # fmt: skip
_logger = logging.getLogger("modelyard")


def unwrap(module: nn.Module) -> nn.Module:
    """The module itself, out of what `torch.compile` and the data-parallel wrappers put around it."""
    while True:
        if isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            module = module.module
        elif type(module).__name__ == "OptimizedModule" and isinstance(
            vars(module)["_modules"].get("_orig_mod"), nn.Module
        ):
            module = vars(module)["_modules"]["_orig_mod"]
        else:
            return module


def save(module: nn.Module, folder: pathlib.Path) -> tuple[dict[str, str], frozenset[str]]:
    """Write `structure.json` and `weights.safetensors` into `folder`.

    Args:
        module: any module whose attributes can be described: numbers, texts, containers, tensors, dtypes, devices,
            other modules, functions and classes that have a name, enums, named tuples, objects of the user's classes.
        folder: an existing folder.

    Returns:
        The code files that define the user's classes (path within the model's code folder → text), and the installed
        packages that other classes come from.

    Raises:
        InvalidArgument: an attribute cannot be described; the message names it, and says what else can be done.
    """
    description = _Description()
    description.module(unwrap(module), "")
    structure = {
        "format": "modelyard torch structure",
        "version": FORMAT_VERSION,
        "torch": str(torch.__version__),
        "modules": description.entries,
        "tensors": description.tensors,
    }
    text = json.dumps(structure, indent=1, allow_nan=False)
    save_file(description.stored, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / STRUCTURE).write_text(text, encoding="utf-8")
    return description.source.files, frozenset(description.packages)


class _Description:
    """One model on its way to JSON."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.tensors: dict[str, dict[str, Any]] = {}
        self.stored: dict[str, torch.Tensor] = {}
        self.source = Source(f"modelyard_model_{uuid.uuid4().hex[:12]}", _TRAINING)
        self.packages: set[str] = set()
        self._modules: dict[int, int] = {}
        self._keys: dict[int, str] = {}
        self._data: dict[tuple[Any, ...], str] = {}
        self._storages: set[int] = set()
        self._inside: list[int] = []
        self._alive: list[Any] = []  # ids are only unique among the living

    def module(self, module: nn.Module, path: str) -> int:
        """The index of a module's entry, which is made at its first appearance."""
        if id(module) in self._modules:
            return self._modules[id(module)]
        index = self._modules[id(module)] = len(self.entries)
        self._alive.append(module)
        kind = type(module)
        parametrized = list(vars(module)["_modules"]["parametrizations"]) if parametrize.is_parametrized(module) else []
        if parametrized:
            kind = kind.__bases__[0]
        if isinstance(module, LazyModuleMixin) and module.has_uninitialized_params():  # type: ignore[misc, unused-ignore]
            raise _cannot(path, "weight", _NO_SHAPE)
        for table in _HOOKS:
            for hook in vars(module).get(table, {}).values():
                theirs = type(hook).__module__.startswith("torch.nn.utils.")
                told = "; torch.nn.utils.parametrizations has the same without hooks" if theirs else ""
                raise _cannot(path, table, f"hooks are functions without a name{told}")
        entry: dict[str, Any] = {
            "class": self._name(kind, path or "the model", "its class"),
            "training": module.training,
            "parametrized": parametrized,
            "non_persistent": sorted(vars(module)["_non_persistent_buffers_set"]),
        }
        self.entries.append(entry)
        entry["parameters"] = self._tensor_table(vars(module)["_parameters"], path)
        entry["buffers"] = self._tensor_table(vars(module)["_buffers"], path)
        entry["modules"] = {
            name: None if child is None else self.module(child, _join(path, name))
            for name, child in vars(module)["_modules"].items()
        }
        entry["attributes"] = {
            name: self._value(value, path, name)
            for name, value in self._state(module, parametrized=bool(parametrized)).items()
        }
        return index

    def _state(self, module: nn.Module, *, parametrized: bool) -> dict[str, Any]:
        state: Mapping[str, Any] = vars(module)
        own = type(module).__getstate__
        if not parametrized and own is not object.__getstate__:
            given = module.__getstate__()  # type: ignore[no-untyped-call, unused-ignore]
            state = given if isinstance(given, Mapping) else state
        lightning = any(base.__module__.startswith(_LIGHTNING) for base in type(module).__mro__)
        kept: dict[str, Any] = {}
        for name, value in state.items():
            if name in _OF_MODULE:
                continue
            if lightning and name in _OF_TRAINING:
                kept[name] = _OF_TRAINING[name]
            elif not (isinstance(module, nn.RNNBase) and name == "_flat_weight_refs"):  # made anew by its __setstate__
                kept[name] = value
        return kept

    def _tensor_table(self, table: Mapping[str, torch.Tensor | None], path: str) -> dict[str, str | None]:
        return {name: None if tensor is None else self._tensor(tensor, path, name) for name, tensor in table.items()}

    def _tensor(self, tensor: torch.Tensor, path: str, name: str) -> str:
        if id(tensor) in self._keys:
            return self._keys[id(tensor)]
        if isinstance(tensor, (nn.UninitializedParameter, nn.UninitializedBuffer)):
            raise _cannot(path, name, _NO_SHAPE)
        if tensor.device.type == "meta":
            raise _cannot(path, name, "it is on the device 'meta', where tensors have no values")
        if type(tensor) not in (torch.Tensor, nn.Parameter, nn.Buffer):
            raise _cannot(path, name, f"it is a {type(tensor).__name__}, which safetensors does not hold")
        if tensor.layout is not torch.strided or tensor.is_quantized:
            raise _cannot(path, name, "it is sparse or quantized, which safetensors does not hold")
        key = _join(path, name)
        while key in self.tensors:
            key += "_"
        self._keys[id(tensor)] = key
        self._alive.append(tensor)
        spec: dict[str, Any] = {
            "kind": "parameter" if isinstance(tensor, nn.Parameter) else "tensor",
            "requires_grad": tensor.requires_grad,
            "device": str(tensor.device),
            "dtype": str(tensor.dtype).removeprefix("torch."),
            "shape": list(tensor.shape),
        }
        self.tensors[key] = spec
        # two tensors over one memory stay two tensors over one memory
        place = (tensor.device, tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride())
        shared = self._data.setdefault(place, key) if tensor.numel() else key
        if shared != key:
            spec["data"] = shared
            return key
        data = tensor.detach().cpu().contiguous().resolve_conj().resolve_neg()
        storage = data.untyped_storage()
        if storage.nbytes() != data.numel() * data.element_size() or storage.data_ptr() in self._storages:
            data = data.clone()  # safetensors holds no views
        self._storages.add(data.untyped_storage().data_ptr())
        self.stored[key] = data
        return key

    def _name(self, thing: Any, path: str, name: str) -> str:
        found: Any = sys.modules.get(thing.__module__)
        for part in thing.__qualname__.split("."):
            found = getattr(found, part, None)
        if found is not thing and "<" not in thing.__qualname__:
            raise _cannot(path, name, f"{thing.__module__}.{thing.__qualname__} is something else")
        try:
            module = self.source.add(thing)
        except InvalidArgument as error:
            raise _cannot(path, name, error.message) from None
        package = thing.__module__.partition(".")[0]
        if module == thing.__module__ and local_file(module) is None and package not in sys.stdlib_module_names:
            self.packages.add(package)
        return f"{module}:{thing.__qualname__}"

    def _value(self, value: Any, path: str, name: str) -> Any:
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"float": str(value)}
        if isinstance(value, torch.Tensor):
            return {"tensor": self._tensor(value, path, name)}
        if isinstance(value, nn.Module):
            return {"module": self.module(unwrap(value), _join(path, name))}
        if isinstance(value, _LEFT_BEHIND):
            _logger.warning(
                "'%s' (%s) is not saved with the model: it is for training only.",
                _join(path, name),
                type(value).__name__,
            )
            return None
        if id(value) in self._inside or len(self._inside) > _DEEPEST:
            raise _cannot(path, name, "it contains itself" if id(value) in self._inside else "it is nested too deeply")
        self._inside.append(id(value))
        self._alive.append(value)
        try:
            if type(value) is list:
                return [self._value(item, path, f"{name}[{n}]") for n, item in enumerate(value)]
            described = self._described(value, path, name)
        finally:
            self._inside.pop()
        if described is None:
            raise _cannot(path, name, f"it is a {type(value).__module__}.{type(value).__qualname__}")
        kind, body = described
        return {kind: body}

    def _described(self, value: Any, path: str, name: str) -> tuple[str, Any] | None:
        kind = type(value)
        if found := self._container(value, path, name):
            return found
        if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)):
            return "torch", str(value).removeprefix("torch.")
        if isinstance(value, torch.device):
            return "device", str(value)
        if kind is complex:
            return "complex", [value.real, value.imag]
        if kind is bytes:
            return "bytes", value.hex()
        if isinstance(value, pathlib.PurePath):
            return "path", str(value)
        if isinstance(value, logging.Logger):
            return "logger", value.name
        if isinstance(value, enum.Enum):
            return "enum", [self._name(kind, path, name), value.name]
        if kind.__module__ == "numpy" and hasattr(value, "dtype") and value.dtype.kind in "biuf":
            import numpy as np

            key = self._tensor(torch.from_numpy(np.array(value)), path, name)
            return "numpy", [key, str(value.dtype), not isinstance(value, np.ndarray)]
        if isinstance(value, functools.partial):
            parts = (value.func, list(value.args), value.keywords)
            return "partial", [self._value(part, path, name) for part in parts]
        if inspect.ismethod(value) and isinstance(value.__self__, nn.Module):
            return "method", [self.module(value.__self__, _join(path, name)), value.__name__]
        if isinstance(value, type):
            return "class", self._name(value, path, name)
        if callable(value) and (arithmetic := _arithmetic_name(value)):
            return "function", arithmetic
        if inspect.isfunction(value):
            return "function", self._name(value, path, name)
        if self._is_plain_object(value):
            return "object", [self._name(kind, path, name), self._pairs(vars(value), path, name)]
        return None

    def _container(self, value: Any, path: str, name: str) -> tuple[str, Any] | None:
        kind = type(value)
        if kind is torch.Size:
            return "size", list(value)
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            return "named_tuple", [self._name(kind, path, name), self._value(list(value), path, name)]
        if kind in (tuple, set, frozenset):
            items = sorted(value, key=repr) if kind is not tuple else value
            return kind.__name__, self._value(list(items), path, name)
        if kind is range:
            return "range", [value.start, value.stop, value.step]
        if kind is slice:
            return "slice", self._value([value.start, value.stop, value.step], path, name)
        if kind is dict or kind is types.MappingProxyType:
            return "dict", self._pairs(value, path, name)
        if kind is collections.OrderedDict:
            return "ordered_dict", self._pairs(value, path, name)
        if isinstance(value, dict) and not vars(value) and kind is not collections.defaultdict:
            return "mapping", [self._name(kind, path, name), self._pairs(value, path, name)]
        if kind is argparse.Namespace:
            return "namespace", self._pairs(vars(value), path, name)
        if kind is types.SimpleNamespace:
            return "simple_namespace", self._pairs(vars(value), path, name)
        return None

    def _pairs(self, mapping: Mapping[Any, Any], path: str, name: str) -> list[list[Any]]:
        return [
            [self._value(key, path, name), self._value(item, path, f"{name}[{key!r}]")] for key, item in mapping.items()
        ]

    def _is_plain_object(self, value: Any) -> bool:
        """Whether the object is all in its `__dict__`, and its class says nothing else about copying it."""
        kind = type(value)
        module = sys.modules.get(kind.__module__)
        return (
            module is not None
            and (
                kind.__module__ == "__main__"
                or local_file(kind.__module__) is not None
                or dataclasses.is_dataclass(kind)
            )
            and hasattr(value, "__dict__")
            and not isinstance(value, (weakref.ref, types.ModuleType, types.FunctionType, BaseException))
            and not any(vars(base).get("__slots__") for base in kind.__mro__ if base is not object)
            and kind.__flags__ & _HEAP_TYPE != 0
            and all(base.__flags__ & _HEAP_TYPE or base is object for base in kind.__mro__)
            and all(getattr(kind, name) is getattr(object, name) for name in _COPYING)
        )


_COPYING: Final = ("__reduce__", "__reduce_ex__", "__getstate__")
_HEAP_TYPE: Final = 1 << 9
"""CPython's flag of classes made by a `class` statement."""


def _arithmetic_name(function: Any) -> str | None:
    own = getattr(function, "__name__", None)
    for home in FUNCTION_HOMES if isinstance(own, str) else ():
        module = sys.modules.get(home)
        if module is None:  # torch._C._nn is an attribute, and no module of the import system
            continue
        if getattr(module, str(own), None) is function and is_arithmetic(f"{home}:{own}"):
            return f"{home}:{own}"
    return None


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _cannot(path: str, name: str, why: str) -> InvalidArgument:
    where = f"'{_join(path, name)}'" if name != "its class" else f"the class of '{path}'"
    return InvalidArgument(
        f"This model cannot be saved without pickle as it is: {where} cannot be described, because {why.rstrip('.')}. "
        "Either give an input_example, so that the model is exported with torch.export; or change or remove that "
        "attribute before saving; or ask for pickle with serialization_format='pickle', which its readers must allow."
    )
