"""The tables of the group `live`: what was to be held, what was traded, what it earned, and how far that is from the backtest."""

from __future__ import annotations

import polars as pl

from mech_exo_assets.schemas.table import DATE, SYMBOL, Column, TableSchema

VERSION = Column("version", pl.String, "Strategy version, by the beginning of its content hash.")

LIVE_TARGETS = TableSchema(
    key="live/targets",
    row="One symbol that the deployed strategy wanted to hold, from one session's close. What was once decided is not computed again.",
    columns=(
        DATE,
        SYMBOL,
        Column("weight", pl.Float64, "Target weight, known at the close of date.", unit="fraction of NAV", source=("factors/scores.*",)),
        VERSION,
    ),
    unique=("date", "symbol"),
)

FILLS = TableSchema(
    key="live/fills",
    row="One fill: of the source, or of the paper broker.",
    columns=(
        Column("timestamp", pl.Datetime("us"), "When it was filled, UTC."),
        Column("date", pl.Date, "Session that it is booked in."),
        SYMBOL,
        Column("quantity", pl.Float64, "Shares; negative for a sale.", unit="shares"),
        Column("price", pl.Float64, "Price of the fill.", unit="currency"),
        Column("fee", pl.Float64, "Commissions and fees.", unit="currency"),
        Column("order_id", pl.String, "Order that it belongs to; empty where the source does not say."),
        Column("broker", pl.String, "source or paper."),
    ),
    unique=("timestamp", "symbol", "order_id"),
)

LIVE_POSITIONS = TableSchema(
    key="live/positions",
    row="One name that was held at the close of a session, or that was traded in it.",
    columns=(
        DATE,
        SYMBOL,
        Column("quantity", pl.Float64, "Shares held at the close; negative is short.", unit="shares"),
        Column("average_cost", pl.Float64, "Average price of what is held, splits allowed for; null where nothing is.", nullable=True),
        Column("price", pl.Float64, "Close of the session, or the last one before it.", unit="currency"),
        Column("value", pl.Float64, "quantity × price.", unit="currency"),
        Column("realised", pl.Float64, "Profit of what was closed in the session, against its average cost.", unit="currency"),
        Column("unrealised", pl.Float64, "value − quantity × average_cost.", unit="currency"),
        Column("dividends", pl.Float64, "Received, or, short, paid in the session.", unit="currency"),
        Column("fees", pl.Float64, "Of the session's fills.", unit="currency"),
    ),
    unique=("date", "symbol"),
)


def _of_nav(name: str, meaning: str, unit: str = "currency") -> Column:
    return Column(name, pl.Float64, meaning, unit=unit, source=("live/fills.quantity", "live/fills.price", "market/prices.close"))


NAV = TableSchema(
    key="live/nav",
    row="One session of the live account.",
    columns=(
        DATE,
        _of_nav("nav", "Cash and positions at the close."),
        _of_nav("cash", "Cash at the close; proceeds of short sales are in it."),
        _of_nav("flow", "Deposit (or, negative, withdrawal) before the session."),
        _of_nav("live_return", "nav over the NAV before and the session's deposits, less one.", "fraction"),
        _of_nav("realised", "Profit of what was closed in the session."),
        _of_nav("unrealised", "Of all that is held at the close."),
        _of_nav("dividends", "Received less paid."),
        _of_nav("fees", "Of the session's fills."),
        _of_nav("turnover", "Traded notional over the base, buys and sells together.", "fraction"),
        _of_nav("exposure", "Sum of absolute positions over NAV.", "fraction of NAV"),
        Column("fills", pl.Int32, "Fills of the session."),
        Column("restated", pl.Boolean, "Whether the NAV is another than when the session was last computed: a late fill, or new prices."),
    ),
    unique=("date",),
)

LIVE_BACKTEST = TableSchema(
    key="live/backtest",
    row="One session of the backtest of the deployed strategy: live/targets, traded with the costs of the strategy file.",
    columns=(
        DATE,
        Column("gross_return", pl.Float64, "Return before costs.", unit="fraction"),
        Column("net_return", pl.Float64, "Return after costs.", unit="fraction"),
        Column("commission", pl.Float64, "Commissions of the session's trades.", unit="fraction"),
        Column("slippage", pl.Float64, "Half spreads and impact of the session's trades.", unit="fraction"),
        Column("turnover", pl.Float64, "Traded notional, buys and sells together.", unit="fraction"),
        Column("exposure", pl.Float64, "Sum of absolute positions over NAV, at the close.", unit="fraction of NAV"),
        Column("nav", pl.Float64, "At the close, from the same capital and with the same deposits as the live account.", unit="currency"),
        Column("version", pl.String, "Strategy version that was held in the session, bought at the close before or earlier."),
    ),
    unique=("date",),
)

