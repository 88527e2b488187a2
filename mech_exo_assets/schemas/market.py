"""The tables of the group `market`: what the source gave, and what follows from prices alone."""

from __future__ import annotations

import polars as pl

from mech_exo_assets.schemas.table import DATE, HORIZON, SYMBOL, Column, TableSchema


def _price(name: str, meaning: str, *, nullable: bool = True) -> Column:
    return Column(name, pl.Float64, meaning, unit="currency", nullable=nullable)


PRICES = TableSchema(
    key="market/prices",
    row="One symbol on one session.",
    columns=(
        DATE,
        SYMBOL,
        _price("open", "First trade of the session, unadjusted."),
        _price("high", "Highest trade of the session, unadjusted."),
        _price("low", "Lowest trade of the session, unadjusted."),
        _price("close", "Last trade of the session, unadjusted.", nullable=False),
        _price("adjusted_close", "Close adjusted for splits and dividends; the close itself where the source has none.", nullable=False),
        Column("volume", pl.Float64, "Shares traded.", unit="shares", nullable=True),
        Column("dividend_amount", pl.Float64, "Cash dividend per share with this ex-date.", unit="currency", nullable=True),
        Column("split_coefficient", pl.Float64, "New shares for each old one with this ex-date; 1 where nothing happened.", nullable=True),
        Column(
            "total_return_index",
            pl.Float64,
            "adjusted_close over the first adjusted_close of the symbol. Drives all returns; later dividends and splits do not move it.",
            source=("market/prices.adjusted_close",),
        ),
    ),
    unique=("date", "symbol"),
    time_column="date",
)

UNIVERSE = TableSchema(
    key="market/universe",
    row="One symbol.",
    columns=(
        SYMBOL,
        Column("name", pl.String, "Name of the company or instrument.", nullable=True),
        Column("sector", pl.String, "Sector; scores are neutral to it.", nullable=True),
        Column("asset_class", pl.String, "equity, bond, commodity, fx or crypto."),
        Column("listed_from", pl.Date, "First day of the listing, where the source knows it.", nullable=True),
        Column("listed_to", pl.Date, "Last day of the listing, where the source knows it.", nullable=True),
    ),
    unique=("symbol",),
)

FUNDAMENTALS = TableSchema(
    key="market/fundamentals",
    row="One figure of one symbol, from the day on which it became known.",
    columns=(
        Column("date", pl.Date, "Day on which the figure became known."),
        SYMBOL,
        Column("item", pl.String, "Name of the figure, e.g. earnings_yield."),
        Column("value", pl.Float64, "The figure.", unit="as the source gives it"),
    ),
    unique=("date", "symbol", "item"),
)

FEATURES = TableSchema(
    key="market/features",
    row="One value of one alternative-data feature for one symbol.",
    columns=(
        Column("date", pl.Date, "Day that the value describes."),
        SYMBOL,
        Column("feature", pl.String, "Name of the feature."),
        Column("value", pl.Float64, "The value.", unit="as the source gives it"),
        Column("known_at", pl.Date, "Day from which the value may be used; the date itself where the source does not say."),
    ),
    unique=("feature", "date", "symbol"),
)

QUALITY = TableSchema(
    key="market/quality",
    row="One suspicious but usable observation.",
    columns=(
        Column("date", pl.Date, "Session of the observation; for a gap, the first session after it."),
        SYMBOL,
        Column("finding", pl.String, "gap, jump, stale, unadjusted_split, off_session or close_outside_range."),
        Column("value", pl.Float64, "How large: sessions missing, move in robust deviations, sessions unchanged, …", nullable=True),
        Column("detail", pl.String, "The finding as a sentence."),
    ),
    unique=("date", "symbol", "finding"),
)

FORWARD_RETURNS = TableSchema(
    key="market/forward_returns",
    row="One symbol, session and horizon.",
    columns=(
        DATE,
        SYMBOL,
        HORIZON,
        Column(
            "value",
            pl.Float64,
            "Simple total return from the execution session (date + execution_lag) over the horizon.",
            unit="fraction",
            source=("market/prices.total_return_index",),
        ),
    ),
    unique=("date", "symbol", "horizon"),
    time_column="date",
)
