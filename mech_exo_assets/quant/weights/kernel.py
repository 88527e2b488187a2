"""From factor scores to the books of several weight vectors in one pass over the sessions, compiled.

What belongs here: the loop for constructions that are linear in the composite score. What does not: the accounting, which is that of
`backtest.kernel`, session by session; and what is prepared before (`objective`).

All vectors of a batch see a session's scores and prices while these are in the cache: a pass over the scores of a large market costs
more than the arithmetic. The numba kernels cannot be seen by the coverage tool, which is what their `pragma: no cover` says.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mech_exo_assets.quant.backtest.kernel import OWN_CASH, WAITED, WORTH, opened, session
from mech_exo_assets.quant.backtest.rebalance import Session, marked, rebalance

_SPREAD = 1e-12
"""Scores whose standard deviation in a session is no more than this are equal, but for rounding; as in `composite`."""
BLOCK = 10
"""Vectors of one call. Always so many, since the last bits of a matrix product could depend on it."""


class Scores(NamedTuple):
    """The scores of the sessions in which targets are made, laid out for the kernel.

    Attributes
    ----------
    stack : ndarray of shape (n_sessions, n_factors, n_symbols)
        0 where a score is not known.
    odd : ndarray of shape (n_sessions + 1,), int64
        Where the entries of each session begin in `names` and `patterns`.
    names, patterns : ndarray of int32
        The names whose set of known factors is not the most common one (pattern 0), and which set they have.
    rebalanced : ndarray of shape (n_sessions,), bool
        Sessions that have new targets.
    """

    stack: NDArray[np.float64]
    odd: NDArray[np.int64]
    names: NDArray[np.int32]
    patterns: NDArray[np.int32]
    rebalanced: NDArray[np.bool_]


@njit(nogil=True, cache=True, error_model="numpy")
def trade(scores, vectors, gross, market, terms, flows, starts):  # pragma: no cover
    """Fill the flows of each vector's book, and the session of its first trade (the number of sessions where there is none).

    Parameters
    ----------
    scores : Scores
    vectors : (ndarray of shape (BLOCK, n_factors), ndarray of shape (BLOCK, n_patterns))
        Weights, and 1 / Σ |w| over the factors of each pattern; NaN where they carry too little of the weight.
    gross : float
        Sum of absolute weights of the targets.
    market : backtest.kernel.Inputs
        Its last n_sessions rows are those of the scores; targets, has_target and deposits are not read.
    terms : backtest.kernel.Terms
    flows : ndarray of shape (BLOCK, 14, n_sessions)
        Zeros.
    starts : ndarray of shape (BLOCK,), int64
    """
    weights, shares = vectors
    n_sessions, _, n_symbols = scores.stack.shape
    n_vectors, lag = len(weights), terms.lag
    before = len(market.index) - n_sessions
    # The targets of a session wait here until they can be traded.
    waiting = np.zeros((lag + 1, n_vectors, n_symbols))
    made = np.zeros((lag + 1, n_vectors), dtype=np.bool_)
    newest, sums = np.zeros((n_vectors, n_symbols)), np.zeros((n_vectors, n_symbols))
    ruined = np.zeros(n_vectors, dtype=np.bool_)
    states = [opened(n_symbols, terms.initial_nav) for _ in range(n_vectors)]
    starts[:] = n_sessions
    for t in range(n_sessions):
        at, due, row = t % (lag + 1), (t - lag) % (lag + 1), before + t
        made[at] = False
        if scores.rebalanced[t]:
            _all_targets(scores, t, weights, shares, gross, sums, waiting[at], made[at])
        for k in range(n_vectors):
            fresh = t >= lag and made[due, k]
            if fresh:
                newest[k][:] = waiting[due, k]
                starts[k] = min(starts[k], t)
            if ruined[k] or t < starts[k]:
                continue
            days = market.days[row] if t > starts[k] else 0.0
            ruined[k] = not session(market, row, newest[k], fresh, (days, 0.0), states[k], terms, flows[k, :, t])


@njit(nogil=True, cache=True, error_model="numpy")
def trade_daily(scores, vectors, gross, market, plain, terms, flows, starts):  # pragma: no cover
    """As `trade`, where every session has new targets that `backtest.rebalance` can trade; False at the first one that has none.

    All books share what they see of a session. What is left for each, its units and its targets, stays in the cache.

    Parameters
    ----------
    scores, vectors, gross, market, terms, flows, starts
        As in `trade`.
    plain : (ndarray, ndarray)
        Capacities and impact factors, as `backtest.rebalance` wants them.
    """
    weights, shares = vectors
    n_sessions, _, n_symbols = scores.stack.shape
    n_vectors, lag = len(weights), terms.lag
    before = len(market.index) - n_sessions
    waiting = np.zeros((lag + 1, n_vectors, n_symbols))
    made = np.zeros((lag + 1, n_vectors), dtype=np.bool_)
    units, sums = np.zeros((n_vectors, n_symbols)), np.zeros((n_vectors, n_symbols))
    accounts = np.zeros((n_vectors, WAITED + 1))
    accounts[:, OWN_CASH] = accounts[:, WORTH] = terms.initial_nav
    mark, move, missing = np.zeros(n_symbols), np.zeros(n_symbols), np.zeros(n_symbols, dtype=np.int64)
    ruined = np.zeros(n_vectors, dtype=np.bool_)
    starts[:] = n_sessions
    for t in range(n_sessions):
        at, due, row = t % (lag + 1), (t - lag) % (lag + 1), before + t
        _all_targets(scores, t, weights, shares, gross, sums, waiting[at], made[at])
        prices = market.index[row]
        gaps = marked(prices, mark, move, missing)
        seen = Session(prices, 1.0 / prices, plain[0][row], plain[1][row], mark, move, missing, gaps)
        for k in range(n_vectors):
            fresh = t >= lag and made[due, k]
            if fresh:
                starts[k] = min(starts[k], t)
            if ruined[k] or t < starts[k]:
                continue
            if not fresh:
                return False
            days = market.days[row] if t > starts[k] else 0.0
            ruined[k] = not rebalance(seen, waiting[due, k], days, units[k], accounts[k], terms, flows[k, :, t])
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def _all_targets(scores, t, weights, shares, gross, sums, out, made):  # pragma: no cover
    """Targets of all vectors from the scores of session t, and which of them there are."""
    np.dot(weights, scores.stack[t], sums)
    first, last = scores.odd[t], scores.odd[t + 1]
    for k in range(len(weights)):
        made[k] = _targets(sums[k], scores.names[first:last], scores.patterns[first:last], shares[k], gross, out[k])


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
def _targets(sums, names, patterns, shares, gross, out):  # pragma: no cover
    """The linear construction of one session: gross · (c − c̄) / Σ |c − c̄|; False where the composite c has no dispersion."""
    n_symbols = len(sums)
    total, most = 0.0, shares[0]
    known = 0.0 if np.isnan(most) else float(n_symbols)
    for i in range(n_symbols):
        out[i] = sums[i] * most
        total += 0.0 if np.isnan(most) else out[i]
    for j in range(len(names)):
        i = names[j]
        before, now = out[i], sums[i] * shares[patterns[j]]
        out[i] = now
        total += (0.0 if np.isnan(now) else now) - (0.0 if np.isnan(before) else before)
        known += (0.0 if np.isnan(now) else 1.0) - (0.0 if np.isnan(before) else 1.0)
    if known == 0.0:
        return False
    mean = total / known
    size = 0.0
    for i in range(n_symbols):
        distance = 0.0 if np.isnan(out[i]) else out[i] - mean
        out[i] = distance
        size += abs(distance)
    # No mean distance is above the standard deviation.
    if not size / known > _SPREAD:
        squares = 0.0
        for i in range(n_symbols):
            squares += out[i] * out[i]
        if not np.sqrt(squares / known) > _SPREAD:
            return False
    scale = gross / size
    for i in range(n_symbols):
        out[i] *= scale
    return True
