"""Factor exposures and scores (Dagster *assets*).

What belongs here: the group `factors`. What does not: any factor (`quant.factors`).
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from mech_exo_assets.defs.automation import ON_YEAR_UPDATE
from mech_exo_assets.defs.cluster import Cluster, of_years
from mech_exo_assets.defs.partitions import LOOKBACK_YEARS, SHORTEST_YEAR, years_before, years_of
from mech_exo_assets.defs.tables import check, markdown_table, materialised, table_asset, table_input
from mech_exo_assets.schemas import EXPOSURES, FEATURES, FUNDAMENTALS, PRICES, SCORES, UNIVERSE, factor_columns
from mech_exo_assets.settings import Strategy

if TYPE_CHECKING:
    from mech_exo_assets.quant.factors.tables import Exposures

ABSENT = "absent_factors"
"""Metadata of `factors/exposures`: each factor that could not be computed, and why."""


@table_asset(
    EXPOSURES,
    code_version="1",
    automation=ON_YEAR_UPDATE,
    ins={
        "prices": table_input(PRICES, partition_mapping=years_before(LOOKBACK_YEARS)),
        "fundamentals": table_input(FUNDAMENTALS),
        "features": table_input(FEATURES),
    },
    checks={
        "finite": "No exposure is infinite.",
        "all_factors_observed": "Every factor whose inputs are there is known for some name.",
    },
)
def exposures(
    context: dg.AssetExecutionContext,
    prices: pl.DataFrame,
    fundamentals: pl.DataFrame,
    features: pl.DataFrame,
    strategy: dg.ResourceParam[Strategy],
    cluster: dg.ResourceParam[Cluster],
) -> dg.MaterializeResult[pl.DataFrame]:
    """Raw exposure of every name to every factor whose inputs the source has, at the close of each session."""
    from mech_exo_assets.quant.factors.tables import joined

    spans = cluster.years(*years_of(context))
    results = cluster.map(
        _exposures_of,
        [
            (of_years(prices, first - LOOKBACK_YEARS, last), fundamentals, features, (first, last), strategy.factors.exclude)
            for first, last in spans
        ],
    )
    result = joined(results)
    table = result.table
    known = {name: len(table) - table[name].null_count() for name in factor_columns(table.columns)}
    infinite = sum(int(table[name].is_infinite().sum()) for name in known)
    unobserved = [name for name, count in known.items() if count == 0]
    return materialised(
        EXPOSURES,
        table,
        metadata={
            "factors": len(known),
            "absent": markdown_table(pl.DataFrame({"factor": list(result.absent), "reason": list(result.absent.values())}))
            if result.absent
            else "none",
            ABSENT: dg.MetadataValue.json(dict(result.absent)),
        },
        lineage=result.lineage,
        checks=[
            check("finite", passed=infinite == 0, infinite=infinite),
            check("all_factors_observed", passed=not unobserved, severity=dg.AssetCheckSeverity.WARN, unobserved=", ".join(unobserved)),
        ],
    )


def _exposures_of(
    prices: pl.DataFrame, fundamentals: pl.DataFrame, features: pl.DataFrame, years: tuple[int, int], exclude: Collection[str]
) -> "Exposures":
    from mech_exo_assets.quant.factors.tables import exposure_table

    history = LOOKBACK_YEARS * SHORTEST_YEAR
    return exposure_table(prices, fundamentals, features, years=years, exclude=exclude, longest_history=history)


@table_asset(
    SCORES,
    code_version="1",
    automation=ON_YEAR_UPDATE,
    ins={"exposures": table_input(EXPOSURES), "universe": table_input(UNIVERSE)},
    checks={"standardised": "On every session each factor's scores have mean 0 and standard deviation 1."},
)
def scores(
    context: dg.AssetExecutionContext,
    exposures: pl.DataFrame,
    universe: pl.DataFrame,
    strategy: dg.ResourceParam[Strategy],
    cluster: dg.ResourceParam[Cluster],
) -> dg.MaterializeResult[pl.DataFrame]:
    """Exposures made comparable: winsorised, sector-neutral, standardised over the names of a session; higher is better."""
    from mech_exo_assets.quant.factors.tables import joined_tables, largest_deviation

    spans = cluster.years(*years_of(context))
    parts = [(of_years(exposures, *span), universe, strategy.scores.model_dump()) for span in spans]
    table = joined_tables(cluster.map(_scores_of, parts))
    deviation = largest_deviation(table)
    factors = factor_columns(table.columns)
    return materialised(
        SCORES,
        table,
        metadata={"factors": len(factors)},
        lineage={name: [f"factors/exposures.{name}", "market/universe.sector"] for name in factors},
        checks=[check("standardised", passed=deviation < 1e-9, largest_deviation=deviation)],
    )


def _scores_of(exposures: pl.DataFrame, universe: pl.DataFrame, how: Mapping[str, Any]) -> pl.DataFrame:
    from mech_exo_assets.quant.factors.tables import score_table

    return score_table(exposures, universe, **how)
