"""Digests of datasets: over the whole content, and MLflow's own wherever that covers the content too.

Source: MLflow's `data/digest_utils.py`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

MLFLOW_SEES: Final = 10_000
"""Rows of a frame, or elements of an array, that MLflow's digest covers."""

DIGITS: Final = 8


def frame_digest(df: pd.DataFrame) -> str:
    """Eight hexadecimal digits over column names, index and every value of a frame."""
    import numpy as np
    import pandas as pd

    head = df.head(MLFLOW_SEES)
    texts = head.columns[head.map(lambda value: type(value) is str).all(axis=0)]
    seen = head[texts.union(head.select_dtypes(include=[np.number]).columns)]
    parts = [pd.util.hash_pandas_object(seen).to_numpy(), np.int64(len(df)), *(str(name).encode() for name in df)]
    if len(df) > len(head) or seen.shape[1] < df.shape[1]:
        parts.append(pd.util.hash_pandas_object(df.index, index=False).to_numpy())
        for place in range(df.shape[1]):
            column = df.iloc[:, place]
            try:
                parts.append(pd.util.hash_pandas_object(column, index=False).to_numpy())
            except TypeError:  # lists and the like
                parts.append(pd.util.hash_pandas_object(column.map(repr), index=False).to_numpy())
    return _digest(parts)


def arrays_digest(features: Any, targets: Any = None) -> str:
    """Eight hexadecimal digits over shapes and every element of arrays."""
    parts: list[Any] = []
    rest: list[Any] = []
    for array in _arrays(features, targets):
        import numpy as np

        flat = array.flatten()
        parts.append(_mixed(flat[:MLFLOW_SEES]))
        parts.extend(np.int64(length) for length in array.shape)
        if flat.size > MLFLOW_SEES:
            rest.append(_mixed(flat[MLFLOW_SEES:]))
    return _digest(parts + rest)


def _arrays(*groups: Any) -> Iterator[Any]:
    for group in groups:
        if isinstance(group, dict):
            yield from (group[key] for key in sorted(group))
        elif group is not None:
            yield group


def _mixed(flat: Any) -> Any:
    """A hash of each element, as `pandas.util.hash_array` mixes them; numbers do without pandas."""
    import numpy as np

    if flat.dtype.kind in "biufmM" and flat.dtype.itemsize <= 8:
        bits = (
            flat.astype(f"u{flat.dtype.itemsize}") if flat.dtype.kind == "b" else flat.view(f"u{flat.dtype.itemsize}")
        )
        bits = bits.astype(np.uint64)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # splitmix64
            bits ^= bits >> np.uint64(shift)
            bits *= np.uint64(factor)
        return bits ^ (bits >> np.uint64(31))
    try:
        import pandas as pd

        return pd.util.hash_array(flat)
    except (ImportError, TypeError):
        return repr(flat.tolist()).encode()


def _digest(parts: list[Any]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:DIGITS]
