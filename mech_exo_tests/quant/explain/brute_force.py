"""Shapley values by their definition, over all subsets of features, from what the libraries say of their trees.

v(S) of a tree and a row goes down the tree: at a split on a feature of S it takes the row's side, at another one it takes both, each with
the share of the training's rows that went there (Lundberg et al. 2020, algorithm 1). It reads the dumps meant for people, not the stored
models.
"""

from __future__ import annotations

import json
from itertools import combinations
from math import comb
from typing import Any

import numpy as np

from mech_exo_assets.quant.models.fitted import LightGbm, XGBoost


def trees(model: LightGbm | XGBoost) -> list[dict[str, Any]]:
    if isinstance(model, LightGbm):
        return [tree["tree_structure"] for tree in model.booster.dump_model()["tree_info"]]
    return [json.loads(text) for text in model.booster.get_dump(with_stats=True, dump_format="json")]


def value(model: LightGbm | XGBoost, tree: dict[str, Any], row: np.ndarray, known: frozenset[int]) -> float:
    if isinstance(model, LightGbm):
        return _lightgbm(tree, row, known)
    return _xgboost(tree, row, known, model.features.names)


def _lightgbm(node: dict[str, Any], row: np.ndarray, known: frozenset[int]) -> float:
    if "leaf_value" in node:
        return node["leaf_value"]
    left, right = node["left_child"], node["right_child"]
    if node["split_feature"] in known:
        x = row[node["split_feature"]]
        if node["decision_type"] == "==":
            goes_left = not np.isnan(x) and str(int(x)) in node["threshold"].split("||")
        elif np.isnan(x) and node["missing_type"] == "NaN":
            goes_left = node["default_left"]
        else:
            goes_left = np.nan_to_num(x) <= node["threshold"]
        return _lightgbm(left if goes_left else right, row, known)
    counts = [child.get("internal_count", child.get("leaf_count")) for child in (left, right)]
    return (counts[0] * _lightgbm(left, row, known) + counts[1] * _lightgbm(right, row, known)) / sum(counts)


def _xgboost(node: dict[str, Any], row: np.ndarray, known: frozenset[int], names: tuple[str, ...]) -> float:
    if "leaf" in node:
        return node["leaf"]
    children = {child["nodeid"]: child for child in node["children"]}
    feature = names.index(node["split"])
    if feature in known:
        x = row[feature]
        if np.isnan(x):
            goes = node["missing"]
        elif isinstance(node["split_condition"], list):
            goes = node["yes"] if int(x) in node["split_condition"] else node["no"]
        else:
            goes = node["yes"] if x < np.float32(node["split_condition"]) else node["no"]
        return _xgboost(children[goes], row, known, names)
    return sum(child["cover"] * _xgboost(child, row, known, names) for child in children.values()) / node["cover"]


def shapley(model: LightGbm | XGBoost, row: np.ndarray, features: tuple[int, ...]) -> np.ndarray:
    """Contributions of the features that the trees use, at their positions."""
    worth = _worths(model, row, features)
    out = np.zeros(len(row))
    for i in features:
        others = [k for k in features if k != i]
        for size in range(len(others) + 1):
            for subset in map(frozenset, combinations(others, size)):
                out[i] += (worth[subset | {i}] - worth[subset]) / (len(features) * comb(len(others), size))
    return out


def interactions(model: LightGbm | XGBoost, row: np.ndarray, features: tuple[int, ...]) -> np.ndarray:
    """Shapley interaction index of each pair, half of it at each of its two places."""
    worth = _worths(model, row, features)
    out = np.zeros((len(row), len(row)))
    for i, j in combinations(features, 2):
        others = [k for k in features if k not in (i, j)]
        total = 0.0
        for size in range(len(others) + 1):
            for s in map(frozenset, combinations(others, size)):
                both = worth[s | {i, j}] - worth[s | {i}] - worth[s | {j}] + worth[s]
                total += both / ((len(features) - 1) * comb(len(others), size))
        out[i, j] = out[j, i] = 0.5 * total
    return out


def _worths(model: LightGbm | XGBoost, row: np.ndarray, features: tuple[int, ...]) -> dict[frozenset[int], float]:
    subsets = [frozenset(s) for size in range(len(features) + 1) for s in combinations(features, size)]
    return {s: sum(value(model, tree, row, s) for tree in trees(model)) for s in subsets}