DRIFT = TableSchema(
    key="live/drift",
    row="One session and window: the live account against the backtest of the deployed strategy. docs/drift.md has the definitions.",
    columns=(
        DATE,
        Column("window", pl.Int32, "Sessions that are compared, this one included.", unit="sessions"),
        Column("live_return", pl.Float64, "Annual growth of the live account over the window.", unit="fraction", nullable=True),
        Column("backtest_return", pl.Float64, "Annual growth of the backtest over the window.", unit="fraction", nullable=True),
        Column("drift_pct", pl.Float64, "(live − backtest) / |backtest| · 100.", unit="per cent", nullable=True),
        Column("tracking_error", pl.Float64, "Annual standard deviation of the daily difference.", unit="fraction", nullable=True),
        Column("information_ratio", pl.Float64, "Annual mean of the daily difference over tracking_error.", nullable=True),
        Column("t_hac", pl.Float64, "t of the mean daily difference, with Bartlett variance.", nullable=True),
        Column("status", pl.String, "OK, WARN, BREACH, or NO DATA."),
        Column("beyond_chance", pl.Boolean, "Whether t_hac is below the limit that the stated rate of false alarms leaves to this rule."),
    ),
    unique=("date", "window"),
)

DRIFT_ALARM = TableSchema(
    key="live/alarm",
    row="One session and stream of the sequential alarm.",
    columns=(
        DATE,
        Column("stream", pl.String, "difference: live less backtest; expectation: live less what the version promised."),
        Column("value", pl.Float64, "Of the session.", unit="fraction"),
        Column("z", pl.Float64, "Standardised; null before drift.min_sessions.", nullable=True),
        Column("statistic", pl.Float64, "CUSUM of −z; where it reaches the threshold is an alarm, and it begins anew.", nullable=True),
        Column("threshold", pl.Float64, "From the stated rate of false alarms.", nullable=True),
        Column("alarm", pl.Boolean, "Whether it was reached in this session."),
        VERSION,
    ),
    unique=("date", "stream"),
)

ATTRIBUTION = TableSchema(
    key="live/attribution",
    row="One session: why the live return is not that of the backtest. The parts add up to the gap.",
    columns=(
        DATE,
        *(
            Column(name, pl.Float64, meaning, unit="fraction")
            for name, meaning in (
                ("gap", "live_return less the backtest's net_return."),
                ("fees", "Fees paid, less the backtest's commissions; below 0 where more was paid."),
                ("slippage", "Fills against the close, less the backtest's half spreads and impact."),
                ("timing", "Of names that are held as the backtest held them some sessions before."),
                ("missed_positions", "Of names that are held otherwise than the backtest held them in any of the last sessions."),
                ("residual", "What is left: interest, borrow fees, dividends on other quantities, rounding."),
            )
        ),
    ),
    unique=("date",),
)

INPUT_DRIFT = TableSchema(
    key="live/inputs",
    row="One score, feature or prediction: whether its values of the last sessions are distributed as before.",
    columns=(
        Column("name", pl.String, "Name of the column."),
        Column("kind", pl.String, "exposure or prediction."),
        Column("psi", pl.Float64, "Population stability index of the last sessions against those before."),
        Column("p_value", pl.Float64, "Share of its null distribution, from blocks of the reference, that is at least as large."),
        Column("q_value", pl.Float64, "Benjamini and Yekutieli over all rows."),
        Column("status", pl.String, "STABLE or CHANGED."),
        Column("reference_from", pl.Date, "First session of the reference."),
        Column("reference_to", pl.Date, "Last session of the reference."),
        Column("current_from", pl.Date, "First of the last sessions."),
        Column("current_to", pl.Date, "Last session."),
    ),
    unique=("kind", "name"),
)

LIVE = (LIVE_TARGETS, FILLS, LIVE_POSITIONS, NAV, LIVE_BACKTEST, DRIFT, DRIFT_ALARM, ATTRIBUTION, INPUT_DRIFT)
"""All tables of the group."""
