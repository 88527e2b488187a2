"""Why the live account has not earned what the backtest says, session by session.

What belongs here: the parts of the gap. What does not: whether it is chance (`quant.drift`).

With w the weights at the previous close, over the base, r the total returns of the session, and [low, high] the range of a name's backtest
weights over its last `REACH` closes:
    fees             = backtest's commissions − fees paid
    slippage         = Σ quantity (close − price) + backtest's half spreads and impact
    timing           = Σ (clip(w_live, low, high) − w_backtest) r     held as the backtest held it some sessions before: traded late
    missed positions = Σ (w_live − clip(w_live, low, high)) r         held as the backtest never did: not traded, or otherwise
    residual         = gap − all of these                             interest, borrow fees, rounding
The parts add up to the gap exactly.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mech_exo_assets.quant.backtest import Book
from mech_exo_assets.quant.live.account import Account, forward_filled
from mech_exo_assets.quant.panel import Matrix, Panel
from mech_exo_assets.schemas import ATTRIBUTION

REACH = 5
"""Closes back to which a position that differs from the backtest's counts as late, and not as missed."""


def attribution_table(account: Account, book: Book, market: Panel) -> pl.DataFrame:
    """The gap of each session that both have, and its parts, in `schemas.ATTRIBUTION`.

    Parameters
    ----------
    account : Account
        Of the live fills.
    book : Book
        Of the deployed strategy's backtest.
    market : Panel
        With total_return_index, on the axes of both.
    """
    shared = np.intersect1d(account.sessions, book.sessions)
    if not len(shared):
        return ATTRIBUTION.empty()
    of_account, of_book = np.searchsorted(account.sessions, shared), np.searchsorted(book.sessions, shared)
    rows = np.searchsorted(market.sessions, shared)
    live = _before(np.nan_to_num(account.quantity * account.price), of_account) / account.base[of_account][:, None]
    index = forward_filled(market["total_return_index"])
    base = book.nav / (1 + book.net_return)
    values = np.nan_to_num(book.holdings * index[book.start :])
    low, high = _range(values / base[:, None])
    expected = _before(values, of_book) / base[of_book][:, None]
    lowest, highest = _before(low, of_book), _before(high, of_book)
    lowest, highest = np.minimum(lowest, expected), np.maximum(highest, expected)
    returns = np.nan_to_num(index[rows] / index[rows - 1] - 1)
    held = np.clip(live, lowest, highest)
    gap = account.live_return[of_account] - book.net_return[of_book]
    parts = {
        "fees": book.commission[of_book] - account.fees.sum(axis=1)[of_account] / account.base[of_account],
        "slippage": account.gained[of_account] / account.base[of_account] + (book.spread + book.impact)[of_book],
        "timing": ((held - expected) * returns).sum(axis=1),
        "missed_positions": ((live - held) * returns).sum(axis=1),
    }
    residual = gap - sum(parts.values())
    dates = pl.Series("date", shared.astype("datetime64[D]")).cast(pl.Date)
    return pl.DataFrame({"date": dates, "gap": gap, **parts, "residual": residual}).select(ATTRIBUTION.names)


def _before(values: Matrix, at: np.ndarray) -> Matrix:
    """Values at the close before each position; 0 before the first."""
    padded = np.vstack([np.zeros((1, values.shape[1])), values])
    return padded[at]


def _range(weights: Matrix) -> tuple[Matrix, Matrix]:
    """Lowest and highest weight of the last `REACH` closes, this one included; before the first nothing was held."""
    padded = np.vstack([np.zeros((REACH - 1, weights.shape[1])), weights])
    windows = np.lib.stride_tricks.sliding_window_view(padded, REACH, axis=0)
    return windows.min(axis=-1), windows.max(axis=-1)
