"""What each session says of a factor: information coefficients, plain and residual, by lag, by sector, and by quintile (Dagster *assets*).

What belongs here: the tables of the group `decay` that have a time axis. What does not: the formulas (`quant.ic`, `quant.ic_tables`,
`quant.residual`, `quant.quintiles`), and what is made of them (`decay`).
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from mech_exo_assets.defs.automation import ON_YEAR_UPDATE
from mech_exo_assets.defs.cluster import Cluster
from mech_exo_assets.defs.partitions import FORWARD_YEARS, years_around, years_before, years_of
from mech_exo_assets.defs.tables import check, materialised, table_asset, table_assets, table_input
from mech_exo_assets.quant.years import of_years
from mech_exo_assets.schemas import (
    FORWARD_RETURNS,
    IC,
    LAGGED_IC,
    LEARNED_SCORES,
    PRICES,
    QUINTILE_RETURNS,
    RESIDUAL_IC,
    SCORES,
    SECTOR_IC,
    UNIVERSE,
    factor_columns,
)
from mech_exo_assets.settings import Strategy

if TYPE_CHECKING:
    from mech_exo_assets.quant.panel import Panel

BETA_YEARS = 3
"""Years of prices before its own that a year's residual returns may need: `decay.beta_window` is 500 sessions at most."""

INDEX_COLUMNS = ["date", "symbol", "total_return_index"]


@table_asset(
    IC,
    code_version="1",
    automation=ON_YEAR_UPDATE,
    ins={
        "scores": table_input(SCORES, lazy=True),
        "learned": table_input(LEARNED_SCORES, lazy=True, optional=True),
        "forward_returns": table_input(FORWARD_RETURNS, lazy=True),
    },
    checks={
        "within_bounds": "Every information coefficient lies between -1 and 1.",
        "measured": "Some factor has an information coefficient.",
    },
)
def ic(
    context: dg.AssetExecutionContext,
    scores: pl.LazyFrame,
    learned: pl.LazyFrame,
    forward_returns: pl.LazyFrame,
    strategy: dg.ResourceParam[Strategy],
    cluster: dg.ResourceParam[Cluster],
) -> dg.MaterializeResult[pl.DataFrame]:
    """How well each factor's score ranked the returns that followed, per session and horizon."""
    spans = cluster.spans(years_of(context), scores)
    parts = [(scores, learned, forward_returns, span, strategy.ic.min_names) for span in spans]
    table = pl.concat(cluster.each(_ic_of, parts))
    sources = score_sources(_factors(scores, learned))
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


def _ic_of(
    scores: pl.LazyFrame, learned: pl.LazyFrame, forward_returns: pl.LazyFrame, years: tuple[int, int], min_names: int
) -> pl.DataFrame:
    from mech_exo_assets.quant.forward_returns import forward_return_matrices
    from mech_exo_assets.quant.ic import ic_table

    panel = _panel(scores, learned, years)
    returns = forward_return_matrices(of_years(forward_returns, *years), sessions=panel.sessions, symbols=panel.symbols)
    return ic_table(panel.fields, returns, panel.sessions, min_names=min_names)


def _panel(scores: pl.LazyFrame, learned: pl.LazyFrame, years: tuple[int, int]) -> "Panel":
    """Scores of all factors, `ml_alpha` among them, in some years."""
    from mech_exo_assets.quant.learning.scores import with_learned
    from mech_exo_assets.quant.panel import Panel

    return Panel.from_frame(with_learned(of_years(scores, *years), of_years(learned, *years)), _factors(scores, learned))


