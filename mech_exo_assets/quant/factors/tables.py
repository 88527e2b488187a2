"""From tables of market data to tables of exposures and scores.

What belongs here: which factors a source's data allow, and the long form of what they give. What does not: any one factor, and how
exposures become scores (`scoring`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import polars as pl

from mech_exo_assets.quant.factors.known import FEATURE_PREFIX, features_as_of, fundamentals_as_of
from mech_exo_assets.quant.factors.registry import available, compute, longest_lookback, registry
from mech_exo_assets.quant.factors.scoring import score_all, sector_codes
from mech_exo_assets.quant.origin import Origin
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.schemas import PRICES, factor_columns


@dataclass(frozen=True, eq=False, kw_only=True)
class Exposures(Origin):
    """Raw exposures of some years, and how they came about.

    Attributes
    ----------
    table : DataFrame
        `schemas.EXPOSURES`: a row for every name with a price, a column for every factor whose inputs are there.
    """

    table: pl.DataFrame


def exposure_table(
    prices: pl.DataFrame,
    fundamentals: pl.DataFrame | pl.LazyFrame,
    features: pl.DataFrame | pl.LazyFrame,
    *,
    years: tuple[int, int],
    exclude: Collection[str],
    longest_history: int,
) -> Exposures:
    """Exposures to every factor that the data allow, in the sessions of some calendar years.

    Parameters
    ----------
    prices : DataFrame
        `schemas.PRICES`, of those years and of the history that factors look back to.
    fundamentals, features : DataFrame or LazyFrame
        `schemas.FUNDAMENTALS` and `schemas.FEATURES`. Of a LazyFrame over files, one item or feature at a time is read.
    years : tuple of int
        First and last year of the rows.
    exclude : collection of str
        Factors that are not wanted.
    longest_history : int
        Sessions of history that are loaded before a year.

    Raises
    ------
    ValueError
        If a factor looks back further than `longest_history`, so that its figures would depend on what was loaded.
    """
    if longest_lookback() > longest_history:
        raise ValueError(f"a factor looks back {longest_lookback()} sessions, and only {longest_history} are loaded before a year")
    market = Panel.from_frame(prices, [column.name for column in PRICES.columns if column.dtype == pl.Float64])
    reported = fundamentals_as_of(fundamentals, market.sessions, market.symbols)
    alternative = features_as_of(features, market.sessions, market.symbols)
    panel = Panel(market.sessions, market.symbols, {**market.fields, **reported, **alternative})
    factors, absent = available(panel.fields, exclude)
    first, last = np.datetime64(f"{years[0]}-01-01"), np.datetime64(f"{years[1]}-12-31")
    wanted = slice(int(np.searchsorted(panel.sessions, first)), int(np.searchsorted(panel.sessions, last, side="right")))
    matrices = {name: matrix[: wanted.stop - wanted.start] for name, matrix in compute(panel, factors, since=wanted.start).items()}
    priced = ~np.isnan(panel["close"][wanted]) if "close" in panel else np.zeros((0, 0), dtype=bool)
    table = Panel(panel.sessions[wanted], panel.symbols).to_frame(matrices, rows=priced)
    return Exposures(table=table, absent=absent, lineage={factor.name: tuple(map(_source_column, factor.inputs)) for factor in factors})


def score_table(
    exposures: pl.DataFrame, universe: pl.DataFrame, *, winsorise: float, min_sector_names: int, min_names: int
) -> pl.DataFrame:
    """Scores of every factor in `exposures`, as a table in `schemas.SCORES`; rows where some factor has a score.

    Parameters
    ----------
    exposures : DataFrame
        `schemas.EXPOSURES`.
    universe : DataFrame
        `schemas.UNIVERSE`, for the sectors.
    winsorise, min_sector_names, min_names
        See `scoring.score`.
    """
    panel = Panel.from_frame(exposures, factor_columns(exposures.columns))
    sector_of = dict(universe.select("symbol", "sector").iter_rows())
    known = registry()
    scores = score_all(
        panel.fields,
        {name: known[name].orientation if name in known else 1 for name in panel.fields},
        sector_codes=sector_codes([sector_of.get(symbol) for symbol in panel.symbols.tolist()]),
        winsorise=winsorise,
        min_sector_names=min_sector_names,
        min_names=min_names,
    )
    return panel.to_frame(scores)


def largest_deviation(scores: pl.DataFrame) -> float:
    """How far the mean of any session's scores is from 0, or their standard deviation from 1, at most; 0 without scores."""
    factors = factor_columns(scores.columns)
    if scores.is_empty() or not factors:
        return 0.0
    known = pl.col(factors)
    moments = scores.group_by("date").agg(known.mean().abs().name.suffix(":mean"), (known.std(ddof=0) - 1).abs().name.suffix(":deviation"))
    return float(moments.select(pl.max_horizontal(pl.exclude("date").max())).item() or 0.0)


def _source_column(field: str) -> str:
    if field.startswith(FEATURE_PREFIX):
        return "market/features.value"
    return f"market/prices.{field}" if field in PRICES.names else "market/fundamentals.value"
