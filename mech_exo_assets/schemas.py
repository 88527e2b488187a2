"""The column contract of every table: name, type, unit, meaning, source.

What belongs here: what a reader of a table may rely on. It is used wherever the table appears: checked on every write to the lake,
shown in Dagster's asset pages, and published as comments in the mart. What does not: how a column is computed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name, dtype
        As stored.
    unit : str
        "fraction" (0.01 is one per cent), "sessions", "currency", "" where there is none.
    meaning : str
        One sentence for a person who did not write the code.
    nullable : bool
        Whether a value may be absent.
    source : tuple of str
        Columns it is computed from, as `group/table.column`.
    """

    name: str
    dtype: pl.DataType | type[pl.DataType]
    meaning: str
    unit: str = ""
    nullable: bool = False
    source: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A table: its key in the asset graph, what a row is, its columns, and what makes a row unique.

    Attributes
    ----------
    key : str
        `group/name`; the name of the asset, of the folder in the lake, and of the table in the mart.
    row : str
        What one row is, as a sentence.
    time_column : str or None
        The column by whose calendar year the table is partitioned; None for a table that is written whole.
    one_column_per_factor : bool
        Whether nullable Float64 columns beside the declared ones are expected, one for each factor.
    """

    key: str
    row: str
    columns: tuple[Column, ...]
    unique: tuple[str, ...]
    time_column: str | None = None
    one_column_per_factor: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the declared columns, in order."""
        return tuple(column.name for column in self.columns)

    def dtypes(self) -> dict[str, pl.DataType | type[pl.DataType]]:
        """Polars types of the declared columns."""
        return {column.name: column.dtype for column in self.columns}

    def empty(self) -> pl.DataFrame:
        """A frame with the declared columns and no rows."""
        return pl.DataFrame(schema=self.dtypes())


DATE = Column("date", pl.Date, "Session, by the exchange's calendar.")
SYMBOL = Column("symbol", pl.String, "Ticker, as the source names it.")
FACTOR = Column("factor", pl.String, "Name of the factor, as in `mech_exo_assets.quant.factors`.")
HORIZON = Column("horizon", pl.Int32, "Sessions over which the forward return runs.", unit="sessions")


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

EXPOSURES = TableSchema(
    key="factors/exposures",
    row="One symbol on one session; one column for each factor, raw.",
    columns=(DATE, SYMBOL),
    unique=("date", "symbol"),
    time_column="date",
    one_column_per_factor=True,
)

SCORES = TableSchema(
    key="factors/scores",
    row="One symbol on one session; one column for each factor: winsorised, sector-neutral, standardised, higher is better.",
    columns=(DATE, SYMBOL),
    unique=("date", "symbol"),
    time_column="date",
    one_column_per_factor=True,
)

IC = TableSchema(
    key="decay/ic",
    row="One factor, horizon and session.",
    columns=(
        DATE,
        FACTOR,
        HORIZON,
        Column(
            "ic",
            pl.Float64,
            "Rank correlation of the factor's score with the forward return, over the session's names.",
            source=("factors/scores.*", "market/forward_returns.value"),
        ),
        Column("n", pl.Int32, "Names that had both.", unit="names"),
    ),
    unique=("date", "factor", "horizon"),
    time_column="date",
)

STATISTICS = TableSchema(
    key="decay/statistics",
    row="One factor and horizon, over the whole history.",
    columns=(
        FACTOR,
        HORIZON,
        Column("mean_ic", pl.Float64, "Mean information coefficient.", source=("decay/ic.ic",)),
        Column("icir", pl.Float64, "Mean over standard deviation of the IC, not annualised.", nullable=True, source=("decay/ic.ic",)),
        Column("t_hac", pl.Float64, "t of the mean IC with Bartlett (Newey-West) variance.", nullable=True, source=("decay/ic.ic",)),
        Column("p_value", pl.Float64, "Two-sided, from the fixed-b distribution of t_hac.", nullable=True, source=("decay/ic.ic",)),
        Column("q_value", pl.Float64, "Benjamini-Yekutieli, over all factors and horizons.", nullable=True, source=("decay/ic.ic",)),
        Column("n_sessions", pl.Int32, "Sessions with an IC.", unit="sessions"),
        Column("first_date", pl.Date, "First session with an IC."),
        Column("last_date", pl.Date, "Last session with an IC."),
    ),
    unique=("factor", "horizon"),
)

COMPOSITE = TableSchema(
    key="strategy/composite",
    row="One symbol on one session.",
    columns=(
        DATE,
        SYMBOL,
        Column("score", pl.Float64, "Weighted mean of the factor scores, standardised over the session.", source=("factors/scores.*",)),
        Column("rank", pl.Int32, "1 is the best score of the session.", source=("factors/scores.*",)),
    ),
    unique=("date", "symbol"),
    time_column="date",
)

TARGETS = TableSchema(
    key="strategy/targets",
    row="One symbol that is to be held, from one session's close.",
    columns=(
        DATE,
        SYMBOL,
        Column(
            "weight",
            pl.Float64,
            "Target weight, known at the close of date and traded execution_lag sessions later.",
            unit="fraction of NAV",
            source=("strategy/composite.score",),
        ),
    ),
    unique=("date", "symbol"),
    time_column="date",
)


def _of_backtest(name: str, meaning: str, unit: str) -> Column:
    return Column(name, pl.Float64, meaning, unit=unit, source=("strategy/targets.weight", "market/prices.total_return_index"))


BACKTEST = TableSchema(
    key="strategy/backtest",
    row="One session of the simulated portfolio.",
    columns=(
        DATE,
        _of_backtest("gross_return", "Return before costs.", "fraction"),
        _of_backtest("net_return", "Return after costs.", "fraction"),
        _of_backtest("cost", "Costs of the session's trades over NAV before them.", "fraction"),
        _of_backtest("turnover", "Traded notional over NAV, buys and sells together.", "fraction"),
        _of_backtest("exposure", "Sum of absolute positions over NAV after trading.", "fraction"),
        _of_backtest("nav", "Net asset value at the close, after costs.", "currency"),
    ),
    unique=("date",),
)

TABLES: dict[str, TableSchema] = {
    schema.key: schema
    for schema in (
        PRICES,
        UNIVERSE,
        FUNDAMENTALS,
        FEATURES,
        QUALITY,
        FORWARD_RETURNS,
        EXPOSURES,
        SCORES,
        IC,
        STATISTICS,
        COMPOSITE,
        TARGETS,
        BACKTEST,
    )
}
"""Every table of the lake, by key."""


def factor_columns(columns: Iterable[str]) -> list[str]:
    """The factor columns of `factors/exposures` or `factors/scores`: all but date and symbol, in order."""
    return [name for name in columns if name not in ("date", "symbol")]
