"""Market data: prices, who they belong to, what is known about them, and what they returned afterwards (Dagster *assets*).

What belongs here: the group `market`. What does not: how a source is read (`sources`), what is suspicious (`quant.quality`).
"""

import datetime as dt

import dagster as dg
import polars as pl

from mech_exo_assets.defs.automation import ON_UPDATE, ON_YEAR_UPDATE
from mech_exo_assets.defs.cluster import Cluster
from mech_exo_assets.defs.partitions import FORWARD_YEARS, years_after, years_of
from mech_exo_assets.defs.resources import MarketSource
from mech_exo_assets.defs.tables import check, key_of, markdown_table, materialised, table_asset, table_input
from mech_exo_assets.quant.years import of_years
from mech_exo_assets.schemas import FEATURES, FORWARD_RETURNS, FUNDAMENTALS, PRICES, QUALITY, UNIVERSE
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.data_files import TableWriter, Written
from mech_exo_assets.storage.lake import Lake


@table_asset(
    PRICES,
    code_version="1",
    checks={
        "positive_prices": "Every close and adjusted close is above zero.",
        "on_sessions": "Every row lies on a session of the exchange.",
    },
)
def prices(
    context: dg.AssetExecutionContext, market_source: dg.ResourceParam[MarketSource], strategy: dg.ResourceParam[Strategy]
) -> dg.MaterializeResult[pl.DataFrame]:
    """Daily prices of every symbol, as the source gives them, with the index that all returns are computed from.

    Rows off the exchange's sessions are left out, and listed in `market/quality`.
    """
    from mech_exo_assets.quant.calendar import sessions
    from mech_exo_assets.quant.prices import on_sessions, total_return_index

    data = market_source.read()
    first, last = years_of(context)
    axis = sessions(*_period(data.prices), calendar=strategy.calendar)
    table = total_return_index(on_sessions(data.prices, axis)).filter(pl.col("date").dt.year().is_between(first, last))
    return materialised(
        PRICES,
        table,
        metadata={
            "source": market_source.uri,
            "symbols": table["symbol"].n_unique(),
            "notes": dg.MetadataValue.md("\n".join(f"- {note}" for note in data.notes) or "None."),
        },
        checks=[
            check("positive_prices", passed=table.filter((pl.col("close") <= 0) | (pl.col("adjusted_close") <= 0)).is_empty()),
            check("on_sessions", passed=on_sessions(table, axis).height == table.height),
        ],
    )


@table_asset(
    UNIVERSE, code_version="1", checks={"has_sectors": "Every symbol has a sector; scores of those without are neutralised together."}
)
def universe(market_source: dg.ResourceParam[MarketSource]) -> dg.MaterializeResult[pl.DataFrame]:
    """Which symbols there are, with their names, sectors and asset classes."""
    table = market_source.read().universe
    without = table.filter(pl.col("sector").is_null())["symbol"].to_list()
    sectors = table.group_by("sector").len("symbols").sort("symbols", "sector", descending=[True, False])
    return materialised(
        UNIVERSE,
        table,
        metadata={"sectors": markdown_table(sectors)},
        checks=[check("has_sectors", passed=not without, severity=dg.AssetCheckSeverity.WARN, symbols_without_sector=", ".join(without))],
    )


@table_asset(FUNDAMENTALS, code_version="1")
def fundamentals(market_source: dg.ResourceParam[MarketSource]) -> dg.MaterializeResult[pl.DataFrame]:
    """Figures from companies' reports, from the day on which each became known; empty where the source has none."""
    table = market_source.read().fundamentals
    return materialised(FUNDAMENTALS, table, metadata={"items": ", ".join(table["item"].unique().sort()) or "none in this source"})


@table_asset(FEATURES, code_version="1")
def features(market_source: dg.ResourceParam[MarketSource]) -> dg.MaterializeResult[pl.DataFrame]:
    """Alternative data of the user's own; each feature becomes a factor, used from the day on which it was known."""
    table = market_source.read().features
    return materialised(FEATURES, table, metadata={"features": ", ".join(table["feature"].unique().sort()) or "none in this source"})


@table_asset(
    QUALITY,
    code_version="1",
    automation=ON_UPDATE,
    deps=[key_of(PRICES)],
    checks={"nothing_suspicious": "No gap, jump, stale price or ignored split. A warning: such data is usable, and used."},
)
def quality(market_source: dg.ResourceParam[MarketSource], strategy: dg.ResourceParam[Strategy]) -> dg.MaterializeResult[pl.DataFrame]:
    """Observations that are usable but deserve a look: gaps, jumps, stale prices, splits that the adjusted price ignores."""
    from mech_exo_assets.quant.calendar import sessions
    from mech_exo_assets.quant.quality import findings

    raw = market_source.read().prices
    axis = sessions(*_period(raw), calendar=strategy.calendar)
    table = findings(raw, axis, **strategy.quality.model_dump())
    counts = table.group_by("finding").agg(pl.len().alias("rows"), pl.col("symbol").n_unique().alias("symbols")).sort("finding")
    return materialised(
        QUALITY,
        table,
        metadata={
            "findings": markdown_table(counts),
            "largest": markdown_table(table.sort("value", descending=True, nulls_last=True).head(20)),
        },
        checks=[check("nothing_suspicious", passed=table.is_empty(), severity=dg.AssetCheckSeverity.WARN, findings=table.height)],
    )


@table_asset(
    FORWARD_RETURNS,
    code_version="1",
    automation=ON_YEAR_UPDATE,
    ins={
        "prices": table_input(
            PRICES, columns=["date", "symbol", "total_return_index"], partition_mapping=years_after(FORWARD_YEARS), lazy=True
        )
    },
    checks={"above_total_loss": "No return is below -100 %."},
)
def forward_returns(
    context: dg.AssetExecutionContext,
    prices: pl.LazyFrame,
    strategy: dg.ResourceParam[Strategy],
    cluster: dg.ResourceParam[Cluster],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[Written]:
    """What each symbol returned after each session, over every horizon, from the session in which a trade could be executed."""
    writer, spans = lake.writer(FORWARD_RETURNS), cluster.spans(years_of(context), prices)
    written, lost = zip(*cluster.each(_forward_returns_of, [(writer, prices, span, strategy) for span in spans]), strict=True)
    return materialised(
        FORWARD_RETURNS,
        Written.joined(FORWARD_RETURNS.key, written),
        metadata={"horizons": ", ".join(map(str, strategy.horizons)), "execution_lag": strategy.execution_lag},
        checks=[check("above_total_loss", passed=sum(lost) == 0)],
    )


def _forward_returns_of(writer: TableWriter, prices: pl.LazyFrame, years: tuple[int, int], strategy: Strategy) -> tuple[Written, int]:
    """Files of some years, and how many returns are below -100 %."""
    from mech_exo_assets.quant.forward_returns import forward_return_table
    from mech_exo_assets.quant.panel import Panel

    panel = Panel.from_frame(of_years(prices, years[0], years[1] + FORWARD_YEARS), ["total_return_index"])
    table = forward_return_table(panel, horizons=strategy.horizons, execution_lag=strategy.execution_lag, years=years)
    return writer.write(table), table.filter(pl.col("value") < -1).height


def _period(table: pl.DataFrame) -> tuple[dt.date, dt.date]:
    first, last = table.select(pl.col("date").min().alias("first"), pl.col("date").max().alias("last")).row(0)
    return first, last
