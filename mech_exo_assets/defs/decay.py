"""Whether factors still work: information coefficients, their statistics, and the monitor that watches them (Dagster *assets*).

What belongs here: the tables of the group `decay`. What does not: the formulas (`quant.decay`, `quant.detection`, `quant.rotation`), and
the page of each factor (`factor_pages`).
"""

from collections.abc import Iterable, Iterator

import dagster as dg
import polars as pl

from mech_exo_assets.defs.automation import ON_UPDATE, ON_YEAR_UPDATE
from mech_exo_assets.defs.cluster import Cluster, of_years
from mech_exo_assets.defs.partitions import FORWARD_YEARS, years_around, years_before, years_of
from mech_exo_assets.defs.tables import check, key_of, markdown_table, materialised, table_asset, table_assets, table_input
from mech_exo_assets.schemas import (
    ALARMS,
    BREAKDOWN,
    FORWARD_RETURNS,
    IC,
    LAGGED_IC,
    LEARNED_SCORES,
    MONITOR,
    PRICES,
    QUINTILE_RETURNS,
    RESIDUAL_IC,
    ROTATION,
    SCORES,
    SECTOR_IC,
    STATISTICS,
    STATUS,
    STATUS_HISTORY,
    UNIVERSE,
    factor_columns,
)
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.lake import Lake

STATUSES = "statuses"
"""Metadata of `decay/status`, as the sensor reads it: status, since when and why, by factor."""

BETA_YEARS = 3
"""Years of prices before its own that a year's residual returns may need: `decay.beta_window` is 500 sessions at most."""

INDEX_COLUMNS = ["date", "symbol", "total_return_index"]


@table_asset(
    IC,
    code_version="1",
    automation=ON_YEAR_UPDATE,
    ins={
        "scores": table_input(SCORES),
        "learned": table_input(LEARNED_SCORES, optional=True),
        "forward_returns": table_input(FORWARD_RETURNS),
    },
    checks={
        "within_bounds": "Every information coefficient lies between -1 and 1.",
        "measured": "Some factor has an information coefficient.",
    },
)
def ic(
    context: dg.AssetExecutionContext,
    scores: pl.DataFrame,
    learned: pl.DataFrame,
    forward_returns: pl.DataFrame,
    strategy: dg.ResourceParam[Strategy],
    cluster: dg.ResourceParam[Cluster],
) -> dg.MaterializeResult[pl.DataFrame]:
    """How well each factor's score ranked the returns that followed, per session and horizon."""
    from mech_exo_assets.quant.learning.scores import with_learned

    scores = with_learned(scores, learned)
    spans = cluster.years(*years_of(context))
    parts = [(of_years(scores, *span), of_years(forward_returns, *span), strategy.ic.min_names) for span in spans]
    table = pl.concat(cluster.map(_ic_of, parts))
    sources = score_sources(factor_columns(scores.columns))
    return materialised(
        IC,
        table,
        metadata={
            "factors": table["factor"].n_unique(),
            "horizons": ", ".join(map(str, sorted(table["horizon"].unique()))),
            "median_names": table["n"].median() or 0.0,
        },
        lineage={"ic": [*sources, "market/forward_returns.value"], "n": [*sources, "market/forward_returns.value"]},
        checks=[
            check("within_bounds", passed=table.filter(pl.col("ic").abs() > 1 + 1e-12).is_empty()),
            check("measured", passed=not table.is_empty(), severity=dg.AssetCheckSeverity.WARN),
        ],
    )


def _ic_of(scores: pl.DataFrame, forward_returns: pl.DataFrame, min_names: int) -> pl.DataFrame:
    from mech_exo_assets.quant.forward_returns import forward_return_matrices
    from mech_exo_assets.quant.ic import ic_table
    from mech_exo_assets.quant.panel import Panel

    panel = Panel.from_frame(scores, factor_columns(scores.columns))
    returns = forward_return_matrices(forward_returns, sessions=panel.sessions, symbols=panel.symbols)
    return ic_table(panel.fields, returns, panel.sessions, min_names=min_names)


