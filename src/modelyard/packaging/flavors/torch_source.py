"""The source files that define a model's classes, so that they can travel with its weights.

Classes of local modules bring their files, and the local files that those import. Classes of the script or notebook
that runs (`__main__`) are taken out of it, with what they refer to: a script cannot be imported without running it.
"""

from __future__ import annotations

import argparse
import ast
import functools
import importlib.util
import logging
import site
import symtable
import sys
import sysconfig
import types
import typing
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch

from modelyard.domain.errors import InvalidArgument

_logger = logging.getLogger("modelyard")

OWN_MODULE: Final = "modelyard_model_source_"
"""Prefix of the module that holds what was taken out of `__main__`; the rest is random, so that no two collide."""

# A model that only predicts never runs these: what they refer to may stay behind.
_TRAINING_ONLY: Final = frozenset(
    {
        "__init__", "training_step", "validation_step", "test_step", "configure_optimizers", "configure_callbacks",
        "train_dataloader", "val_dataloader", "test_dataloader", "predict_dataloader", "prepare_data", "setup",
        "teardown", "backward", "optimizer_step", "lr_scheduler_step", "configure_gradient_clipping",
    }
)  # fmt: skip
_MOST_LITERAL_CHARACTERS: Final = 100_000


def installed(module: str) -> bool:
    """Whether a module belongs to Python or to an installed package, and not to the user's own files."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top in sys.builtin_module_names or top == "modelyard":
        return True
    file = _file_of(module)
    return file is None or any(file.is_relative_to(place) for place in _installed_places())


@functools.cache
def _installed_places() -> tuple[Path, ...]:
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    paths.update([*site.getsitepackages(), site.getusersitepackages()])
    return tuple(Path(path).resolve() for path in paths if path)


def _file_of(module: str) -> Path | None:
    loaded = sys.modules.get(module)
    spec = getattr(loaded, "__spec__", None)
    name = getattr(loaded, "__file__", None) or getattr(spec, "origin", None)
    if loaded is None:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError, AttributeError):
            return None
        name = spec.origin if spec else None
    return Path(name).resolve() if name and name.endswith(".py") else None


class Source:
    """Names things by where they can be imported from at load time, and collects the files that this needs."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        """Path within the code folder → text."""
        self.packages: set[str] = set()
        """Installed packages that what was named comes from."""
        self._script: _Script | None = None

    def name_of(self, thing: Any) -> str:
        """`module:Qualified.name` of a class or function.

        Raises:
            InvalidArgument: it has no name that could be imported, or its source cannot be found.
        """
        module, qualified = getattr(thing, "__module__", None), getattr(thing, "__qualname__", "")
        if not module or not qualified or "<" in qualified:
            raise InvalidArgument(f"{thing!r} is defined inside a function or is a lambda: it has no name to import")
        if module == "__main__":
            if self._script is None:
                self._script = _Script(self)
            return f"{self._script.take(qualified)}:{qualified}"
        found: Any = sys.modules.get(module)
        for part in qualified.split("."):
            found = getattr(found, part, None)
        if found is not thing:
            raise InvalidArgument(f"{module}.{qualified} is not what {thing!r} is: it has no name to import")
        self.add_module(module)
        top = module.partition(".")[0]
        if installed(module) and top not in sys.stdlib_module_names:
            self.packages.add(top)
        return f"{module}:{qualified}"

    def add_module(self, module: str) -> None:
        """Collect the file of a local module, its packages' `__init__`, and the local modules that they import."""
        if installed(module):
            return
        waiting = [module]
        while waiting:
            name = waiting.pop()
            parent = name.rpartition(".")[0]
            file = _file_of(name)
            if file is None or installed(name):
                continue
            inside = name.replace(".", "/") + ("/__init__.py" if file.name == "__init__.py" else ".py")
            if inside in self.files:
                continue
            self.files[inside] = text = file.read_text(encoding="utf-8")
            package = name if file.name == "__init__.py" else parent
            waiting.extend(_imports(text, package))
            if parent:
                waiting.append(parent)

    def finish(self) -> dict[str, str]:
        """All files: path within the code folder → text."""
        if self._script is not None:
            self.files[f"{self._script.module}.py"] = self._script.text()
        return self.files


def _imports(text: str, package: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, node.module] if node.module else above)
            else:
                base = node.module or ""
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


