"""One account split between champion and challenger (a *canary*): which part of each fill is whose.

What belongs here: the split of capital, holdings and fills, and what each part earns. What does not: what the account trades as a whole
(`lifecycle.canary` has its targets), and the verdict (`lifecycle.sequential_test`).

At the close before its first session the canary takes its share of every holding, and as much cash as makes its NAV that share of the
account's. Then, on each session:
1. each part has an order: towards weight × its own NAV, as its own targets say;
2. where one buys what the other sells, they trade with one another at the close, without a fee; the account trades nothing of it;
3. a fill of the account is split in proportion to what is left of the two orders. The canary gets the whole shares below its proportion,
   and the champion the rest; a fill that neither has ordered is split by capital.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import polars as pl

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.live.account import actions, carried, located
from mech_exo_assets.quant.live.kernel import left_of
from mech_exo_assets.quant.panel import Dates, Matrix, Panel, Vector

_ROUNDING = 1e-9
"""Shares below which a proportion counts as the whole number above it: 0.1 · 30 is 3, and not 2.9999999999999996."""


def split_order(quantity: float, share: float, *, whole: bool = True) -> tuple[float, float]:
    """An order or a fill in two parts that add up to it: the champion's, and the canary's, which is never above its share.

    Parameters
    ----------
    quantity : float
        Below 0 for a sale.
    share : float
        Of the canary, from 0 to 1.
    whole : bool
        Whether the canary gets whole shares only.
    """
    part = abs(quantity) * share
    if whole:
        part = float(np.floor(part + _ROUNDING))
    canary = float(np.copysign(min(part, abs(quantity)), quantity))
    return quantity - canary, canary


@dataclass
class _Sleeve:
    """What a part of the account holds, and wants to hold."""

    held: Vector
    cash: float
    wanted: Vector | None = field(default=None)

    def worth(self, close: Vector) -> float:
        return self.cash + float(np.nansum(self.held * close))

    def order(self, close: Vector, *, whole: bool) -> Vector:
        """Shares to be traded at a close; none of a name without a price, or before the first targets."""
        there = ~np.isnan(close)
        if self.wanted is None:
            return np.zeros(len(close))
        shares = np.where(there, self.wanted * self.worth(close) / np.where(there, close, 1.0), 0.0)
        return np.where(there, (np.trunc(shares) if whole else shares) - self.held, 0.0)

    def trade(self, at: int, amount: float, price: float, fee: float) -> None:
        self.held[at] = left_of(self.held[at], amount)
        self.cash -= amount * price + fee


class Whole(NamedTuple):
    """The account of which the two have their parts.

    Attributes
    ----------
    nav, positions, fills : DataFrame
        `schemas.NAV`, `schemas.LIVE_POSITIONS`, `schemas.FILLS`.
    """

    nav: pl.DataFrame
    positions: pl.DataFrame
    fills: pl.DataFrame


class Earned(NamedTuple):
    """Returns of each part on its capital, after costs; each of shape (n_sessions,)."""

    sessions: Dates
    champion: Vector
    canary: Vector


def sleeve_returns(
    account: Whole, market: Panel, targets: tuple[Matrix, Matrix], *, first: dt.date, share: float, whole_shares: bool
) -> Earned:
    """What champion and canary have earned of the account, from the session after the first on, in which they only move to their targets.

    Parameters
    ----------
    account : Whole
    market : Panel
        close; split_coefficient and dividend_amount where the source has them; on the sessions of the account, and others.
    targets : two ndarray of shape (n_sessions, n_symbols)
        Of champion and canary, on the axes of the market: weights in the session in which they are traded; a row of NaN where there are
        no new ones. No-trade bands are not among them: within a band the two may trade with one another, at no cost.
    first : date
        First session that is traded for both. One that the account does not know yet, or that is its first, gives nothing.
    share : float
        Of the canary, above 0 and below 1.
    whole_shares : bool

    Raises
    ------
    InputError
        If one of the two has nothing left.
    """
    sessions = account.nav["date"].to_numpy().astype("datetime64[D]")
    begin = int(np.searchsorted(sessions, np.datetime64(first)))
    if not 0 < begin < len(sessions):
        return Earned(sessions[:0], np.zeros(0), np.zeros(0))
    flow, nav, cash = (account.nav[name].to_numpy() for name in ("flow", "nav", "cash"))
    offset = int(np.searchsorted(market.sessions, sessions[0]))
    split, dividend = actions(market)
    close = carried(market["close"], split)
    booked = located(account.fills, sessions, market.symbols)
    held = Panel.from_frame(account.positions, ["quantity"], sessions=sessions, symbols=market.symbols).observed("quantity")
    before = np.nan_to_num(held[begin - 1])
    moved = np.array([split_order(amount, share, whole=whole_shares)[1] for amount in before.tolist()])
    canary = _Sleeve(moved, share * float(nav[begin - 1]) - float(moved @ np.nan_to_num(close[offset + begin - 1])))
    parts = (_Sleeve(before - moved, float(cash[begin - 1]) - canary.cash), canary)
    worth = np.zeros((len(sessions) - begin, 2))
    deposits = flow[begin:, None] * np.array([1 - share, share])
    for k, t in enumerate(range(begin, len(sessions))):
        row = offset + t
        for part, deposit, wanted in zip(parts, deposits[k].tolist(), targets, strict=True):
            part.held = part.held * split[row]
            part.cash += float(part.held @ dividend[row]) + deposit
            if not np.isnan(wanted[row]).all():
                part.wanted = np.nan_to_num(wanted[row])
        here = slice(booked.starts[t], booked.starts[t + 1])
        made = zip(*(values[here].tolist() for values in (booked.at, booked.quantity, booked.price, booked.fee)), strict=True)
        _trade(parts, close[row], list(made), share, whole_shares=whole_shares)
        worth[k] = [part.worth(close[row]) for part in parts]
        if worth[k].min() <= 0:
            raise InputError(f"canary: on {sessions[t]} nothing is left of the part of the {'champion' if worth[k, 0] <= 0 else 'canary'}.")
    earned = worth[1:] / (worth[:-1] + deposits[1:]) - 1
    return Earned(sessions[begin + 1 :], earned[:, 0], earned[:, 1])


def _trade(
    parts: tuple[_Sleeve, _Sleeve], close: Vector, fills: list[tuple[int, float, float, float]], share: float, *, whole_shares: bool
) -> None:
    """One session: what the two trade with one another, and their parts of the account's fills."""
    champion, canary = parts
    other, own = (part.order(close, whole=whole_shares) for part in parts)
    for i in np.flatnonzero(own * other < 0).tolist():
        amount = float(np.copysign(min(abs(own[i]), abs(other[i])), own[i]))
        canary.trade(i, amount, close[i], 0.0)
        champion.trade(i, -amount, close[i], 0.0)
        own[i] -= amount
        other[i] += amount
    for i, amount, price, fee in fills:
        ordered = own[i] + other[i]
        left, part = split_order(amount, float(own[i] / ordered) if ordered * amount > 0 else share, whole=whole_shares)
        champion.trade(i, left, price, fee * left / amount)
        canary.trade(i, part, price, fee * part / amount)
        own[i] -= part
        other[i] -= left
