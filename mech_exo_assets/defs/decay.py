"""Whether factors still work: statistics of their information coefficients, and the monitor that watches them (Dagster *assets*).

What belongs here: the tables of the group `decay` that are written whole. What does not: those with a time axis (`ic`), the formulas
(`quant.decay`, `quant.detection`, `quant.rotation`), and the page of each factor (`factor_pages`).
"""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from mech_exo_assets.defs.automation import ON_UPDATE
from mech_exo_assets.defs.ic import INDEX_COLUMNS
from mech_exo_assets.defs.tables import check, key_of, markdown_table, materialised, table_asset, table_assets, table_input
from mech_exo_assets.schemas import (
    ALARMS,
    BREAKDOWN,
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
    factor_columns,
)
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.lake import Lake

STATUSES = "statuses"
"""Metadata of `decay/status`, as the sensor reads it: status, since when and why, by factor."""


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
