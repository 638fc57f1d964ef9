"""The baseline profile: how inputs and outputs looked when the model was made, to measure drift against.

Stored as `modelyard/profile.json`. Per column: count, missing, and for numbers min, max, mean, standard deviation,
quantiles and a histogram; for everything else the most frequent values. No single row can be read from it, but rare
values of text columns can: leave such columns out of the baseline if they are private.
"""

from __future__ import annotations

import json
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
    step = -(-len(data) // _MAX_ROWS) or 1
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
            frame = pd.DataFrame(data)
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
    # widest at the ends, so that a single outlier cannot put all other values into one bin
    inner = np.unique(np.quantile(finite, [0.01, 0.99]))
    if len(inner) == 2:
        edges = np.unique([low, *np.linspace(inner[0], inner[1], BINS - 1), high])
    else:
        edges = np.array([low, high]) if low < high else np.array([low, low])
    counts = [len(finite)] if len(edges) < 2 or low == high else np.histogram(finite, edges)[0].tolist()
    return found | {
        "min": low,
        "max": high,
        "mean": float(finite.mean()),
        "std": float(finite.std(ddof=1)) if len(finite) > 1 else 0.0,
        "quantiles": {
            str(at): float(value) for at, value in zip(QUANTILES, np.quantile(finite, QUANTILES), strict=True)
        },
        "histogram": {"edges": [float(edge) for edge in edges], "counts": counts},
    }


def _categories(values: Any) -> dict[str, Any]:
    try:
        counts = values.map(str).value_counts()
    except TypeError:  # pragma: no cover - str() of a foreign object failed
        return {}
    top = {value[:200]: int(count) for value, count in counts.head(TOP).items()}
    return {"distinct": len(counts), "top": top, "others": int(counts.iloc[TOP:].sum())}
