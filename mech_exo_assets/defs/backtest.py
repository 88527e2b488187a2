"""What the portfolio would have earned, and where it came from (Dagster *assets*).

What belongs here: the book of the backtest, its figures, its contributions, the limits that it is held against. What does not: the
accounting (`quant.backtest`) and the definitions (`quant.performance`).
"""

from collections.abc import Iterator, Mapping

import dagster as dg
import polars as pl

from mech_exo_assets.defs.cluster import Cluster
from mech_exo_assets.defs.partitions import years_before, years_of
from mech_exo_assets.defs.tables import check, key_of, markdown_table, materialised, table_asset, table_assets, table_input
from mech_exo_assets.quant.years import of_years
from mech_exo_assets.reports.alerts import Alerts, describe, transition
from mech_exo_assets.schemas import (
    BACKTEST,
    BLEND,
    CONTRIBUTIONS,
    LEARNED_SCORES,
    PERFORMANCE,
    POSITIONS,
    PRICES,
    SCORES,
    TARGETS,
    TRADES,
    UNIVERSE,
)
from mech_exo_assets.settings import Strategy

LIMITS_LEFT = "limits_left"
"""Metadata of `strategy/performance`: the limits of the section `alerts` that the backtest has left."""

TRADED_PRICES = ["date", "symbol", "open", "close", "volume", "total_return_index"]


