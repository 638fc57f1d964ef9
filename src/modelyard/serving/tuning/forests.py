"""Forests of scikit-learn, asked without joblib.

Of 2.1 ms that a forest of 100 trees takes for one row, 1.9 are joblib and input checks around each tree. Here the
input is checked once, and the trees are asked in one of two ways, which add the same numbers in the same order as
scikit-learn does with one job:

- few rows: one call. All trees lie in one tree, whose top is a binary search over a further feature: the number of the
  tree. Each row is asked once for each tree.
- many rows: a call for each tree, without what scikit-learn does around it.

Everything else (sparse input, what has to be refused, ...) goes to scikit-learn's own method.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from sklearn.tree._tree import Tree

ONE_CALL_ROWS: Final = 64
"""Up to so many rows the one call is quicker; measured with trees of depth 7: equal at about 130."""
ONE_CALL_BYTES: Final = 32 * 2**20
"""A copy of the trees is kept only if it is smaller."""
_LEAF: Final = -1
_CHECKED_ROWS: Final = (1, 2, ONE_CALL_ROWS, ONE_CALL_ROWS + 1)

Answer = Callable[[Any], Any]


def quicken(forest: Any, method: str) -> bool:
    """Replace a method of this forest by a quicker one that answers the same to the last bit.

    Args:
        forest: a forest of scikit-learn's own class.
        method: `predict_proba` of a classifier, `predict` of a regressor.

    Returns:
        False if it is not fitted, not as we know it, or answers differ: then nothing was changed.
    """
    original: Answer = getattr(forest, method)
    try:
        quick = _Quick(forest, original, classifier=method == "predict_proba")
        if not _agree(forest, original, quick):
            return False
    except (AttributeError, TypeError, ValueError, KeyError, IndexError):  # another version's trees
        return False
    forest.verbose = 0  # it would print at each prediction
    setattr(forest, method, quick)
    return True


class _Quick:
    def __init__(self, forest: Any, original: Answer, *, classifier: bool) -> None:
        self._original = original
        self._trees = [each.tree_ for each in forest.estimators_]
        self._count = len(forest.estimators_)
        self._features = int(forest.n_features_in_)
        names = getattr(forest, "feature_names_in_", None)
        self._names = None if names is None else names.tolist()
        self._gaps = _takes_gaps(forest)
        self._classes = [int(each) for each in np.atleast_1d(forest.n_classes_)] if classifier else None
        self._outputs = int(forest.n_outputs_)
        self._one = _joined(self._trees, self._features)
        self._numbers = np.arange(self._count, dtype=np.float32)[:, None]

    def __call__(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name for it
        rows = self._rows(X)
        if rows is None:
            return self._original(X)
        one = self._one if len(rows) <= ONE_CALL_ROWS else None
        sums = self._in_one_call(one, rows) if one is not None else self._one_by_one(rows)
        sums /= self._count
        if self._classes is None:
            return sums.reshape(-1) if self._outputs == 1 else sums[:, :, 0]
        if self._outputs == 1:
            return sums[:, 0, :]
        return [np.ascontiguousarray(sums[:, at, :classes]) for at, classes in enumerate(self._classes)]

    def _rows(self, given: Any) -> Any:
        """The input as scikit-learn would have it; None for what it has to look at itself."""
        if type(given) is not np.ndarray:
            if type(given).__name__ != "DataFrame" or (self._names and given.columns.tolist() != self._names):
                return None
            if np.asarray(given).dtype.kind not in "fiu":
                return None
        elif given.dtype.kind not in "fiu":
            return None
        with np.errstate(over="ignore"):
            rows = np.asarray(given, dtype=np.float32)
            if rows.ndim != 2 or rows.shape[1] != self._features or not len(rows):
                return None
            if not np.isfinite(np.add.reduce(rows, axis=None)) and (not self._gaps or np.isinf(rows).any()):
                return None
        return rows

    def _in_one_call(self, one: Any, rows: Any) -> Any:
        many = np.empty((self._count, len(rows), self._features + 1), dtype=np.float32)
        many[:, :, :-1] = rows
        many[:, :, -1] = self._numbers
        found = one.predict(many.reshape(-1, self._features + 1))
        found = found.reshape(self._count, -1)
        # along the only axis there is, NumPy's sum would add in pairs
        pairs = found.shape[1] == 1
        sums = np.add.accumulate(found[:, 0])[-1:] if pairs else np.add.reduce(found, axis=0)
        sums += 0.0  # scikit-learn begins with zero, which makes -0.0 of all trees 0.0
        return sums.reshape(len(rows), self._outputs, -1)

    def _one_by_one(self, rows: Any) -> Any:
        found = self._trees[0].predict(rows)
        found += 0.0
        for tree in self._trees[1:]:
            found += tree.predict(rows)
        return found.reshape(len(rows), self._outputs, -1)


def _takes_gaps(forest: Any) -> bool:
    """Whether NaN is a value to it: scikit-learn asks the first tree."""
    return bool(forest.estimators_[0]._support_missing_values(np.zeros((1, 1), dtype=np.float32)))  # noqa: SLF001


def _joined(trees: list[Any], features: int) -> Any:
    """One tree that holds all, below a binary search over feature number `features`; None if it would be large."""
    states = [each.__getstate__() for each in trees]
    top = len(trees) - 1
    total = top + sum(int(each["node_count"]) for each in states)
    kind, answer = states[0]["nodes"].dtype, states[0]["values"].shape[1:]
    if total * (kind.itemsize + 8 * int(np.prod(answer))) > ONE_CALL_BYTES:
        return None
    nodes, values = np.zeros(total, dtype=kind), np.zeros((total, *answer))
    roots, at = [], top
    for each in states:
        part = each["nodes"].copy()
        inner = part["left_child"] != _LEAF
        part["left_child"][inner] += at
        part["right_child"][inner] += at
        roots.append(at)
        end = at + len(part)
        nodes[at:end], values[at:end] = part, each["values"]
        at = end
    free = iter(range(top))

    def search(first: int, last: int) -> int:
        if last - first == 1:
            return roots[first]
        node, middle = next(free), (first + last) // 2
        left, right = search(first, middle), search(middle, last)
        for name, value in (("left_child", left), ("right_child", right), ("feature", features)):
            nodes[node][name] = value
        nodes[node]["threshold"] = middle - 0.5
        return node

    search(0, len(trees))
    one = Tree(features + 1, np.asarray(trees[0].n_classes, dtype=np.intp), trees[0].n_outputs)
    depth = max(int(each["max_depth"]) for each in states) + len(trees).bit_length()
    one.__setstate__({**states[0], "max_depth": depth, "node_count": total, "nodes": nodes, "values": values})
    return one


# ---------------------------------------------------------------- proof


def _agree(forest: Any, original: Answer, quick: Answer) -> bool:
    """Whether both answer the same for rows on both sides of the trees' thresholds, and on them."""
    rows = _probes(forest, max(_CHECKED_ROWS))
    samples = [rows[-count:] for count in _CHECKED_ROWS]
    samples.append(rows.astype(np.float64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the probes have no names
        if _takes_gaps(forest):
            gaps = rows.copy()
            gaps[::2, 0] = np.nan
            samples += [gaps[:2], gaps]
        return all(_same(original(each), quick(each)) for each in samples)


def _probes(forest: Any, count: int) -> Any:
    random = np.random.default_rng(0)
    trees = [each.tree_ for each in forest.estimators_]
    features = np.concatenate([each.feature for each in trees])
    thresholds = np.concatenate([each.threshold for each in trees])
    rows = np.zeros((count, int(forest.n_features_in_)), dtype=np.float32)
    for at in range(rows.shape[1]):
        found = thresholds[features == at]
        found = found[np.isfinite(found)]
        if len(found):
            spread = float(np.std(found)) or 1.0
            rows[:, at] = random.choice(found, count) + spread * random.choice([-1.0, -0.1, 0.0, 0.1, 1.0], count)
    return np.nan_to_num(rows)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(
        one.dtype == other.dtype and one.shape == other.shape and np.ascontiguousarray(one).tobytes() == other.tobytes()
    )
