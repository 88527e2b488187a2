"""Factor exposures and scores (Dagster *assets*).

What belongs here: the group `factors`. What does not: any factor (`quant.factors`).
"""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

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
from mech_exo_assets.storage.data_files import TableWriter, Written
from mech_exo_assets.storage.lake import Lake

ABSENT = "absent_factors"
"""Metadata of `factors/exposures`: each factor that could not be computed, and why."""


@table_asset(
    EXPOSURES,
    code_version="1",
    automation=ON_YEAR_UPDATE,
    ins={
        "prices": table_input(PRICES, partition_mapping=years_before(LOOKBACK_YEARS), lazy=True),
        "fundamentals": table_input(FUNDAMENTALS, lazy=True),
        "features": table_input(FEATURES, lazy=True),
    },
    checks={
        "finite": "No exposure is infinite.",
        "all_factors_observed": "Every factor whose inputs are there is known for some name.",
    },
)
def exposures(
    context: dg.AssetExecutionContext,
    prices: pl.LazyFrame,
    fundamentals: pl.LazyFrame,
    features: pl.LazyFrame,
    strategy: dg.ResourceParam[Strategy],
    cluster: dg.ResourceParam[Cluster],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[Written]:
    """Raw exposure of every name to every factor whose inputs the source has, at the close of each session."""
    writer, spans = lake.writer(EXPOSURES), cluster.spans(years_of(context), prices)
    parts = [(writer, prices, fundamentals, features, span, strategy.factors.exclude) for span in spans]
    written, counts, infinities, origins = zip(*cluster.each(_exposures_of, parts), strict=True)
    known, infinite, origin = Counter[str](), sum(infinities), joined(origins)
    for each in counts:
        known.update(each)
    unobserved = [name for name, count in known.items() if count == 0]
    return materialised(
        EXPOSURES,
        Written.joined(EXPOSURES.key, written),
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
    writer: TableWriter,
    prices: pl.LazyFrame,
    fundamentals: pl.LazyFrame,
    features: pl.LazyFrame,
    years: tuple[int, int],
    exclude: Collection[str],
) -> tuple[Written, Counter[str], int, Origin]:
    """Files of some years; how many exposures to each factor are known, how many are infinite, and where factors come from."""
    from mech_exo_assets.quant.factors.tables import exposure_table

    known = of_years(prices, years[0] - LOOKBACK_YEARS, years[1])
    history = LOOKBACK_YEARS * SHORTEST_YEAR
    found = exposure_table(known, fundamentals, features, years=years, exclude=exclude, longest_history=history)
    factors = found.table.select(factor_columns(found.table.columns)).get_columns()
    counts = Counter({factor.name: factor.len() - factor.null_count() for factor in factors})
    infinite = sum(int(factor.is_infinite().sum()) for factor in factors)
    return writer.write(found.table), counts, infinite, Origin(absent=found.absent, lineage=found.lineage)


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
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[Written]:
    """Exposures made comparable: winsorised, sector-neutral, standardised over the names of a session; higher is better."""
    writer, spans = lake.writer(SCORES), cluster.spans(years_of(context), exposures)
    parts = [(writer, exposures, span, universe, strategy.scores.model_dump()) for span in spans]
    written, deviations = zip(*cluster.each(_scores_of, parts), strict=True)
    table, deviation = Written.joined(SCORES.key, written), max(deviations)
    factors = factor_columns(table.columns)
    return materialised(
        SCORES,
        table,
        metadata={"factors": len(factors)},
        lineage={name: [f"factors/exposures.{name}", "market/universe.sector"] for name in factors},
        checks=[check("standardised", passed=deviation < 1e-9, largest_deviation=deviation)],
    )


def _scores_of(
    writer: TableWriter, exposures: pl.LazyFrame, years: tuple[int, int], universe: pl.DataFrame, how: Mapping[str, Any]
) -> tuple[Written, float]:
    from mech_exo_assets.quant.factors.tables import largest_deviation, score_table

    table = score_table(of_years(exposures, *years), universe, **how)
    return writer.write(table), largest_deviation(table)
