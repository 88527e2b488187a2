"""How strongly features act together in a boosted model: SHAP interaction values, exactly, for both libraries.

What belongs here: interaction values of rows, and their table. What does not: reading trees (`leaves`).

A tree is the sum of its leaves, and a leaf is a product over the features on its way: v(S) = value · Π_{k∈S} o_k · Π_{k∉S} r_k, with
o_k ∈ {0, 1} whether the row passes, and r_k the share of the training's rows that did. The SHAP interaction of two features in it
(Lundberg et al. 2020, both halves together) is

    Φ_ij = value · (o_i − r_i)(o_j − r_j) · ∫₀¹ Π_{k≠i,j} (t o_k + (1−t) r_k) dt,

since |S|!(m−|S|)!/(m+1)! = ∫ t^|S| (1−t)^(m−|S|) dt. The integrand is a polynomial, so that a few Gauss-Legendre points give it exactly.
XGBoost's `pred_interactions` gives the same numbers (a test holds us to it), and takes 50 to 450 ms a row with 175 features and 300 trees
of depth 4 to 7: it computes all contributions twice for every feature. This takes 0.3 to 7 ms, and rows are limited by what they cost.
LightGBM has no such function at all.

The kernels are compiled by numba, where coverage cannot look; they are marked `no cover` and tested through the public functions.
"""

from __future__ import annotations

from typing import TypeGuard

import numpy as np
import polars as pl
from numba import njit, prange
from numpy.typing import NDArray

from mech_exo_assets.quant.explain.additivity import TOLERANCE
from mech_exo_assets.quant.explain.leaves import Leaves, leaves_of
from mech_exo_assets.quant.models.fitted import LightGbm, Model, Rows32, XGBoost
from mech_exo_assets.quant.panel import Index
from mech_exo_assets.schemas import INTERACTIONS

_TASKS = 8
"""Parts that rows are shared out in; the number is fixed, so that sums do not depend on the machine's cores."""

WORK = 1.5e9
"""Multiplications for the interactions of one model: 2 to 3 seconds on two cores."""


def has_trees(model: Model) -> TypeGuard[LightGbm | XGBoost]:
    """Whether a model is made of trees. A ridge regression is a sum, in which nothing acts together."""
    return isinstance(model, LightGbm | XGBoost)


def interaction_values(model: LightGbm | XGBoost, rows: Rows32) -> NDArray[np.float64]:
    """SHAP interaction values of some rows.

    Parameters
    ----------
    model : LightGbm or XGBoost
    rows : ndarray of shape (n_rows, n_features), float32
        NaN where missing.

    Returns
    -------
    ndarray of shape (n_rows, n_features, n_features)
        Symmetric; beside the diagonal half of each pair's interaction, on it the main effect; a line sums to the feature's contribution.
    """
    leaves = leaves_of(model)
    pairs, effects = np.zeros((len(rows), leaves.n_features, leaves.n_features)), np.zeros((len(rows), leaves.n_features))
    _values(np.ascontiguousarray(rows, np.float64), leaves, *_quadrature(leaves.deepest), pairs, effects)
    out = 0.5 * (pairs + pairs.transpose(0, 2, 1))
    at = np.arange(leaves.n_features)
    out[:, at, at] = effects - out.sum(axis=2)
    return out


def interaction_table(name: str, model: LightGbm | XGBoost, rows: Rows32, *, most: int = 100, work: float = WORK) -> pl.DataFrame:
    """The strongest pairs of a model, as a table in `schemas.INTERACTIONS`.

    strength_ij = mean over rows |Φ_ij|, both halves; share = strength / (Σ pairs' strengths + Σ mean |main effect|).

    Parameters
    ----------
    name : str
        Of the model.
    model : LightGbm or XGBoost
    rows : ndarray of shape (n_rows, n_features), float32
        About 1 000 are plenty: the error of a mean of 1 000 is a thirtieth of the spread.
    most : int
        Pairs in the table, the strongest ones; pairs that never act together are in no case in it.
    work : float
        Multiplications that are allowed; of more rows than that allows, as many are taken, evenly.

    Returns
    -------
    DataFrame
        Strongest first; the first of a pair comes first among the features.

    Raises
    ------
    ValueError
        If the contributions that come out of the trees are not the library's own: its format is read wrongly then.
    """
    leaves, names = leaves_of(model), model.features.names
    if not len(rows):
        return INTERACTIONS.empty()
    rows = rows[_evenly(len(rows), affordable_rows(leaves, work))]
    pairs, effects = np.zeros((_TASKS, leaves.n_features, leaves.n_features)), np.zeros((len(rows), leaves.n_features))
    main = np.zeros((_TASKS, leaves.n_features))
    _strengths(np.ascontiguousarray(rows, np.float64), leaves, *_quadrature(leaves.deepest), pairs, main, effects)
    _as_the_library_says(name, effects, model.contributions(rows)[:, :-1])
    strength = np.triu(pairs.sum(axis=0), 1) / len(rows)
    total = float(strength.sum() + main.sum() / len(rows))
    first, second = np.nonzero(strength)
    values = strength[first, second]
    order = np.argsort(-values, kind="stable")[:most]
    return pl.DataFrame(
        {
            "model": [name] * len(order),
            "first": [names[i] for i in first[order]],
            "second": [names[i] for i in second[order]],
            "strength": values[order],
            "share": values[order] / total,
            "rows": [len(rows)] * len(order),
        },
        schema=INTERACTIONS.dtypes(),
    )


