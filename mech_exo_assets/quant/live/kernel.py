"""The loop of the live account, compiled.

What belongs here: the arithmetic of a fill, and the walk over sessions. What does not: tables, checks and messages (`account`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from mech_exo_assets.quant.panel import Index, Matrix, Vector

SAME = 1e-12
"""Share of a trade or a holding below which what is left of a position is the rounding of floats, and no position."""
NO_CAPITAL, USED_UP = 1, 2
"""Why the account cannot go on: nothing to begin a session with; nothing left at its close."""


class Fills(NamedTuple):
    """Fills in the order in which they are booked.

    Attributes
    ----------
    starts : ndarray of shape (n_sessions + 1,)
        Those of session t are from starts[t] to starts[t + 1].
    at : ndarray of shape (n_fills,)
        Position of the symbol on the axis.
    quantity, price, fee : ndarray of shape (n_fills,)
    """

    starts: Index
    at: Index
    quantity: Vector
    price: Vector
    fee: Vector


class Prices(NamedTuple):
    """What is held is valued at, and changed by; each of shape (n_sessions, n_symbols)."""

    close: Matrix
    split: Matrix
    dividend: Matrix


class Kept(NamedTuple):
    """What is written: five matrices of shape (n_sessions, n_symbols) of zeros, and six vectors of shape (n_sessions,)."""

    quantity: Matrix
    average_cost: Matrix
    realised: Matrix
    dividends: Matrix
    fees: Matrix
    nav: Vector
    cash: Vector
    base: Vector
    traded: Vector
    gained: Vector
    moved: Vector


@njit(nogil=True, cache=True)
def left_of(held, amount):  # pragma: no cover
    """What is held after a fill; exactly 0 where only the rounding of floats is left."""
    now = held + amount
    return 0.0 if abs(now) <= SAME * max(abs(held), abs(amount)) else now


@njit(nogil=True, cache=True)
def filled(held, cost, amount, price):  # pragma: no cover
    """Quantity and average cost after a fill, and what it has realised.

    Parameters
    ----------
    held, cost : float
        Quantity, below 0 for a short, and its average cost.
    amount, price : float
        Of the fill.
    """
    closing = 0.0 if held * amount >= 0.0 else np.copysign(min(abs(amount), abs(held)), amount)
    opening = amount - closing
    realised = -closing * (price - cost)
    now = left_of(held, amount)
    if now == 0.0:
        return 0.0, 0.0, realised
    if opening != 0.0:
        cost = ((held + closing) * cost + opening * price) / now
    return now, cost, realised


@njit(nogil=True, cache=True)
def keep(fills, prices, flow, kept):  # pragma: no cover
    """Keep the account over all sessions.

    Parameters
    ----------
    fills : Fills
    prices : Prices
        Of the sessions of the account; close without NaN where something is held.
    flow : ndarray of shape (n_sessions,)
        Deposits before each session.
    kept : Kept
        Written to.

    Returns
    -------
    int, int
        Session in which the account cannot go on, and why; (−1, 0) where it can.
    """
    n_sessions, n = prices.close.shape
    held, cost = np.zeros(n), np.zeros(n)
    cash = nav = 0.0
    for t in range(n_sessions):
        base = nav + flow[t]
        kept.base[t] = base
        if not base > 0.0:
            return t, NO_CAPITAL
        cash += flow[t]
        moved = 0.0
        for i in range(n):
            if held[i] == 0.0:
                continue
            before = held[i] * prices.close[t - 1, i]
            held[i] *= prices.split[t, i]
            cost[i] /= prices.split[t, i]
            kept.dividends[t, i] = held[i] * prices.dividend[t, i]
            cash += kept.dividends[t, i]
            moved += held[i] * prices.close[t, i] - before
        kept.moved[t] = moved
        for k in range(fills.starts[t], fills.starts[t + 1]):
            i, amount, price = fills.at[k], fills.quantity[k], fills.price[k]
            held[i], cost[i], realised = filled(held[i], cost[i], amount, price)
            kept.realised[t, i] += realised
            kept.fees[t, i] += fills.fee[k]
            kept.traded[t] += abs(amount) * price
            kept.gained[t] += amount * (prices.close[t, i] - price)
            cash -= amount * price + fills.fee[k]
        nav = cash
        for i in range(n):
            if held[i] != 0.0:
                nav += held[i] * prices.close[t, i]
                kept.quantity[t, i], kept.average_cost[t, i] = held[i], cost[i]
        kept.nav[t], kept.cash[t] = nav, cash
        if not nav > 0.0:
            return t, USED_UP
    return -1, 0
