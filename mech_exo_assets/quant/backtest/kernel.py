"""The backtest's loop over sessions and names, compiled.

What belongs here: the loop, and the passes that turn its holdings into records. What does not: checks of input, and what people see
(`engine`, `book`).

Holdings are kept in units of the total-return index, so that a split or dividend moves nothing. The numba kernels cannot be seen by the
coverage tool, which is what their `pragma: no cover` says; they are tested through `run`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mech_exo_assets.quant.costs import Tariff, commission, impact, spread
from mech_exo_assets.quant.panel import Matrix, Vector

CLOSE_AFTER = 10
"""A position without a price for so many sessions in a row is closed at its last price: the name has stopped trading."""

DUST = 1e-9
"""A share of NAV; what is nearer than this to its target is there, and no order is given for what is left by rounding."""

PROFIT, COMMISSION, SPREAD, IMPACT, BORROW, INTEREST, BOUGHT, TRADED, LONG, SHORT, CASH, NAV, BASE, HELD = range(14)
"""Rows of the kernel's flows, in currency: BOUGHT is net of sales, TRADED is not; HELD is a number of names."""

OWN_CASH, WORTH, OWED, WAITING, CLOSED, WAITED = range(6)
"""Entries of an account: cash, NAV and value of the shorts at the last close, in currency; orders that wait now; positions that were
closed, and orders that had to wait, until now."""


class Terms(NamedTuple):
    """The scalars of a backtest; a plain tuple, so that the kernel takes it.

    Attributes
    ----------
    tariff : Tariff
    lag : int
        Sessions between a target and its trade.
    initial_nav : float
    band : float
        No trade where the weight is nearer than this to its target, unless that is 0.
    borrow, credit, debit : float
        Daily rates, as fractions: of what is short, on cash, on cash that is owed.
    at_open : bool
        Whether execution prices differ from the close.
    whole_shares : bool
    by_share : bool
        Whether unadjusted prices matter to costs or sizes.
    capped : bool
        Whether capacities are given.
    with_impact : bool
        Whether impact factors are given.
    """

    tariff: Tariff
    lag: int
    initial_nav: float
    band: float
    borrow: float
    credit: float
    debit: float
    at_open: bool
    whole_shares: bool
    by_share: bool
    capped: bool
    with_impact: bool


class Inputs(NamedTuple):
    """The arrays of a backtest, sessions × names; those that the terms switch off stand for nothing and are not looked at.

    Attributes
    ----------
    targets : ndarray
        Weights; NaN is 0.
    has_target : ndarray of shape (n_sessions,), bool
    index : ndarray
        Total-return index at the close.
    execution, shown : ndarray
        Index and unadjusted price at which is traded.
    close : ndarray
        Unadjusted close.
    capacity, factor : ndarray
        See `costs.capacity` and `costs.impact_factor`.
    days, deposits : ndarray of shape (n_sessions - start,)
        Calendar days since the session before; deposits before the session.
    """

    targets: Matrix
    has_target: NDArray[np.bool_]
    index: Matrix
    execution: Matrix
    shown: Matrix
    close: Matrix
    capacity: Matrix
    factor: Matrix
    days: Vector
    deposits: Vector


class State(NamedTuple):
    """What the loop knows of each name.

    Attributes
    ----------
    units : ndarray
        Units of the index that are held.
    mark : ndarray
        The index at which they are valued.
    missing : ndarray of int
        Sessions in a row without a price.
    waiting : ndarray of bool
        Whether an order could not be filled yet.
    account : ndarray
        What it knows of the whole; entries as named above.
    """

    units: Vector
    mark: Vector
    missing: NDArray[np.int64]
    waiting: NDArray[np.bool_]
    account: Vector


@njit(nogil=True, cache=True)
def rows_with_values(matrix):  # pragma: no cover
    """Whether each row holds anything but NaN."""
    out = np.zeros(len(matrix), dtype=np.bool_)
    for t in range(len(matrix)):
        for value in matrix[t]:
            if not np.isnan(value):
                out[t] = True
                break
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def simulate(inputs, start, terms, holdings):  # pragma: no cover
    """Fill the units held at each close; flows of each session (rows as named above), names closed, orders that had to wait."""
    n_sessions, n_symbols = inputs.index.shape
    flows = np.zeros((HELD + 1, n_sessions - start))
    state = opened(n_symbols, terms.initial_nav)
    current = start - terms.lag
    for t in range(start, n_sessions):
        fresh = inputs.has_target[t - terms.lag]
        if fresh:
            current = t - terms.lag
        at = t - start
        passed = (inputs.days[at], inputs.deposits[at])
        if not session(inputs, t, inputs.targets[current], fresh, passed, state, terms, flows[:, at]):
            break
        holdings[at][:] = state.units
    return flows, int(state.account[CLOSED]), int(state.account[WAITED])


