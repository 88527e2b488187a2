"""What Dagster and storage add to the pure functions: `python -m mech_exo_tests.benchmarks.orchestration [SOURCE]`.

Three ways through the same chain in one process, after one warm-up: the functions of `quant` on frames in memory; the same with every
table written to and read from the lake, and the mart; and the whole through Dagster.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from mech_exo_assets.cli.options import dagster_instance
from mech_exo_assets.definitions import build_definitions
from mech_exo_assets.defs.partitions import LOOKBACK_YEARS, SHORTEST_YEAR
from mech_exo_assets.defs.runs import year_range_tags
from mech_exo_assets.quant import (
    backtest,
    calendar,
    composite,
    contributions,
    decay,
    detection,
    forward_returns,
    ic,
    ic_tables,
    performance,
    portfolio,
    prices,
    quality,
    quintiles,
    residual,
    rotation,
    walk_forward,
)
from mech_exo_assets.quant.factors.tables import exposure_table, score_table
from mech_exo_assets.quant.panel import Panel, unique_dates
from mech_exo_assets.schemas import TABLES, TARGETS, factor_columns
from mech_exo_assets.settings import Settings, Strategy, load_strategy
from mech_exo_assets.sources.protocol import MarketData
from mech_exo_assets.sources.uri import open_source
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.mart import Mart, update

ROUNDS = 3
Keep = Callable[[str, pl.DataFrame], pl.DataFrame]


def chain(data: MarketData, strategy: Strategy, keep: Keep) -> None:
    """The whole chain; `keep` is given each table and gives back what the next stage reads."""
    axis = calendar.sessions(data.prices["date"].min(), data.prices["date"].max(), calendar=strategy.calendar)
    market = keep("market/prices", prices.total_return_index(prices.on_sessions(data.prices, axis)))
    years = (market["date"].min().year, market["date"].max().year)
    universe = keep("market/universe", data.universe)
    fundamentals, features = keep("market/fundamentals", data.fundamentals), keep("market/features", data.features)
    keep("market/quality", quality.findings(data.prices, axis, **strategy.quality.model_dump()))
    index = Panel.from_frame(market, ["total_return_index"])
    returns = keep(
        "market/forward_returns",
        forward_returns.forward_return_table(index, horizons=strategy.horizons, execution_lag=strategy.execution_lag, years=years),
    )
    exposed = exposure_table(
        market, fundamentals, features, years=years, exclude=strategy.factors.exclude, longest_history=LOOKBACK_YEARS * SHORTEST_YEAR
    )
    exposures = keep("factors/exposures", exposed.table)
    scores = keep("factors/scores", score_table(exposures, universe, **strategy.scores.model_dump()))
    panel = Panel.from_frame(scores, factor_columns(scores.columns))
    forward = forward_returns.forward_return_matrices(returns, sessions=panel.sessions, symbols=panel.symbols)
    coefficients = keep("decay/ic", ic.ic_table(panel.fields, forward, panel.sessions, min_names=strategy.ic.min_names))
    _decay(market, universe, panel, coefficients, strategy, keep)
    weights = composite.factor_weights(strategy.composite.weights, factor_columns(scores.columns))
    joined = composite.composite_score(panel, weights, min_coverage=strategy.composite.min_coverage)
    ranked = keep("strategy/composite", composite.composite_table(joined, panel))
    chosen = strategy.construction
    traded = Panel.from_frame(market, ["open", "high", "low", "close", "volume", "total_return_index"])
    sectors = dict(universe.select("symbol", "sector").iter_rows())
    targets = portfolio.target_table(
        Panel.from_frame(ranked, ["score"]), traded, chosen, sectors=sectors, calendar=strategy.calendar, previous=TARGETS.empty()
    )
    targets = keep("strategy/targets", targets)
    wanted = Panel.from_frame(targets, ["weight"], sessions=traded.sessions, symbols=traded.symbols)
    book = backtest.run(
        wanted.observed("weight"), traded, costs=strategy.costs, choices=strategy.backtest, execution_lag=strategy.execution_lag
    )
    benchmark = backtest.benchmark_returns(traded["total_return_index"], traded.symbols, symbol=strategy.backtest.benchmark)[book.start :]
    days = keep("strategy/backtest", book.to_frame(benchmark))
    positions = keep("strategy/positions", book.positions())
    keep("strategy/trades", book.trades())
    keep("strategy/performance", performance.performance_table(book.net_return, book.gross_return, benchmark, book.sessions))
    contributed = contributions.contribution_table(
        contributions.Profits.of(positions, days, years=years),
        contributions.Composition(panel, weights, strategy.composite.min_coverage),
        sectors=sectors,
        target_dates=unique_dates(targets["date"]),
        execution_lag=strategy.execution_lag,
    )
    keep("strategy/contributions", contributed)
    walked = walk_forward.walk_forward(
        Panel.from_frame(scores, list(panel.fields), sessions=traded.sessions, symbols=traded.symbols),
        traded,
        strategy,
        fits=walk_forward.fits_of(strategy, coefficients, factors=list(panel.fields)),
        sectors=sectors,
    )
    keep("strategy/walk_forward", walked.days())
    keep("strategy/walk_forward_windows", walked.windows())
    keep("strategy/walk_forward_weights", walked.weights())


def _decay(market: pl.DataFrame, universe: pl.DataFrame, scores: Panel, coefficients: pl.DataFrame, strategy: Strategy, keep: Keep) -> None:
    """The group decay, from the information coefficients on."""
    index, sectors = Panel.from_frame(market, ["total_return_index"]), dict(universe.select("symbol", "sector").iter_rows())
    of_all = {
        "execution_lag": strategy.execution_lag,
        "min_names": strategy.ic.min_names,
        "years": (market["date"].min().year, market["date"].max().year),
    }
    horizon, choices, costs = strategy.monitored_horizon, strategy.decay, strategy.costs
    residuals = residual.residual_ic_table(
        scores,
        index,
        horizons=strategy.horizons,
        sectors=sectors,
        choices=choices,
        **of_all,
    )
    residuals = keep("decay/residual_ic", residuals)
    lagged = keep("decay/lagged_ic", ic_tables.lagged_ic_table(scores, index, lags=choices.lags, **of_all))
    by_sector = keep("decay/sector_ic", ic_tables.sector_ic_table(scores, index, horizon=horizon, sectors=sectors, **of_all))
    by_quintile = keep("decay/quintile_returns", quintiles.quintile_table(scores, index, horizons=strategy.horizons, **of_all))
    figures = decay.statistics(
        coefficients,
        residuals,
        lagged,
        by_quintile,
        cost_bps=costs.commission_bps + costs.half_spread_bps,
        resamples=choices.resamples,
        seed=strategy.seed,
    )
    figures = keep("decay/statistics", figures)
    monitored = residuals.filter(pl.col("horizon") == horizon)
    keep("decay/breakdown", decay.breakdown(by_sector, monitored, decay.regimes(index), horizon=horizon))
    watched = detection.watch(residuals, index.sessions, horizon=horizon, execution_lag=strategy.execution_lag, choices=choices)
    keep("decay/monitor", watched.monitor)
    keep("decay/alarms", watched.alarms)
    keep("decay/status_history", watched.status_history)
    status = keep("decay/status", watched.status)
    weights = composite.factor_weights(strategy.composite.weights, list(scores.fields))
    keep("decay/rotation", rotation.rotation(status, figures, weights, horizon=horizon, prior_ic=choices.prior_ic))


def in_memory(data: MarketData, strategy: Strategy) -> None:
    """The pure functions alone."""
    chain(data, strategy, lambda _, table: table)


def with_storage(data: MarketData, strategy: Strategy) -> None:
    """The same, each table through the lake, and the mart at the end."""
    import duckdb

    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder) / "lake")
        years = range(data.prices["date"].min().year, data.prices["date"].max().year + 1)

        def through_the_lake(key: str, table: pl.DataFrame) -> pl.DataFrame:
            lake.write(TABLES[key], table, years=years if TABLES[key].time_column else None)
            return lake.read(key)

        chain(data, strategy, through_the_lake)
        with Mart(Path(folder) / "mart.duckdb").staged() as path, duckdb.connect(str(path)) as connection:
            update(connection, lake)


def through_dagster(data: MarketData, source: str) -> None:
    """The job `refresh` as `mech-exo run` launches it: events in SQLite files, checks, metadata and pictures."""
    with tempfile.TemporaryDirectory() as folder:
        definitions = build_definitions(Settings(home=Path(folder), source=source))
        tags = year_range_tags(data.prices["date"].min().year, data.prices["date"].max().year, rebuild=True)
        with dagster_instance(Settings(home=Path(folder), source=source)) as instance:
            assert definitions.resolve_job_def("refresh").execute_in_process(instance=instance, tags=tags).success


def main() -> None:
    """Print the three times, as medians, and what each layer adds."""
    source = sys.argv[1] if len(sys.argv) > 1 else "sample"
    data, strategy = open_source(source).load(), load_strategy()
    ways = {
        "pure functions in memory": lambda: in_memory(data, strategy),
        "the same through lake and mart": lambda: with_storage(data, strategy),
        "through Dagster": lambda: through_dagster(data, source),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for repetition in range(ROUNDS + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            if repetition:
                seconds[name].append(time.perf_counter() - started)
    pure, stored, whole = (statistics.median(seconds[name]) for name in ways)
    print(f"{source}: {len(data.prices):,} prices, medians of {ROUNDS} rounds")
    print(f"  pure functions in memory        {pure:7.2f} s")
    print(f"  the same through lake and mart  {stored:7.2f} s   storage adds {stored - pure:.2f} s")
    print(f"  through Dagster                 {whole:7.2f} s   Dagster adds {whole - stored:.2f} s, {whole / stored - 1:.0%} of the above")
    print(f"  Dagster and storage together are {1 - pure / whole:.0%} of the whole")


if __name__ == "__main__":
    main()