@table_assets(
    {
        BACKTEST: {
            "accounts_agree": "Counted from holdings and counted from flows, the NAV of every session is the same, to 1e-9.",
            "returns_make_nav": "Compounding the net returns, and adding the deposits, gives the NAV, to 1e-9.",
        },
        POSITIONS: {"cash_and_positions_make_nav": "On every session cash + Σ quantity × price is the NAV, to 1e-9."},
        TRADES: {"costs_add_up": "On every session the costs of the trades are those of the backtest, to 1e-9 of the NAV."},
    },
    name="strategy__book",
    code_version="2",
    ins={"targets": table_input(TARGETS), "prices": table_input(PRICES, columns=TRADED_PRICES)},
)
def book(targets: pl.DataFrame, prices: pl.DataFrame, strategy: dg.ResourceParam[Strategy]) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Simulated by trading towards the targets, `execution_lag` sessions after each became known; `docs/backtest.md` has every rule."""
    from mech_exo_assets.quant import backtest
    from mech_exo_assets.quant.panel import Panel
    from mech_exo_assets.quant.performance import performance
    from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR
    from mech_exo_assets.reports.figures import equity_and_drawdown

    market = Panel.from_frame(prices, TRADED_PRICES[2:])
    wanted = Panel.from_frame(targets, ["weight"], sessions=market.sessions, symbols=market.symbols)
    result = backtest.run(
        wanted.observed("weight"),
        market,
        costs=strategy.costs,
        choices=strategy.backtest,
        execution_lag=strategy.execution_lag,
        no_trade_band=strategy.construction.no_trade_band,
    )
    result.require_trades()
    benchmark = backtest.benchmark_returns(market["total_return_index"], market.symbols, symbol=strategy.backtest.benchmark)
    table, positions, trades = result.to_frame(benchmark[result.start :]), result.positions(), result.trades()
    figures = performance(result.net_return, result.sessions)
    drifts = backtest.audit(table, positions, trades, initial_nav=strategy.backtest.initial_nav)
    yield materialised(
        BACKTEST,
        table,
        metadata={
            "cagr": figures.cagr,
            "volatility": figures.volatility,
            "sharpe": figures.sharpe,
            "max_drawdown": figures.max_drawdown,
            "mean_daily_turnover": float(result.turnover.mean()),
            "mean_annual_cost": float(result.cost.mean()) * SESSIONS_PER_YEAR,
            "largest_exposure": float(result.exposure.max()),
            "deposits_yet_to_come": result.deposits_to_come(strategy.backtest.flows),
            "names_closed_without_price": result.closed_names,
            "orders_carried_over": result.carried_orders,
            "trades_without_known_volume": result.unmeasured_trades,
            "equity": dg.MetadataValue.md(equity_and_drawdown(table)),
        },
        checks=[
            check("accounts_agree", passed=result.identity_error < 1e-9, largest_difference=result.identity_error),
            check("returns_make_nav", passed=drifts.compounded < 1e-9, largest_difference=drifts.compounded),
        ],
    )
    latest = positions.filter((pl.col("date") == pl.col("date").max()) & (pl.col("value") != 0)).sort(
        pl.col("value").abs(), descending=True
    )
    yield materialised(
        POSITIONS,
        positions,
        metadata={"latest": markdown_table(latest.head(10)), "names_at_the_end": latest.height},
        checks=[check("cash_and_positions_make_nav", passed=drifts.positions < 1e-9, largest_difference=drifts.positions)],
    )
    yield materialised(
        TRADES,
        trades,
        metadata={
            "largest": markdown_table(trades.sort("notional", descending=True).head(10)),
            "by_reason": markdown_table(trades.group_by("reason").agg(pl.len().alias("trades"), pl.col("notional").sum()).sort("reason")),
        },
        checks=[check("costs_add_up", passed=drifts.costs < 1e-9, largest_difference=drifts.costs)],
    )


@table_asset(
    PERFORMANCE,
    code_version="1",
    ins={"backtest": table_input(BACKTEST)},
    checks={"within_limits": "The last sessions keep the limits of the section alerts; one that is left is told in the log and in Slack."},
)
def performance(
    context: dg.AssetExecutionContext, backtest: pl.DataFrame, strategy: dg.ResourceParam[Strategy], alerts: dg.ResourceParam[Alerts]
) -> dg.MaterializeResult[pl.DataFrame]:
    """Figures about the backtest before and after costs, beside its benchmark; and whether it keeps its limits."""
    from mech_exo_assets.quant.limits import judge
    from mech_exo_assets.quant.performance import performance_table

    days = backtest.sort("date")
    sessions = days["date"].to_numpy().astype("datetime64[D]")
    net, gross, benchmark = (days[name].to_numpy() for name in ("net_return", "gross_return", "benchmark_return"))
    table = performance_table(net, gross, benchmark, sessions)
    judgement = judge(net, sessions, strategy.alerts)
    before = _limits_left_before(context)
    alert = transition(before, judgement)
    delivery = None if alert is None else alerts.send(alert)
    left = judgement.left_after(before)
    return materialised(
        PERFORMANCE,
        table,
        metadata={
            "figures": markdown_table(table.select("metric", "unit", "net", "gross", "benchmark", "net_dates")),
            "judgement": describe(judgement),
            LIMITS_LEFT: dg.MetadataValue.json(list(left)),
            "alert": "none: no limit was newly left or kept again" if delivery is None else str(delivery),
        },
        checks=[
            check(
                "within_limits",
                passed=judgement.judged and not left,
                severity=dg.AssetCheckSeverity.WARN,
                sessions=judgement.n_sessions,
                wanted_sessions=judgement.wanted,
                **{each.name: f"{each.value} (limit {each.limit})" for each in judgement.checks},
            )
        ],
    )


def _limits_left_before(context: dg.AssetExecutionContext) -> list[str]:
    """The limits that were left at the last materialisation."""
    event = context.instance.get_latest_materialization_event(key_of(PERFORMANCE))
    if event is None or event.asset_materialization is None:
        return []
    value = event.asset_materialization.metadata.get(LIMITS_LEFT)
    return [] if value is None else list(value.value)


@table_asset(
    CONTRIBUTIONS,
    code_version="1",
    ins={
        "positions": table_input(POSITIONS, columns=["date", "symbol", "value", "profit"]),
        "backtest": table_input(BACKTEST, columns=["date", "nav", "net_return", "gross_return", "interest"]),
        "scores": table_input(SCORES, partition_mapping=years_before(1), lazy=True),
        "learned": table_input(LEARNED_SCORES, partition_mapping=years_before(1), lazy=True, optional=True),
        "blend": table_input(BLEND, optional=True),
        "targets": table_input(TARGETS, columns=["date"], partition_mapping=years_before(1)),
        "universe": table_input(UNIVERSE, columns=["symbol", "sector"]),
    },
    checks={"adds_up": "By factor, sector, side and name, the contributions of each month add up to its gross returns."},
)
def contributions(
    context: dg.AssetExecutionContext,
    scores: pl.LazyFrame,
    learned: pl.LazyFrame,
    strategy: dg.ResourceParam[Strategy],
    cluster: dg.ResourceParam[Cluster],
    **tables: pl.DataFrame,
) -> dg.MaterializeResult[pl.DataFrame]:
    """What each factor, sector, side and name has added to the gross return of each month."""
    from mech_exo_assets.quant.contributions import largest_gap

    spans = cluster.spans(years_of(context), scores)
    table = pl.concat(cluster.each(_contributions_of, [(scores, learned, tables, span, strategy) for span in spans]))
    gap = largest_gap(table, tables["backtest"])
    whole = table.group_by("dimension", "member").agg(pl.col("contribution").sum()).sort(pl.col("contribution").abs(), descending=True)
    return materialised(
        CONTRIBUTIONS,
        table,
        metadata={
            name: markdown_table(whole.filter(dimension=name).drop("dimension").head(10)) for name in ("factor", "sector", "side", "name")
        },
        checks=[check("adds_up", passed=gap < 1e-9, largest_difference=gap)],
    )


def _contributions_of(
    scores: pl.LazyFrame, learned: pl.LazyFrame, tables: Mapping[str, pl.DataFrame], years: tuple[int, int], strategy: Strategy
) -> pl.DataFrame:
    from mech_exo_assets.quant.contributions import Composition, Profits, contribution_table
    from mech_exo_assets.quant.learning.composite import composite_with_learned
    from mech_exo_assets.quant.panel import unique_dates

    # Targets that are in force in a year may be of the year before.
    known = (of_years(table, years[0] - 1, years[1]) for table in (scores, learned))
    joined = composite_with_learned(*known, tables["blend"], strategy.composite)
    return contribution_table(
        Profits.of(tables["positions"], tables["backtest"], years=years),
        Composition(joined.panel, joined.weights, strategy.composite.min_coverage, (joined.ml_alpha, joined.blend)),
        sectors=dict(tables["universe"].iter_rows()),
        target_dates=unique_dates(tables["targets"]["date"]),
        execution_lag=strategy.execution_lag,
    )