@njit(nogil=True, cache=True)
def opened(n_symbols, initial_nav):  # pragma: no cover
    """A book that holds nothing yet."""
    account = np.zeros(WAITED + 1)
    account[OWN_CASH] = account[WORTH] = initial_nav
    missing, waiting = np.zeros(n_symbols, dtype=np.int64), np.zeros(n_symbols, dtype=np.bool_)
    return State(np.zeros(n_symbols), np.zeros(n_symbols), missing, waiting, account)


@njit(nogil=True, cache=True, error_model="numpy")
def session(inputs, t, target, fresh, passed, state, terms, out):  # pragma: no cover
    """Keep the book over session t; False where it is ruined, with a NAV of 0 or less in `out`.

    `target` is the newest row of targets that can be traded, and `fresh` says that it can be traded since this session; `passed` holds
    the days since the session before and the deposits.
    """
    account = state.account
    days, deposit = passed
    cash, nav = account[OWN_CASH], account[WORTH]
    out[INTEREST] = cash * (terms.credit if cash > 0.0 else terms.debit) * days
    out[BORROW] = account[OWED] * terms.borrow * days
    out[BASE] = nav + deposit
    cash += out[INTEREST] - out[BORROW] + deposit
    out[PROFIT], value = _mark(inputs.execution[t] if terms.at_open else inputs.index[t], state)
    worth = cash + value
    if out[BASE] <= 0.0 or worth <= 0.0:
        return False
    if fresh or account[WAITING] > 0:
        account[WAITING] = _trade(inputs, t, target, fresh, worth, state, terms, out)
        account[WAITED] += account[WAITING]
        cash -= out[BOUGHT] + out[COMMISSION] + out[SPREAD] + out[IMPACT]
    if terms.at_open:
        out[PROFIT] += _mark(inputs.index[t], state)[0]
    stopped, released = _close(inputs.index[t], state, out)
    cash += released
    account[CLOSED] += stopped
    nav = cash + out[LONG] - out[SHORT]
    account[OWN_CASH], account[WORTH], account[OWED] = cash, nav, out[SHORT]
    if nav <= 0.0:
        return False
    out[CASH], out[NAV] = cash, nav
    return True


@njit(nogil=True, cache=True)
def _mark(prices, state):  # pragma: no cover
    """Value everything that has a price anew; what that has earned, and the value of all positions."""
    units, mark = state.units, state.mark
    earned, total = 0.0, 0.0
    for i in range(len(units)):
        price = mark[i] if np.isnan(prices[i]) else prices[i]
        earned += units[i] * (price - mark[i])
        total += units[i] * price
        mark[i] = price
    return earned, total


@njit(nogil=True, cache=True, error_model="numpy")
def _trade(inputs, t, target, fresh, worth, state, terms, out):  # pragma: no cover
    """Trade every name, or those that wait, towards its weight; how many wait afterwards."""
    units, waiting = state.units, state.waiting
    prices = inputs.execution[t] if terms.at_open else inputs.index[t]
    n_waiting, bought, traded, commissions, spreads, impacts = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(units)):
        if not (fresh or waiting[i]):
            continue
        weight = 0.0 if np.isnan(target[i]) else target[i]
        if np.isnan(prices[i]):
            waiting[i] = weight != 0.0 or units[i] != 0.0
            n_waiting += waiting[i]
            continue
        waiting[i] = False
        wanted = weight * worth
        order = wanted - units[i] * prices[i]
        nearest = terms.band if fresh and terms.band > DUST else DUST
        if order == 0.0 or (weight != 0.0 and abs(order) < nearest * worth):
            continue
        trade = order
        if terms.capped and abs(order) > inputs.capacity[t, i]:
            trade = np.copysign(inputs.capacity[t, i], order)
            waiting[i] = True
            n_waiting += 1
        # The last of a name is sold whole, with the fraction of a share that reinvested dividends have left.
        if terms.whole_shares and not (trade == order and weight == 0.0):
            trade = np.trunc(trade / inputs.shown[t, i]) * inputs.shown[t, i]
        if trade != 0.0:
            left = units[i] + trade / prices[i]
            # What rounding leaves of a name is no position: its sale would pay the least commission once more.
            gone = abs(left * prices[i]) < DUST * worth
            units[i] = wanted / prices[i] if trade == order else 0.0 if gone else left
            notional = abs(trade)
            bought += trade
            traded += notional
            commissions += commission(notional, notional / inputs.shown[t, i] if terms.by_share else 0.0, terms.tariff)
            spreads += spread(notional, terms.tariff)
            impacts += impact(notional, inputs.factor[t, i]) if terms.with_impact else 0.0
    out[BOUGHT], out[TRADED], out[COMMISSION], out[SPREAD], out[IMPACT] = bought, traded, commissions, spreads, impacts
    return n_waiting


