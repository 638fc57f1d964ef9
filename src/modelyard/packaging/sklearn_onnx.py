"""scikit-learn's models as ONNX graphs, by skl2onnx; and whether the graphs answer the same."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from time import perf_counter
from typing import Any, Final

import numpy as np
import skl2onnx
from skl2onnx.common import data_types

from modelyard.domain.golden import Tolerance
from modelyard.packaging import example, golden
from modelyard.packaging.conversion import Refused
from modelyard.packaging.enforcement import enforce
from modelyard.packaging.flavors.base import PYTHON_FUNCTION
from modelyard.packaging.function import LoadedFunction
from modelyard.packaging.schema import DataType, Schema, TensorSpec

OPSETS: Final = {"": 18, "ai.onnx.ml": 3}
"""Of 2022 and later: ONNX Runtime 1.14 reads them."""
PROBES: Final = 200
_SPEED_ROWS: Final = (1, 32)
_NUMBERS: Final = (DataType.double, DataType.float, DataType.integer, DataType.long, DataType.boolean)
_METHODS: Final = {"predict": 0, "predict_proba": 1}
"""Method → which of a graph's outputs it is."""
_COLUMNS: Final = {
    DataType.double: "float64",
    DataType.float: "float32",
    DataType.long: "int64",
    DataType.integer: "int64",
    DataType.boolean: "bool",
    DataType.string: "object",
}
_TYPES: Final = {
    "float32": data_types.FloatTensorType,
    "float64": data_types.DoubleTensorType,
    "int64": data_types.Int64TensorType,
    "bool": data_types.BooleanTensorType,
    "object": data_types.StringTensorType,
}


def candidates(function: LoadedFunction) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Graphs that may answer as the model does, the quickest first, each with what `onnx_graph.Graph` has to know.

    Raises:
        Refused: the model cannot be written as a graph; the text says why.
    """
    schema, data = _asked(function)
    method = str(function.metadata.flavors[PYTHON_FUNCTION].get("predict_fn", "predict"))
    if method not in _METHODS:
        raise Refused(f"its method {method!r} is not converted, only {' and '.join(_METHODS)}.")
    try:
        answer = function.predict_checked(data)
    except Exception as fault:  # noqa: BLE001 - whatever it raises, there is nothing to compare with
        raise Refused(f"the model does not answer its own example: {type(fault).__name__}: {fault}") from None
    if not isinstance(answer, np.ndarray) or answer.ndim not in (1, 2):
        raise Refused("it does not answer with one value or one row of values for each row.")
    model = function.unwrap_python_model()
    told = {
        "method": method,
        "converter": f"skl2onnx {skl2onnx.__version__}",
        "dtype": answer.dtype.str,
        "dimensions": answer.ndim,
    }
    options = {"zipmap": False} if hasattr(model, "classes_") else None
    made, failed = False, Refused("its columns have types that graphs do not have.")
    for types in _inputs(schema):
        initial = [(name, _TYPES[kind]([None, width])) for name, (kind, width) in types.items()]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                graph = skl2onnx.convert_sklearn(model, initial_types=initial, options=options, target_opset=OPSETS)
        except Exception as fault:  # noqa: BLE001 - whatever a converter raises, it has not converted
            failed = Refused(f"skl2onnx does not convert it: {str(fault).strip().splitlines()[0]}")
            continue
        output = graph.graph.output[_METHODS[method]].name
        inputs = {name: kind for name, (kind, _) in types.items()}
        names = [each.name for each in graph.graph.input]  # made ready for a language's variables, in the same order
        yield (
            graph.SerializeToString(),
            {**told, "inputs": inputs, "names": names, "whole": len(types) == 1, "output": output},
        )
        made = True
    if not made:
        raise failed


def _asked(function: LoadedFunction) -> tuple[Schema, Any]:
    """The model's inputs, and the data to try it with: of the input example, else of the golden tests."""
    signature = function.metadata.signature
    if signature is None or signature.inputs is None:
        raise Refused("it has no signature; give an input_example or a signature.")
    given = function.input_example
    if given is None:
        cases = golden.read(function.path)[0]
        given = example.decode(str(cases[0]["kind"]), cases[0]["inputs"], signature.inputs) if cases else None
    if given is None:
        raise Refused("there is nothing to compare answers with; give an input_example or golden tests.")
    return signature.inputs, enforce(given, signature.inputs)


