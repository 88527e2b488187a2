"""The kernel's session where every name is traded to a new target, in vector passes.

What belongs here: `rebalance`, which does what `kernel.session` does, several times as fast, for the most common choices: trades at the
close, fractions of shares, costs in proportion to what is traded (and impact), no no-trade band. What does not: any other session, which
is the kernel's.

A processor adds up eight names at a time where a loop has no branches. So each pass treats all names alike, and marks those that are not
alike (without a price, above their capacity); a second loop sees to these alone. The order of additions differs from the kernel's, and
so do the last bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from mech_exo_assets.quant.backtest.kernel import (
    BASE,
    BORROW,
    BOUGHT,
    CASH,
    CLOSE_AFTER,
    CLOSED,
    COMMISSION,
    DUST,
    IMPACT,
    INTEREST,
    LONG,
    NAV,
    OWED,
    OWN_CASH,
    PROFIT,
    SHORT,
    SPREAD,
    TRADED,
    WAITED,
    WAITING,
    WORTH,
    Terms,
)
from mech_exo_assets.quant.panel import Index, Vector


class Session(NamedTuple):
    """What all books see of one session, each ndarray of shape (n_symbols,).

    Attributes
    ----------
    index : ndarray
        Total-return index; NaN where there is no price.
    inverse : ndarray
        1 / index: a division takes as long as ten additions, and one will do for many books.
    capacity, factor : ndarray
        As in `kernel.Inputs`, but in force whatever the terms say: infinite, and 0, where there are none.
    mark, move, missing : ndarray
        See `marked`.
    gaps : ndarray of int
        Positions of the names without a price.
    """

    index: Vector
    inverse: Vector
    capacity: Vector
    factor: Vector
    mark: Vector
    move: Vector
    missing: Index
    gaps: Index


def can_rebalance(terms: Terms) -> bool:
    """Whether `rebalance` keeps the same book as `kernel.session` under these terms."""
    tariff = terms.tariff
    return not (terms.at_open or terms.whole_shares or terms.by_share or tariff.minimum > 0.0 or terms.band > DUST)


@njit(nogil=True, cache=True, error_model="numpy")
def rebalance(market, target, days, units, account, terms, out):  # pragma: no cover
    """Keep the book over a session in which `target` can be traded for the first time; False where it is ruined.

    Parameters
    ----------
    market : Session
    target : ndarray of shape (n_symbols,)
        Without NaN.
    days : float
        Since the session before.
    units : ndarray of shape (n_symbols,)
        Units of the index that are held; changed.
    account : ndarray
        As in `kernel.State`; changed.
    out : ndarray of shape (14,)
        Flows; HELD is left as it is.
    """
    cash = account[OWN_CASH]
    out[INTEREST] = cash * (terms.credit if cash > 0.0 else terms.debit) * days
    out[BORROW] = account[OWED] * terms.borrow * days
    out[BASE] = account[WORTH]
    cash += out[INTEREST] - out[BORROW]
    out[PROFIT], value = _value(market.mark, market.move, units)
    worth = cash + value
    if out[BASE] <= 0.0 or worth <= 0.0:
        return False
    account[WAITING] = 0
    n_capped = _trade(market.index, market.inverse, market.capacity, market.factor, target, worth, units, out)
    if n_capped > 0:
        for i in range(len(units)):
            if abs(target[i] * worth - units[i] * market.index[i]) > market.capacity[i]:
                account[WAITING] += 1
                _trade_in_part(i, market, target[i] * worth, worth, units, out)
    cash += _without_price(market.gaps, market.mark, market.missing, target, units, account, out)
    out[COMMISSION], out[SPREAD] = terms.tariff.commission * out[TRADED], terms.tariff.half_spread * out[TRADED]
    cash -= out[BOUGHT] + out[COMMISSION] + out[SPREAD] + out[IMPACT]
    nav = cash + out[LONG] - out[SHORT]
    account[WAITED] += account[WAITING]
    account[OWN_CASH], account[WORTH], account[OWED] = cash, nav, out[SHORT]
    if nav <= 0.0:
        return False
    out[CASH], out[NAV] = cash, nav
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def marked(prices, mark, move, missing):  # pragma: no cover
    """Go on by a session: last known prices, what they have moved by, sessions without one; positions of names that have none now."""
    for i in range(len(prices)):
        there = not np.isnan(prices[i])
        price = prices[i] if there else mark[i]
        # A name without any price yet is not held, so that its move does not matter.
        move[i] = price - mark[i]
        mark[i] = price
        missing[i] = 0 if there else missing[i] + 1
    return np.flatnonzero(np.isnan(prices))


@njit(nogil=True, cache=True, error_model="numpy")
def _trade_in_part(i, market, wanted, worth, units, out):  # pragma: no cover
    """Trade a name as far as its capacity goes; the rest waits for the next session's target."""
    price = market.index[i]
    amount = np.copysign(market.capacity[i], wanted - units[i] * price)
    if amount != 0.0:
        left = units[i] + amount / price
        units[i] = 0.0 if abs(left * price) < DUST * worth else left
        out[BOUGHT] += amount
        out[TRADED] += abs(amount)
        out[IMPACT] += market.factor[i] * abs(amount) * np.sqrt(abs(amount))
    out[LONG] += max(units[i] * price, 0.0)
    out[SHORT] += max(-units[i] * price, 0.0)


@njit(nogil=True, cache=True)
def _without_price(gaps, mark, missing, target, units, account, out):  # pragma: no cover
    """Names that cannot be traded wait; those that have stopped are closed at their last price. The cash that this leaves."""
    released, long, short, waiting = 0.0, 0.0, 0.0, 0
    for i in gaps:
        waiting += target[i] != 0.0 or units[i] != 0.0
        held = units[i] * mark[i]
        if missing[i] == CLOSE_AFTER and held != 0.0:
            released += held
            account[CLOSED] += 1
            units[i] = held = 0.0
        long += max(held, 0.0)
        short += max(-held, 0.0)
    account[WAITING] += waiting
    out[LONG] += long
    out[SHORT] += short
    return released


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _value(mark, move, units):  # pragma: no cover
    """What all positions have earned since the session before, and what they are worth."""
    earned, total = 0.0, 0.0
    for i in range(len(units)):
        earned += units[i] * move[i]
        total += units[i] * mark[i]
    return earned, total


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _trade(prices, inverse, capacity, factor, target, worth, units, out):  # pragma: no cover
    """Trade all names that have a price and keep their capacity, and set the sums; how many are above their capacity."""
    bought, traded, impacts, long, short, n_capped = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    dust = DUST * worth
    for i in range(len(prices)):
        price, wanted = prices[i], target[i] * worth
        order = wanted - units[i] * price
        size = abs(order)
        # Both are false where there is no price.
        plain, above = size <= capacity[i], size > capacity[i]
        trades = plain & ((size >= dust) | (target[i] == 0.0))
        size = size if trades else 0.0
        bought += order if trades else 0.0
        traded += size
        impacts += factor[i] * size * np.sqrt(size)
        now = wanted * inverse[i] if trades else units[i]
        units[i] = now
        held = now * price if plain else 0.0
        long += max(held, 0.0)
        short += max(-held, 0.0)
        n_capped += 1.0 if above else 0.0
    out[BOUGHT], out[TRADED], out[IMPACT], out[LONG], out[SHORT] = bought, traded, impacts, long, short
    return n_capped
