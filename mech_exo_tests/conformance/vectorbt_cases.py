"""Small random markets with targets and costs, and the orders that vectorbt must be given for each; imports numpy alone.

What belongs here: what both sides of the comparison share, for it runs in `.venv` and in `.venv-peers`. What does not: either engine.

Numbers come from `Generator.random` and arithmetic alone, so that both environments see the same market whatever their versions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

N_FROZEN = 200
CLOSE_AFTER = 10
"""Sessions without a price after which a position ends; a test holds that it is ours."""


class Recipe(NamedTuple):
    """What a case is made from.

    Attributes
    ----------
    seed, n_sessions, n_symbols, lag : int
    gaps, idle, quiet : float
        Shares of prices that are missing, of volumes that are 0, of sessions without a new target.
    ends, returns : bool
        Whether some names stop trading, and whether these trade again later.
    long_only : bool
    commission, half_spread, per_share, minimum : float
        The first two over notional, the others in currency.
    """

    seed: int
    n_sessions: int
    n_symbols: int
    lag: int
    gaps: float
    idle: float
    quiet: float
    ends: bool
    returns: bool
    long_only: bool
    commission: float
    half_spread: float
    per_share: float
    minimum: float


class Case(NamedTuple):
    """A market, what is wanted of it, and what trading costs; all matrices are (n_sessions, n_symbols).

    Attributes
    ----------
    index, close, volume : ndarray
        Total-return index, unadjusted close, shares traded; NaN where there is no price.
    targets : ndarray
        Weights; a row of NaN is no new target.
    lag : int
    commission, half_spread, per_share, minimum : float
        As in `Recipe`.
    nav : float
        Capital at the start.
    """

    index: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    targets: np.ndarray
    lag: int
    commission: float
    half_spread: float
    per_share: float
    minimum: float
    nav: float = 1e6


class Orders(NamedTuple):
    """The same trades in vectorbt's terms, from the session of the first trade.

    Attributes
    ----------
    start : int
        That session.
    size : ndarray
        Target weights; NaN is no order.
    price : ndarray
        At which is traded; NaN where nothing is.
    ended : ndarray of bool
        Positions that end since their name has stopped trading: at the last price, free of cost.
    """

    start: int
    size: np.ndarray
    price: np.ndarray
    ended: np.ndarray


def recipe(seed: int) -> Recipe:
    """The recipe of a frozen case."""
    rng = np.random.default_rng([0, seed])

    def one_of(*choices):
        return choices[int(rng.random() * len(choices))]

    return Recipe(
        seed=seed,
        n_sessions=30 + int(rng.random() * 60),
        n_symbols=1 + int(rng.random() * 12),
        lag=one_of(0, 1, 2),
        gaps=one_of(0.0, 0.02, 0.2, 0.5),
        idle=one_of(0.0, 0.05, 0.3),
        quiet=one_of(0.0, 0.5, 0.9),
        ends=one_of(False, True),
        returns=one_of(False, True),
        long_only=one_of(False, True),
        commission=one_of(0.0, 1e-4, 5e-3),
        half_spread=one_of(0.0, 4e-4, 1e-2),
        per_share=one_of(0.0, 0.0, 0.005),
        minimum=one_of(0.0, 0.0, 1.0, 20.0),
    )


def case(made: Recipe) -> Case:
    """The market and the targets of a recipe.

    No weight is beyond 0.9 / n_symbols. So in any sequence of orders at most 0.9 of NAV is long at a time, whatever could not be sold,
    and vectorbt, which lends nothing, never cuts an order.
    """
    rng = np.random.default_rng([1, made.seed])
    shape = (made.n_sessions, made.n_symbols)
    index = (10 + 90 * rng.random(made.n_symbols)) * np.cumprod(1 + 0.04 * (rng.random(shape) - 0.49), axis=0)
    index[rng.random(shape) < made.gaps] = np.nan
    if made.ends:
        for i in np.flatnonzero(rng.random(made.n_symbols) < 0.5):
            last = int(rng.random() * made.n_sessions)
            back = last + 5 + int(rng.random() * 20) if made.returns else made.n_sessions
            index[last:back, i] = np.nan
    # Half of the close's way is dividends that the index has reinvested, so that shares are not units of the index.
    close = index * np.linspace(0.5, 1.0, made.n_sessions)[:, None]
    volume = np.where(rng.random(shape) < made.idle, 0.0, 1e6)
    volume[np.isnan(index)] = np.nan
    weights = (rng.random(shape) if made.long_only else 2 * rng.random(shape) - 1) * 0.9 / made.n_symbols
    weights[rng.random(shape) < 0.2] = 0.0
    weights[rng.random(shape) < 0.1] = np.nan
    weights[rng.random(made.n_sessions) < made.quiet] = np.nan
    weights[0] = 0.5 / made.n_symbols
    return Case(index, close, volume, weights, made.lag, made.commission, made.half_spread, made.per_share, made.minimum)


def orders(given: Case) -> Orders:
    """What is traded in each session, said once more apart from our engine.

    A name is ordered when there is a new target, and otherwise only while its last order waits for a session with price and volume. A
    position ends with the tenth session in a row without a price, and what waits for it ends too.
    """
    has_target = ~np.isnan(given.targets).all(axis=1)
    start = int(np.argmax(has_target)) + given.lag
    index = given.index[start:]
    tradable = ~np.isnan(index) & (given.volume[start:] != 0)
    size, price, ended = np.full(index.shape, np.nan), np.where(tradable, index, np.nan), np.zeros(index.shape, dtype=bool)
    wanted, waits = np.zeros(index.shape[1]), np.zeros(index.shape[1], dtype=bool)
    missing, last = np.zeros(index.shape[1], dtype=int), np.full(index.shape[1], np.nan)
    for t in range(len(index)):
        known = ~np.isnan(index[t])
        last[known] = index[t, known]
        missing = np.where(known, 0, missing + 1)
        if has_target[start + t - given.lag]:
            wanted = np.nan_to_num(given.targets[start + t - given.lag])
            waits[:] = True
        filled = waits & tradable[t]
        size[t, filled] = wanted[filled]
        ended[t] = (missing == CLOSE_AFTER) & ~np.isnan(last)
        size[t, ended[t]], price[t, ended[t]] = 0.0, last[ended[t]]
        waits &= ~filled & (missing != CLOSE_AFTER)
    return Orders(start, size, price, ended)