@njit(nogil=True, cache=True)
def _close(prices, state, out):  # pragma: no cover
    """End positions whose name has stopped trading, at their last price; the value of what is held on each side.

    How many have ended, and the cash that they leave.
    """
    units, mark, missing = state.units, state.mark, state.missing
    closed, released, long, short, names = 0, 0.0, 0.0, 0.0, 0
    for i in range(len(prices)):
        missing[i] = missing[i] + 1 if np.isnan(prices[i]) else 0
        if missing[i] == CLOSE_AFTER:
            state.waiting[i] = False
            if units[i] != 0.0:
                released += units[i] * mark[i]
                units[i] = 0.0
                closed += 1
        value = units[i] * mark[i]
        long += max(value, 0.0)
        short += max(-value, 0.0)
        names += value != 0.0
    out[LONG], out[SHORT], out[HELD] = long, short, names
    return closed, released


@njit(nogil=True, cache=True)
def positions(holdings, inputs, start, at_open, where, what):  # pragma: no cover
    """Fill the records of all positions: (session, symbol) and (value, close, profit)."""
    n_sessions, n_symbols = holdings.shape
    mark, close = np.zeros(n_symbols), np.zeros(n_symbols)
    before, n = np.zeros(n_symbols), 0
    for t in range(n_sessions):
        now, prices = holdings[t], inputs.index[t + start]
        for i in range(n_symbols):
            profit, held = 0.0, before[i]
            if at_open and not np.isnan(inputs.execution[t + start, i]):
                profit = held * (inputs.execution[t + start, i] - mark[i])
                mark[i], held = inputs.execution[t + start, i], now[i]
            if not np.isnan(prices[i]):
                profit += held * (prices[i] - mark[i])
                mark[i], close[i] = prices[i], inputs.close[t + start, i]
            if now[i] != 0.0 or before[i] != 0.0:
                where[0, n], where[1, n] = t, i
                what[0, n], what[1, n], what[2, n] = now[i] * mark[i], close[i], profit
                n += 1
        before = now


@njit(nogil=True, cache=True)
def trades(holdings, inputs, start, terms, where, what):  # pragma: no cover
    """Fill the records of all trades: (session, symbol, whether the name had stopped) and (shares, price, notional, the three costs)."""
    n_sessions, n_symbols = holdings.shape
    mark, close = np.zeros(n_symbols), np.zeros(n_symbols)
    before, n = np.zeros(n_symbols), 0
    for t in range(n_sessions):
        now, prices = holdings[t], inputs.index[t + start]
        for i in range(n_symbols):
            # Without a price nothing is traded but the end of a name, at its last price and free of cost.
            stopped = np.isnan(prices[i])
            if now[i] != before[i]:
                price = inputs.execution[t + start, i] if terms.at_open else prices[i]
                shown = close[i] if stopped else inputs.shown[t + start, i]
                notional = abs(now[i] - before[i]) * (mark[i] if stopped else price)
                where[0, n], where[1, n], where[2, n] = t, i, stopped
                what[0, n], what[1, n], what[2, n] = np.copysign(notional / shown, now[i] - before[i]), shown, notional
                what[3, n] = 0.0 if stopped else commission(notional, notional / shown, terms.tariff)
                what[4, n] = 0.0 if stopped else spread(notional, terms.tariff)
                what[5, n] = impact(notional, inputs.factor[t + start, i]) if terms.with_impact and not stopped else 0.0
                n += 1
            if not stopped:
                mark[i], close[i] = prices[i], inputs.close[t + start, i]
        before = now


@njit(nogil=True, cache=True)
def changes(holdings, changed):  # pragma: no cover
    """How often holdings changed; or how often they are or were not 0."""
    count, before = 0, np.zeros(holdings.shape[1])
    for t in range(len(holdings)):
        for i in range(holdings.shape[1]):
            now = holdings[t, i]
            count += now != before[i] if changed else now != 0.0 or before[i] != 0.0
        before = holdings[t]
    return count
