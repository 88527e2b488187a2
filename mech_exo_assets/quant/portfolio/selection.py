"""Which names are held, and on which side.

What belongs here: from scores to longs and shorts. What does not: how large they are (`sizing`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mech_exo_assets.quant.panel import Dates, Index, Matrix, session_sums
from mech_exo_assets.settings.portfolio import Construction, TopN

_ROUNDING = 1e-12
"""Scores whose distances from their mean add up to no more than this are equal, but for rounding."""


@dataclass(frozen=True, eq=False)
class Distances:
    """How far each score is from its session's mean.

    Attributes
    ----------
    signed : ndarray of shape (n_sessions, n_symbols)
        s_i − s̄; 0 where unknown.
    size : ndarray of shape (n_sessions, 1)
        Σ_j |s_j − s̄|.
    """

    signed: Matrix
    size: Matrix

    @classmethod
    def of(cls, scores: Matrix) -> Distances:
        """The distances of scores, ndarray of shape (n_sessions, n_symbols), NaN where unknown."""
        there = ~np.isnan(scores)
        count = there.sum(axis=1, keepdims=True)
        mean = np.divide(session_sums(scores), count, out=np.zeros(count.shape), where=count > 0)
        signed = np.where(there, scores - mean, 0.0)
        return cls(signed, session_sums(np.abs(signed)))

    @property
    def dispersed(self) -> NDArray[np.bool_]:
        """Whether the scores of a session differ, ndarray of shape (n_sessions, 1)."""
        return self.size > _ROUNDING


def positions(scores: Matrix) -> Index:
    """Place of each name in its session, 0 for the best score; ties go by symbol, and names without a score come last."""
    order = np.argsort(-scores, axis=1, kind="stable")
    place = np.empty(scores.shape, dtype=np.int64)
    np.put_along_axis(place, order, np.arange(scores.shape[1])[None, :], axis=1)
    return place


def sides(scores: Matrix, distances: Distances, construction: Construction) -> Matrix:
    """The side of each name, for every kind but `top_n`.

    long_short, extension: long above the session's mean score, short below. quantile: long the best, short the worst k of the n scored
    names, k = round(quantile · n), halves to the even number, at least one and at most n // 2 (no name is on both sides). long_only: the
    best k = round(quantile · n), at least one. Ties go by symbol.

    Parameters
    ----------
    scores : ndarray of shape (n_sessions, n_symbols)
        NaN where unknown.
    distances : Distances
        Of these scores.
    construction : Construction

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        1 long, −1 short, 0 neither. All 0 in a session without scores and, where there are shorts, in one without dispersion.
    """
    if construction.kind in ("long_short", "extension"):
        return np.where(distances.dispersed, np.sign(distances.signed), 0.0)
    count = (~np.isnan(scores)).sum(axis=1, keepdims=True)
    wanted = np.maximum(1, np.round(construction.quantile * count)).astype(np.int64)
    place = positions(scores)
    if construction.kind == "long_only":
        return (place < np.minimum(wanted, count)).astype(np.float64)
    held = np.where(distances.dispersed, np.minimum(wanted, count // 2), 0)
    worst = (place >= count - held) & (place < count)
    return (place < held).astype(np.float64) - worst


def top_n_sides(place: Index, holdable: NDArray[np.bool_], choices: TopN, *, numbers: Index, entered: Index) -> Matrix:
    """The names that `top_n` holds, session after session.

    A held name leaves when its rank is above leave · names and at least `min_holding` exchange sessions have passed since it entered;
    and at once when it can no longer be held. Places that are free then go to names of rank ≤ names, best first, so that at most `names`
    are held.

    Parameters
    ----------
    place : ndarray of shape (n_sessions, n_symbols)
        As of `positions`: the rank less 1.
    holdable : ndarray of shape (n_sessions, n_symbols), bool
        Which names may be held. A session without any leaves everything as it was.
    choices : TopN
    numbers : ndarray of shape (n_sessions,)
        Number of each session in the exchange's calendar.
    entered : ndarray of shape (n_symbols,)
        Number of the session at which a name that is held at the start was entered; −1 for the others.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        1 where held, else 0.
    """
    held = np.zeros(place.shape)
    since = entered.copy()
    for t, number in enumerate(numbers):
        if not holdable[t].any():
            continue
        kept = (place[t] + 1 <= choices.leave * choices.names) | (number - since < choices.min_holding)
        stays = (since >= 0) & holdable[t] & kept
        waiting = np.flatnonzero(holdable[t] & ~stays & (place[t] < choices.names))
        entering = waiting[np.argsort(place[t, waiting])[: choices.names - np.count_nonzero(stays)]]
        since[~stays] = -1
        since[entering] = number
        held[t] = since >= 0
    return held


def run_starts(held: NDArray[np.bool_], dates: Dates) -> Dates:
    """Since when each name that is held on the last date has been held without a break.

    Parameters
    ----------
    held : ndarray of shape (n_dates, n_symbols), bool
    dates : ndarray of shape (n_dates,), datetime64[D]
        The dates with targets.

    Returns
    -------
    ndarray of shape (n_symbols,), datetime64[D]
        NaT for a name that is not held on the last date.
    """
    padded = np.concatenate([np.zeros((1, held.shape[1]), dtype=bool), held])
    run = np.argmin(padded[::-1], axis=0)  # dates since the last one without the name
    starts = np.append(dates, np.datetime64("NaT", "D"))
    return starts[np.where(run > 0, len(dates) - run, len(dates))]
