"""Whether a model that was read from a skops file holds together.

skops vouches for types, not for what is in them, and the compiled parts of scikit-learn believe their arrays: with
indices and shapes that somebody made up, a prediction reads and writes memory that is not its own. So whatever such a
part will believe is looked at when the model is loaded. What can be reached is found as the garbage collector finds it:
an object in the file has no say in it, as it would have in how it is pickled.
"""

from __future__ import annotations

import functools
import gc
import types
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from modelyard.domain.errors import DataCorrupted, PermissionDenied
from modelyard.packaging.flavors import sklearn_trees
from modelyard.packaging.flavors.sklearn_trees import Unkept, Unsound, require

_PLAIN: Final = frozenset({str, int, float, bool, type(None), bytes, bytearray, complex, slice})
_CODE: Final = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, np.ufunc, np.dtype)


def check_loaded(model: Any, file: str) -> None:
    """Look whether all parts of a model that was loaded hold together.

    Args:
        model: What was loaded.
        file: What it was loaded from, for the message.

    Raises:
        DataCorrupted: some part does not; using it could end the process, or worse.
        PermissionDenied: that cannot be known.
    """
    try:
        _check(model)
    except Unkept as fault:
        raise PermissionDenied(
            f"'{file}' holds what cannot be checked: {fault}. If you trust where this model comes from, load it with "
            "allow_pickle=True."
        ) from None
    except Unsound as fault:
        raise DataCorrupted(
            f"'{file}' does not hold together: {fault}. Using it could end this process, or read memory that is not "
            "its own. Ask its author to save it again, or load it with allow_pickle=True if you trust where it comes "
            "from."
        ) from None


def check_saved(model: Any) -> None:
    """Look whether a model that was saved will load again.

    Raises:
        ValueError: it will not; the text says why.
    """
    try:
        _check(model)
    except Unsound as fault:
        raise ValueError(str(fault)) from None


def _check(model: Any) -> None:
    try:
        for each in _reachable(model):
            for one in _checks(type(each)):  # type: ignore[arg-type]
                one(each)
    except Unsound:
        raise
    except Exception as fault:
        raise Unsound(f"{type(fault).__name__}: {fault}") from fault


def _reachable(root: Any) -> Iterator[Any]:
    seen: dict[int, Any] = {}  # with the objects, so that no id is given again
    waiting = [root]
    while waiting:
        each = waiting.pop()
        if type(each) in _PLAIN or isinstance(each, _CODE) or id(each) in seen:
            continue
        seen[id(each)] = each
        yield each
        if isinstance(each, np.ndarray) and each.dtype.hasobject:  # arrays do not tell the collector
            waiting.extend(each.ravel().tolist())
        waiting.extend(gc.get_referents(each))


@functools.cache
def _checks(kind: type) -> tuple[Callable[[Any], None], ...]:
    names = [f"{each.__module__}.{each.__qualname__}" for each in kind.__mro__]
    found = [_CHECKS[name] for name in names if name in _CHECKS]
    if any(name.startswith("sklearn.") for name in names) and kind.__dictoffset__:
        methods = frozenset(
            name for each in kind.__mro__ for name, value in vars(each).items() if isinstance(value, types.FunctionType)
        )
        found.insert(0, functools.partial(_own_methods, methods))
    return tuple(found)


def _own_methods(methods: frozenset[str], found: Any) -> None:
    """No value of the file stands in for a method: the methods are what looks at the data."""
    if hidden := methods.intersection(vars(found)):
        raise Unsound(f"a {type(found).__name__} has a value in the place of its method {min(hidden)!r}")


def _sparse(found: Any) -> None:
    """A sparse matrix in compressed form, whose indices scipy follows without looking."""
    type(found).check_format(found, full_check=True)


def _spline(found: Any) -> None:
    """A `BSpline`, by its own constructor."""
    type(found)(found.t, found.c, found.k)


def _neighbors_tree(found: Any) -> None:
    """A `KDTree` or `BallTree`."""
    data, order, nodes, bounds, _, levels, count, *_, metric, weights = found.__getstate__()
    rows, columns = data.shape
    require(rows and columns and order.shape == (rows,), "a tree of neighbours has no order of its points")
    require(((order >= 0) & (order < rows)).all(), "a tree of neighbours has a point that is not in its data")
    require(0 < levels < 60 and count == 2**levels - 1 == len(nodes), "a tree of neighbours has not the nodes it says")
    sides = 2 if type(found).__module__ == "sklearn.neighbors._kd_tree" else 1  # two corners, or a centre
    require(bounds.shape == (sides, count, columns), "a tree of neighbours has not the bounds of its nodes")
    start, end = nodes["idx_start"], nodes["idx_end"]
    require(((start >= 0) & (start <= end) & (end <= rows)).all(), "a tree of neighbours has a node beyond its points")
    last = 2 * np.arange(count) + 2 >= count
    require((nodes["is_leaf"][last] != 0).all(), "a tree of neighbours has a child that is none of its nodes")
    require(weights is None or weights.shape == (rows,), "a tree of neighbours has not a weight for each point")
    require(metric is not None, "a tree of neighbours has no metric")
    matrix = metric.__getstate__()[2]
    require(matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1], "a metric's matrix is not square")
    metric._validate_data(data)  # noqa: SLF001 - what scikit-learn asks when it makes the tree


