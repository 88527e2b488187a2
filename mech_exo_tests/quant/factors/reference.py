"""Every factor once more, straight from its definition: windows cut out with NumPy, NaN-aware functions, no kernel of ours."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats

from mech_exo_assets.quant.panel import Panel

OBSERVED = 0.8
REFERENCE: dict[str, Callable[[Panel], np.ndarray]] = {}


def of(name: str):
    def put(function):
        REFERENCE[name] = function
        return function

    return put


def windows(values: np.ndarray, length: int) -> np.ndarray:
    """(n_sessions, n_symbols, length); sessions before the first are NaN."""
    padded = np.vstack([np.full((length - 1, values.shape[1]), np.nan), values])
    return np.lib.stride_tricks.sliding_window_view(padded, length, axis=0)


def over(values: np.ndarray, length: int, statistic: Callable, observed: float = OBSERVED) -> np.ndarray:
    cut = windows(values, length)
    enough = (~np.isnan(cut)).sum(axis=2) >= np.ceil(observed * length)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.where(enough, statistic(cut), np.nan)


def mean(values: np.ndarray, length: int) -> np.ndarray:
    return over(values, length, lambda cut: np.nanmean(cut, axis=2))


def deviation(values: np.ndarray, length: int) -> np.ndarray:
    return over(values, length, lambda cut: np.nanstd(cut, axis=2, ddof=1))


def returns(panel: Panel) -> np.ndarray:
    index = panel["total_return_index"]
    return np.vstack([np.full((1, index.shape[1]), np.nan), index[1:] / index[:-1] - 1.0])


def market(panel: Panel) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.nanmean(returns(panel), axis=1)


def lag(values: np.ndarray, sessions: int) -> np.ndarray:
    return pd.DataFrame(values).shift(sessions).to_numpy()


def change(panel: Panel, since: int, until: int = 0) -> np.ndarray:
    index = pd.DataFrame(panel["total_return_index"]).ffill(limit=5)
    return (index.shift(until) / index.shift(since) - 1.0).to_numpy()


def log_volume(panel: Panel) -> np.ndarray:
    return np.log(np.where(panel["volume"] > 0, panel["close"] * panel["volume"], np.nan))


def regressions(values: np.ndarray, on: np.ndarray, length: int, statistic: Callable, observed: float = OBSERVED) -> np.ndarray:
    """`statistic(x, m, b, residuals)` of each window's least-squares line."""
    out = np.full(values.shape, np.nan)
    for t in range(len(values)):
        first = max(0, t - length + 1)
        for j in range(values.shape[1]):
            x, m = values[first : t + 1, j], on[first : t + 1]
            known = ~np.isnan(x) & ~np.isnan(m)
            if known.sum() >= np.ceil(observed * length):
                x, m = x[known], m[known]
                b = np.sum((m - m.mean()) * x) / np.sum((m - m.mean()) ** 2)
                out[t, j] = statistic(x, m, b, x - x.mean() - b * (m - m.mean()))
    return out


def slope(_x, _m, b, _e):
    return b


def residual_deviation(_x, _m, _b, e):
    return np.sqrt(np.sum(e**2) / (len(e) - 2))


for _name, _since, _until in (
    ("momentum_12_1", 252, 21),
    ("momentum_6_1", 126, 21),
    ("momentum_3_1", 63, 21),
    ("intermediate_momentum", 252, 126),
    ("weekly_reversal", 5, 0),
    ("short_term_reversal", 21, 0),
    ("long_term_reversal", 756, 252),
    ("annual_seasonality", 252, 231),
):
    REFERENCE[_name] = lambda panel, since=_since, until=_until: change(panel, since, until)

for _length in (21, 63, 252):
    REFERENCE[f"volatility_{_length}"] = lambda panel, length=_length: deviation(returns(panel), length)

for _name in ("earnings_yield", "book_to_price", "return_on_equity", "debt_to_equity", "revenue_growth", "earnings_growth"):
    REFERENCE[_name] = lambda panel, name=_name: panel[name]


@of("risk_adjusted_momentum")
def _(panel):
    return change(panel, 252, 21) / deviation(returns(panel), 252)


@of("residual_momentum")
def _(panel):
    r, m = returns(panel), market(panel)
    of_names, of_market = lag(mean(r, 231), 21), lag(mean(m[:, None], 231), 21)
    return (of_names - regressions(r, m, 252, slope) * of_market) / regressions(r, m, 252, residual_deviation)


@of("information_discreteness")
def _(panel):
    return -np.sign(change(panel, 252, 21)) * lag(mean(np.sign(returns(panel)), 231), 21)


@of("high_52_week")
def _(panel):
    index = panel["total_return_index"]
    return index / over(index, 252, lambda cut: np.nanmax(cut, axis=2))


@of("sessions_since_high")
def _(panel):
    latest_first = lambda cut: np.where(np.isnan(cut), -np.inf, cut)[:, :, ::-1]  # noqa: E731
    return over(panel["total_return_index"], 252, lambda cut: latest_first(cut).argmax(axis=2).astype(float))


