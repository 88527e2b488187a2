"""The trees of a booster as a list of leaves, each with what it asks of every feature on its way.

What belongs here: reading trees out of LightGBM and XGBoost. What does not: what is computed from them (`interactions`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mech_exo_assets.quant.models.fitted import LightGbm, XGBoost
from mech_exo_assets.quant.panel import Index

LEAST_COVER = 1e-12
"""Stands for a share of 0, by which nothing can be divided."""


@dataclass(slots=True)
class Demand:
    """What the way to a leaf asks of one feature, all splits on it taken together.

    Attributes
    ----------
    low, high : float
        A value passes if low < value ≤ high.
    missing : bool
        Whether a missing value passes.
    categories : frozenset of int or None
        Codes that pass; None for a feature that is a number.
    cover : float
        Of the training's rows at each split on the feature, the share that went this way, multiplied over the splits.
    """

    low: float = -np.inf
    high: float = np.inf
    missing: bool = True
    categories: frozenset[int] | None = None
    cover: float = 1.0

    def and_(self, other: Demand) -> Demand:
        """Both at once."""
        both = other.categories if self.categories is None else self.categories & (other.categories or frozenset())
        return Demand(max(self.low, other.low), min(self.high, other.high), self.missing and other.missing, both, self.cover * other.cover)


Leaf: TypeAlias = tuple[float, Mapping[int, Demand]]
"""The value of a leaf, and what it asks of each feature."""


class Leaves(NamedTuple):
    """All leaves of a model; a tuple, since kernels take one.

    Attributes
    ----------
    value : ndarray of shape (n_leaves,)
    starts : ndarray of shape (n_leaves + 1,), int64
        Where the demands of each leaf begin, and behind them their number.
    feature : ndarray of shape (n_demands,), int64
    low, high, cover : ndarray of shape (n_demands,)
    missing : ndarray of shape (n_demands,), bool
    passing : ndarray of shape (n_demands,), int64
        Row of `categories`; -1 for a number.
    categories : ndarray of shape (n_category_demands, n_categories), bool
        Codes that pass.
    n_features : int
    """

    value: NDArray[np.float64]
    starts: Index
    feature: Index
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    cover: NDArray[np.float64]
    missing: NDArray[np.bool_]
    passing: Index
    categories: NDArray[np.bool_]
    n_features: int

    @property
    def deepest(self) -> int:
        """Most features that one leaf asks for."""
        return int(np.diff(self.starts).max(initial=0))


def leaves_of(model: LightGbm | XGBoost) -> Leaves:
    """All leaves of a booster.

    Raises
    ------
    ValueError
        If the booster holds what is not read: linear leaves, DART, several outputs, zeros that count as missing.
    """
    n_categories = len(model.features.categories)
    found = list(_lightgbm_leaves(model, n_categories) if isinstance(model, LightGbm) else _xgboost_leaves(model, n_categories))
    demands = [(feature, demand) for _, asked in found for feature, demand in sorted(asked.items())]
    sets = [demand.categories for _, demand in demands if demand.categories is not None]
    passing = np.cumsum([demand.categories is not None for _, demand in demands], dtype=np.int64) - 1
    categories = np.zeros((len(sets), max(1, n_categories)), np.bool_)
    for row, codes in enumerate(sets):
        categories[row, list(codes)] = True
    is_number = np.array([demand.categories is None for _, demand in demands], np.bool_)
    return Leaves(
        value=np.array([value for value, _ in found], np.float64),
        starts=np.array([0, *accumulate(len(asked) for _, asked in found)], np.int64),
        feature=np.array([feature for feature, _ in demands], np.int64),
        low=np.array([demand.low for _, demand in demands], np.float64),
        high=np.array([demand.high for _, demand in demands], np.float64),
        cover=np.maximum(np.array([demand.cover for _, demand in demands], np.float64), LEAST_COVER),
        missing=np.array([demand.missing for _, demand in demands], np.bool_),
        passing=np.where(is_number, -1, passing),
        categories=categories,
        n_features=len(model.features.names),
    )


@dataclass(slots=True)
class _Split:
    """One split: what each side asks of the feature; shares are filled in by the walk."""

    feature: int
    left: Demand
    right: Demand
    children: tuple[Any, Any]
    covers: tuple[float, float] = field(default=(0.0, 0.0))


def _lightgbm_leaves(model: LightGbm, n_categories: int) -> Iterator[Leaf]:
    for tree in model.booster.dump_model()["tree_info"]:
        yield from _walk(tree["tree_structure"], lambda node: _lightgbm_node(node, n_categories))


def _lightgbm_node(node: dict[str, Any], n_categories: int) -> _Split | float:
    if "split_index" not in node:
        if "leaf_coeff" in node:
            raise ValueError("the booster has linear leaves, whose interactions are not computed")
        return float(node["leaf_value"])
    children = node["left_child"], node["right_child"]
    if node["decision_type"] == "==":
        # A category that is listed goes left; what is missing or new goes right.
        listed = frozenset(int(code) for code in node["threshold"].split("||"))
        left, right = Demand(missing=False, categories=listed), Demand(categories=frozenset(range(n_categories)) - listed)
    else:
        threshold = float(node["threshold"])
        # Without missing values in the training, the library takes a missing one for 0.
        missing_left = {"NaN": bool(node["default_left"]), "None": threshold >= 0.0}.get(node["missing_type"])
        if missing_left is None:
            raise ValueError("the booster takes zeros for missing values, which is not read")
        left, right = Demand(high=threshold, missing=missing_left), Demand(low=threshold, missing=not missing_left)
    counts = [float(child.get("internal_count", child.get("leaf_count", 0))) for child in children]
    return _Split(int(node["split_feature"]), left, right, children, (counts[0], counts[1]))


def _xgboost_leaves(model: XGBoost, n_categories: int) -> Iterator[Leaf]:
    learner = json.loads(model.to_text())["learner"]
    if learner["gradient_booster"]["name"] != "gbtree" or int(learner["learner_model_param"]["num_target"]) > 1:
        raise ValueError("the booster is not made of trees with one output, whose interactions alone are computed")
    for tree in learner["gradient_booster"]["model"]["trees"]:
        yield from _walk(0, _XGBoostTree(tree, n_categories))


class _XGBoostTree:
    """A node of one tree by its number."""

    def __init__(self, tree: dict[str, Any], n_categories: int) -> None:
        self._tree, self._n_categories = tree, n_categories
        parts = zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True)
        self._listed = {node: frozenset(int(code) for code in tree["categories"][first : first + size]) for node, first, size in parts}

    def __call__(self, node: int) -> _Split | float:
        tree = self._tree
        children = tree["left_children"][node], tree["right_children"][node]
        condition = np.float32(tree["split_conditions"][node])
        if children[0] < 0:
            return float(condition)
        missing_left = bool(tree["default_left"][node])
        if tree["split_type"][node]:
            # A category that is listed goes right.
            listed = self._listed[node]
            left, right = Demand(categories=frozenset(range(self._n_categories)) - listed), Demand(categories=listed)
        else:
            # A value below the condition goes left: it is at most the largest single-precision number below it.
            threshold = float(np.nextafter(condition, np.float32(-np.inf)))
            left, right = Demand(high=threshold), Demand(low=threshold)
        left.missing, right.missing = missing_left, not missing_left
        covers = float(tree["sum_hessian"][children[0]]), float(tree["sum_hessian"][children[1]])
        return _Split(int(tree["split_indices"][node]), left, right, children, covers)


def _walk(root: Any, read: Any) -> Iterator[Leaf]:
    """Each leaf of a tree with its demands; trees are as deep as there are leaves at most, so that no recursion is used."""
    waiting: list[tuple[Any, dict[int, Demand]]] = [(root, {})]
    while waiting:
        node, asked = waiting.pop()
        split = read(node)
        if not isinstance(split, _Split):
            yield split, asked
            continue
        total = sum(split.covers)
        for child, demand, cover in zip(split.children, (split.left, split.right), split.covers, strict=True):
            demand.cover = cover / total if total > 0.0 else 0.5
            before = asked.get(split.feature)
            waiting.append((child, asked | {split.feature: demand if before is None else before.and_(demand)}))
