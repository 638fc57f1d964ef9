"""The source of the user's own classes, so that it can travel with a model.

A class of a local module brings that file and the local files which it imports. A class of the script or notebook that
runs (`__main__`) is taken out of it, with what it refers to: a script cannot be imported without running it.
"""

from __future__ import annotations

import argparse
import ast
import functools
import importlib.util
import site
import symtable
import sys
import sysconfig
from collections.abc import Collection, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Final

from modelyard.domain.errors import InvalidArgument

_LONGEST_LITERAL: Final = 100_000


@functools.cache
def _places_of_packages() -> tuple[Path, ...]:
    paths = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    paths += [*site.getsitepackages(), site.getusersitepackages()]
    return tuple(Path(path).resolve() for path in paths if path)


def local_file(module: str) -> Path | None:
    """The file of a module that is the user's own; None for Python's, installed packages' and compiled ones."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top in ("modelyard", "__main__"):
        return None
    name = getattr(sys.modules.get(module), "__file__", None)
    if module not in sys.modules:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError, AttributeError):
            return None
        name = spec.origin if spec else None
    if not name or not name.endswith(".py"):
        return None
    file = Path(name).resolve()
    return None if any(file.is_relative_to(place) for place in _places_of_packages()) else file


class Source:
    """Collects the files that classes and functions need, as `path within the code folder → text`, in `files`.

    Args:
        own_module: Name for the module of what is taken out of `__main__`.
        unneeded: Names of methods that nobody calls where the model is loaded: what only they refer to, and cannot be
            written down, stays behind.
    """

    def __init__(self, own_module: str, unneeded: Collection[str] = ()) -> None:
        self.files: dict[str, str] = {}
        self._own_module = own_module
        self._unneeded = frozenset(unneeded)
        self._script: _Script | None = None

    def add_module(self, module: str) -> None:
        """Collect a local module, its packages' `__init__`, and the local modules that they import."""
        waiting = [module]
        while waiting:
            name = waiting.pop()
            file = local_file(name)
            if file is None:
                continue
            is_package = file.name == "__init__.py"
            inside = name.replace(".", "/") + ("/__init__.py" if is_package else ".py")
            if inside in self.files:
                continue
            text = self.files[inside] = file.read_text(encoding="utf-8")
            parent = name.rpartition(".")[0]
            waiting += [parent] if parent else []
            waiting += _imported(text, name if is_package else parent)

    def add(self, thing: Any) -> str:
        """Collect what a class or function needs; returns the module to import it from.

        Raises:
            InvalidArgument: it is defined inside a function, or refers to what cannot be written down.
        """
        if "<" in thing.__qualname__:
            kind = "class" if isinstance(thing, type) else "function"
            raise InvalidArgument(
                f"The {kind} {thing.__qualname__} is defined inside a function, where nothing can import it"
            )
        if thing.__module__ != "__main__":
            self.add_module(thing.__module__)
            return str(thing.__module__)
        if self._script is None:
            self._script = _Script(self, self._unneeded)
        self._script.take(thing.__qualname__.partition(".")[0], thing.__qualname__)
        self.files[f"{self._own_module}.py"] = self._script.text()
        return self._own_module


