"""How the strategy does on data that its weights were not fitted on (Dagster *assets*).

What belongs here: the walk-forward's tables. What does not: windows and fits (`quant.walk_forward`).
"""

from collections.abc import Iterator
from dataclasses import asdict

import dagster as dg
import polars as pl

from mech_exo_assets.defs.backtest import TRADED_PRICES
from mech_exo_assets.defs.tables import check, markdown_table, materialised, table_assets, table_input, unmeasured
from mech_exo_assets.schemas import (
    IC,
    LEARNED_SCORES,
    PRICES,
    SCORES,
    UNIVERSE,
    WALK_FORWARD,
    WALK_FORWARD_WEIGHTS,
    WALK_FORWARD_WINDOWS,
    factor_columns,
)
from mech_exo_assets.settings import Strategy


@table_assets(
    {
        WALK_FORWARD: {"out_of_sample": "No session lies in the training of its own window."},
        WALK_FORWARD_WINDOWS: {"gap_kept": "Between training and test lie the purge (lag and horizon) and the embargo, at least."},
        WALK_FORWARD_WEIGHTS: {"normalised": "The absolute weights of each window and fit add up to 1."},
    },
    name="strategy__windows",
    code_version="1",
    ins={
        "scores": table_input(SCORES, lazy=True),
        "learned": table_input(LEARNED_SCORES, lazy=True, optional=True),
        "ic": table_input(IC),
        "prices": table_input(PRICES, columns=[*TRADED_PRICES, "high", "low"]),
        "universe": table_input(UNIVERSE, columns=["symbol", "sector"]),
    },
)
def windows(
    scores: pl.LazyFrame, learned: pl.LazyFrame, strategy: dg.ResourceParam[Strategy], **tables: pl.DataFrame
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Windows roll over the history: weights are fitted on the training of each, and judged on the sessions that follow it."""
    from mech_exo_assets.quant.composite import names_learned
    from mech_exo_assets.quant.panel import Panel
    from mech_exo_assets.quant.walk_forward import NoWindowError, fits_of, gap_sessions, walk_forward

    prices = tables["prices"]
    market = Panel.from_frame(prices, [*TRADED_PRICES[2:], "high", "low"])
    # At the weight of the blend, ml_alpha is no factor that a fit could choose.
    chosen = [scores, learned] if names_learned(strategy.composite.weights) else [scores]
    of_tables = [
        Panel.from_frame(table, factor_columns(table.collect_schema().names()), sessions=market.sessions, symbols=market.symbols).fields
        for table in chosen
    ]
    panel = Panel(market.sessions, market.symbols, {name: matrix for fields in of_tables for name, matrix in fields.items()})
    fits = fits_of(strategy, tables["ic"], factors=list(panel.fields))
    try:
        result = walk_forward(panel, market, strategy, fits=fits, sectors=dict(tables["universe"].iter_rows()))
    except NoWindowError as error:
        # A short history has no window, which is an answer, and not a failure of all that comes after it.
        yield from _empty(str(error))
        return
    days, table, weights = result.days(), result.windows(), result.weights()
    inside = days.join(table, on=["window", "fit"]).filter(pl.col("date").is_between("train_from", "train_to")).height
    least = gap_sessions(strategy)
    sessions = prices["date"].unique()
    between = [int(sessions.is_between(*row, closed="none").sum()) for row in table.select("train_to", "test_from").iter_rows()]
    sums = weights.group_by("window", "fit").agg(pl.col("weight").abs().sum())
    stability = markdown_table(pl.DataFrame([{"fit": name, **asdict(each)} for name, each in result.stability.items()]))
    yield materialised(
        WALK_FORWARD,
        days,
        metadata={"stability": stability},
        checks=[check("out_of_sample", passed=inside == 0, sessions_in_training=inside)],
    )
    yield materialised(
        WALK_FORWARD_WINDOWS,
        table,
        metadata={"windows": markdown_table(table, digits=2), "stability": stability},
        checks=[check("gap_kept", passed=min(between) >= least, smallest_gap=min(between), wanted=least)],
    )
    yield materialised(
        WALK_FORWARD_WEIGHTS,
        weights,
        checks=[check("normalised", passed=sums.filter((pl.col("weight") - 1).abs() > 1e-9).is_empty())],
    )


def _empty(why: str) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    for schema, name in ((WALK_FORWARD, "out_of_sample"), (WALK_FORWARD_WINDOWS, "gap_kept"), (WALK_FORWARD_WEIGHTS, "normalised")):
        yield materialised(schema, schema.empty(), metadata={"no_window": why}, checks=[unmeasured(name, why)])
