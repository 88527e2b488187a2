"""How a market is drawn: returns that characteristics rank, prices that have those returns; and the market of two characteristics.

What belongs here: the law of returns and prices, and `simulate`. What does not: many characteristics that come and go (`planted`), and
what is wrong or late in the records (`records`).

How a session's returns come about
    1. Without premia, the return of name i in sector k is  n = beta_i · m + s_k + sigma_i · e,  where the market's m, the sectors' s_k
       and the names' e are independent, and m and e have fat tails (Student's t).
    2. Each name has two characteristics a and b: independent stationary Gaussian AR(1) series with unit variance.
    3. The session's returns are dealt out anew, by the ranks of  rho_a · a + rho_b · b + sqrt(1 - rho_a² - rho_b²) · u,  where a and b
       are those of the session before, and u are standard normal draws in the order of n.
The third step keeps the set of returns of each session, and so its volatility and tails, and makes the rank correlation of a
characteristic with the next session's return known exactly: see `expected_ic`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from mech_exo_assets.quant import calendar
from mech_exo_assets.quant.panel import Dates, Matrix, Vector

SECTORS = (
    "Communication Services",
    "Consumer Discretionary",
    "Consumer Staples",
    "Energy",
    "Financials",
    "Health Care",
    "Industrials",
    "Information Technology",
    "Materials",
    "Real Estate",
    "Utilities",
)
FIRST_DATE = dt.date(2005, 1, 3)
PERSISTENCE: Mapping[str, float] = {"planted_a": 0.98, "planted_b": 0.9}
"""Autoregression of each characteristic from one session to the next: half-lives of 34 and 7 sessions."""

MARKET_MEAN, MARKET_DEVIATION, SECTOR_DEVIATION = 0.0003, 0.009, 0.005
_TAIL = 5.0
WORST_RETURN = -0.6
_SPLIT_ABOVE, _SPLIT = 180.0, 2.0
_REVERSE_SPLIT_BELOW, _REVERSE_SPLIT = 4.0, 0.1
_SESSIONS_PER_QUARTER = 63


@dataclass(frozen=True, eq=False)
class Truth:
    """What the market was drawn with.

    Attributes
    ----------
    ic : mapping of str to float
        For each planted feature, the expected rank correlation of its value on one session with the return of the next.
    persistence : mapping of str to float
        For each planted feature, its autoregression; over a lag of j sessions the expected IC is ic · persistence^j, to first order.
    symbols : tuple of str
        The order of the vectors below.
    betas : ndarray of shape (n_symbols,)
        Sensitivity to the market's return.
    deviations : ndarray of shape (n_symbols,)
        Standard deviation of a name's own daily return.
    market_returns : ndarray of shape (n_sessions,)
        The market factor, as a fraction.
    planted : mapping of str to PlantedTruth
        By feature, in markets of `planted`.
    details : mapping of str
        What else was drawn: interactions, delistings, the live book. In markets of `planted`.
    """

    ic: Mapping[str, float]
    persistence: Mapping[str, float]
    symbols: tuple[str, ...]
    betas: Vector
    deviations: Vector
    market_returns: Vector
    planted: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class SimulatedMarket:
    """A drawn market, in the columns of `mech_exo_assets.schemas`, and its truth.

    Attributes
    ----------
    prices : DataFrame
        `schemas.PRICES` without total_return_index, sorted by date and symbol.
    universe : DataFrame
        `schemas.UNIVERSE`.
    features : DataFrame
        `schemas.FEATURES`: planted_a and planted_b, known on their date.
    truth : Truth
        What they were drawn with.
    fundamentals, fills, cash : DataFrame or None
        In markets of `planted` that have them: fundamentals in `schemas.FUNDAMENTALS`, the others as a `files:` folder has them.
    """

    prices: pl.DataFrame
    universe: pl.DataFrame
    features: pl.DataFrame
    truth: Truth
    fundamentals: pl.DataFrame | None = None
    fills: pl.DataFrame | None = None
    cash: pl.DataFrame | None = None


def simulate(
    *,
    names: int = 300,
    sessions: int = 2000,
    seed: int = 7,
    ic_a: float = 0.04,
    ic_b: float = 0.02,
    first: dt.date = FIRST_DATE,
) -> SimulatedMarket:
    """Draw a market. The same arguments give the same market, to the last bit; more sessions only add to it (and rescale adjusted_close).

    Parameters
    ----------
    names, sessions : int
        Size; at least 10 names and 2 sessions.
    seed : int
        Not negative.
    ic_a, ic_b : float
        Rank correlation of planted_a and planted_b with the next session's return, expected over many names; ic_a² + ic_b² < 0.9.
    first : date
        The first session is this day or the next session of New York.

    Returns
    -------
    SimulatedMarket
        Prices with dividends each quarter and with splits, adjusted consistently: (close_t + dividend_t) · split_t / close_{t-1}
        equals adjusted_close_t / adjusted_close_{t-1}.

    Raises
    ------
    ValueError
        If an argument is out of its range.
    """
    if names < 10 or sessions < 2 or seed < 0 or ic_a**2 + ic_b**2 >= 0.9:
        raise ValueError("needs names >= 10, sessions >= 2, seed >= 0 and ic_a**2 + ic_b**2 < 0.9")
    streams = streams_of(seed)
    dates = sessions_from(first, sessions)
    sector = np.arange(names) % len(SECTORS)
    betas = np.clip(streams["betas"].normal(1.0, 0.3, names), 0.2, 2.0)
    deviations = np.exp(streams["deviations"].normal(np.log(0.015), 0.3, names))
    market = MARKET_MEAN + MARKET_DEVIATION * fat_tailed(streams["market"], (sessions,))
    without_premia = market[:, None] * betas
    without_premia += streams["sectors"].normal(0.0, SECTOR_DEVIATION, (sessions, len(SECTORS)))[:, sector]
    without_premia += deviations * fat_tailed(streams["names"], (sessions, names))
    planted = {name: autoregression(streams[name], (sessions, names), persistence=persistence) for name, persistence in PERSISTENCE.items()}
    loadings = {"planted_a": pearson_of(ic_a), "planted_b": pearson_of(ic_b)}
    returns = np.maximum(dealt_out(without_premia, planted, loadings, streams["deal"]), WORST_RETURN)
    symbols = symbols_of(names)
    truth = Truth(
        ic={name: expected_ic(loading, names) for name, loading in loadings.items()},
        persistence=dict(PERSISTENCE),
        symbols=tuple(symbols),
        betas=betas,
        deviations=deviations,
        market_returns=market,
    )
    index = long_index(dates, symbols)
    prices = index.with_columns(pl.Series(name, matrix.ravel()) for name, matrix in prices_of(returns, streams).items())
    return SimulatedMarket(prices, universe_of(symbols, sector), features_of(index, planted), truth)


def expected_ic(loading: float, names: int) -> float:
    """Expected Spearman correlation of two normal variables over a finite number of names.

    E = 6 / (π (n + 1)) · (asin(rho) + (n - 2) · asin(rho / 2))

    Parameters
    ----------
    loading : float
        Their correlation, rho.
    names : int
        n.

    Notes
    -----
    Source: Moran (1948), "Rank correlation and product-moment correlation", Biometrika 35.
    """
    return float(6 / (np.pi * (names + 1)) * (np.arcsin(loading) + (names - 2) * np.arcsin(loading / 2)))


def streams_of(seed: int, *more: str) -> dict[str, np.random.Generator]:
    """A stream for each part: more sessions go on with each, and a new part, named last, changes no other."""
    parts = ("betas", "deviations", "market", "sectors", "names", *PERSISTENCE, "deal", "shares", "open", "high", "low", "volume", *more)
    return dict(zip(parts, map(np.random.default_rng, np.random.SeedSequence(seed).spawn(len(parts))), strict=True))


def pearson_of(spearman: float) -> float:
    """Correlation of normal variables whose rank correlation, over many names, is the given one."""
    return float(2 * np.sin(np.pi * spearman / 6))


def sessions_from(first: dt.date, count: int) -> Dates:
    """The first so many sessions of New York from a day on."""
    # Fewer than three days in ten are no sessions; a fortnight covers the longest closure since 1950.
    last = first + dt.timedelta(days=int(count * 1.6) + 14)
    return calendar.sessions(first, last)[:count]


def fat_tailed(stream: np.random.Generator, shape: tuple[int, ...]) -> Matrix:
    """Student's t, scaled to unit variance."""
    return stream.standard_t(_TAIL, shape) * np.sqrt((_TAIL - 2) / _TAIL)


