"""From scores to a portfolio and what it would have earned (Dagster *assets*).

What belongs here: the group `strategy`. What does not: constructions and accounting (`quant.portfolio`, `quant.backtest`).
"""

import dagster as dg
import polars as pl

from mech_exo_assets.defs.automation import ON_UPDATE, ON_YEAR_UPDATE
from mech_exo_assets.defs.tables import check, markdown_table, materialised, table_asset, table_input
from mech_exo_assets.schemas import BACKTEST, COMPOSITE, PRICES, SCORES, TARGETS, factor_columns
from mech_exo_assets.settings import Strategy


@table_asset(
    COMPOSITE,
    code_version="1",
    automation=ON_YEAR_UPDATE,
    ins={"scores": table_input(SCORES)},
    checks={"standardised": "On every session the composite has mean 0 and standard deviation 1."},
)
def composite(scores: pl.DataFrame, strategy: dg.ResourceParam[Strategy]) -> dg.MaterializeResult[pl.DataFrame]:
    """One score and rank for each name and session: the weighted mean of its factor scores."""
    from mech_exo_assets.quant.composite import composite_score, composite_table, factor_weights
    from mech_exo_assets.quant.panel import Panel

    factors = factor_columns(scores.columns)
    panel = Panel.from_frame(scores, factors)
    weights = factor_weights(strategy.composite.weights, factors)
    table = composite_table(composite_score(panel, weights, min_coverage=strategy.composite.min_coverage), panel)
    moments = table.group_by("date").agg(pl.col("score").mean().alias("mean"), pl.col("score").std(ddof=0).alias("deviation"))
    off = moments.filter((pl.col("mean").abs() > 1e-9) | ((pl.col("deviation") - 1).abs() > 1e-9))
    sources = [f"factors/scores.{name}" for name in weights]
    return materialised(
        COMPOSITE,
        table,
        metadata={"weights": markdown_table(pl.DataFrame({"factor": list(weights), "weight": list(weights.values())}))},
        lineage={"score": sources, "rank": sources},
        checks=[check("standardised", passed=off.is_empty(), sessions_off=off.height)],
    )


@table_asset(
    TARGETS,
    code_version="1",
    automation=ON_YEAR_UPDATE,
    ins={"composite": table_input(COMPOSITE)},
    checks={"gross_as_chosen": "On every session the absolute weights add up to construction.gross."},
)
def targets(composite: pl.DataFrame, strategy: dg.ResourceParam[Strategy]) -> dg.MaterializeResult[pl.DataFrame]:
    """The weights that the portfolio should have, known at the close of each session."""
    from mech_exo_assets.quant.panel import Panel
    from mech_exo_assets.quant.portfolio import target_table

    construction = strategy.construction
    table = target_table(
        Panel.from_frame(composite, ["score"]), kind=construction.kind, gross=construction.gross, quantile=construction.quantile
    )
    gross = table.group_by("date").agg(pl.col("weight").abs().sum().alias("gross"))
    off = gross.filter((pl.col("gross") - construction.gross).abs() > 1e-9)
    latest = table.filter(pl.col("date") == pl.col("date").max()).sort(pl.col("weight").abs(), descending=True)
    return materialised(
        TARGETS,
        table,
        metadata={
            "construction": construction.kind,
            "mean_names": len(table) / max(gross.height, 1),
            "latest": markdown_table(latest.head(10)),
        },
        checks=[check("gross_as_chosen", passed=off.is_empty(), sessions_off=off.height)],
    )


@table_asset(
    BACKTEST,
    code_version="1",
    automation=ON_UPDATE,
    ins={
        "targets": table_input(TARGETS),
        "prices": table_input(PRICES, columns=["date", "symbol", "total_return_index"]),
    },
    checks={"returns_make_nav": "Compounding the net returns gives the NAV, to 1e-9."},
)
def backtest(targets: pl.DataFrame, prices: pl.DataFrame, strategy: dg.ResourceParam[Strategy]) -> dg.MaterializeResult[pl.DataFrame]:
    """What a portfolio that follows the targets would have earned, session by session, after costs."""
    from mech_exo_assets.quant.backtest import run
    from mech_exo_assets.quant.costs import linear_cost_rate
    from mech_exo_assets.quant.panel import Panel
    from mech_exo_assets.quant.performance import performance
    from mech_exo_assets.reports.figures import equity_and_drawdown

    market = Panel.from_frame(prices, ["total_return_index"])
    wanted = Panel.from_frame(targets, ["weight"], sessions=market.sessions, symbols=market.symbols)
    result = run(
        wanted.observed("weight"),
        market.observed("total_return_index"),
        market.sessions,
        execution_lag=strategy.execution_lag,
        cost_rate=linear_cost_rate(commission_bps=strategy.costs.commission_bps, half_spread_bps=strategy.costs.half_spread_bps),
        initial_nav=strategy.backtest.initial_nav,
    )
    table = result.to_frame()
    figures = performance(result.net_return, result.sessions)
    compounded = strategy.backtest.initial_nav * (1 + table["net_return"]).cum_prod()
    worst = float((table["nav"] / compounded - 1).abs().to_numpy().max())
    return materialised(
        BACKTEST,
        table,
        metadata={
            "cagr": figures.cagr,
            "volatility": figures.volatility,
            "sharpe": figures.sharpe,
            "max_drawdown": figures.max_drawdown,
            "mean_daily_turnover": float(result.turnover.mean()),
            "names_closed_without_price": result.closed_names,
            "equity": dg.MetadataValue.md(equity_and_drawdown(table)),
        },
        checks=[check("returns_make_nav", passed=worst < 1e-9, largest_difference=worst)],
    )
