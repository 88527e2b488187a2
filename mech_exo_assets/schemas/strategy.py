"""The tables of the group `strategy`: from the composite score to the book of the backtest and what is said about it."""

from __future__ import annotations

import polars as pl

from mech_exo_assets.schemas.table import DATE, FACTOR, SYMBOL, Column, TableSchema

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


def _of_backtest(name: str, meaning: str, unit: str = "fraction") -> Column:
    return Column(name, pl.Float64, meaning, unit=unit, source=("strategy/targets.weight", "market/prices.total_return_index"))


BACKTEST = TableSchema(
    key="strategy/backtest",
    row="One session of the simulated portfolio. Fractions are of the base: NAV at the previous close and the session's deposits.",
    columns=(
        DATE,
        _of_backtest("gross_return", "Return before costs: net_return + cost."),
        _of_backtest("net_return", "Return after costs: nav over the base, less one."),
        _of_backtest("cost", "All costs of the session: commission, spread, impact and borrow."),
        _of_backtest("turnover", "Traded notional, buys and sells together."),
        _of_backtest("exposure", "Sum of absolute positions over NAV, at the close.", "fraction of NAV"),
        _of_backtest("nav", "Net asset value at the close, after costs: cash and positions.", "currency"),
        _of_backtest("net_exposure", "Sum of signed positions over NAV, at the close.", "fraction of NAV"),
        _of_backtest("commission", "Commissions of the session's trades."),
        _of_backtest("spread", "Half bid-ask spreads of the session's trades."),
        _of_backtest("impact", "Market impact of the session's trades."),
        _of_backtest("borrow", "Fee for the shares that were short since the previous close."),
        _of_backtest("interest", "Interest on cash since the previous close, already in gross_return; negative where cash was owed."),
        _of_backtest("cash", "Cash at the close; proceeds of short sales are in it.", "currency"),
        _of_backtest("flow", "Deposit (or, negative, withdrawal) before the session.", "currency"),
        Column("names", pl.Int32, "Names held at the close.", unit="names"),
        Column(
            "benchmark_return",
            pl.Float64,
            "Return of the benchmark, backtest.benchmark or the equal-weighted mean of all names, bought with the first trade.",
            unit="fraction",
            nullable=True,
            source=("market/prices.total_return_index",),
        ),
    ),
    unique=("date",),
)

POSITIONS = TableSchema(
    key="strategy/positions",
    row="One name that was held at the close of a session, or that earned or lost something in it.",
    columns=(
        DATE,
        SYMBOL,
        Column("quantity", pl.Float64, "Shares held at the close; negative is short.", unit="shares"),
        Column("price", pl.Float64, "Unadjusted close of the session, or the last one before it.", unit="currency"),
        Column("value", pl.Float64, "quantity × price; with the cash of all, these add up to the NAV.", unit="currency"),
        Column("weight", pl.Float64, "Value over NAV at the close.", unit="fraction of NAV"),
        Column("profit", pl.Float64, "Earned in the session by price moves and dividends, before costs.", unit="currency"),
    ),
    unique=("date", "symbol"),
)

TRADES = TableSchema(
    key="strategy/trades",
    row="One simulated trade.",
    columns=(
        DATE,
        SYMBOL,
        Column("quantity", pl.Float64, "Shares; negative for a sale.", unit="shares"),
        Column("price", pl.Float64, "Unadjusted price of the execution, without costs.", unit="currency"),
        Column("commission", pl.Float64, "Commission.", unit="currency"),
        Column("spread", pl.Float64, "Half the bid-ask spread.", unit="currency"),
        Column("impact", pl.Float64, "Market impact.", unit="currency"),
        Column("side", pl.String, "buy or sell."),
        Column("notional", pl.Float64, "Absolute quantity × price.", unit="currency"),
        Column("reason", pl.String, "target: a new target; carried: the rest of an earlier one; closed: the name has stopped trading."),
    ),
    unique=("date", "symbol"),
)

