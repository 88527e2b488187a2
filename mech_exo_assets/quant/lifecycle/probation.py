"""Whether a promoted strategy earns what its hold-out lets expect.

What belongs here: the expected distribution of the first sessions, and the limit below which the strategy is taken back. What does not:
taking it back (`defs.lifecycle_sensors`).

Paths of as many sessions as the probation has are drawn from the hold-out's net returns in circular blocks. The limit of k sessions is the
quantile of their compounded return at a level a that is the same for all k, and is chosen so that a path crosses any of the limits with
the probability `false_rollbacks`: looking every day costs nothing beyond what is stated.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mech_exo_assets.quant.panel import Matrix, Vector
from mech_exo_assets.schemas import PROBATION
from mech_exo_assets.settings.lifecycle import Probation

WATCHING, PASSED, BREACH = "watching", "passed", "breach"
_BLOCK = 5
"""Sessions of a block, or fewer where the probation is shorter."""
_MOST_SESSIONS = 63
"""Sessions after which a probation ends, whatever hours are asked for."""


def expected_paths(returns: Vector, sessions: int, *, seed: int, resamples: int) -> Matrix:
    """Compounded returns of paths drawn from the hold-out, ndarray of shape (resamples, sessions).

    Parameters
    ----------
    returns : ndarray of shape (n,)
        Net returns of the hold-out, n >= 1.
    sessions : int
    seed, resamples : int
    """
    block = min(_BLOCK, sessions, len(returns))
    starts = np.random.default_rng(seed).integers(len(returns), size=(resamples, math.ceil(sessions / block)))
    at = (starts[:, :, None] + np.arange(block)).reshape(resamples, -1)[:, :sessions] % len(returns)
    return np.expm1(np.cumsum(np.log1p(returns[at]), axis=1))


def limits(paths: Matrix, level: float) -> Vector:
    """The limit of each number of sessions: all at one quantile, and crossed by a share `level` of the paths, at any of them."""
    ordered = np.sort(paths, axis=0)
    low, high = 0, max(int(level * len(paths)), 1)
    while low < high:
        middle = (low + high + 1) // 2
        crossing = (paths <= ordered[middle - 1]).any(axis=1).mean()
        low, high = (middle, high) if crossing <= level else (low, middle - 1)
    # With fewer paths than it takes, nothing is below the limit.
    return ordered[low - 1] if low else ordered[0] - 1e-12


def probation_table(
    live: pl.DataFrame,
    returns: Vector,
    *,
    choices: Probation,
    closes: NDArray[np.datetime64],
    version: str,
    event: int,
    seed: int,
) -> pl.DataFrame:
    """Each session since the promotion, in `schemas.PROBATION`.

    Parameters
    ----------
    live : DataFrame
        date and live_return of the sessions in which the promoted strategy was held, in their order.
    returns : ndarray of shape (n,)
        Its net returns on the hold-out.
    choices : Probation
    closes : ndarray of datetime64, one more than sessions
        When each session ends, UTC, with that of the last session of the strategy before in front.
    version : str
    event : int
        Number of the promotion in the ledger.
    seed : int

    Returns
    -------
    DataFrame
        A breach stays one. Passed from the session on with which both `sessions` and `hours` are over.
    """
    if live.is_empty():
        return PROBATION.empty()
    hours = (closes[1:] - closes[0]).astype("timedelta64[s]").astype(np.float64) / 3600
    over = np.flatnonzero((np.arange(1, live.height + 1) >= choices.sessions) & ~(hours < choices.hours))
    until = min(int(over[0]) + 1 if len(over) else _MOST_SESSIONS, _MOST_SESSIONS)
    planned = max(choices.sessions, math.ceil(choices.hours / 24), 1)
    paths = expected_paths(returns, max(planned, min(live.height, until)), seed=seed, resamples=choices.resamples)
    bounds = limits(paths, choices.false_rollbacks)
    rows, broken = [], False
    grown = np.expm1(np.cumsum(np.log1p(live["live_return"].to_numpy())))
    for k, (day, now) in enumerate(zip(live["date"].to_list()[:until], grown[:until].tolist(), strict=True)):
        broken = broken or now <= bounds[k]
        status = BREACH if broken else PASSED if k + 1 >= until else WATCHING
        share = (1 + int(np.count_nonzero(paths[:, k] <= now))) / (len(paths) + 1)
        rows.append((day, version, event, k + 1, now, float(np.median(paths[:, k])), float(bounds[k]), share, status))
    return pl.DataFrame(rows, schema=PROBATION.dtypes(), orient="row")
