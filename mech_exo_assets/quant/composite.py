"""One score for each name, from the scores of all factors.

What belongs here: how factor scores are joined, with the machine-learned one or without, and ranked. What does not: where the weights come
from.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.factor_names import ML_ALPHA
from mech_exo_assets.quant.panel import Matrix, Panel, Vector, session_sums


def factor_weights(chosen: str | Mapping[str, float], factors: list[str]) -> dict[str, float]:
    """The weight of each factor in the composite: equal over all that are there, or as the strategy names them.

    Raises
    ------
    InputError
        If a weight is given to a factor that is not there.
    """
    if isinstance(chosen, str):
        return dict.fromkeys(factors, 1.0 / len(factors)) if factors else {}
    unknown = sorted(set(chosen) - set(factors))
    if unknown:
        raise InputError(f"composite.weights: no factor '{unknown[0]}' in this source's data; there are: {', '.join(sorted(factors))}.")
    return {name: weight for name, weight in chosen.items() if weight}


def weights_without_learned(chosen: str | Mapping[str, float], factors: list[str]) -> dict[str, float]:
    """`factor_weights` over all factors but `ml_alpha`, which has a weight of its own (`learning.blend`).

    Parameters
    ----------
    chosen : str or mapping of str to float
        `composite.weights`; a weight for `ml_alpha` in it is left out.
    factors : list of str
        Those that are there, with `ml_alpha` among them or not.

    Raises
    ------
    InputError
        If a weight is given to a factor that is not there.
    """
    others = [name for name in factors if name != ML_ALPHA]
    if isinstance(chosen, str):
        return factor_weights(chosen, others)
    return factor_weights({name: weight for name, weight in chosen.items() if name != ML_ALPHA}, others)


def names_learned(chosen: str | Mapping[str, float]) -> bool:
    """Whether `composite.weights` gives `ml_alpha` a weight of its own, so that no blend does."""
    return isinstance(chosen, Mapping) and ML_ALPHA in chosen


def composite_weights(chosen: str | Mapping[str, float], factors: list[str], *, learned: bool) -> dict[str, float]:
    """Weights of the composite's factors, `ml_alpha` among them where the strategy names it and something was predicted.

    Parameters
    ----------
    chosen : str or mapping of str to float
        `composite.weights`.
    factors : list of str
        All but `ml_alpha`.
    learned : bool
        Whether there are scores of `ml_alpha`.

    Raises
    ------
    InputError
        If a weight is given to a factor that is not there.
    """
    if names_learned(chosen) and learned:
        return factor_weights(chosen, [*factors, ML_ALPHA])
    return weights_without_learned(chosen, factors)


def composite_score(scores: Panel, weights: Mapping[str, float], *, min_coverage: float) -> Matrix:
    """Weighted mean of the factor scores that a name has, standardised over the names of each session.

    c[t, i] = Σ_f w_f s_f[t, i] / Σ_f |w_f| over the factors known for name i at t; then z = (c − mean) / std over the session.

    Parameters
    ----------
    scores : Panel
        Oriented factor scores; a factor that is not there is unknown everywhere.
    weights : mapping of str to float
        Weight of each factor; a negative one turns the factor round.
    min_coverage : float
        Share of Σ|w| that the known factors of a name must carry.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        NaN where coverage is below the minimum, and in sessions without dispersion.
    """
    total, known = np.zeros(scores.shape), np.zeros(scores.shape)
    for name in sorted(set(weights) & set(scores.fields)):
        weight, matrix = weights[name], scores[name]
        there = ~np.isnan(matrix)
        total += np.where(there, weight * matrix, 0.0)
        known += abs(weight) * there
    # A hair less, since sums of weights are rounded.
    enough = known >= (min_coverage - 1e-12) * sum(abs(weight) for weight in weights.values())
    joined = np.divide(total, known, out=np.full(scores.shape, np.nan), where=enough & (known > 0))
    return standardised(joined)


def blended_score(composite: Matrix, ml_alpha: Matrix, weights: Vector) -> Matrix:
    """The composite with the machine-learned factor in it, at a weight of its own for each session.

    b[t, i] = (1 − w_t) c[t, i] + w_t m[t, i] where both are known, c[t, i] where only the composite is; then standardised over the session.
    m is ml_alpha, standardised over the names that have a composite too.

    Parameters
    ----------
    composite : ndarray of shape (n_sessions, n_symbols)
        As `composite_score` gives it, without the machine-learned factor.
    ml_alpha : ndarray of shape (n_sessions, n_symbols)
        Its score; NaN where unknown.
    weights : ndarray of shape (n_sessions,)
        w, in [0, 1].

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        NaN where the composite is. In sessions with a weight of 0, or without any ml_alpha, the composite itself, to the last bit.

    Raises
    ------
    ValueError
        If shapes differ, or a weight is not in [0, 1].
    """
    if composite.shape != ml_alpha.shape or weights.shape != (len(composite),):
        raise ValueError(f"shapes are {composite.shape}, {ml_alpha.shape} and {weights.shape}; wanted are twice (n, m), and (n,)")
    if not ((weights >= 0) & (weights <= 1)).all():
        raise ValueError("a weight is not in [0, 1]")
    out = composite.copy()
    moved = np.flatnonzero(weights > 0)
    own = composite[moved]
    learned = standardised(np.where(np.isnan(own), np.nan, ml_alpha[moved]))
    both = ~np.isnan(learned)
    share = weights[moved, None]
    joined = standardised(np.where(both, (1.0 - share) * own + share * learned, own))
    changed = both.any(axis=1)
    out[moved[changed]] = joined[changed]
    return out


def composite_table(score: Matrix, panel: Panel) -> pl.DataFrame:
    """Scores and ranks as a table in `schemas.COMPOSITE`; rank 1 is the best, ties go by symbol."""
    # A stable sort on the negated score: NaN goes last, equal scores keep the order of the symbols.
    order = np.argsort(-score, axis=1, kind="stable")
    rank = np.empty(score.shape)
    np.put_along_axis(rank, order, np.arange(1.0, score.shape[1] + 1)[None, :].repeat(len(score), axis=0), axis=1)
    frame = panel.to_frame({"score": score, "rank": rank}, rows=~np.isnan(score))
    return frame.with_columns(pl.col("rank").cast(pl.Int32))


def standardised(matrix: Matrix) -> Matrix:
    """Each session's known values less their mean, over their standard deviation (over n); NaN throughout a session without dispersion."""
    there = ~np.isnan(matrix)
    count = there.sum(axis=1, keepdims=True)
    mean = np.divide(session_sums(matrix), count, out=np.zeros(count.shape), where=count > 0)
    centred = matrix - mean
    variance = np.divide(session_sums(centred**2), count, out=np.zeros(count.shape), where=count > 0)
    spread = np.sqrt(variance)
    # Scores that are all equal differ by rounding only, far below this.
    return np.divide(centred, spread, out=np.full(matrix.shape, np.nan), where=there & (spread > 1e-12))