PERFORMANCE = TableSchema(
    key="strategy/performance",
    row="One figure about the backtest's returns.",
    columns=(
        Column("metric", pl.String, "Name of the figure, as in `mech_exo_assets.quant.performance`."),
        Column("unit", pl.String, "Its unit."),
        Column(
            "net",
            pl.Float64,
            "Of the strategy after costs; null where not defined.",
            nullable=True,
            source=("strategy/backtest.net_return",),
        ),
        Column("gross", pl.Float64, "Of the strategy before costs.", nullable=True, source=("strategy/backtest.gross_return",)),
        Column("benchmark", pl.Float64, "Of the benchmark.", nullable=True, source=("strategy/backtest.benchmark_return",)),
        Column("net_dates", pl.String, "The period that the figure after costs belongs to, for a drawdown.", nullable=True),
        Column("meaning", pl.String, "The definition, in a sentence."),
    ),
    unique=("metric",),
)

CONTRIBUTIONS = TableSchema(
    key="strategy/contributions",
    row="What one member of a dimension (one factor, one sector, one side, one name) has added to a month's gross return.",
    columns=(
        Column("date", pl.Date, "Last session of the month that is there."),
        Column("dimension", pl.String, "factor, sector, side or name."),
        Column("member", pl.String, "Name of the factor, sector, side (long, short, cash) or symbol; `other` is what no member explains."),
        Column(
            "contribution",
            pl.Float64,
            "Sum over the month's sessions of profit over the base; the members of a dimension add up to the sum of gross returns.",
            unit="fraction",
            source=("strategy/positions.profit",),
        ),
    ),
    unique=("date", "dimension", "member"),
    time_column="date",
)

_FIT = Column("fit", pl.String, "How factor weights were chosen: configured (composite.weights), or refitted on each window's training.")
_WINDOW = Column("window", pl.Int32, "Number of the window, from 1.")

WALK_FORWARD = TableSchema(
    key="strategy/walk_forward",
    row="One session out of sample: every window's test period, joined into one backtest for each fit.",
    columns=(
        DATE,
        _FIT,
        _WINDOW,
        _of_backtest("gross_return", "Return before costs."),
        _of_backtest("net_return", "Return after costs."),
        _of_backtest("cost", "All costs of the session."),
        _of_backtest("turnover", "Traded notional, buys and sells together."),
        _of_backtest("exposure", "Sum of absolute positions over NAV, at the close.", "fraction of NAV"),
    ),
    unique=("date", "fit"),
)

WALK_FORWARD_WINDOWS = TableSchema(
    key="strategy/walk_forward_windows",
    row="One window of the walk-forward and one fit.",
    columns=(
        _WINDOW,
        _FIT,
        Column("train_from", pl.Date, "First session of the training."),
        Column("train_to", pl.Date, "Last session of the training, after purge and embargo."),
        Column("test_from", pl.Date, "First session out of sample."),
        Column("test_to", pl.Date, "Last session out of sample."),
        Column("train_sessions", pl.Int32, "Sessions of the training.", unit="sessions"),
        Column("test_sessions", pl.Int32, "Sessions out of sample.", unit="sessions"),
        Column("train_sharpe", pl.Float64, "Annual Sharpe ratio in the training, after costs.", nullable=True),
        Column("sharpe", pl.Float64, "Annual Sharpe ratio out of sample, after costs.", nullable=True),
        Column("sharpe_error", pl.Float64, "Standard error of the Sharpe ratio out of sample.", nullable=True),
        Column("total_return", pl.Float64, "Return over the test period, after costs.", unit="fraction"),
        Column("volatility", pl.Float64, "Annual volatility out of sample.", unit="fraction", nullable=True),
        Column("max_drawdown", pl.Float64, "Largest loss from a peak within the test period.", unit="fraction"),
        Column("turnover", pl.Float64, "Mean turnover of a session out of sample.", unit="fraction"),
    ),
    unique=("window", "fit"),
)

WALK_FORWARD_WEIGHTS = TableSchema(
    key="strategy/walk_forward_weights",
    row="The weight of one factor in one window of the walk-forward.",
    columns=(_WINDOW, _FIT, FACTOR, Column("weight", pl.Float64, "Weight in the composite; absolute weights add up to 1.")),
    unique=("window", "fit", "factor"),
)