@of("three_year_seasonality")
def _(panel):
    return (change(panel, 252, 231) + change(panel, 504, 483) + change(panel, 756, 735)) / 3


@of("idiosyncratic_volatility")
def _(panel):
    return regressions(returns(panel), market(panel), 63, residual_deviation)


@of("parkinson_volatility")
def _(panel):
    return np.sqrt(mean(np.log(panel["high"] / panel["low"]) ** 2, 63) / (4 * np.log(2)))


@of("average_true_range")
def _(panel):
    close = panel["close"]
    previous = close / (1 + returns(panel))
    high_low, up, down = panel["high"] - panel["low"], np.abs(panel["high"] - previous), np.abs(panel["low"] - previous)
    return mean(np.maximum(np.maximum(high_low, up), down) / close, 21)


@of("beta")
def _(panel):
    return regressions(returns(panel), market(panel), 252, slope)


@of("downside_beta")
def _(panel):
    m = market(panel)
    return regressions(returns(panel), np.where(m < 0, m, np.nan), 252, slope, observed=0.2)


@of("coskewness")
def _(panel):
    def statistic(_x, m, _b, e):
        d = m - m.mean()
        return np.mean(e * d**2) / (np.sqrt(np.mean(e**2)) * np.mean(d**2))

    return regressions(returns(panel), market(panel), 252, statistic)


@of("downside_volatility")
def _(panel):
    return np.sqrt(mean(np.minimum(returns(panel), 0) ** 2, 252))


@of("expected_shortfall")
def _(panel):
    return over(returns(panel), 252, lambda cut: -np.sort(cut, axis=2)[:, :, :12].mean(axis=2))


@of("maximum_drawdown")
def _(panel):
    def deepest(cut):
        peak = np.maximum.accumulate(np.where(np.isnan(cut), -np.inf, cut), axis=2)
        return np.nanmax(1 - cut / peak, axis=2)

    return over(panel["total_return_index"], 252, deepest)


@of("maximum_return")
def _(panel):
    return over(returns(panel), 21, lambda cut: np.nanmax(cut, axis=2))


@of("mean_of_five_largest_returns")
def _(panel):
    return over(returns(panel), 21, lambda cut: -np.sort(-cut, axis=2)[:, :, :5].mean(axis=2))


@of("skewness")
def _(panel):
    return over(returns(panel), 252, lambda cut: stats.skew(cut, axis=2, bias=False, nan_policy="omit"))


@of("price_to_average_50")
def _(panel):
    return panel["total_return_index"] / mean(panel["total_return_index"], 50) - 1


@of("average_50_to_200")
def _(panel):
    return mean(panel["total_return_index"], 50) / mean(panel["total_return_index"], 200) - 1


@of("trend_t")
def _(panel):
    def t(_x, m, b, e):
        return b / (residual_deviation(None, None, None, e) / np.sqrt(np.sum((m - m.mean()) ** 2)))

    return regressions(np.log(panel["total_return_index"]), np.arange(float(len(panel.sessions))), 126, t)


@of("relative_strength_index")
def _(panel):
    r = returns(panel)
    with np.errstate(invalid="ignore"):
        return 100 * mean(np.maximum(r, 0), 14) / mean(np.abs(r), 14)


@of("amihud")
def _(panel):
    return np.log(mean(np.abs(returns(panel)) / np.exp(log_volume(panel)), 252))


@of("dollar_volume")
def _(panel):
    return mean(log_volume(panel), 63)


@of("abnormal_volume")
def _(panel):
    x = log_volume(panel)
    return (x - mean(x, 63)) / deviation(x, 63)


@of("volume_trend")
def _(panel):
    return mean(log_volume(panel), 21) - mean(log_volume(panel), 252)


@of("volume_volatility")
def _(panel):
    return deviation(log_volume(panel), 252)


@of("price_volume_correlation")
def _(panel):
    r, x = returns(panel), log_volume(panel)
    both = ~np.isnan(r) & ~np.isnan(x)
    r, x = pd.DataFrame(np.where(both, r, np.nan)), pd.DataFrame(np.where(both, x, np.nan))
    out = np.full(both.shape, np.nan)
    for t in range(len(r)):
        first = max(0, t - 62)
        a, b = r.iloc[first : t + 1], x.iloc[first : t + 1]
        moving = (a.max() > a.min()) & (a.count() >= 51)  # 80 % of 63, rounded up
        out[t] = a.corrwith(b).where(moving) if moving.any() else np.nan
    return out


@of("zero_return_share")
def _(panel):
    r = returns(panel)
    return mean(np.where(np.isnan(r), np.nan, r == 0), 252)


@of("overnight_return")
def _(panel):
    index, close = panel["total_return_index"], panel["close"]
    adjusted_open = panel["open"] * index / close
    return mean(adjusted_open / lag(index, 1) - 1, 21)


@of("intraday_return")
def _(panel):
    return mean(panel["close"] / panel["open"] - 1, 21)


@of("dividend_yield")
def _(panel):
    return 252 * mean(np.where(np.isnan(panel["dividend_amount"]), 0, panel["dividend_amount"]) / panel["close"], 252)