def autoregression(stream: np.random.Generator, shape: tuple[int, int], *, persistence: float) -> Matrix:
    """Stationary Gaussian AR(1) series with unit variance, one in each column."""
    series = stream.standard_normal(shape)
    series[1:] *= np.sqrt(1 - persistence**2)
    for t in range(1, shape[0]):
        series[t] += persistence * series[t - 1]
    return series


def dealt_out(
    returns: Matrix, planted: Mapping[str, Matrix], loadings: Mapping[str, float | Vector], stream: np.random.Generator
) -> Matrix:
    """Each session's returns in the order of a mix of what was known the session before and of the returns themselves.

    A loading is one number, or one for each session but the last: that of the score's session.
    """
    rows = {name: np.asarray(rho, dtype=np.float64).reshape(-1, 1) for name, rho in loadings.items()}
    order = np.argsort(returns[1:], axis=1)
    mix = np.empty_like(returns[1:])
    # Sorted draws, and not the expected normal scores: on a regular grid, small shifts would seldom change a rank, and a fifth of the
    # correlation would be lost.
    normal = np.sort(stream.standard_normal(mix.shape), axis=1)
    np.put_along_axis(mix, order, normal * np.sqrt(1 - sum(rho**2 for rho in rows.values())), axis=1)
    for name, rho in rows.items():
        mix += rho * planted[name][:-1]
    dealt = returns.copy()
    np.put_along_axis(dealt[1:], np.argsort(mix, axis=1), np.take_along_axis(returns[1:], order, axis=1), axis=1)
    return dealt