def affordable_rows(leaves: Leaves, work: float = WORK) -> int:
    """How many rows so many multiplications are enough for, and at least one: d²/2 + 2d for each of (d + 1)/2 points of each leaf."""
    depth = np.diff(leaves.starts)
    return max(1, int(work / max(1.0, float(((depth + 1) // 2 * (0.5 * depth**2 + 2.0 * depth)).sum()))))


def _evenly(n_rows: int, most: int) -> Index:
    return np.arange(min(n_rows, most)) * n_rows // min(n_rows, most)


def _as_the_library_says(name: str, ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> None:
    gap = np.abs(ours - theirs)
    allowed = TOLERANCE * max(1.0, float(np.abs(theirs).max(initial=0.0)))
    if (gap > allowed).any():
        row, feature = (int(at) for at in np.unravel_index(gap.argmax(), gap.shape))
        raise ValueError(
            f"{name}: row {row}, feature {feature}: contribution {ours[row, feature]:.8g} from its trees, and {theirs[row, feature]:.8g} "
            "from the library; its trees are read wrongly"
        )


def _quadrature(deepest: int) -> NDArray[np.float64]:
    """Gauss-Legendre points and weights on [0, 1]: of each the line d is for leaves with d features.

    A contribution to such a leaf is a product of d − 1 linear factors, for which (d + 1) // 2 points are exact; the rest of a line is 0.
    """
    out = np.zeros((2, deepest + 1, max(1, (deepest + 1) // 2)))
    for depth in range(1, deepest + 1):
        points, weights = np.polynomial.legendre.leggauss((depth + 1) // 2)
        out[:, depth, : len(points)] = (points + 1) / 2, weights / 2
    return out


@njit(cache=True, error_model="numpy")
def _add_row(row, leaves, points, weights, pairs, effects, scratch):  # pragma: no cover
    """Add a row's interactions (first feature before the second) and its contributions, leaf by leaf."""
    feature, cover, low, high = leaves.feature, leaves.cover, leaves.low, leaves.high
    missing, passing, categories, starts, values = leaves.missing, leaves.passing, leaves.categories, leaves.starts, leaves.value
    for leaf in range(len(values)):
        first, stop = starts[leaf], starts[leaf + 1]
        depth = stop - first
        for d in range(first, stop):
            value = row[feature[d]]
            if np.isnan(value):
                passes = missing[d]
            elif passing[d] < 0:
                passes = low[d] < value <= high[d]
            else:
                code = int(value)
                passes = 0 <= code < categories.shape[1] and categories[passing[d], code]
            scratch[0, d - first] = passes
        for q in range((depth + 1) // 2):
            t = points[depth, q]
            product = values[leaf] * weights[depth, q]
            for k in range(depth):
                factor = t * scratch[0, k] + (1.0 - t) * cover[first + k]
                product *= factor
                scratch[1, k] = (scratch[0, k] - cover[first + k]) / factor
            for k in range(depth):
                part = product * scratch[1, k]
                i = feature[first + k]
                effects[i] += part
                for m in range(k + 1, depth):
                    pairs[i, feature[first + m]] += part * scratch[1, m]


@njit(parallel=True, cache=True, error_model="numpy")
def _values(rows, leaves, points, weights, pairs, effects):  # pragma: no cover
    for r in prange(len(rows)):
        _add_row(rows[r], leaves, points, weights, pairs[r], effects[r], np.empty((2, rows.shape[1])))


@njit(parallel=True, cache=True, error_model="numpy")
def _strengths(rows, leaves, points, weights, pairs, main, effects):  # pragma: no cover
    n_features, tasks = rows.shape[1], len(pairs)
    for task in prange(tasks):
        scratch, of_row, rest = np.empty((2, n_features)), np.empty((n_features, n_features)), np.empty(n_features)
        for r in range(task, len(rows), tasks):
            of_row[:] = 0.0
            _add_row(rows[r], leaves, points, weights, of_row, effects[r], scratch)
            rest[:] = effects[r]
            for i in range(n_features):
                for j in range(i + 1, n_features):
                    both = of_row[i, j]
                    pairs[task, i, j] += abs(both)
                    rest[i] -= 0.5 * both
                    rest[j] -= 0.5 * both
            for i in range(n_features):
                main[task, i] += abs(rest[i])
