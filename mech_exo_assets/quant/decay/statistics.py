"""Statistics of each factor and horizon over the whole history.

What belongs here: the table `decay/statistics`. What does not: half-lives (`half_life`), segments (`breakdown`), the distribution of a t
(`quant.hac`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import false_discovery_control

from mech_exo_assets.quant.decay.half_life import HalfLife, decline, half_life
from mech_exo_assets.quant.hac import mean_test, trend_test
from mech_exo_assets.quant.panel import Index, Vector
from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR
from mech_exo_assets.schemas import STATISTICS

_MIN_SESSIONS = 20
_Q_VALUES = {"q_value": "p_value", "residual_q": "residual_p"}
_QUINTILES = tuple(f"quintile_{number}" for number in range(1, 6))
Key = tuple[str, int]


def statistics(
    ic: pl.DataFrame,
    residual_ic: pl.DataFrame,
    lagged_ic: pl.DataFrame,
    quintile_returns: pl.DataFrame,
    *,
    cost_bps: float,
    resamples: int,
    seed: int,
) -> pl.DataFrame:
    """What each factor's history says at each horizon.

    mean_ic = mean(IC_t); icir = mean(IC_t) / std(IC_t) with n - 1, per session and not annualised; t_hac and p_value as `hac.mean_test`
    gives them; q_value (residual_q) by Benjamini and Yekutieli (2001) over all rows that have a p-value (residual_p), which allows
    for any dependence between factors and horizons; hit_rate the share of IC_t above 0. trend is the slope of IC_t by `hac.trend_test`,
    times 252.
    half_life by `half_life` from `lagged_ic`, the same for all rows of a factor; calendar_half_life by `decline`.
    net_spread = mean spread − 4 · mean turnover · cost: a share of each of two quintiles is exchanged, by a sale and a purchase each.
    monotonicity is the rank correlation of 1..5 with the mean returns of the quintiles.

    Parameters
    ----------
    ic : DataFrame
        In `schemas.IC`, in any order. There is a row for each factor and horizon in it.
    residual_ic, lagged_ic, quintile_returns : DataFrame
        In `schemas.RESIDUAL_IC`, `LAGGED_IC` and `QUINTILE_RETURNS`; what they lack is null.
    cost_bps : float
        Commission and half spread, in basis points of what is traded.
    resamples, seed : int
        Of the bootstrap of half-lives.

    Returns
    -------
    DataFrame
        In `schemas.STATISTICS`, ordered by factor and horizon. t and p are null where a series holds fewer than max(20, 2·h) sessions,
        or is constant: such a row does not count in the q-values of others.

    Notes
    -----
    A series is what is known of it, in order: sessions without an IC are closed up (see `hac`). 2·h sessions are hardly more than two
    returns that do not overlap, the least that has a variance.
    """
    if ic.is_empty():
        return STATISTICS.empty()
    dates = ic["date"].unique().sort()
    half_lives = _half_lives(lagged_ic, resamples=resamples, seed=seed)
    residuals, quintiles = (
        _series(residual_ic, ["ic"]),
        _series(quintile_returns, [*_QUINTILES, "spread", "turnover", "rank_autocorrelation"]),
    )
    rows = []
    # Series of one horizon with the same sessions one after another: for those much is computed once.
    series = sorted(_series(ic, ["date", "ic"]).items(), key=lambda item: (item[0][1], item[1]["date"][0], item[1].height, item[0][0]))
    for (factor, horizon), columns in series:
        rows.append(
            {"factor": factor, "horizon": horizon}
            | _of_ic(columns, horizon, dates, resamples=resamples, seed=seed)
            | _ends("half_life", half_lives.get(factor))
            | _of_residuals(residuals.get((factor, horizon)), horizon)
            | _of_quintiles(quintiles.get((factor, horizon)), horizon, cost=cost_bps / 10_000)
        )
    table = pl.DataFrame(rows, schema={name: dtype for name, dtype in STATISTICS.dtypes().items() if name not in _Q_VALUES})
    q_values = {q: _q_values(table[p]) for q, p in _Q_VALUES.items()}
    return table.with_columns(**q_values).select(STATISTICS.names).sort("factor", "horizon")


def least_sessions(horizon: int) -> int:
    """Length below which a series has no t: max(20, 2·h)."""
    return max(_MIN_SESSIONS, 2 * horizon)


def mean_and_test(values: Vector, horizon: int) -> tuple[float, float | None, float | None]:
    """Mean, t and p of one series in order; None where it is shorter than max(20, 2·h), or constant."""
    mean = float(values.mean())
    if len(values) < least_sessions(horizon) or np.ptp(values) == 0.0:
        return mean, None, None
    test = mean_test(values, horizon=horizon)
    return mean, _known(test.t), _known(test.p_value)


def _series(table: pl.DataFrame, columns: list[str]) -> dict[Key, pl.DataFrame]:
    """The named columns of each factor and horizon, in order of date."""
    by_date = table if table["date"].is_sorted() else table.sort("date")
    parts = by_date.select("factor", "horizon", *columns).partition_by("factor", "horizon", as_dict=True, maintain_order=True)
    return {(str(factor), int(horizon)): part for (factor, horizon), part in parts.items()}


def _of_ic(columns: pl.DataFrame, horizon: int, dates: pl.Series, *, resamples: int, seed: int) -> dict[str, Any]:
    values = columns["ic"].to_numpy()
    mean, t, p = mean_and_test(values, horizon)
    deviation = float(values.std(ddof=1)) if len(values) > 1 and np.ptp(values) > 0 else math.nan
    trend = trend_test(values, horizon=horizon) if t is not None else None
    positions = dates.search_sorted(columns["date"]).to_numpy().astype(np.int64)
    return {
        "mean_ic": mean,
        "icir": _known(mean / deviation),
        "t_hac": t,
        "p_value": p,
        "n_sessions": len(values),
        "first_date": columns["date"][0],
        "last_date": columns["date"][-1],
        # A session at exactly 0 is neither a hit nor a miss.
        "hit_rate": float((values > 0).mean() + 0.5 * (values == 0).mean()),
        "trend": None if trend is None else trend.slope * SESSIONS_PER_YEAR,
        "trend_t": None if trend is None else _known(trend.t),
        "trend_p": None if trend is None else _known(trend.p_value),
        **_ends("calendar_half_life", decline(positions, values, horizon=horizon, resamples=resamples, seed=seed)),
    }


def _of_residuals(columns: pl.DataFrame | None, horizon: int) -> dict[str, Any]:
    mean, t, p = (None, None, None) if columns is None else mean_and_test(columns["ic"].to_numpy(), horizon)
    return {"residual_ic": mean, "residual_t": t, "residual_p": p}


def _of_quintiles(columns: pl.DataFrame | None, horizon: int, *, cost: float) -> dict[str, Any]:
    if columns is None:
        names = (*_QUINTILES, "spread", "spread_t", "spread_p", "net_spread", "turnover", "monotonicity", "rank_autocorrelation")
        return dict.fromkeys(names)
    means = columns.select(pl.all().exclude("factor", "horizon").mean()).row(0, named=True)
    spread, t, p = mean_and_test(columns["spread"].to_numpy(), horizon)
    net = None if means["turnover"] is None else spread - 4 * means["turnover"] * cost
    return {**means, "spread": spread, "spread_t": t, "spread_p": p, "net_spread": net, "monotonicity": _monotonicity(means)}


def _monotonicity(means: Mapping[str, float | None]) -> float | None:
    levels = [means[name] for name in _QUINTILES]
    if any(level is None for level in levels) or len(set(levels)) < 2:
        return None
    ranks = pl.Series(levels).rank("average").to_numpy()
    return float(np.corrcoef(np.arange(1, 6), ranks)[0, 1])


def _half_lives(lagged_ic: pl.DataFrame, *, resamples: int, seed: int) -> dict[str, HalfLife | None]:
    """Half-life of each factor's signal; rows are aligned by the session of the return."""
    if lagged_ic.is_empty():
        return {}
    dates, lags = lagged_ic["date"].unique().sort(), np.unique(lagged_ic["lag"].to_numpy())
    at = dates.search_sorted(lagged_ic["date"]).to_numpy().astype(np.int64) + lagged_ic["lag"].to_numpy()
    frame = lagged_ic.select("factor", "ic", pl.Series("at", at), pl.Series("column", np.searchsorted(lags, lagged_ic["lag"].to_numpy())))
    found = {}
    for (factor,), part in frame.partition_by("factor", as_dict=True).items():
        matrix = np.full((len(dates) + int(lags[-1]), len(lags)), np.nan)
        matrix[part["at"].to_numpy(), part["column"].to_numpy()] = part["ic"].to_numpy()
        rows: Index = np.flatnonzero(~np.isnan(matrix).all(axis=1)).astype(np.int64)
        found[str(factor)] = half_life(lags.tolist(), rows, matrix[rows], resamples=resamples, seed=seed)
    return found


def _ends(name: str, found: HalfLife | None) -> dict[str, float | None]:
    if found is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: found.sessions, f"{name}_low": found.low, f"{name}_high": found.high}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _q_values(p: pl.Series) -> pl.Series:
    known = p.is_not_null().to_numpy()
    q = np.full(len(p), np.nan)
    if known.any():
        q[known] = false_discovery_control(p.drop_nulls().to_numpy(), method="by")
    return pl.Series(q, nan_to_null=True)
