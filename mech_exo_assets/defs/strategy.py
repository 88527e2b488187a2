"""From scores to the portfolio that should be held (Dagster *assets*).

What belongs here: the tables of the group `strategy` that come before the backtest. What does not: constructions (`quant.portfolio`), and
what the portfolio would have earned (`backtest`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg
import polars as pl

from mech_exo_assets.defs.automation import ON_YEAR_UPDATE
from mech_exo_assets.defs.cluster import Cluster
from mech_exo_assets.defs.ic import score_sources
from mech_exo_assets.defs.partitions import years_before, years_of
from mech_exo_assets.defs.tables import check, markdown_table, materialised, table_asset, table_input
from mech_exo_assets.quant.years import of_years
from mech_exo_assets.schemas import BLEND, COMPOSITE, LEARNED_SCORES, PRICES, SCORES, TARGETS, UNIVERSE
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.data_files import TableWriter, Written
from mech_exo_assets.storage.io_manager import REBUILD_TAG
from mech_exo_assets.storage.lake import Lake

RISK_YEARS = 3
"""Years of prices before its own that a year's targets may need: `construction.beta_window` is 500 sessions at most."""


@table_asset(
    COMPOSITE,
    code_version="2",
    automation=ON_YEAR_UPDATE,
    ins={
        "scores": table_input(SCORES, lazy=True),
        "learned": table_input(LEARNED_SCORES, lazy=True, optional=True),
        "blend": table_input(BLEND, optional=True),
    },
    checks={"standardised": "On every session the composite has mean 0 and standard deviation 1."},
)
def composite(
    context: dg.AssetExecutionContext,
    scores: pl.LazyFrame,
    learned: pl.LazyFrame,
    blend: pl.DataFrame,
    strategy: dg.ResourceParam[Strategy],
    cluster: dg.ResourceParam[Cluster],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[Written]:
    """One score and rank for each name and session: the weighted mean of its factor scores, with `ml_alpha` at the weight it has earned."""
    writer, spans = lake.writer(COMPOSITE), cluster.spans(years_of(context), scores)
    parts = list(cluster.each(_composite_of, [(writer, scores, learned, blend, span, strategy) for span in spans]))
    off = sum(part.sessions_off for part in parts)
    weights = {name: weight for part in parts for name, weight in part.weights.items()}
    known = [part.ml_alpha_weight for part in parts if part.ml_alpha_weight is not None]
    sources = score_sources(dict.fromkeys(name for part in parts for name in part.used))
    return materialised(
        COMPOSITE,
        Written.joined(COMPOSITE.key, [part.written for part in parts]),
        metadata={
            "weights": markdown_table(pl.DataFrame({"factor": list(weights), "weight": list(weights.values())})),
            "ml_alpha_weight": known[-1] if known else 0.0,
        },
        lineage={"score": sources, "rank": sources},
        checks=[check("standardised", passed=off == 0, sessions_off=off)],
    )


@dataclass(frozen=True)
class _CompositePart:
    """Files of some years, and what is said of them.

    Attributes
    ----------
    sessions_off : int
        Sessions whose composite has not the mean 0 and the standard deviation 1.
    weights : mapping of str to float
        Of the factors.
    used : list of str
        Factors that have a part, `ml_alpha` among them.
    ml_alpha_weight : float or None
        In the last session; None without sessions.
    """

    written: Written
    sessions_off: int
    weights: Mapping[str, float]
    used: list[str]
    ml_alpha_weight: float | None


def _composite_of(
    writer: TableWriter, scores: pl.LazyFrame, learned: pl.LazyFrame, blend: pl.DataFrame, years: tuple[int, int], strategy: Strategy
) -> _CompositePart:
    from mech_exo_assets.quant.composite import composite_table
    from mech_exo_assets.quant.learning.composite import composite_with_learned

    found = composite_with_learned(of_years(scores, *years), of_years(learned, *years), blend, strategy.composite)
    table = composite_table(found.score, found.panel)
    moments = table.group_by("date").agg(pl.col("score").mean().alias("mean"), pl.col("score").std(ddof=0).alias("deviation"))
    off = moments.filter((pl.col("mean").abs() > 1e-9) | ((pl.col("deviation") - 1).abs() > 1e-9)).height
    return _CompositePart(writer.write(table), off, found.weights, found.used, float(found.blend[-1]) if len(found.blend) else None)


@table_asset(
    TARGETS,
    code_version="2",
    automation=ON_YEAR_UPDATE,
    ins={
        "composite": table_input(COMPOSITE),
        "prices": table_input(
            PRICES,
            columns=["date", "symbol", "high", "low", "close", "total_return_index"],
            partition_mapping=years_before(RISK_YEARS),
        ),
        "universe": table_input(UNIVERSE),
    },
    checks={
        "as_chosen": "On every session the weights add up to construction.gross (less only where a choice allows it) and keep all limits."
    },
)
def targets(
    context: dg.AssetExecutionContext,
    composite: pl.DataFrame,
    prices: pl.DataFrame,
    universe: pl.DataFrame,
    strategy: dg.ResourceParam[Strategy],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[pl.DataFrame]:
    """The weights that the portfolio should have, known at the close of each session."""
    from mech_exo_assets.quant.panel import Panel
    from mech_exo_assets.quant.portfolio import sessions_off, target_table

    construction, sectors = strategy.construction, dict(universe.select("symbol", "sector").iter_rows())
    table = target_table(
        Panel.from_frame(composite, ["score"]),
        Panel.from_frame(prices, ["high", "low", "close", "total_return_index"]),
        construction,
        sectors=sectors,
        calendar=strategy.calendar,
        previous=_targets_of_the_year_before(context, lake),
    )
    off = sessions_off(table, construction, sectors=sectors)
    sessions = table["date"].n_unique()
    latest = table.filter(pl.col("date") == pl.col("date").max()).sort(pl.col("weight").abs(), descending=True)
    return materialised(
        TARGETS,
        table,
        metadata={
            "construction": construction.kind,
            "sessions_with_targets": sessions,
            "mean_names": len(table) / max(sessions, 1),
            "mean_gross": float(table["weight"].abs().sum()) / max(sessions, 1),
            "latest": markdown_table(latest.head(10)),
        },
        checks=[check("as_chosen", passed=off == 0, sessions_off=off)],
    )


def _targets_of_the_year_before(context: dg.AssetExecutionContext, lake: Lake) -> pl.DataFrame:
    """What was to be held in the year before this run's first, where hold bands go on from; nothing where the history starts with it.

    Read from the lake and not as an input: an asset that is its own input would have to be computed one year after another.
    """
    first, _ = years_of(context)
    if context.run.tags.get(REBUILD_TAG) == "true" or not lake.exists(TARGETS.key):
        return TARGETS.empty()
    return lake.read(TARGETS.key, years=[first - 1])
