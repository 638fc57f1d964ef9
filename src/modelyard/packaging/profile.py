"""The baseline profile: how inputs and outputs looked when the model was made, to measure drift against.

Stored as `modelyard/profile.json`. Per column: count, missing, and for numbers min, max, mean, standard deviation,
quantiles and a histogram; for everything else the most frequent values. No single row can be read from it, but rare
values of text columns can: leave such columns out of the baseline if they are private.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from modelyard.domain.errors import DataCorrupted, InvalidArgument
from modelyard.packaging.function import LoadedFunction

FILE: Final = "modelyard/profile.json"
QUANTILES: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
BINS: Final = 20
TOP: Final = 50
_MAX_ROWS: Final = 10_000
"""Rows that the model is asked about, evenly over the baseline, to profile its outputs."""


def make(function: LoadedFunction, baseline: Any) -> None:
    """Write the profile of the baseline and of the model's answers to it.

    Raises:
        InvalidArgument: the baseline is no DataFrame or array.
    """
    content = {"inputs": compute(baseline), "outputs": compute(function.predict(_thinned(baseline)))}
    target = function.path / FILE
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8")


def _thinned(data: Any) -> Any:
    rows = data.shape[0] if hasattr(data, "shape") else len(data)
    step = -(-rows // _MAX_ROWS) or 1
    return data if step == 1 else data.iloc[::step] if hasattr(data, "iloc") else data[::step]


def read(folder: str | Path) -> dict[str, Any] | None:
    """The profile of a model, None if it has none.

    Raises:
        DataCorrupted: the file does not decode.
    """
    try:
        found: dict[str, Any] = json.loads((Path(folder) / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as fault:
        raise DataCorrupted(f"'{Path(folder) / FILE}' does not decode: {fault}") from None
    return found


def compute(data: Any) -> dict[str, Any]:
    """The profile of a DataFrame, Series, array (columns by position), list or dictionary of columns.

    Returns:
        `{"rows": int, "columns": {name: {...}}}`.

    Raises:
        InvalidArgument: the data has no rows and columns.
    """
    import pandas as pd

    if isinstance(data, pd.Series):
        frame = data.to_frame()
    elif isinstance(data, pd.DataFrame):
        frame = data
    else:
        if hasattr(data, "todense"):
            data = data.toarray()
        if hasattr(data, "ndim") and data.ndim > 2:
            data = data.reshape(len(data), -1)
        try:
            frame = pd.DataFrame(5 if data is None else data)  # pandas makes an empty one of None
        except (ValueError, TypeError):
            raise InvalidArgument(f"A profile needs rows and columns, not {type(data).__name__}.") from None
    columns = {str(name): _column(frame.iloc[:, at]) for at, name in enumerate(frame.columns)}
    return {"rows": len(frame), "columns": columns}


def _column(series: Any) -> dict[str, Any]:
    from pandas.api import types

    missing = int(series.isna().sum())
    common = {"dtype": str(series.dtype), "count": len(series) - missing, "missing": missing}
    present = series.dropna()
    if types.is_bool_dtype(series) or not types.is_numeric_dtype(series):
        return common | _categories(present)
    return common | _numbers(present.to_numpy(dtype="float64"))


def _numbers(values: Any) -> dict[str, Any]:
    import numpy as np

    finite = values[np.isfinite(values)]
    found: dict[str, Any] = {"infinite": int(len(values) - len(finite))}
    if not len(finite):
        return found
    low, high = float(finite.min()), float(finite.max())
    # sums and differences of the largest numbers are beyond them: all are measured in a smaller unit then, exactly
    unit = 64 if max(-low, high) > 1e300 else 0
    small = np.ldexp(finite, -unit)

    def back(values: Any) -> Any:
        with np.errstate(over="ignore"):
            return np.maximum.accumulate(np.clip(np.ldexp(values, unit), low, high))

    # widest at the ends, so that a single outlier cannot put all other values into one bin
    inner = np.unique(np.quantile(small, [0.01, 0.99]))
    if len(inner) == 2:
        edges = np.unique([low, *back(np.linspace(inner[0], inner[1], BINS - 1)), high])
    else:
        edges = np.array([low, high]) if low < high else np.array([low, low])
    counts = [len(finite)] if low == high else np.histogram(finite, edges)[0].tolist()
    with np.errstate(over="ignore"):
        std = float(np.ldexp(small.std(ddof=1), unit)) if len(finite) > 1 else 0.0
    return found | {
        "min": low,
        "max": high,
        "mean": float(back(small.mean(keepdims=True))[0]),
        "std": min(std, sys.float_info.max),
        "quantiles": {
            str(at): float(value) for at, value in zip(QUANTILES, back(np.quantile(small, QUANTILES)), strict=True)
        },
        "histogram": {"edges": [float(edge) for edge in edges], "counts": counts},
    }


def _categories(values: Any) -> dict[str, Any]:
    counts = values.map(str).value_counts()
    top: dict[str, int] = {}
    for value, count in counts.head(TOP).items():
        top[value[:200]] = top.get(value[:200], 0) + int(count)
    return {"distinct": len(counts), "top": top, "others": int(counts.iloc[TOP:].sum())}
