"""The tables of the group `lifecycle`: challengers, what they had to pass, who was champion, and what retraining has brought.

The ledger is what was decided; these tables are what a reader sees of it.
"""

from __future__ import annotations

import polars as pl

from mech_exo_assets.schemas.live import VERSION
from mech_exo_assets.schemas.table import DATE, FACTOR, Column, TableSchema

_EVENT = Column("event", pl.Int64, "Number of the event in the ledger.")

CHALLENGER = TableSchema(
    key="lifecycle/challenger",
    row="One factor: its weight in the newest challenger, and in the champion that it would replace.",
    columns=(
        VERSION,
        FACTOR,
        Column("weight", pl.Float64, "In the challenger; absolute weights add up to 1.", source=("weights/optimised.weight",)),
        Column("champion_weight", pl.Float64, "In the champion."),
        Column("multiplier", pl.Float64, "What the rotation leaves of the factor, from 0 to 1.", source=("decay/rotation.multiplier",)),
    ),
    unique=("version", "factor"),
)

VALIDATION = TableSchema(
    key="lifecycle/validation",
    row="One gate of the newest challenger.",
    columns=(
        VERSION,
        Column("gate", pl.String, "Its name, as in lifecycle.validation; docs/lifecycle.md has the definitions."),
        Column("value", pl.Float64, "Null where it could not be measured, with the reason in `meaning`.", nullable=True),
        Column("threshold", pl.Float64, "Null where it is not judged.", nullable=True),
        Column("passed", pl.Boolean, "Null where it is not judged; what could not be measured does not pass.", nullable=True),
        Column("meaning", pl.String, "What the number says, as a sentence."),
    ),
    unique=("version", "gate"),
)

AB_TEST = TableSchema(
    key="lifecycle/ab_test",
    row="One stage of the comparison of the newest challenger with the champion.",
    columns=(
        VERSION,
        Column("champion", pl.String, "Version that it is compared with."),
        Column("stage", pl.String, "holdout: of the other stages lifecycle/live_comparison has a row a session."),
        Column("first_date", pl.Date, "First session that is compared.", nullable=True),
        Column("last_date", pl.Date, "Last session that is compared.", nullable=True),
        Column("n_sessions", pl.Int32, "Sessions that are compared.", unit="sessions"),
        Column("sharpe", pl.Float64, "Annual Sharpe ratio of the challenger, net of costs.", nullable=True),
        Column("champion_sharpe", pl.Float64, "Of the champion.", nullable=True),
        Column("difference", pl.Float64, "Challenger less champion.", nullable=True),
        Column("low", pl.Float64, "Lower end of the one-sided interval at ab_test.confidence.", nullable=True),
        Column("p_value", pl.Float64, "One-sided, that the challenger is not better (or, in breach, worse by the margin).", nullable=True),
        Column("wanted", pl.Float64, "Difference that `low` has to be above: 0, or −margin where the champion is in breach."),
        Column("verdict", pl.String, "better, not worse, undecided or worse."),
        Column("reason", pl.String, "The verdict as a sentence."),
    ),
    unique=("version", "stage"),
)

AB_RETURNS = TableSchema(
    key="lifecycle/ab_returns",
    row="What challenger or champion earned in one session of the comparison: what the A/B test is computed from.",
    columns=(
        DATE,
        Column("stage", pl.String, "holdout: of the other stages lifecycle/live_comparison has a row a session."),
        Column("role", pl.String, "challenger or champion."),
        VERSION,
        Column("net_return", pl.Float64, "After costs.", unit="fraction"),
    ),
    unique=("date", "stage", "role"),
)

LIVE_COMPARISON = TableSchema(
    key="lifecycle/live_comparison",
    row="One session on which a challenger was compared with the champion after it was built, in shadow or as a canary: the newest such.",
    columns=(
        DATE,
        VERSION,
        Column("champion", pl.String, "Version that it is compared with."),
        Column("stage", pl.String, "shadow or canary."),
        Column("sessions", pl.Int32, "Sessions that are compared, to this one.", unit="sessions"),
        Column("challenger_return", pl.Float64, "Of the session, after costs.", unit="fraction"),
        Column("champion_return", pl.Float64, "Of the session, after costs.", unit="fraction"),
        Column(
            "difference", pl.Float64, "Of the annual Sharpe ratios to this session, challenger less champion, at the hold-out's volatility."
        ),
        Column("low", pl.Float64, "The true difference is above it, whenever one looks, at ab_test.confidence.", nullable=True),
        Column("high", pl.Float64, "The true difference is below it, likewise.", nullable=True),
        Column("wanted", pl.Float64, "Difference that `low` has to be above: 0, or −margin where the champion is in breach."),
        Column("verdict", pl.String, "running, better, not worse, worse or undecided."),
    ),
    unique=("date",),
)

CHAMPION = TableSchema(
    key="lifecycle/champion",
    row="One reign: a strategy version, from the first session whose targets it gives to the last.",
    columns=(
        _EVENT,
        VERSION,
        Column("since", pl.Date, "First session whose targets it gives."),
        Column("until", pl.Date, "Last session whose targets it gives; null while it is champion.", nullable=True),
        Column("time", pl.Datetime("us", "UTC"), "When that was decided."),
        Column("how", pl.String, "registered, promoted, rolled_back or manual_override."),
        Column("actor", pl.String, "Who decided: a sensor, a job, or a person."),
        Column("reason", pl.String, "Why, as a sentence."),
    ),
    unique=("event",),
)

EVENTS = TableSchema(
    key="lifecycle/events",
    row="One event of the ledger.",
    columns=(
        _EVENT,
        Column("time", pl.Datetime("us", "UTC"), "When it was written."),
        Column("kind", pl.String, "What happened."),
        Column("version", pl.String, "Strategy version that it is about.", nullable=True),
        Column("actor", pl.String, "Who did it."),
        Column("summary", pl.String, "What happened, as a sentence."),
        Column("payload", pl.String, "All that was recorded, as JSON."),
        Column("hash", pl.String, "SHA-256 of the event and the hash before it."),
    ),
    unique=("event",),
)

PROBATION = TableSchema(
    key="lifecycle/probation",
    row="One session after a promotion: what the strategy has earned since, against what was to be expected.",
    columns=(
        DATE,
        VERSION,
        _EVENT,
        Column("sessions", pl.Int32, "Sessions since the promotion.", unit="sessions"),
        Column("live_return", pl.Float64, "Of the live account since then, compounded.", unit="fraction"),
        Column("expected", pl.Float64, "Median of what the hold-out lets expect over so many sessions.", unit="fraction"),
        Column("limit", pl.Float64, "Below it the strategy is taken back.", unit="fraction"),
        Column("p_value", pl.Float64, "Share of the expected distribution that is as low."),
        Column("status", pl.String, "watching, passed or breach."),
    ),
    unique=("date", "version", "event"),
)

BENEFIT = TableSchema(
    key="lifecycle/benefit",
    row="One session: what the path taken has earned, and what it would have been without retraining, or with it by calendar.",
    columns=(
        DATE,
        Column("path", pl.String, "taken, never or calendar."),
        Column("net_return", pl.Float64, "After costs, by the backtest.", unit="fraction"),
    ),
    unique=("date", "path"),
)

LIFECYCLE = (CHALLENGER, VALIDATION, AB_TEST, AB_RETURNS, LIVE_COMPARISON, CHAMPION, EVENTS, PROBATION, BENEFIT)
"""All tables of the group."""