def _neighbors(found: Any) -> None:
    """A `NeighborsBase`: its data, and the classes of its data, are indexed without looking."""
    kept = vars(found)
    if "_fit_X" not in kept:
        return
    data, labels, classes = kept["_fit_X"], kept.get("_y"), kept.get("classes_")
    require(
        data.ndim == 2 and data.shape[1] == kept.get("n_features_in_"), "neighbours have not n_features_in_ columns"
    )
    if isinstance(classes, np.ndarray) and isinstance(labels, np.ndarray) and labels.ndim == 1:
        require(len(labels) == data.shape[0], "neighbours have not a class each")
        require(((labels >= 0) & (labels < len(classes))).all(), "neighbours have a class that there is not")


def _centers(found: Any) -> None:
    """A `_BaseKMeans`."""
    kept = vars(found)
    if "cluster_centers_" in kept:
        shape = kept["cluster_centers_"].shape
        require(len(shape) == 2 and shape[0] and shape[1] == kept.get("n_features_in_"), "clusters have no centers")


def _support_vectors(found: Any) -> None:
    """A `BaseLibSVM`: libsvm is given pointers, and takes the sizes from each other."""
    kept = vars(found)
    require(not {"_impl", "_sparse_kernels"} & kept.keys(), "a support vector machine says that it is of another kind")
    if "support_vectors_" not in kept:
        return
    vectors, support, counts = kept["support_vectors_"], kept["support_"], kept["_n_support"]
    coefficients, intercept = kept["_dual_coef_"], kept["_intercept_"]
    classifies = found._impl in ("c_svc", "nu_svc")  # noqa: SLF001
    rows, columns = kept["shape_fit_"]
    told = "a support vector machine's arrays do not fit each other"
    precomputed = kept.get("kernel") == "precomputed" or callable(kept.get("kernel"))
    require(counts.ndim == support.ndim == intercept.ndim == 1 and (counts >= 0).all(), told)
    number = len(support)
    require(((support >= 0) & (support < rows)).all(), told)
    require(columns == kept.get("n_features_in_"), told)
    if classifies:
        classes = len(counts)
        require(classes >= 2 and counts.sum() == number and len(kept["classes_"]) == classes, told)
    else:
        classes = 2
        require(len(counts) == 2 and counts[0] == number, told)
    pairs = classes * (classes - 1) // 2
    require(coefficients.shape == (classes - 1 if classifies else 1, number), told)
    require(len(intercept) == (pairs if classifies else 1), told)
    for each in (kept["_probA"], kept["_probB"]):
        asked = getattr(found, "_effective_probability", kept.get("probability"))  # the name since 1.9
        require(each.ndim == 1 and len(each) in ((pairs,) if asked is True else (0, pairs)), told)
    if kept.get("_sparse"):
        require(not precomputed and vectors.format == "csr" and vectors.shape == (number, columns), told)
        require(len(coefficients.data) == coefficients.shape[0] * number, told)
    else:
        require(vectors.shape == (number, columns) or (precomputed and vectors.size == 0), told)


_CHECKS: Final[dict[str, Callable[[Any], None]]] = {
    "scipy.interpolate._bsplines.BSpline": _spline,
    "scipy.sparse._compressed._cs_matrix": _sparse,
    "sklearn.cluster._kmeans._BaseKMeans": _centers,
    "sklearn.ensemble._gb.BaseGradientBoosting": sklearn_trees.gradient_boosting,
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.BaseHistGradientBoosting": (
        sklearn_trees.histogram_boosting
    ),
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor": sklearn_trees.histogram_tree,
    "sklearn.neighbors._ball_tree.BinaryTree32": _neighbors_tree,
    "sklearn.neighbors._ball_tree.BinaryTree64": _neighbors_tree,
    "sklearn.neighbors._base.NeighborsBase": _neighbors,
    "sklearn.neighbors._kd_tree.BinaryTree32": _neighbors_tree,
    "sklearn.neighbors._kd_tree.BinaryTree64": _neighbors_tree,
    "sklearn.svm._base.BaseLibSVM": _support_vectors,
    "sklearn.tree._classes.BaseDecisionTree": sklearn_trees.tree_estimator,
    "sklearn.tree._tree.Tree": sklearn_trees.tree,
}
"""Qualified name of a class → what is looked at in its objects, and in those of the classes made from it."""
