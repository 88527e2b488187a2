"""From tables of scores and prices to the table that models learn from.

What belongs here: which features the data allow, and the long form of features and labels. What does not: any one kind of feature.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mech_exo_assets.quant.features.inputs import FeaturePanel
from mech_exo_assets.quant.features.labels import labels, residual_forward_returns
from mech_exo_assets.quant.features.registry import available
from mech_exo_assets.quant.origin import Origin
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.residual import SECTOR
from mech_exo_assets.settings import Strategy

SCORE_YEARS_BEFORE = 1
"""Years of scores before its own that a year needs: changes run over `learning.change_sessions`, 120 at most."""
PRICE_YEARS_BEFORE = 3
"""Years of prices before its own that a year needs: for interactions (731 sessions) and betas (500 at most)."""
PRICE_YEARS_AFTER = 1
"""Years of prices after its own that a year's labels need: execution lag and horizon are at most `settings.MAX_FORWARD_SESSIONS`."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset(Origin):
    """Features and labels of some years, and how they came about.

    Attributes
    ----------
    table : DataFrame
        `schemas.DATASET`: a row for every row of scores, ordered by date and symbol, and a Float32 column for every feature whose inputs
        are there. A factor without any score has columns that are null throughout, so that every year has the same ones.
    """

    table: pl.DataFrame


def dataset_table(
    scores: pl.DataFrame, prices: pl.DataFrame, universe: pl.DataFrame, strategy: Strategy, *, years: tuple[int, int]
) -> Dataset:
    """Features and labels in the sessions of some calendar years.

    A year has the same figures to the last bit, whether it is computed alone or together with others, if the years before and after it
    are given that `SCORE_YEARS_BEFORE`, `PRICE_YEARS_BEFORE` and `PRICE_YEARS_AFTER` say. What is stamped t uses what was known at the
    close of t; only the label looks ahead.

    Parameters
    ----------
    scores : DataFrame
        `schemas.SCORES`, of those years and the one before, in any order.
    prices : DataFrame
        `schemas.PRICES`, of those years, three before and one after; date, symbol, total_return_index, close and volume are used.
    universe : DataFrame
        `schemas.UNIVERSE`; symbol and sector are used.
    strategy : Strategy
        `learning` says what is learned from what; `execution_lag`, `horizons`, `decay.beta_window` and `ic.min_names` shape the label.
    years : tuple of int
        First and last year of the rows.

    Returns
    -------
    Dataset

    Raises
    ------
    ValueError
        If a factor's name is no lower-case identifier.

    Notes
    -----
    One feature at a time is held as a matrix in double precision, whatever the number of features.
    """
    choices = strategy.learning
    sectors = dict(universe.select("symbol", "sector").iter_rows())
    panel = FeaturePanel(scores, prices, sectors.items(), years=years, change_sessions=choices.change_sessions)
    there, absent = available(panel.available, choices.features)
    label = _label(panel, strategy)
    axes = Panel(panel.market.sessions[panel.wanted], panel.market.symbols).to_frame({}, rows=panel.rows)
    columns = [
        *axes,
        pl.Series("label", label, nan_to_null=True),
        axes["symbol"].replace_strict(panel.sectors, default=None, return_dtype=pl.String).alias("sector"),
    ]
    lineage = {
        "label": ("market/prices.total_return_index", *(("market/universe.sector",) if SECTOR in choices.residual else ())),
        "sector": ("market/universe.sector",),
    }
    for kind in there:
        for feature in kind(panel):
            columns.append(pl.Series(feature.name, panel.of_rows(feature.values), nan_to_null=True))
            lineage[feature.name] = feature.sources
    table = pl.DataFrame(columns)
    return Dataset(table=table, absent=absent, lineage=lineage)


def largest_label_mean(dataset: pl.DataFrame) -> float:
    """How far the mean label of any session is from 0 at most, of sessions without ties; 0 where there is none.

    Names that tie share the average of their ranks, and normal scores of that are not symmetric: such a session's mean is not 0.
    """
    sessions = (
        dataset.drop_nulls("label")
        .group_by("date")
        .agg(pl.col("label").cast(pl.Float64).mean().abs(), n=pl.len(), distinct=pl.col("label").n_unique())
    )
    return float(sessions.filter(pl.col("n") == pl.col("distinct")).select(pl.col("label").max().fill_null(0.0)).item())


def _label(panel: FeaturePanel, strategy: Strategy) -> NDArray[np.float32]:
    choices = strategy.learning
    returns = residual_forward_returns(
        panel.market,
        panel.sectors,
        horizon=strategy.learning_horizon,
        execution_lag=strategy.execution_lag,
        residual=choices.residual,
        beta_window=strategy.decay.beta_window,
    )
    return panel.of_rows(labels(returns[panel.wanted], panel.rows, label=choices.label, min_names=strategy.ic.min_names))