@table_assets(
    {
        RESIDUAL_IC: {"within_bounds": "Every information coefficient lies between -1 and 1."},
        LAGGED_IC: {"within_bounds": "Every information coefficient lies between -1 and 1."},
        SECTOR_IC: {"within_bounds": "Every information coefficient lies between -1 and 1."},
        QUINTILE_RETURNS: {"spread_adds_up": "Every spread is the best quintile's return less the worst one's."},
    },
    name="decay__diagnostics",
    code_version="1",
    automation=ON_YEAR_UPDATE,
    ins={
        "scores": table_input(SCORES, partition_mapping=years_before(1)),
        "learned": table_input(LEARNED_SCORES, partition_mapping=years_before(1), optional=True),
        "prices": table_input(PRICES, columns=INDEX_COLUMNS, partition_mapping=years_around(before=BETA_YEARS, after=FORWARD_YEARS)),
        "universe": table_input(UNIVERSE, columns=["symbol", "sector"]),
    },
)
def diagnostics(
    context: dg.AssetExecutionContext,
    scores: pl.DataFrame,
    learned: pl.DataFrame,
    prices: pl.DataFrame,
    universe: pl.DataFrame,
    strategy: dg.ResourceParam[Strategy],
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """What each session says of each factor beyond its plain IC: on residual returns, by lag, by sector, by quintile of its score."""
    from mech_exo_assets.quant.ic_tables import lagged_ic_table, sector_ic_table
    from mech_exo_assets.quant.learning.scores import with_learned
    from mech_exo_assets.quant.panel import Panel
    from mech_exo_assets.quant.quintiles import quintile_table
    from mech_exo_assets.quant.residual import residual_ic_table

    scores = with_learned(scores, learned)
    factors = factor_columns(scores.columns)
    panel, market = Panel.from_frame(scores, factors), Panel.from_frame(prices, INDEX_COLUMNS[2:])
    choices, sectors = strategy.decay, dict(universe.iter_rows())
    of_all = {"execution_lag": strategy.execution_lag, "min_names": strategy.ic.min_names, "years": years_of(context)}
    tables = {
        RESIDUAL_IC: residual_ic_table(
            panel,
            market,
            horizons=strategy.horizons,
            sectors=sectors,
            choices=choices,
            **of_all,
        ),
        LAGGED_IC: lagged_ic_table(panel, market, lags=choices.lags, **of_all),
        SECTOR_IC: sector_ic_table(panel, market, horizon=strategy.monitored_horizon, sectors=sectors, **of_all),
    }
    sources = [*score_sources(factors), "market/prices.total_return_index"]
    with_sectors = [*sources, "market/universe.sector"]
    for schema, table in tables.items():
        lineage = with_sectors if schema is not LAGGED_IC else sources
        yield materialised(
            schema,
            table,
            metadata={"factors": table["factor"].n_unique(), "median_names": table["n"].median() or 0.0},
            lineage={"ic": lineage, "n": lineage},
            checks=[check("within_bounds", passed=table.filter(pl.col("ic").abs() > 1 + 1e-12).is_empty())],
        )
    quintiles = quintile_table(panel, market, horizons=strategy.horizons, **of_all)
    off = quintiles.filter((pl.col("quintile_5") - pl.col("quintile_1") - pl.col("spread")).abs() > 1e-12)
    yield materialised(
        QUINTILE_RETURNS,
        quintiles,
        metadata={"factors": quintiles["factor"].n_unique()},
        lineage={f"quintile_{number}": sources for number in range(1, 6)}
        | dict.fromkeys(("turnover", "rank_autocorrelation"), sources[:-1]),
        checks=[check("spread_adds_up", passed=off.is_empty(), rows_off=off.height)],
    )


@table_asset(
    STATISTICS,
    code_version="2",
    automation=ON_UPDATE,
    ins={
        "ic": table_input(IC),
        "residual_ic": table_input(RESIDUAL_IC),
        "lagged_ic": table_input(LAGGED_IC),
        "quintile_returns": table_input(QUINTILE_RETURNS),
    },
    checks={"some_factor_works": "At least one factor has a q-value of 5 % or less at some horizon."},
)
def statistics(
    ic: pl.DataFrame,
    residual_ic: pl.DataFrame,
    lagged_ic: pl.DataFrame,
    quintile_returns: pl.DataFrame,
    strategy: dg.ResourceParam[Strategy],
) -> dg.MaterializeResult[pl.DataFrame]:
    """What a factor's history says at each horizon: IC with a t that allows for autocorrelation, p and q, half-lives, spread, turnover."""
    from mech_exo_assets.quant import decay
    from mech_exo_assets.reports.figures import ic_overview

    costs = strategy.costs
    table = decay.statistics(
        ic,
        residual_ic,
        lagged_ic,
        quintile_returns,
        cost_bps=costs.commission_bps + costs.half_spread_bps,
        resamples=strategy.decay.resamples,
        seed=strategy.seed,
    )
    significant = table.filter(pl.col("q_value") <= 0.05)
    strongest = table.sort(pl.col("t_hac").abs(), descending=True, nulls_last=True).head(15)
    return materialised(
        STATISTICS,
        table,
        metadata={
            "significant": significant.height,
            "strongest": markdown_table(
                strongest.select(
                    "factor", "horizon", "mean_ic", "icir", "t_hac", "p_value", "q_value", "half_life", "turnover", "n_sessions"
                )
            ),
            "overview": dg.MetadataValue.md(ic_overview(table)),
        },
        checks=[
            check(
                "some_factor_works", passed=not significant.is_empty(), severity=dg.AssetCheckSeverity.WARN, significant=significant.height
            )
        ],
    )


@table_asset(
    BREAKDOWN,
    code_version="1",
    automation=ON_UPDATE,
    ins={
        "sector_ic": table_input(SECTOR_IC),
        "residual_ic": table_input(RESIDUAL_IC),
        "prices": table_input(PRICES, columns=INDEX_COLUMNS),
    },
    checks={"measured": "Some factor has an IC in some segment."},
)
def breakdown(
    sector_ic: pl.DataFrame, residual_ic: pl.DataFrame, prices: pl.DataFrame, strategy: dg.ResourceParam[Strategy]
) -> dg.MaterializeResult[pl.DataFrame]:
    """Where a factor works: by sector, in calm and turbulent, in rising and falling markets."""
    from mech_exo_assets.quant import decay
    from mech_exo_assets.quant.panel import Panel

    horizon = strategy.monitored_horizon
    table = decay.breakdown(
        sector_ic,
        residual_ic.filter(pl.col("horizon") == horizon),
        decay.regimes(Panel.from_frame(prices, INDEX_COLUMNS[2:])),
        horizon=horizon,
    )
    largest = table.sort(pl.col("t_hac").abs(), descending=True, nulls_last=True).head(15)
    return materialised(
        BREAKDOWN,
        table,
        metadata={"horizon": horizon, "largest": markdown_table(largest)},
        checks=[check("measured", passed=not table.is_empty(), severity=dg.AssetCheckSeverity.WARN)],
    )


@table_assets(
    {
        MONITOR: {"no_alarm_unheard": "Wherever the statistic of a proven factor reached its threshold, an alarm stands in decay/alarms."},
        ALARMS: {"ordered": "No alarm comes before the change that it tells of, and the change lies in its interval."},
        STATUS_HISTORY: {"alternates": "No factor changes to the status that it has."},
        STATUS: {"none_decayed": "No factor has decayed. A warning: see its page."},
    },
    name="decay__watch",
    code_version="1",
    automation=ON_UPDATE,
    ins={"residual_ic": table_input(RESIDUAL_IC), "prices": table_input(PRICES, columns=["date"])},
)
def watched(
    residual_ic: pl.DataFrame, prices: pl.DataFrame, strategy: dg.ResourceParam[Strategy]
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Each factor watched session by session, with what was known then; `docs/decay.md` has every rule."""
    from mech_exo_assets.quant.detection import watch
    from mech_exo_assets.quant.panel import unique_dates

    result = watch(
        residual_ic,
        unique_dates(prices["date"]),
        horizon=strategy.monitored_horizon,
        execution_lag=strategy.execution_lag,
        choices=strategy.decay,
    )
    monitor, alarms, history, status = result.monitor, result.alarms, result.status_history, result.status
    raised = monitor.filter((pl.col("status") != "unproven") & (pl.col("statistic") >= pl.col("threshold")))
    unheard = raised.join(alarms, left_on=["factor", "date"], right_on=["factor", "alarm_date"], how="anti")
    yield materialised(
        MONITOR,
        monitor,
        metadata={"factors": monitor["factor"].n_unique(), "horizon": strategy.monitored_horizon},
        checks=[check("no_alarm_unheard", passed=unheard.is_empty(), unheard=unheard.height)],
    )
    disordered = alarms.filter(
        (pl.col("change_date") >= pl.col("alarm_date")) | ~pl.col("change_date").is_between(pl.col("change_low"), pl.col("change_high"))
    )
    yield materialised(
        ALARMS,
        alarms,
        metadata={
            "budget": f"{strategy.decay.false_alarms_per_year:g} false alarms a year are expected of all factors together",
            "latest": markdown_table(alarms.sort("alarm_date", descending=True).head(15)),
        },
        checks=[check("ordered", passed=disordered.is_empty(), disordered=disordered.height)],
    )
    repeated = history.filter(pl.col("status") == pl.col("previous"))
    yield materialised(
        STATUS_HISTORY,
        history,
        metadata={"latest": markdown_table(history.sort("date", descending=True).head(15))},
        checks=[check("alternates", passed=repeated.is_empty(), repeated=repeated.height)],
    )
    decayed = status.filter(status="decayed")["factor"].to_list()
    counts = dict(status.group_by("status").len().sort("status").iter_rows())
    yield materialised(
        STATUS,
        status,
        metadata={
            **counts,
            "as_of": str(prices["date"].max()),
            "health": markdown_table(status.sort(pl.col("t").abs(), descending=True, nulls_last=True).select(STATUS.names[:8])),
            STATUSES: dg.MetadataValue.json(
                {
                    name: [now, since.isoformat(), why]
                    for name, now, since, why in status.select("factor", "status", "since", "reason").iter_rows()
                }
            ),
        },
        checks=[
            check("none_decayed", passed=not decayed, severity=dg.AssetCheckSeverity.WARN, decayed=", ".join(decayed), factors=len(decayed))
        ],
    )


@table_asset(
    ROTATION,
    code_version="1",
    automation=ON_UPDATE,
    ins={"status": table_input(STATUS), "statistics": table_input(STATISTICS)},
    deps=[key_of(SCORES), key_of(LEARNED_SCORES)],
    checks={"keeps_gross": "The recommended weights have the same sum of absolute values as the present ones, or are all 0."},
)
def rotation(
    status: pl.DataFrame, statistics: pl.DataFrame, strategy: dg.ResourceParam[Strategy], lake: dg.ResourceParam[Lake]
) -> dg.MaterializeResult[pl.DataFrame]:
    """By how much the evidence recommends to multiply each factor's weight. A recommendation: no weight is changed by it."""
    from mech_exo_assets.quant.composite import composite_weights
    from mech_exo_assets.quant.factor_names import ML_ALPHA
    from mech_exo_assets.quant.rotation import rotation as recommended

    factors = lake.scan(SCORES.key).collect_schema().names()
    learned = lake.scan(LEARNED_SCORES.key).collect_schema().names() if lake.exists(LEARNED_SCORES.key) else []
    table = recommended(
        status,
        statistics,
        composite_weights(strategy.composite.weights, factor_columns(factors), learned=ML_ALPHA in learned),
        horizon=strategy.monitored_horizon,
        prior_ic=strategy.decay.prior_ic,
    )
    before, after = (float(table[name].abs().sum()) for name in ("weight_before", "weight_after"))
    return materialised(
        ROTATION,
        table,
        metadata={"weights": markdown_table(table.sort("multiplier", descending=True).select(ROTATION.names[:5]))},
        checks=[check("keeps_gross", passed=after == 0.0 or abs(after - before) < 1e-9, before=before, after=after)],
    )


def score_sources(factors: Iterable[str]) -> list[str]:
    """The column, as `group/table.column`, of each factor's scores; that of the machine-learned one is in a table of its own."""
    from mech_exo_assets.quant.learning.scores import ML_ALPHA

    tables = {ML_ALPHA: LEARNED_SCORES.key}
    return [f"{tables.get(name, SCORES.key)}.{name}" for name in factors]
