"""What a drawn market shows, measured from its tables alone."""

from __future__ import annotations

import polars as pl
from scipy.stats import rankdata

from mech_exo_assets.quant.panel import Matrix, Vector
from mech_exo_assets.quant.simulator import SimulatedMarket

BOUND = 4.0
"""Standard errors that a correct estimate leaves once in 16 000 trials: some hundred of them are made here."""


def returns_of(market: SimulatedMarket) -> Matrix:
    """Total returns, of the second session on; without gaps."""
    adjusted = matrix_of(market, market.prices, "adjusted_close")
    return adjusted[1:] / adjusted[:-1] - 1


def signal_of(market: SimulatedMarket, feature: str) -> Matrix:
    """The values of a feature, by session and name."""
    return matrix_of(market, market.features.filter(feature=feature), "value")


def matrix_of(market: SimulatedMarket, frame: pl.DataFrame, column: str) -> Matrix:
    """A column by session and name; without gaps."""
    return frame[column].to_numpy().reshape(-1, len(market.truth.symbols))


def rank_correlations(scores: Matrix, returns: Matrix) -> Vector:
    """Spearman's, row by row, of values without ties. Each has a variance of 1 / (names - 1) to first order."""
    names = scores.shape[1]
    x, y = rankdata(scores, axis=1), rankdata(returns, axis=1)
    middle = (names + 1) / 2
    return 12 * ((x - middle) * (y - middle)).sum(axis=1) / (names * (names**2 - 1))


def ic_of(market: SimulatedMarket, feature: str, *, lag: int = 1) -> Vector:
    """Of the feature with the return of the one session that is `lag` sessions later."""
    return rank_correlations(signal_of(market, feature)[:-lag], returns_of(market)[lag - 1 :])