def _factors(scores: pl.LazyFrame, learned: pl.LazyFrame) -> list[str]:
    return [name for table in (scores, learned) for name in factor_columns(table.collect_schema().names())]


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
        "scores": table_input(SCORES, partition_mapping=years_before(1), lazy=True),
        "learned": table_input(LEARNED_SCORES, partition_mapping=years_before(1), lazy=True, optional=True),
        "prices": table_input(
            PRICES, columns=INDEX_COLUMNS, partition_mapping=years_around(before=BETA_YEARS, after=FORWARD_YEARS), lazy=True
        ),
        "universe": table_input(UNIVERSE, columns=["symbol", "sector"]),
    },
)
def diagnostics(
    context: dg.AssetExecutionContext,
    scores: pl.LazyFrame,
    learned: pl.LazyFrame,
    prices: pl.LazyFrame,
    universe: pl.DataFrame,
    strategy: dg.ResourceParam[Strategy],
    cluster: dg.ResourceParam[Cluster],
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """What each session says of each factor beyond its plain IC: on residual returns, by lag, by sector, by quintile of its score."""
    spans = cluster.spans(years_of(context), scores)
    parts = list(cluster.each(_diagnostics_of, [(scores, learned, prices, universe, span, strategy) for span in spans]))
    residual, lagged, of_sectors, quintiles = (pl.concat(tables) for tables in zip(*parts, strict=True))
    sources = [*score_sources(_factors(scores, learned)), "market/prices.total_return_index"]
    with_sectors = [*sources, "market/universe.sector"]
    for schema, table in ((RESIDUAL_IC, residual), (LAGGED_IC, lagged), (SECTOR_IC, of_sectors)):
        lineage = with_sectors if schema is not LAGGED_IC else sources
        yield materialised(
            schema,
            table,
            metadata={"factors": table["factor"].n_unique(), "median_names": table["n"].median() or 0.0},
            lineage={"ic": lineage, "n": lineage},
            checks=[check("within_bounds", passed=table.filter(pl.col("ic").abs() > 1 + 1e-12).is_empty())],
        )
    off = quintiles.filter((pl.col("quintile_5") - pl.col("quintile_1") - pl.col("spread")).abs() > 1e-12)
    yield materialised(
        QUINTILE_RETURNS,
        quintiles,
        metadata={"factors": quintiles["factor"].n_unique()},
        lineage={f"quintile_{number}": sources for number in range(1, 6)}
        | dict.fromkeys(("turnover", "rank_autocorrelation"), sources[:-1]),
        checks=[check("spread_adds_up", passed=off.is_empty(), rows_off=off.height)],
    )


def _diagnostics_of(
    scores: pl.LazyFrame,
    learned: pl.LazyFrame,
    prices: pl.LazyFrame,
    universe: pl.DataFrame,
    years: tuple[int, int],
    strategy: Strategy,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    from mech_exo_assets.quant.ic_tables import lagged_ic_table, sector_ic_table
    from mech_exo_assets.quant.panel import Panel
    from mech_exo_assets.quant.quintiles import quintile_table
    from mech_exo_assets.quant.residual import residual_ic_table

    first, last = years
    panel = _panel(scores, learned, (first - 1, last))
    market = Panel.from_frame(of_years(prices, first - BETA_YEARS, last + FORWARD_YEARS), INDEX_COLUMNS[2:])
    choices, sectors = strategy.decay, dict(universe.iter_rows())
    of_all = {"execution_lag": strategy.execution_lag, "min_names": strategy.ic.min_names, "years": years}
    return (
        residual_ic_table(panel, market, horizons=strategy.horizons, sectors=sectors, choices=choices, **of_all),
        lagged_ic_table(panel, market, lags=choices.lags, **of_all),
        sector_ic_table(panel, market, horizon=strategy.monitored_horizon, sectors=sectors, **of_all),
        quintile_table(panel, market, horizons=strategy.horizons, **of_all),
    )


def score_sources(factors: Iterable[str]) -> list[str]:
    """The column, as `group/table.column`, of each factor's scores; that of the machine-learned one is in a table of its own."""
    from mech_exo_assets.quant.learning.scores import ML_ALPHA

    tables = {ML_ALPHA: LEARNED_SCORES.key}
    return [f"{tables.get(name, SCORES.key)}.{name}" for name in factors]
