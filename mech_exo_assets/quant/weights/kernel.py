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

from mech_exo_assets.quant.backtest.kernel import HELD, opened, session
from mech_exo_assets.quant.panel import Index, Matrix

_SPREAD = 1e-12
"""Scores whose standard deviation in a session is no more than this are equal, but for rounding; as in `composite`."""


class Scores(NamedTuple):
    """The scores of the sessions in which targets are made, laid out for the kernel.

    Attributes
    ----------
    stack : ndarray of shape (n_sessions, n_factors, n_symbols), float32
        0 where a score is not known. In single precision, half the memory; see `objective` for what that costs.
    patterns : ndarray of shape (n_sessions, n_symbols), int32
        Which set of known factors each name has.
    rebalanced : ndarray of shape (n_sessions,), bool
        Sessions that have new targets.
    """

    stack: NDArray[np.float32]
    patterns: NDArray[np.int32]
    rebalanced: NDArray[np.bool_]


@njit(nogil=True, cache=True, error_model="numpy")
def trade(scores, weights, shares, gross, market, terms, flows, starts):  # pragma: no cover
    """Fill the flows of each vector's book, and the session of its first trade (the number of sessions where there is none).

    Parameters
    ----------
    scores : Scores
    weights : ndarray of shape (n_vectors, n_factors), float32
    shares : ndarray of shape (n_vectors, n_patterns)
        1 / Σ |w| over the factors of each pattern; NaN where they carry too little of the weight.
    gross : float
        Sum of absolute weights of the targets.
    market : backtest.kernel.Inputs
        Its last n_sessions rows are those of the scores; targets, has_target and deposits are not read.
    terms : backtest.kernel.Terms
    flows : ndarray of shape (n_vectors, 14, n_sessions)
        Zeros.
    starts : ndarray of shape (n_vectors,), int64
    """
    n_sessions, _, n_symbols = scores.stack.shape
    n_vectors, lag = len(weights), terms.lag
    before = len(market.index) - n_sessions
    # The targets of a session wait here until they can be traded.
    waiting = np.zeros((lag + 1, n_vectors, n_symbols))
    made = np.zeros((lag + 1, n_vectors), dtype=np.bool_)
    newest = np.zeros((n_vectors, n_symbols))
    sums = np.zeros(n_symbols, dtype=np.float32)
    ruined = np.zeros(n_vectors, dtype=np.bool_)
    states = [opened(n_symbols, terms.initial_nav) for _ in range(n_vectors)]
    starts[:] = n_sessions
    for t in range(n_sessions):
        at = t % (lag + 1)
        for k in range(n_vectors):
            if ruined[k]:
                continue
            made[at, k] = False
            if scores.rebalanced[t]:
                _combine(scores.stack[t], weights[k], sums)
                made[at, k] = _targets(sums, scores.patterns[t], shares[k], gross, waiting[at, k])
            due = (t - lag) % (lag + 1)
            fresh = t >= lag and made[due, k]
            if fresh:
                newest[k][:] = waiting[due, k]
                starts[k] = min(starts[k], t)
            if t < starts[k]:
                continue
            passed = (market.days[before + t] if t > starts[k] else 0.0, 0.0)
            ruined[k] = not session(market, before + t, newest[k], fresh, passed, states[k], terms, flows[k, :, t])


@njit(nogil=True, cache=True, fastmath={"contract"})
def _combine(stack, weights, sums):  # pragma: no cover
    """Weighted sums of the scores of a session; four factors at a time, so that the sums are read and written less often."""
    sums[:] = 0.0
    n_factors = len(weights)
    whole = n_factors - n_factors % 4
    for f in range(0, whole, 4):
        w0, w1, w2, w3 = weights[f], weights[f + 1], weights[f + 2], weights[f + 3]
        s0, s1, s2, s3 = stack[f], stack[f + 1], stack[f + 2], stack[f + 3]
        for i in range(len(sums)):
            sums[i] += w0 * s0[i] + w1 * s1[i] + w2 * s2[i] + w3 * s3[i]
    for f in range(whole, n_factors):
        w0, s0 = weights[f], stack[f]
        for i in range(len(sums)):
            sums[i] += w0 * s0[i]


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _targets(sums, patterns, shares, gross, out):  # pragma: no cover
    """The linear construction of one session: gross · (c − c̄) / Σ |c − c̄|; False where the composite c has no dispersion."""
    n_symbols = len(sums)
    total, known = 0.0, 0.0
    for i in range(n_symbols):
        value = sums[i] * shares[patterns[i]]
        there = not np.isnan(value)
        out[i] = value
        total += value if there else 0.0
        known += 1.0 if there else 0.0
    if known == 0.0:
        return False
    mean = total / known
    squares, size = 0.0, 0.0
    for i in range(n_symbols):
        distance = 0.0 if np.isnan(out[i]) else out[i] - mean
        out[i] = distance
        squares += distance * distance
        size += abs(distance)
    if not np.sqrt(squares / known) > _SPREAD:
        return False
    scale = gross / size
    for i in range(n_symbols):
        out[i] *= scale
    return True


__all__ = ["HELD", "Index", "Matrix", "Scores", "trade"]
