"""Factor exposures and scores (Dagster *assets*).

What belongs here: the group `factors`. What does not: any factor (`quant.factors`).
"""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from mech_exo_assets.defs.automation import ON_YEAR_UPDATE
from mech_exo_assets.defs.cluster import Cluster
from mech_exo_assets.defs.partitions import LOOKBACK_YEARS, SHORTEST_YEAR, years_before, years_of
from mech_exo_assets.defs.tables import check, markdown_table, materialised, table_asset, table_input
from mech_exo_assets.quant.origin import Origin, joined
from mech_exo_assets.quant.years import of_years
from mech_exo_assets.schemas import EXPOSURES, FEATURES, FUNDAMENTALS, PRICES, SCORES, UNIVERSE, factor_columns
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.spool import Spool

if TYPE_CHECKING:
    from mech_exo_assets.quant.factors.tables import Exposures

ABSENT = "absent_factors"
"""Metadata of `factors/exposures`: each factor that could not be computed, and why."""


@table_asset(
    EXPOSURES,
    code_version="1",
    automation=ON_YEAR_UPDATE,
    ins={
        "prices": table_input(PRICES, partition_mapping=years_before(LOOKBACK_YEARS), lazy=True),
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
    prices: pl.LazyFrame,
    fundamentals: pl.DataFrame,
    features: pl.DataFrame,
    strategy: dg.ResourceParam[Strategy],
    cluster: dg.ResourceParam[Cluster],
) -> dg.MaterializeResult[Spool]:
    """Raw exposure of every name to every factor whose inputs the source has, at the close of each session."""
    table, known, infinite, origins = Spool(EXPOSURES), Counter[str](), 0, []
    spans = cluster.spans(years_of(context), prices)
    parts = [(prices, fundamentals, features, span, strategy.factors.exclude) for span in spans]
    for part in cluster.each(_exposures_of, parts):
        table.add(part.table)
        factors = part.table.select(factor_columns(part.table.columns))
        known.update({factor.name: factor.len() - factor.null_count() for factor in factors})
        infinite += sum(int(factor.is_infinite().sum()) for factor in factors)
        origins.append(Origin(absent=part.absent, lineage=part.lineage))
    origin = joined(origins)
    unobserved = [name for name, count in known.items() if count == 0]
    return materialised(
        EXPOSURES,
        table,
        metadata={
            "factors": len(known),
            "absent": markdown_table(pl.DataFrame({"factor": list(origin.absent), "reason": list(origin.absent.values())}))
            if origin.absent
            else "none",
            ABSENT: dg.MetadataValue.json(dict(origin.absent)),
        },
        lineage=origin.lineage,
        checks=[
            check("finite", passed=infinite == 0, infinite=infinite),
            check("all_factors_observed", passed=not unobserved, severity=dg.AssetCheckSeverity.WARN, unobserved=", ".join(unobserved)),
        ],
    )


def _exposures_of(
    prices: pl.LazyFrame, fundamentals: pl.DataFrame, features: pl.DataFrame, years: tuple[int, int], exclude: Collection[str]
) -> "Exposures":
    from mech_exo_assets.quant.factors.tables import exposure_table

    known = of_years(prices, years[0] - LOOKBACK_YEARS, years[1])
    history = LOOKBACK_YEARS * SHORTEST_YEAR
    return exposure_table(known, fundamentals, features, years=years, exclude=exclude, longest_history=history)


@table_asset(
    SCORES,
    code_version="1",
    automation=ON_YEAR_UPDATE,
    ins={"exposures": table_input(EXPOSURES, lazy=True), "universe": table_input(UNIVERSE)},
    checks={"standardised": "On every session each factor's scores have mean 0 and standard deviation 1."},
)
def scores(
    context: dg.AssetExecutionContext,
    exposures: pl.LazyFrame,
    universe: pl.DataFrame,
    strategy: dg.ResourceParam[Strategy],
    cluster: dg.ResourceParam[Cluster],
) -> dg.MaterializeResult[Spool]:
    """Exposures made comparable: winsorised, sector-neutral, standardised over the names of a session; higher is better."""
    from mech_exo_assets.quant.factors.tables import largest_deviation

    table, deviation = Spool(SCORES), 0.0
    spans = cluster.spans(years_of(context), exposures)
    for part in cluster.each(_scores_of, [(exposures, span, universe, strategy.scores.model_dump()) for span in spans]):
        table.add(part)
        deviation = max(deviation, largest_deviation(part))
    factors = factor_columns(table.columns)
    return materialised(
        SCORES,
        table,
        metadata={"factors": len(factors)},
        lineage={name: [f"factors/exposures.{name}", "market/universe.sector"] for name in factors},
        checks=[check("standardised", passed=deviation < 1e-9, largest_deviation=deviation)],
    )


def _scores_of(exposures: pl.LazyFrame, years: tuple[int, int], universe: pl.DataFrame, how: Mapping[str, Any]) -> pl.DataFrame:
    from mech_exo_assets.quant.factors.tables import score_table

    return score_table(of_years(exposures, *years), universe, **how)