def _imported(text: str, package: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


class _Script:
    """What is taken out of `__main__`: definitions as source, plain values as literals, imports for the rest."""

    def __init__(self, source: Source, unneeded: frozenset[str]) -> None:
        self._source = source
        self._unneeded = unneeded
        self._main = vars(sys.modules["__main__"])
        self._trees = list(_trees(self._main))
        self._parts: dict[str, str] = {}
        self._imports: dict[str, None] = {}

    def text(self) -> str:
        """The module."""
        imports = "\n".join(self._imports)
        body = "\n\n\n".join(self._parts.values())
        # annotations are not evaluated, so what only they name may stay behind
        return f"from __future__ import annotations\n\n{imports}\n\n\n{body}\n"

    def take(self, name: str, by: str, *, optional: bool = False) -> None:
        """Bring a global name of `__main__`, and first what it refers to; an optional one only if it is easily brought.

        Raises:
            InvalidArgument: it is neither written in the script, nor importable, nor plain.
        """
        if name in self._parts or name not in self._main:
            return
        value = self._main[name]
        if (statement := _import(name, value)) is not None:
            self._imports[statement] = None
            self._source.add_module(value.__name__ if isinstance(value, ModuleType) else value.__module__)
            return
        if (literal := _literal(value)) is not None:
            self._parts[name] = f"{name} = {literal}"
            for module in ("argparse", "torch"):
                if f"{module}." in literal:
                    self._imports[f"import {module}"] = None
            return
        if isinstance(value, type | FunctionType) and (node := self._definition(name)) is not None:
            self._parts[name] = ""  # taken: a definition may refer to itself
            for other, unneeded in _globals(node, self._unneeded).items():
                self.take(other, by=name, optional=optional or unneeded)
            self._submodules(node)
            del self._parts[name]  # it stands after what it needs
            self._parts[name] = ast.unparse(node)
        elif not optional:
            raise InvalidArgument(
                f"{by} refers to {name!r} ({type(value).__name__}), a global that cannot be written into the model's "
                "code. Keep it in a file given as an artifact and read it in load(), or define it in a module"
            )

    def _definition(self, name: str) -> ast.stmt | None:
        for tree in self._trees:
            found: list[ast.stmt] = [
                node
                for node in ast.walk(tree)
                if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
            ]
            top = [node for node in found if node in tree.body] or [node for node in found if node.col_offset]
            top = top or [node for node in tree.body if _is_class_made_by_call(node, name)]
            if top:
                return top[-1]
        return None

    def _submodules(self, node: ast.stmt) -> None:
        """`import a` binds `a` alone: where the code says `a.b.c`, `a.b` has to be imported too."""
        for each in ast.walk(node):
            if isinstance(each, ast.Attribute):
                name = ast.unparse(each)
                root = self._main.get(name.partition(".")[0])
                if name in sys.modules and isinstance(root, ModuleType) and root.__name__ == name.partition(".")[0]:
                    self._imports[f"import {name}"] = None
                    self._source.add_module(name)


def _trees(main: dict[str, Any]) -> Iterator[ast.Module]:
    """The source of `__main__`: its file, or the cells of a notebook, the last one first."""
    texts: list[str] = []
    file = main.get("__file__")
    if file and str(file).endswith(".py") and Path(file).is_file():
        texts.append(Path(file).read_text(encoding="utf-8"))
    cells = main.get("In")
    texts += [cell for cell in reversed(cells) if isinstance(cell, str)] if isinstance(cells, list) else []
    for text in texts:
        try:
            yield ast.parse(text)
        except SyntaxError:  # a cell with a magic
            continue


class _WithoutAnnotations(ast.NodeTransformer):
    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.copy_location(ast.arg(node.arg), node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.returns = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(value=None)
        return self.generic_visit(node)


def _is_class_made_by_call(node: ast.stmt, name: str) -> bool:
    """Whether it is `Point = namedtuple("Point", "x y")`, or the like."""
    return isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets)


def _globals(node: ast.stmt, unneeded: frozenset[str]) -> dict[str, bool]:
    """The global names that a definition refers to, annotations aside, and whether only `unneeded` methods do."""
    bare = ast.unparse(_WithoutAnnotations().visit(ast.parse(ast.unparse(node))))
    found: dict[str, bool] = {}

    def walk(table: symtable.SymbolTable, *, needless: bool) -> None:
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module"):
                found[symbol.get_name()] = found.get(symbol.get_name(), True) and needless
        method = table.get_type() == "class"
        for child in table.get_children():
            walk(child, needless=needless or (method and child.get_name() in unneeded))

    walk(symtable.symtable(bare, "<model>", "exec"), needless=False)
    return found


def _import(name: str, value: Any) -> str | None:
    """The statement that binds `name` to `value` by importing it; None if none does."""
    if isinstance(value, ModuleType):
        if value.__name__ == "__main__":
            return None
        return f"import {value.__name__}" + ("" if value.__name__ == name else f" as {name}")
    module, own = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if not isinstance(module, str) or not isinstance(own, str) or module in ("__main__", "builtins"):
        return None
    if getattr(sys.modules.get(module), own, None) is not value:
        return None
    return f"from {module} import {own}" + ("" if own == name else f" as {name}")


def _literal(value: Any) -> str | None:
    """The expression that makes the value again; None if there is none."""
    kind = type(value)
    if kind.__module__ == "torch" and kind.__name__ in ("device", "dtype"):
        return repr(value) if kind.__name__ == "dtype" else f"torch.device({str(value)!r})"
    if kind is argparse.Namespace:
        inner = _literal(vars(value))
        return None if inner is None else f"argparse.Namespace(**{inner})"
    if kind is float and value - value != 0:  # infinities and NaN
        return f"float({str(value)!r})"
    try:
        text = repr(value)
        plain = len(text) <= _LONGEST_LITERAL and bool(ast.literal_eval(text) == value)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    return text if plain else None
