"""Where a factor works: in which sectors, in which markets.

What belongs here: regimes of the market, and the mean IC of each segment. What does not: the IC within a sector (`quant.ic_tables`).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from mech_exo_assets.quant.decay.statistics import mean_and_test
from mech_exo_assets.quant.panel import Panel, Vector
from mech_exo_assets.quant.returns import market_return, simple_returns
from mech_exo_assets.schemas import BREAKDOWN

VOLATILITY_SESSIONS, TREND_SESSIONS = 63, 252


def regimes(market: Panel) -> pl.DataFrame:
    """What kind of market each session was, as known at its close.

    volatility: "turbulent" where the standard deviation of the last 63 returns of the market is above its median over all sessions up to
    this one, else "calm". trend: "rising" where the market's total return over the last 252 sessions is not below zero, else "falling".
    The market is the equal-weighted mean of all names.

    Parameters
    ----------
    market : Panel
        With `total_return_index`.

    Returns
    -------
    DataFrame
        date, volatility, trend; null before enough sessions are known (63 and 63 more for a median, and 252).
    """
    returns = pl.Series(market_return(simple_returns(market["total_return_index"]))).fill_nan(None)
    deviation = returns.rolling_std(VOLATILITY_SESSIONS)
    median = _running_median(deviation.to_numpy().astype(np.float64))
    growth = (returns.fill_null(0.0) + 1).log().rolling_sum(TREND_SESSIONS)
    frame = pl.DataFrame({"date": pl.Series(market.sessions.astype("datetime64[D]")).cast(pl.Date)}).with_columns(
        deviation=deviation, median=pl.Series(median, nan_to_null=True), growth=growth
    )
    return frame.select(
        "date",
        volatility=pl.when(pl.col("deviation") > pl.col("median"))
        .then(pl.lit("turbulent"))
        .when(pl.col("deviation") <= pl.col("median"))
        .then(pl.lit("calm")),
        trend=pl.when(pl.col("growth") >= 0).then(pl.lit("rising")).when(pl.col("growth") < 0).then(pl.lit("falling")),
    ).cast(dict.fromkeys(("volatility", "trend"), pl.String))


def breakdown(sector_ic: pl.DataFrame, residual_ic: pl.DataFrame, of_session: pl.DataFrame, *, horizon: int) -> pl.DataFrame:
    """Mean information coefficient of each factor by sector, volatility and trend, as a table in `schemas.BREAKDOWN`.

    Parameters
    ----------
    sector_ic : DataFrame
        In `schemas.SECTOR_IC`.
    residual_ic : DataFrame
        In `schemas.RESIDUAL_IC`, of the monitored horizon only.
    of_session : DataFrame
        From `regimes`.
    horizon : int
        The monitored horizon, in sessions.

    Returns
    -------
    DataFrame
        Ordered by factor, dimension and segment. A segment's sessions are closed up for its t; null t and p as in `decay/statistics`.
    """
    with_regime = residual_ic.join(of_session, on="date", how="inner")
    parts = [sector_ic.select("date", "factor", pl.lit("sector").alias("dimension"), pl.col("sector").alias("segment"), "ic")]
    for dimension in ("volatility", "trend"):
        known = with_regime.filter(pl.col(dimension).is_not_null())
        parts.append(known.select("date", "factor", pl.lit(dimension).alias("dimension"), pl.col(dimension).alias("segment"), "ic"))
    return pl.DataFrame(_rows(parts, horizon), schema=BREAKDOWN.dtypes(), orient="row").sort("factor", "dimension", "segment")


def _rows(parts: Iterable[pl.DataFrame], horizon: int) -> Iterable[tuple[object, ...]]:
    for part in parts:
        # Sorted by date alone: a sort by words of millions of rows takes ten times as long as all else here.
        for (factor, dimension, segment), rows in part.sort("date").group_by("factor", "dimension", "segment", maintain_order=True):
            mean, t, p = mean_and_test(rows["ic"].to_numpy(), horizon)
            yield factor, horizon, dimension, segment, mean, t, p, rows.height


def _running_median(values: Vector) -> Vector:
    """Median of the known values up to each position; NaN before `VOLATILITY_SESSIONS` of them."""
    out = np.full(len(values), np.nan)
    ordered: list[float] = []
    for t, value in enumerate(values):
        if not np.isnan(value):
            ordered.insert(int(np.searchsorted(ordered, value)), float(value))
        if len(ordered) >= VOLATILITY_SESSIONS:
            middle = len(ordered) // 2
            out[t] = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return out