def prices_of(returns: Matrix, streams: Mapping[str, np.random.Generator]) -> dict[str, Matrix]:
    """Traded prices, volume, dividends and splits whose total return is `returns`; the first session's return is not used."""
    sessions, names = returns.shape
    stream = streams["shares"]
    yields = stream.uniform(0.0, 0.01, names) * (stream.random(names) < 0.7)
    pays = (np.arange(sessions)[:, None] + stream.integers(0, _SESSIONS_PER_QUARTER, names)) % _SESSIONS_PER_QUARTER == 0
    close, dividend, split, before = (np.empty_like(returns) for _ in range(4))
    price = np.exp(stream.normal(np.log(50.0), 0.5, names))
    for t in range(sessions):
        worth = price * (1 + returns[t] * (t > 0))
        split[t] = np.where(worth > _SPLIT_ABOVE, _SPLIT, np.where(worth < _REVERSE_SPLIT_BELOW, _REVERSE_SPLIT, 1.0)) if t else 1.0
        dividend[t] = np.where(pays[t], worth * yields, 0.0) / split[t]
        before[t] = price / split[t]
        close[t] = price = worth / split[t] - dividend[t]
    growth = np.vstack([np.ones((1, names)), 1 + returns[1:]])
    total = np.cumprod(growth, axis=0)
    opened = (before - dividend) * np.exp(0.4 * np.log(close / (before - dividend)) + streams["open"].normal(0.0, 0.003, returns.shape))
    shares = np.exp(stream.normal(np.log(2e6), 1.0, names))
    return {
        "open": opened,
        "high": np.maximum(opened, close) * np.exp(np.abs(streams["high"].normal(0.0, 0.006, returns.shape))),
        "low": np.minimum(opened, close) * np.exp(-np.abs(streams["low"].normal(0.0, 0.006, returns.shape))),
        "close": close,
        # As vendors do it: the last adjusted close is the last close, and history is scaled.
        "adjusted_close": total / total[-1] * close[-1],
        "volume": np.round(
            shares * np.cumprod(split, axis=0) * np.exp(streams["volume"].normal(0.0, 0.4, returns.shape) + 10 * np.abs(returns))
        ),
        "dividend_amount": dividend,
        "split_coefficient": split,
    }


def symbols_of(names: int) -> list[str]:
    """Symbols SIM000, SIM001, … that sort as they are numbered."""
    width = max(3, len(str(names - 1)))
    return [f"SIM{number:0{width}d}" for number in range(names)]


def long_index(dates: Dates, symbols: list[str]) -> pl.DataFrame:
    """Every session and symbol, in the order of a flattened matrix."""
    names = pl.Series("symbol", symbols, dtype=pl.String)
    return pl.DataFrame(
        [
            pl.Series("date", np.repeat(dates, len(symbols))).cast(pl.Date),
            names.gather(np.tile(np.arange(len(symbols)), len(dates))),
        ]
    )


def universe_of(symbols: list[str], sector: np.ndarray) -> pl.DataFrame:
    """`schemas.UNIVERSE` of the symbols, given the number of each one's sector."""
    return pl.DataFrame(
        {
            "symbol": symbols,
            "name": [f"Simulated {symbol}" for symbol in symbols],
            "sector": [SECTORS[number] for number in sector],
            "asset_class": ["equity"] * len(symbols),
            "listed_from": pl.Series([None] * len(symbols), dtype=pl.Date),
            "listed_to": pl.Series([None] * len(symbols), dtype=pl.Date),
        }
    )


def features_of(index: pl.DataFrame, planted: Mapping[str, Matrix]) -> pl.DataFrame:
    """`schemas.FEATURES` of the characteristics, known on their date."""
    return pl.concat(
        index.select("date", "symbol", pl.lit(name).alias("feature"), pl.Series("value", matrix.ravel()), pl.col("date").alias("known_at"))
        for name, matrix in sorted(planted.items())
    )
