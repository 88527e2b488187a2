"""From ranked scores to target weights.

What belongs here: constructions. What does not: when and at what cost the targets are traded (`backtest`).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

from mech_exo_assets.quant.panel import Matrix, Panel, session_sums
from mech_exo_assets.schemas import TARGETS


def long_short(scores: Matrix, *, gross: float) -> Matrix:
    """Weights in proportion to the score's distance from the session's mean.

    w_i = gross · (s_i − s̄) / Σ_j |s_j − s̄|, so that longs and shorts are gross/2 each.

    Parameters
    ----------
    scores : ndarray of shape (n_sessions, n_symbols)
        Known at the close of each session; NaN where unknown.
    gross : float
        Sum of absolute weights, as a fraction of NAV.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        0 for a name without a score; the whole row is NaN in a session without scores or without dispersion: no new target.
    """
    there = ~np.isnan(scores)
    count = there.sum(axis=1, keepdims=True)
    mean = np.divide(session_sums(scores), count, out=np.zeros(count.shape), where=count > 0)
    distance = np.where(there, scores - mean, 0.0)
    size = session_sums(np.abs(distance))
    return np.divide(gross * distance, size, out=np.full(scores.shape, np.nan), where=size > 1e-12)


def long_only(scores: Matrix, *, gross: float, quantile: float) -> Matrix:
    """Equal weights in the best names of each session.

    The best round(quantile · n) of the n scored names (at least one; halves to the even number) get gross / that number; ties go by symbol.

    Parameters
    ----------
    scores : ndarray of shape (n_sessions, n_symbols)
        Known at the close of each session; NaN where unknown.
    gross : float
        Sum of weights, as a fraction of NAV.
    quantile : float
        Share of the scored names that is held, in (0, 1].

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        0 for a name that is not held; the whole row is NaN in a session without scores: no new target.
    """
    count = (~np.isnan(scores)).sum(axis=1)
    held = np.where(count > 0, np.maximum(1, np.round(quantile * count)), 0.0)
    position = np.empty(scores.shape)
    np.put_along_axis(
        position,
        np.argsort(-scores, axis=1, kind="stable"),
        np.arange(float(scores.shape[1]))[None, :].repeat(len(scores), axis=0),
        axis=1,
    )
    weight = np.divide(gross, held, out=np.full(held.shape, np.nan), where=held > 0)
    return np.where(position < held[:, None], weight[:, None], np.where(held[:, None] > 0, 0.0, np.nan))


def target_table(scores: Panel, *, kind: Literal["long_short", "long_only"], gross: float, quantile: float) -> pl.DataFrame:
    """Target weights as a table in `schemas.TARGETS`: the names that are held; a session without new targets has no rows.

    Parameters
    ----------
    scores : Panel
        With `score`, known at the close of each session.
    kind, gross, quantile
        The construction; see `long_short` and `long_only`.
    """
    if "score" not in scores:
        return TARGETS.empty()
    build = long_short(scores["score"], gross=gross) if kind == "long_short" else long_only(scores["score"], gross=gross, quantile=quantile)
    return scores.to_frame({"weight": build}, rows=np.nan_to_num(build) != 0)
