"""Losses from a peak.

What belongs here: the compounded value against its peak, and the stretches in which it is below. What does not: other figures.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mech_exo_assets.quant.panel import Dates, Vector

ROUNDING = 1e-12
"""Value that is no farther below its peak than this is at it: a product of returns is rounded that much."""


def drawdown_series(returns: Vector) -> Vector:
    """Compounded value over its highest so far, less one; the start counts as a peak.

    d_t = W_t / max(W_0, …, W_t) − 1, with W_0 = 1 and W_t = Π_{s ≤ t} (1 + r_s).

    Parameters
    ----------
    returns : ndarray of shape (n_sessions,)
        Simple returns as fractions, without NaN.

    Returns
    -------
    ndarray of shape (n_sessions,)
        From -1 to 0; exactly 0 at a peak.
    """
    wealth = np.cumprod(1 + returns)
    peak = np.maximum(np.maximum.accumulate(wealth), 1.0)
    depth = wealth / peak - 1
    depth[depth > -ROUNDING] = 0.0
    return depth


def peak_before(depth: Vector, trough: int) -> int | None:
    """Position of the last session at a peak before position `trough`; None where that peak is the start."""
    at_peak = np.flatnonzero(depth[:trough] == 0)
    return int(at_peak[-1]) if len(at_peak) else None


def recovery_after(depth: Vector, trough: int) -> int | None:
    """Position of the first session after position `trough` that is at a peak again; None where there is none yet."""
    recovered = depth[trough:] == 0
    return trough + int(np.argmax(recovered)) if recovered.any() else None


def drawdowns(returns: Vector, sessions: Dates, *, count: int = 5) -> pl.DataFrame:
    """The deepest separate drawdowns, the deepest first.

    A drawdown lasts from the session after a peak to the last one before that peak is reached again; two of them share no session.

    Parameters
    ----------
    returns : ndarray of shape (n_sessions,)
        Simple returns as fractions, without NaN.
    sessions : ndarray of shape (n_sessions,), datetime64[D]
    count : int
        How many at most.

    Returns
    -------
    DataFrame
        `from` (last session at the peak; null where it is the start), `trough`, `recovered` (first session at the peak again; null where
        it is not recovered), `depth` (fraction below 0), `sessions` (how many lie below the peak). Of equal depths the earlier one comes
        first.
    """
    depth = drawdown_series(returns)
    below = np.concatenate(([False], depth < 0, [False])).astype(np.int8)
    starts, ends = np.flatnonzero(np.diff(below) == 1), np.flatnonzero(np.diff(below) == -1)
    deepest = np.minimum.reduceat(depth, starts) if len(starts) else np.zeros(0)
    chosen = np.argsort(deepest, kind="stable")[:count]
    dates: list[object] = list(sessions.astype("datetime64[D]").tolist())
    rows = [
        {
            "from": dates[start - 1] if start else None,
            "trough": dates[start + int(np.argmin(depth[start:end]))],
            "recovered": dates[end] if end < len(depth) else None,
            "depth": float(depth[start:end].min()),
            "sessions": int(end - start),
        }
        for start, end in zip(starts[chosen].tolist(), ends[chosen].tolist(), strict=True)
    ]
    schema = {"from": pl.Date, "trough": pl.Date, "recovered": pl.Date, "depth": pl.Float64, "sessions": pl.Int32}
    return pl.DataFrame(rows, schema=schema)
