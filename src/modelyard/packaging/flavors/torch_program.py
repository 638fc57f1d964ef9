"""Programs of `torch.export`: made from an example, and read without running anything that they could hide.

`torch.export.load` trusts its file: weights may be pickles, the graph may call any function of `torch` by name
(`torch.os.system` is one), and shapes and guards are texts that Python evaluates. `verify` allows only what
`torch.export.save` writes for a graph of tensor operations. Source of the format: `torch/_export/serde/schema.py` and
`torch/export/pt2_archive/_package.py` of PyTorch 2.6 to 2.13.
"""

from __future__ import annotations

import ast
import io
import json
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from modelyard.domain.errors import DataCorrupted, InvalidArgument, PermissionDenied

_NAME: Final = re.compile(r"[\w.+\-:]*", re.ASCII)
_OPERATOR: Final = re.compile(
    r"torch\.ops\.(aten|prims|quantized|quantized_decomposed|torchvision|torchaudio)\.[a-z_0-9]+(\.\w+)?"
    r"|torch\.ops\.higher_order\.(cond|while_loop|scan|associative_scan|map_impl|wrap_with_set_grad_enabled|wrap_with_autocast)"
    r"|torch\.(_?sym_\w+)|math\.[a-z0-9]+"
    r"|_operator\.(getitem|add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|invert|eq|ne|lt|le|gt|ge|and_|or_|xor|not_)",
    re.ASCII,
)
_FILE_OPERATORS: Final = (
    "torch.ops.aten.from_file",
    "torch.ops.aten.save",
    "torch.ops.aten._print",
    "torch.ops.aten.load",
)
_FREE_TEXT: Final = frozenset({"as_string", "as_strings"})  # quoted by the code generator, handed to operators as text
_TREES: Final = frozenset({None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict"})
_FUNCTIONS: Final = frozenset(
    {
        "Symbol", "Integer", "Float", "Rational", "Mul", "Add", "Pow", "Max", "Min", "Mod", "Abs", "And", "Or", "Not",
        "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "Equality", "Unequality", "StrictLessThan", "StrictGreaterThan", "LessThan",
        "GreaterThan", "Piecewise", "FloorDiv", "ModularIndexing", "Where", "PythonMod", "CleanDiv", "CeilToInt",
        "FloorToInt", "CeilDiv", "LShift", "RShift", "PowByNatural", "FloatPow", "FloatTrueDiv", "IntTrueDiv",
        "IsNonOverlappingAndDenseIndicator", "TruncToFloat", "TruncToInt", "RoundToInt", "RoundDecimal", "ToFloat",
        "Identity", "floor", "ceiling", "sqrt", "log", "exp", "size", "stride", "storage_offset", "dim", "numel",
        "max", "min", "len",
    }
)  # fmt: skip
_SYMBOL: Final = re.compile(r"[a-z]{1,4}\d+|L|True|False|true|false|self|args|kwargs", re.ASCII)
_EXPRESSIONS: Final = (
    ast.Expression, ast.Call, ast.Name, ast.Constant, ast.keyword, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare,
    ast.Subscript, ast.Attribute, ast.Tuple, ast.Load, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip
_TEXT_RECORDS: Final = frozenset({"version", "archive_format", "archive_version", "byteorder", "serialization_id"})


def export(module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any], path: Path) -> None:
    """Export the module in evaluation mode, its first dimension free where the example's is not 1, and save it.

    Args:
        module: what is exported; its mode is put back.
        arguments: positional example inputs.
        keywords: named example inputs.
        path: the file to write, ending in `.pt2`.

    Raises:
        InvalidArgument: PyTorch cannot trace the module; the message says what it said.
    """
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = _traced(module, arguments, keywords)
            torch.export.save(program, path)
    except Exception as error:  # PyTorch raises a dozen kinds of its own
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise InvalidArgument(
            f"torch.export cannot trace {type(module).__name__} with this example: {first}"
        ) from error
    finally:
        for part, mode in modes:
            part.training = mode


def _traced(module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> torch.export.ExportedProgram:
    def free(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return {0: torch.export.Dim.AUTO} if value.dim() and value.shape[0] > 1 else None
        return None

    shapes = (tuple(free(value) for value in arguments), {name: free(value) for name, value in keywords.items()})
    dynamic: Any = shapes[0] if not keywords else _by_name(module, shapes)
    return torch.export.export(module, arguments, keywords or None, dynamic_shapes=dynamic)


def _by_name(module: nn.Module, shapes: tuple[tuple[Any, ...], dict[str, Any]]) -> dict[str, Any]:
    import inspect

    names = list(inspect.signature(module.forward).parameters)
    return dict(zip(names, shapes[0], strict=False)) | shapes[1]


def verify(path: Path) -> None:
    """Refuse a program that could run anything but tensor operations when it is loaded or called.

    Raises:
        PermissionDenied: it holds a pickle, a foreign function, or text that is not a plain expression.
        DataCorrupted: it is not a program of `torch.export`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
            if len(set(names)) != len(names):
                raise _refused(path, "it holds two records of one name")
            _verify_records(path, archive, names)
    except (zipfile.BadZipFile, ValueError, RecursionError) as error:
        raise DataCorrupted(f"'{path.name}' is not a program of torch.export: {error}") from error


def _verify_records(path: Path, archive: zipfile.ZipFile, names: list[str]) -> None:
    raw: set[str] = set()
    for name in names:
        if re.search(r"(?:^|/)data/(weights|constants)/[^/]+_config\.json$", name):
            folder = name.rpartition("/")[0]
            for entry in json.loads(archive.read(name))["config"].values():
                file = entry["path_name"]
                if entry.get("use_pickle") is not False or not re.fullmatch(r"(weight|tensor)_\d+", file):
                    raise _refused(path, f"its record {file!r} is a pickle")
                raw.add(f"{folder}/{file}")
    for name in names:
        inside = name.partition("/")[2]
        if name in raw or re.search(r"data/(weights|constants)/[^/]+_config\.json$", name):
            continue
        if re.fullmatch(r"models/[^/]+\.json", inside):
            _verify_value(path, json.loads(archive.read(name)), "")
        elif inside.startswith("data/sample_inputs/") and inside.endswith(".pt"):
            _verify_sample(path, archive.read(name))
        elif inside.rpartition("/")[2] not in _TEXT_RECORDS and not inside.startswith("extra/"):
            raise _refused(path, f"its record {name!r} is not one that torch.export.save writes")


def _verify_sample(path: Path, content: bytes) -> None:
    if not content:
        return
    try:
        torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except Exception as error:  # whatever it raises here, torch.export.load would fall back to a full unpickling
        raise _refused(path, "its example inputs are a pickle of more than tensors") from error


def _verify_value(path: Path, value: Any, key: str) -> None:
    if isinstance(value, Mapping):
        if key == "metadata":  # stack traces, for people
            return
        if value.get("class_fqn") is not None:
            raise _refused(path, "it holds objects of custom classes")
        for name, item in value.items():
            _verify_text(path, name, "name")
            _verify_value(path, item, name)
    elif isinstance(value, list):
        for item in value:
            _verify_value(path, item, key)
    elif isinstance(value, str):
        _verify_text(path, value, key)


def _verify_text(path: Path, text: str, key: str) -> None:
    if key in _FREE_TEXT:
        return
    if key in {"target", "as_operator"}:
        if (
            not _OPERATOR.fullmatch(text)
            or text.startswith(_FILE_OPERATORS)
            or "__" in text.partition("ops.aten.__")[2]
        ):
            raise _refused(path, f"it calls {text!r}")
    elif key in {"expr_str", "guards_code"}:
        if not is_plain_expression(text):
            raise _refused(path, f"it would evaluate {text!r}")
    elif key in {"in_spec", "out_spec"}:
        if text and not all(_is_plain_tree(part) for part in json.loads(text)[1:]):
            raise _refused(path, "its inputs or outputs are objects of other classes than tuple, list and dict")
    elif not _NAME.fullmatch(text):
        raise _refused(path, f"{text[:80]!r} is not a name")


def is_plain_expression(text: str) -> bool:
    """Whether a text is arithmetic over shapes, so that evaluating it can do nothing else."""
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError):
        return False
    return all(isinstance(node, _EXPRESSIONS) and _is_plain_node(node) for node in ast.walk(tree)) and all(
        isinstance(called, (ast.Name, ast.Attribute)) for called in _called(tree)
    )


def _called(tree: ast.AST) -> Iterator[ast.expr]:
    return (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))


def _is_plain_node(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id in _FUNCTIONS or _SYMBOL.fullmatch(node.id) is not None
    if isinstance(node, ast.Attribute):
        return node.attr in _FUNCTIONS
    if isinstance(node, ast.Constant):
        return not isinstance(node.value, (str, bytes)) or (
            isinstance(node.value, str) and _NAME.fullmatch(node.value) is not None and "__" not in node.value
        )
    return True


def _is_plain_tree(tree: Any) -> bool:
    if not isinstance(tree, Mapping) or tree.get("type") not in _TREES:
        return False
    context = tree.get("context")
    if isinstance(context, str) and "__enum__" in context:
        return False
    return all(_is_plain_tree(child) for child in tree.get("children_spec", ()))


def _refused(path: Path, why: str) -> PermissionDenied:
    return PermissionDenied(
        f"'{path.name}' is not loaded: {why}, and loading it could run code of whoever wrote it. "
        "If you trust where the model comes from, load it with allow_pickle=True."
    )
