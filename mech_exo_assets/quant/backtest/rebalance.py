"""The kernel's session where every name is traded to a new target, in vector passes.

What belongs here: `rebalance`, which does what `kernel.session` does, several times as fast, for the most common choices: trades at the
close, fractions of shares, costs in proportion to what is traded (and impact), no no-trade band. What does not: any other session, which
is the kernel's.

A processor adds up eight names at a time where a loop has no branches. So each pass treats all names alike, and marks those that are not
alike (without a price, above their capacity); a second loop sees to these alone. The order of additions differs from the kernel's, and
so do the last bits.
"""

from __future__ import annotations

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


def can_rebalance(terms: Terms) -> bool:
    """Whether `rebalance` keeps the same book as `kernel.session` under these terms."""
    tariff = terms.tariff
    return not (terms.at_open or terms.whole_shares or terms.by_share or tariff.minimum > 0.0 or terms.band > DUST)


@njit(nogil=True, cache=True, error_model="numpy")
def rebalance(market, target, days, state, terms, out):  # pragma: no cover
    """Keep the book over session t, in which `target` can be traded for the first time; False where it is ruined.

    Parameters
    ----------
    market : (index, inverse, capacity, factor, gaps)
        Rows of session t, ndarray of shape (n_symbols,): as in `kernel.Inputs`, but in force whatever the terms say, with infinite
        capacities and factors of 0 where there are none; 1 / index, since a division takes as long as ten additions, and one will do for
        many books; and the positions of the names without a price.
    target : ndarray of shape (n_symbols,)
        Without NaN.
    days : float
        Since the session before.
    out : ndarray of shape (14,)
        Flows; HELD is left as it is.
    """
    prices, _, capacity, factor, gaps = market
    account = state.account
    cash = account[OWN_CASH]
    out[INTEREST] = cash * (terms.credit if cash > 0.0 else terms.debit) * days
    out[BORROW] = account[OWED] * terms.borrow * days
    out[BASE] = account[WORTH]
    cash += out[INTEREST] - out[BORROW]
    out[PROFIT], value = _mark(prices, state.units, state.mark, state.missing)
    worth = cash + value
    if out[BASE] <= 0.0 or worth <= 0.0:
        return False
    if account[WAITING] > 0:
        state.waiting[:] = False
    account[WAITING] = 0
    n_capped = _trade(market, target, worth, state.units, out)
    if n_capped > 0:
        for i in range(len(prices)):
            if abs(target[i] * worth - state.units[i] * prices[i]) > capacity[i]:
                _trade_in_part(i, prices[i], target[i] * worth, capacity[i], factor[i], worth, state, out)
    for i in gaps:
        cash += _without_price(i, target[i], state, out)
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
def _trade_in_part(i, price, wanted, capacity, factor, worth, state, out):  # pragma: no cover
    """Trade a name as far as its capacity goes; the rest waits."""
    units = state.units[i]
    amount = np.copysign(capacity, wanted - units * price)
    state.waiting[i] = True
    state.account[WAITING] += 1
    if amount != 0.0:
        left = units + amount / price
        state.units[i] = units = 0.0 if abs(left * price) < DUST * worth else left
        out[BOUGHT] += amount
        out[TRADED] += abs(amount)
        out[IMPACT] += factor * abs(amount) * np.sqrt(abs(amount))
    out[LONG] += max(units * price, 0.0)
    out[SHORT] += max(-units * price, 0.0)


@njit(nogil=True, cache=True)
def _without_price(i, target, state, out):  # pragma: no cover
    """A name that cannot be traded waits; one that has stopped is closed at its last price. The cash that this leaves."""
    units, released = state.units[i], 0.0
    waits = target != 0.0 or units != 0.0
    state.account[WAITING] += waits
    state.waiting[i] = waits and state.missing[i] != CLOSE_AFTER
    if state.missing[i] == CLOSE_AFTER and units != 0.0:
        released = units * state.mark[i]
        state.account[CLOSED] += 1
        state.units[i] = units = 0.0
    out[LONG] += max(units * state.mark[i], 0.0)
    out[SHORT] += max(-units * state.mark[i], 0.0)
    return released


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _mark(prices, units, mark, missing):  # pragma: no cover
    """Value everything that has a price anew; what that has earned, and the value of all positions."""
    earned, total = 0.0, 0.0
    for i in range(len(prices)):
        there = not np.isnan(prices[i])
        price = prices[i] if there else mark[i]
        earned += units[i] * (price - mark[i])
        total += units[i] * price
        mark[i] = price
        missing[i] = 0 if there else missing[i] + 1
    return earned, total


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _trade(market, target, worth, units, out):  # pragma: no cover
    """Trade all names that have a price and keep their capacity, and set the sums; how many are above their capacity."""
    prices, inverse, capacity, factor, _ = market
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