class _Script:
    """What is taken out of `__main__`: definitions as source, values as literals, and imports for the rest."""

    def __init__(self, source: Source) -> None:
        self.module = OWN_MODULE + uuid.uuid4().hex[:12]
        self._source = source
        self._main = vars(sys.modules["__main__"])
        self._texts = _texts(self._main)
        self._parts: dict[str, str] = {}
        self._imports: dict[str, str] = {}

    def take(self, qualified: str) -> str:
        self._need(qualified.partition(".")[0], by=qualified, optional=False)
        return self.module

    def text(self) -> str:
        future = "from __future__ import annotations\n" if any(_is_future(text) for text in self._texts) else ""
        imports = "\n".join(dict.fromkeys(self._imports.values()))
        body = "\n\n\n".join(part for part in self._parts.values() if part)
        return (
            f'"""The classes of the model, taken from the script that saved it."""\n\n{future}{imports}\n\n\n{body}\n'
        )

    def _need(self, name: str, *, by: str, optional: bool) -> None:
        if self._parts.get(name) or name in self._imports or name not in self._main:
            return
        value = self._main[name]
        if written := _import_of(name, value):
            self._imports[name] = written
            module = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", "")
            self._source.add_module(module)
            return
        if (literal := _literal(value)) is not None:
            self._parts[name] = f"{name} = {literal}"
            if "torch." in literal:
                self._imports.setdefault("torch", "import torch")
            if "argparse." in literal:
                self._imports.setdefault("argparse", "import argparse")
            return
        definition = isinstance(value, (type, types.FunctionType))
        statement = self._statement(name)
        if statement is None or (optional and not definition):
            if optional:
                _logger.debug("%s refers to %r, which stays behind: only training uses it.", by, name)
                return
            raise InvalidArgument(
                f"{by} refers to {name!r} ({type(value).__name__}), which is not written in a file that could travel "
                "with the model; define it in a module and import that"
            )
        self._parts[name] = " "  # taken: a definition may refer to itself
        for other, training in _globals_of(statement):
            if other != name:
                self._need(other, by=name, optional=optional or training)
        del self._parts[name]  # what it needs stands before it
        self._parts[name] = statement

    def _statement(self, name: str) -> str | None:
        for text in self._texts:
            lines = text.splitlines()
            found: ast.stmt | None = None
            for node in _top_statements(ast.parse(text).body):
                if name in _bound_by(node):
                    found = node
            if found is not None:
                first = min([found.lineno, *(d.lineno for d in getattr(found, "decorator_list", []))])
                return _dedent(lines[first - 1 : found.end_lineno])
        return None


def _dedent(lines: list[str]) -> str:
    margin = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join(line[margin:] if not line[:margin].strip() else line for line in lines)


def _texts(main: dict[str, Any]) -> list[str]:
    """The source of `__main__`: its file, or the cells of a notebook, the last one first."""
    found: list[str] = []
    file = main.get("__file__")
    if file and Path(file).is_file() and str(file).endswith(".py"):
        found.append(Path(file).read_text(encoding="utf-8"))
    cells = main.get("In")
    if isinstance(cells, list):
        found.extend(cell for cell in reversed(cells) if isinstance(cell, str))
    return [text for text in found if _parses(text)]


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def _is_future(text: str) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(a.name == "annotations" for a in node.names)
        for node in ast.parse(text).body
    )


def _top_statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, also those inside `if` and `try`, where a name may be bound just as well."""
    for node in body:
        if isinstance(node, (ast.If, ast.Try, ast.With)):
            for part in ("body", "orelse", "finalbody"):
                yield from _top_statements(getattr(node, part, []))
            for handler in getattr(node, "handlers", []):
                yield from _top_statements(handler.body)
        else:
            yield node


def _bound_by(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        return {node.name}
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        targets = [node.target]
    return {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}


def _globals_of(statement: str) -> Iterator[tuple[str, bool]]:
    """The global names that a statement refers to, and whether only training uses them."""

    def walk(table: symtable.SymbolTable, *, training: bool) -> Iterator[tuple[str, bool]]:
        top = table.get_type() == "module"
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (symbol.is_global() or top):
                yield symbol.get_name(), training
        in_class = table.get_type() == "class"
        for child in table.get_children():
            name = child.get_name()
            yield from walk(
                child, training=training or (in_class and (name in _TRAINING_ONLY or name.startswith("on_")))
            )

    found: dict[str, bool] = {}
    for name, training in walk(symtable.symtable(statement, "<model>", "exec"), training=False):
        found[name] = found.get(name, True) and training
    yield from found.items()


def _import_of(name: str, value: Any) -> str | None:
    """The import statement that binds `name` to `value`; None if there is none."""
    if isinstance(value, types.ModuleType):
        if value.__name__ == "__main__":
            return None
        return f"import {value.__name__}" if value.__name__ == name else f"import {value.__name__} as {name}"
    own = getattr(value, "__name__", None) or getattr(value, "_name", None)
    for module in (getattr(value, "__module__", None), "torch", "torch.nn.functional", "typing"):
        if not isinstance(own, str) or module in (None, "__main__", "builtins") or module not in sys.modules:
            continue
        if getattr(sys.modules[module], own, None) is value:
            return f"from {module} import {own}" + ("" if own == name else f" as {name}")
    if getattr(typing, name, None) is value:
        return f"from typing import {name}"
    return None


def _literal(value: Any) -> str | None:
    """`value` as an expression; None if it has no exact one."""
    if isinstance(value, argparse.Namespace):
        inner = _literal(vars(value))
        return None if inner is None else f"argparse.Namespace(**{inner})"
    if isinstance(value, torch.device):
        return f"torch.device({str(value)!r})"
    text = _expression(value)
    return text if text is not None and len(text) <= _MOST_LITERAL_CHARACTERS else None


def _expression(value: Any) -> str | None:
    if value is None or isinstance(value, torch.dtype) or type(value) in (bool, int, str, bytes):
        return repr(value)
    if type(value) is float:
        return repr(value) if value - value == 0 else f"float({str(value)!r})"
    if type(value) in (list, tuple, set, frozenset):
        parts = [_expression(item) for item in value]
        if any(part is None for part in parts):
            return None
        return f"{type(value).__name__}([{', '.join(part for part in parts if part is not None)}])"
    if type(value) is dict:
        pairs = [(_expression(key), _expression(item)) for key, item in value.items()]
        if any(key is None or item is None for key, item in pairs):
            return None
        return "{" + ", ".join(f"{key}: {item}" for key, item in pairs) + "}"
    return None
