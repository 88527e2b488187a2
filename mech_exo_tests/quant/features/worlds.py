"""Scores and prices of a small market, with what real ones have: gaps, a late listing, a delisting, a factor that nobody knows."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl

from mech_exo_assets.quant.features import Dataset, dataset_table
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.settings import Strategy, load_strategy

FACTORS = ("momentum_12_1", "momentum_6_1", "sentiment", "short_term_reversal", "volatility_63")
"""Two of one family, two of families of their own, and a user's feature."""
UNKNOWN = "amihud"
"""A factor without any score."""
SHORTEST_YEAR = 245
World = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]


def sessions_of(first: int, last: int, per_year: int = SHORTEST_YEAR) -> np.ndarray:
    """The first so many weekdays of each year: as short a year as any exchange has."""
    starts = [np.datetime64(f"{year}-01-01") for year in range(first, last + 1)]
    return np.concatenate([np.busday_offset(start, np.arange(per_year), roll="forward") for start in starts])


@cache
def world(first: int = 2013, last: int = 2016, *, names: int = 14, seed: int = 0) -> World:
    """Scores, prices and universe; the first name is there in the first year only, the last one from the middle on."""
    rng = np.random.default_rng(seed)
    sessions = sessions_of(first, last)
    shape = (len(sessions), names)
    calm = np.where(np.sin(np.arange(len(sessions)) / 90.0) > 0, 0.006, 0.015)[:, None]
    moves = rng.uniform(0.5, 1.5, names) * rng.standard_normal((shape[0], 1)) * calm + rng.standard_t(4, shape) * 0.01 + 0.0003
    index = np.cumprod(1.0 + np.clip(moves, -0.3, 0.3), axis=0)
    absent = rng.random(shape) < 0.02
    absent[SHORTEST_YEAR - 9 :, 0] = True
    absent[: shape[0] // 2, -1] = True
    volume = np.exp(rng.normal(12.0, 1.0, shape))
    volume[rng.random(shape) < 0.02] = np.nan
    fields = {"total_return_index": index, "close": index * rng.uniform(5.0, 200.0, names), "volume": volume}
    for matrix in fields.values():
        matrix[absent] = np.nan
    symbols = np.array([f"S{i:02d}" for i in range(names)])
    market = Panel(sessions, symbols, fields)
    scores = {}
    for factor in FACTORS:
        matrix = rng.standard_normal(shape)
        matrix[absent | (rng.random(shape) < 0.1)] = np.nan
        scores[factor] = matrix
    scores["sentiment"] = np.round(scores["sentiment"])  # has ties
    table = Panel(sessions, symbols, scores).to_frame().with_columns(pl.lit(None, pl.Float64).alias(UNKNOWN))
    sectors = ["Energy", "Utilities", "Materials"]
    universe = pl.DataFrame({"symbol": symbols, "sector": [None, *(sectors[i % 3] for i in range(1, names))]})
    return table, market.to_frame(), universe.cast({"symbol": pl.String, "sector": pl.String})


def chosen(**learning: object) -> Strategy:
    """The default strategy with other choices of `learning`; `beta_window`, `execution_lag` and `horizons` may be among them."""
    strategy = load_strategy()
    outer = {name: learning.pop(name) for name in ("execution_lag", "horizons") if name in learning}
    if "beta_window" in learning:
        outer["decay"] = strategy.decay.model_copy(update={"beta_window": learning.pop("beta_window")})
    return strategy.model_copy(update={**outer, "learning": strategy.learning.model_copy(update=learning)})


def dataset(tables: World | None = None, *, years: tuple[int, int] = (2013, 2016), **learning: object) -> Dataset:
    scores, prices, universe = tables or world()
    return dataset_table(scores, prices, universe, chosen(**learning), years=years)


def within(table: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
    return table.filter(pl.col("date").dt.year().is_between(first, last))
