"""Whether the trees of a model hold together: scikit-learn follows their indices without looking.

A tree is an array of nodes that name their children and a feature by number. A file that somebody made up can name any
number, and the first prediction would then read whatever lies there (scikit-learn/scikit-learn#34558).
"""

from __future__ import annotations

import functools
from typing import Any, Final

import numpy as np

LEAF: Final = -1
"""scikit-learn's `TREE_LEAF`: what stands in the place of a leaf's children."""


class Unsound(Exception):
    """Something does not hold together; the text says what."""


class Unkept(Unsound):
    """Something may hold together, but that cannot be known beforehand; only pickles keep it."""


def require(sound: Any, told: str) -> None:
    """Raise unless something holds.

    Raises:
        Unsound: it does not.
    """
    if not sound:
        raise Unsound(told)


def is_a(thing: Any, name: str) -> bool:
    """Whether a class of this qualified name is among those of the object: without importing it."""
    return any(f"{each.__module__}.{each.__qualname__}" == name for each in type(thing).__mro__)


def _children(left: Any, right: Any, inner: Any, count: int) -> None:
    """Every node but the first is the child of exactly one that stands before it: so there are no circles.

    All builders of scikit-learn (depth first, best first, pruning, histograms) add a node after its parent.
    """
    at = np.flatnonzero(inner)
    for side in (left[at], right[at]):
        require((side > at).all() and (side < count).all(), "a tree's node has a child that is none of its nodes")
    named = np.bincount(np.concatenate([left[at], right[at]]).astype(np.intp), minlength=count)
    require(named[0] == 0 and (named[1:] == 1).all(), "a tree's nodes are not each the child of one other")


def tree(found: Any) -> None:
    """A `sklearn.tree._tree.Tree`.

    Its class itself has seen to the types of the arrays, and that there are values for each node.
    """
    count = found.node_count
    # the arrays are as long as the capacity, and are read up to the count
    require(0 < count == found.capacity, "a tree's node_count is not the number of its nodes")
    require(found.n_outputs > 0 and found.max_n_classes > 0, "a tree has no outputs")
    nodes = found.__getstate__()["nodes"]
    left, right, feature = nodes["left_child"], nodes["right_child"], nodes["feature"]
    inner = left != LEAF
    require((right[~inner] == LEAF).all(), "a tree's leaf has a child")
    _children(left, right, inner, count)
    used = feature[inner]
    require((used >= 0).all() and (used < found.n_features).all(), "a tree asks for a feature that there is not")
    # paths are written into room for as many nodes as the depth says
    require(found.compute_node_depths().max() - 1 <= found.max_depth, "a tree is deeper than its max_depth")


def tree_estimator(found: Any) -> None:
    """A `BaseDecisionTree`: it looks whether data has `n_features_in_` columns, its tree looks for nothing."""
    kept = vars(found)
    if "tree_" not in kept:
        return
    require(is_a(kept["tree_"], "sklearn.tree._tree.Tree"), "a decision tree has something else for its tree")
    require(
        kept.get("n_features_in_") == kept["tree_"].n_features, "a decision tree's n_features_in_ is not its tree's"
    )


def gradient_boosting(found: Any) -> None:
    """A `BaseGradientBoosting`: the answer of tree `[i, k]` goes into column k, whether there is one or not."""
    kept = vars(found)
    if "estimators_" not in kept:
        return
    made = kept["estimators_"]
    require(isinstance(made, np.ndarray) and made.ndim == 2 and made.size, "gradient boosting has no table of trees")
    trees = []
    for each in made.flat:
        require(is_a(each, "sklearn.tree._classes.DecisionTreeRegressor"), "gradient boosting has what is no tree")
        trees.append(vars(each)["tree_"])
    features = {each.n_features for each in trees}
    require(len(features) == 1, "gradient boosting has trees for different numbers of features")
    require(
        all(each.n_outputs == each.max_n_classes == 1 for each in trees), "gradient boosting has a tree of many values"
    )
    # a plain word, or the constant that it is by default; what other models answer cannot be known beforehand
    first = kept.get("init_")
    if type(first).__module__ != "sklearn.dummy" and not (type(first) is str and first == "zero"):
        raise Unkept("gradient boosting starts from a model of its own (init)")
    started = type(found)._raw_predict_init(found, np.zeros((1, features.pop()), np.float32))  # noqa: SLF001
    require(started.shape == (1, made.shape[1]), "gradient boosting starts from values for another number of trees")


def histogram_tree(found: Any) -> None:
    """A `TreePredictor` of `HistGradientBoosting...`."""
    nodes = found.nodes
    require(isinstance(nodes, np.ndarray) and nodes.ndim == 1 and len(nodes), "a tree has no nodes")
    inner = nodes["is_leaf"] == 0
    left, right = nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)
    _children(left, right, inner, len(nodes))
    require((nodes["feature_idx"][inner] >= 0).all(), "a tree asks for a feature that there is not")
    by_category = nodes["bitset_idx"][inner & (nodes["is_categorical"] != 0)]
    if len(by_category):
        for sets in (found.raw_left_cat_bitsets, found.binned_left_cat_bitsets):
            require(
                isinstance(sets, np.ndarray)
                and sets.ndim == 2
                and sets.shape[1] == 8
                and by_category.max() < len(sets),
                "a tree asks for a set of categories that there is not",
            )


def histogram_boosting(found: Any) -> None:
    """A `BaseHistGradientBoosting`: data has `n_features_in_` columns, and its trees ask for no others."""
    kept = vars(found)
    if "_predictors" not in kept:
        return
    require(not kept.get("_in_fit"), "histogram gradient boosting was saved amid its fit")
    count = kept.get("n_features_in_")
    if kept.get("_preprocessor") is not None:
        _categories_first(kept["_preprocessor"], count)
    known = np.asarray(kept["_bin_mapper"].is_categorical_)
    require(known.shape == (count,), "histogram gradient boosting's n_features_in_ is not its trees'")
    for each in kept["_predictors"]:
        for one in each:
            require(
                is_a(one, "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"),
                "histogram gradient boosting has other things than trees",
            )
            inner = one.nodes[one.nodes["is_leaf"] == 0]
            require((inner["feature_idx"] < count).all(), "a tree asks for a feature that there is not")
            require(
                known[inner["feature_idx"][inner["is_categorical"] != 0]].all(),
                "a tree asks for the categories of a feature that has none",
            )


def _categories_first(found: Any, count: Any) -> None:
    """What `HistGradientBoosting...` has made of its categorical columns: as many columns come out as went in."""
    told = "histogram gradient boosting does not keep the number of its columns"
    require(is_a(found, "sklearn.compose._column_transformer.ColumnTransformer"), told)
    kept = vars(found)
    require(kept["n_features_in_"] == count, told)
    taken: list[int] = []
    for name, made, columns in kept["transformers_"]:
        places = np.flatnonzero(np.asarray(columns, dtype=bool)).tolist()
        require(len(columns) == count and places == list(kept["_transformer_to_input_indices"][name]), told)
        encoder = is_a(made, "sklearn.preprocessing._encoders.OrdinalEncoder")
        # of the file's own, a partial is refused; who loads it vouches for it
        through = is_a(made, "sklearn.preprocessing._function_transformer.FunctionTransformer") and (
            made.func is None or isinstance(made.func, functools.partial)
        )
        require(encoder or through or (made == "drop" and not places), told)
        taken += places
    require(sorted(taken) == list(range(count)), told)
