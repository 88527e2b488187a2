"""What trading costs, and how much can be traded.

What belongs here: cost models, and the figures of the market that they need. What does not: when and how much is traded (`backtest`).

Functions compiled by numba are invisible to coverage, which is what their `pragma: no cover` says; they are tested through `order_cost`
and through the backtest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from mech_exo_assets.quant.panel import Index, Matrix
from mech_exo_assets.quant.returns import simple_returns
from mech_exo_assets.quant.rolling.lags import lagged
from mech_exo_assets.quant.rolling.moments import standard_deviation
from mech_exo_assets.quant.rolling.sums import mean
from mech_exo_assets.settings.judgement import Costs

BASIS_POINT = 1e-4
DAYS_PER_YEAR = 365
"""Interest and borrow fees accrue by calendar days, actual over 365."""


class Tariff(NamedTuple):
    """What an order of a known size costs, apart from impact; a plain tuple, so that compiled kernels take it.

    Attributes
    ----------
    commission : float
        Over notional, as a fraction.
    per_share : float
        Commission for each share, in currency.
    minimum : float
        Least commission of an order, in currency.
    half_spread : float
        Over notional, as a fraction.
    """

    commission: float
    per_share: float
    minimum: float
    half_spread: float

    @classmethod
    def of(cls, costs: Costs) -> Tariff:
        """The tariff of the section `costs`."""
        return cls(
            costs.commission_bps * BASIS_POINT, costs.commission_per_share, costs.commission_minimum, costs.half_spread_bps * BASIS_POINT
        )


@njit(nogil=True, cache=True)
def commission(notional, shares, tariff):  # pragma: no cover
    """Commission of one order, in currency: max(minimum, rate · notional + per share · shares); nothing for no order."""
    if notional == 0.0:
        return 0.0
    return max(tariff.minimum, tariff.commission * notional + tariff.per_share * shares)


@njit(nogil=True, cache=True)
def spread(notional, tariff):  # pragma: no cover
    """Half the bid-ask spread of one order, in currency."""
    return tariff.half_spread * notional


@njit(nogil=True, cache=True)
def impact(notional, factor):  # pragma: no cover
    """Square-root impact of one order, in currency: factor · notional^1.5; see `impact_factor`."""
    return factor * notional * np.sqrt(notional)


def average_daily_volume(volume: Matrix, close: Matrix, *, window: int, year_starts: Index) -> Matrix:
    """Mean traded value of the last sessions, as it was known before each session.

    ADV[t, i] = mean over s in [t − window, t − 1] of volume[s, i] · close[s, i].

    Parameters
    ----------
    volume, close : ndarray of shape (n_sessions, n_symbols)
        Shares traded, and the unadjusted close.
    window : int
        Sessions.
    year_starts : ndarray of int
        `Panel.year_starts()`.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        In currency a session; NaN where fewer than half of the window's sessions are known.
    """
    return lagged(mean(volume * close, window=window, min_count=(window + 1) // 2, year_starts=year_starts), 1)


def impact_factor(index: Matrix, volume: Matrix, *, coefficient: float, window: int, year_starts: Index) -> Matrix:
    """What multiplies notional^1.5 to give the square-root impact of an order.

    impact = notional · coefficient · vol · √(notional / ADV), so that factor[t, i] = coefficient · vol[t, i] / √ADV[t, i], vol the standard
    deviation of the returns of the `window` sessions before t.

    Parameters
    ----------
    index : ndarray of shape (n_sessions, n_symbols)
        Total-return index.
    volume : ndarray of shape (n_sessions, n_symbols)
        `average_daily_volume`.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        0 where vol or ADV is not known, or nothing was traded.

    Notes
    -----
    Source: Torre (1997), BARRA Market Impact Model Handbook; Almgren, Thum, Hauptmann, Li (2005); Tóth et al. (2011), who find the
    square root over four decades of size, with a coefficient near 1.
    """
    sigma = lagged(standard_deviation(simple_returns(index), window=window, min_count=(window + 1) // 2, year_starts=year_starts), 1)
    factor = np.divide(coefficient * sigma, np.sqrt(volume), out=np.zeros(index.shape), where=volume > 0)
    return np.nan_to_num(factor, copy=False)


def capacity(volume_of_session: Matrix, average_volume: Matrix, *, participation: float | None) -> Matrix:
    """The largest order of each session, in currency.

    Parameters
    ----------
    volume_of_session : ndarray of shape (n_sessions, n_symbols)
        Shares traded in the session; 0 says that nothing could be traded.
    average_volume : ndarray of shape (n_sessions, n_symbols)
        `average_daily_volume`.
    participation : float or None
        Largest share of the average daily volume; None is no cap.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        Infinite where the average volume is not known or there is no cap; 0 where the session's volume is 0.
    """
    largest = np.full(average_volume.shape, np.inf) if participation is None else participation * average_volume
    largest[np.isnan(largest)] = np.inf
    largest[volume_of_session == 0] = 0.0
    return largest
