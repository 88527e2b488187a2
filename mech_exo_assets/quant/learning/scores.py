"""The ensemble's predictions as one more factor: `ml_alpha`.

What belongs here: from predictions to scores as factors have them, and their place beside the other factors. What does not: what the
factor is worth (`comparison`), and its weight (`blend`).
"""

from __future__ import annotations

import polars as pl

from mech_exo_assets.quant.factor_names import ML_ALPHA
from mech_exo_assets.quant.factors.scoring import score, sector_codes
from mech_exo_assets.quant.models.fitted import ENSEMBLE
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.schemas import LEARNED_SCORES
from mech_exo_assets.settings import Strategy


def learned_score_table(predictions: pl.DataFrame, universe: pl.DataFrame, strategy: Strategy) -> pl.DataFrame:
    """The ensemble's predictions made comparable as scores of factors are, as a table in `schemas.LEARNED_SCORES`.

    Parameters
    ----------
    predictions : DataFrame
        `schemas.PREDICTIONS`, in any order.
    universe : DataFrame
        `schemas.UNIVERSE`, for the sectors.
    strategy : Strategy
        `scores` says how a session is winsorised and from how many names on it is scored.

    Returns
    -------
    DataFrame
        With the column `ml_alpha`, ordered by date and symbol, rows where it is known; without the column and without rows where the
        ensemble has predicted nothing.
    """
    ensemble = predictions.filter(pl.col("model") == ENSEMBLE)
    if ensemble.is_empty():
        return LEARNED_SCORES.empty()
    panel = Panel.from_frame(ensemble, ["value"])
    sector_of = dict(universe.select("symbol", "sector").iter_rows())
    choices = strategy.scores
    scored = score(
        panel.observed("value"),
        sector_codes=sector_codes([sector_of.get(symbol) for symbol in panel.symbols.tolist()]),
        orientation=1,
        winsorise=choices.winsorise,
        min_sector_names=choices.min_sector_names,
        min_names=choices.min_names,
    )
    return panel.to_frame({ML_ALPHA: scored})


def with_learned(scores: pl.DataFrame, learned: pl.DataFrame) -> pl.DataFrame:
    """Scores of factors with the machine-learned one beside them.

    Parameters
    ----------
    scores : DataFrame
        `schemas.SCORES`.
    learned : DataFrame
        `schemas.LEARNED_SCORES`.

    Returns
    -------
    DataFrame
        The rows of `scores` in their order, with `ml_alpha` as the last column, null where it is not known; `scores` itself where
        `learned` has no such column.
    """
    if ML_ALPHA not in learned.columns:
        return scores
    return scores.join(learned.select("date", "symbol", ML_ALPHA), on=["date", "symbol"], how="left", maintain_order="left")