def _inputs(schema: Schema) -> Iterator[dict[str, tuple[str, int]]]:
    """Input of a graph → its type and width: all columns in one matrix of 32 or 64 bits, or each for itself."""
    specs = list(schema)
    if isinstance(specs[0], TensorSpec):
        shape = specs[0].shape
        if len(specs) == 1 and specs[0].name is None and len(shape) == 2 and shape[1] > 0:
            yield from ({"X": (kind, shape[1])} for kind in ("float32", "float64"))
        return
    if all(each.type in _NUMBERS for each in specs):
        yield from ({"X": (kind, len(specs))} for kind in ("float32", "float64"))
    if all(each.type in _COLUMNS and each.name is not None for each in specs) and len(specs) > 1:
        columns = {str(each.name): (_COLUMNS[each.type], 1) for each in specs}  # type: ignore[index]
        narrow = {name: ("float32", 1) if kind == "float64" else (kind, 1) for name, (kind, _) in columns.items()}
        yield from (narrow, columns) if narrow != columns else (columns,)


# ---------------------------------------------------------------- agreement


def compared(function: LoadedFunction, converted: LoadedFunction) -> dict[str, Any]:
    """How near the graph's answers are, and what both cost.

    Returns:
        `agreement` (the largest differences of numbers) and `microseconds` (by number of rows).

    Raises:
        Refused: a label differs, or a number by more than the golden tests' tolerance.
    """
    _, data = _asked(function)
    cases, tolerance = golden.read(function.path)
    if cases:
        report = golden.run(converted)
        if not report.passed:
            raise Refused(f"the graph does not pass the model's golden tests. {report}")
    agreement: dict[str, Any] = {"golden_tests": len(cases), "rows": PROBES}
    agreement["example"] = _distance(function, converted, data, tolerance, "the example")
    probes = _probes(data)
    agreement["largest"] = _distance(function, converted, probes, tolerance, "rows like the example's")
    speed = {name: {str(rows): _microseconds(each, _head(probes, rows)) for rows in _SPEED_ROWS}
             for name, each in (("model", function), ("graph", converted))}  # fmt: skip
    return {"agreement": agreement, "microseconds": speed}


def _distance(
    function: LoadedFunction, converted: LoadedFunction, data: Any, tolerance: Tolerance, where: str
) -> float:
    """The largest difference of the answers; 0 for labels, which have to be equal."""
    expected = function.predict_checked(data)
    try:
        found = converted.predict_checked(data)
    except Exception as fault:  # noqa: BLE001 - whatever it raises, it does not answer
        raise Refused(f"the graph fails: {str(fault).strip().splitlines()[0]}") from None
    if expected.shape != found.shape:
        raise Refused(f"the graph answers with the shape {found.shape}, the model with {expected.shape}.")
    if expected.dtype.kind != "f":
        wrong = int((expected != found).sum())
        if wrong:
            raise Refused(f"{wrong} of {expected.size} labels differ, for {where}.")
        return 0.0
    apart = np.abs(expected - found)
    far = ~(apart <= tolerance.absolute + tolerance.relative * np.abs(expected)) & ~(
        np.isnan(expected) & np.isnan(found)
    )
    if far.any():
        raise Refused(
            f"{int(far.sum())} of {expected.size} answers differ by more than the tolerance of {tolerance.relative:g}, "
            f"by up to {float(np.nanmax(apart)):.3g}, for {where}."
        )
    return float(np.nanmax(apart, initial=0.0))


def _probes(data: Any) -> Any:
    """Further rows: each column's values shuffled for itself, numbers moved a little."""
    random = np.random.default_rng(0)

    def mixed(values: Any) -> Any:
        chosen = values[random.integers(0, len(values), PROBES)]
        return (chosen * random.normal(1.0, 0.2, PROBES)).astype(values.dtype) if values.dtype.kind == "f" else chosen

    if isinstance(data, np.ndarray):
        return np.column_stack([mixed(data[:, at]) for at in range(data.shape[1])])
    return type(data)({name: mixed(data[name].to_numpy()) for name in data.columns})


def _head(data: Any, rows: int) -> Any:
    return data[:rows].copy()


def _microseconds(function: LoadedFunction, data: Any) -> float:
    """What one prediction takes: the best of five."""
    best = float("inf")
    for _ in range(5):
        began = perf_counter()
        function.predict_checked(data)
        best = min(best, perf_counter() - began)
    return round(best * 1e6, 1)
