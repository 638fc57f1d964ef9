"""Golden tests that travel with a model, in its file `modelyard/golden.json`, and are run against what was loaded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from modelyard.domain.errors import DataCorrupted, InvalidArgument, ModelyardError
from modelyard.domain.golden import CaseResult, GoldenCase, GoldenReport, Tolerance, compare
from modelyard.packaging import example
from modelyard.packaging.function import LoadedFunction

FILE: Final = "modelyard/golden.json"

__all__ = ["FILE", "CaseResult", "GoldenCase", "GoldenReport", "Tolerance", "case", "make", "run"]


def case(function: LoadedFunction, inputs: Any, params: dict[str, Any] | None = None, name: str = "") -> dict[str, Any]:
    """A stored case from the answer that the model gives now.

    Raises:
        InvalidArgument: it answers otherwise when asked again: only models that always answer alike have golden tests.
    """
    kind, content = example.encode(inputs)
    expected = example.plain(function.predict(inputs, params))
    again = example.plain(function.predict(inputs, params))
    if differences := compare(expected, again, Tolerance()):
        raise InvalidArgument(
            f"golden: asked twice, the model answers differently ({differences[0]}). Golden tests are for models that "
            "always answer alike; fix its random state, or save it without golden."
        )
    return _stored(GoldenCase(name, content, expected, params), kind)


def _stored(given: GoldenCase, kind: str) -> dict[str, Any]:
    return {
        "name": given.name, "kind": kind, "inputs": given.inputs, "params": example.plain(given.params),
        "expected": given.expected,
    }  # fmt: skip


def make(function: LoadedFunction, golden: Any, input_example: Any, tolerance: float | Tolerance | None = None) -> None:
    """Write the golden tests of a model that is being saved.

    Args:
        function: The model, and the directory that it is being saved to.
        golden: None or False for none; True for the input example; data (or a pair of data and params) of its own; or
            a list of `GoldenCase`, whose expected answers are the caller's.
        input_example: The model's input example.
        tolerance: A number is relative; None for the default.

    Raises:
        InvalidArgument: there is nothing to make them from, or the model does not answer alike, or not as expected.
    """
    if golden is None or golden is False:
        return
    if not isinstance(tolerance, Tolerance):
        tolerance = Tolerance() if tolerance is None else Tolerance(relative=tolerance)
    if isinstance(golden, GoldenCase):
        golden = [golden]
    if isinstance(golden, list) and golden and all(isinstance(each, GoldenCase) for each in golden):
        cases = []
        for each in golden:
            kind, content = example.encode(each.inputs)
            expected = example.plain(each.expected)
            cases.append(_stored(GoldenCase(each.name, content, expected, each.params), kind))
    else:
        source = input_example if golden is True else golden
        if source is None:
            raise InvalidArgument("golden=True needs an input_example to ask the model with.")
        data, params = example.split(source)
        cases = [case(function, data, params, "input example" if golden is True else "golden")]
    target = function.path / FILE
    target.parent.mkdir(exist_ok=True)
    content = {"tolerance": asdict(tolerance), "cases": cases}
    target.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
    report = run(function)
    if not report.passed:
        raise InvalidArgument(f"golden: the model does not pass its own golden tests.\n{report}")


def read(folder: Path) -> tuple[Sequence[dict[str, Any]], Tolerance]:
    """The stored cases of a model and their tolerance; no cases if it has none.

    Raises:
        DataCorrupted: the file does not decode.
    """
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        cases, tolerance = content["cases"], Tolerance(**content["tolerance"])
    except FileNotFoundError:
        return [], Tolerance()
    except (ValueError, KeyError, TypeError, InvalidArgument) as fault:
        raise DataCorrupted(f"'{folder / FILE}' does not decode: {fault}") from None
    if not (isinstance(cases, list) and all(isinstance(each, dict) for each in cases)):
        raise DataCorrupted(f"'{folder / FILE}' does not decode: the cases are no list of objects")
    return cases, tolerance


def run(function: LoadedFunction, tolerance: Tolerance | None = None) -> GoldenReport:
    """Ask the model its golden tests.

    Args:
        function: The model, from `load_function`.
        tolerance: Instead of the one that was saved.

    Raises:
        DataCorrupted: the file of the tests does not decode.
    """
    cases, saved = read(function.path)
    return GoldenReport([_run(function, each, tolerance or saved) for each in cases])


def _run(function: LoadedFunction, stored: dict[str, Any], tolerance: Tolerance) -> CaseResult:
    name = str(stored.get("name", ""))
    signature = function.metadata.signature
    schema = signature.inputs if signature else None
    try:
        data = example.decode(str(stored["kind"]), stored["inputs"], schema)
        actual = example.plain(function.predict(data, stored.get("params")))
        return CaseResult(name, compare(stored["expected"], actual, tolerance))
    except ModelyardError as fault:
        return CaseResult(name, error=fault.message)
    except Exception as fault:  # noqa: BLE001 - the user's own code; what it raises is the result
        return CaseResult(name, error=f"{type(fault).__name__}: {fault}")
