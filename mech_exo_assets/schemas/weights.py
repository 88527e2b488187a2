"""Tables of the group `weights`: what a search tried, what was chosen, and how much of it is chance."""

from __future__ import annotations

import polars as pl

from mech_exo_assets.schemas.table import DATE, FACTOR, Column, TableSchema

_TRIAL = Column("trial", pl.Int32, "Number of the trial in its search, by batch and slot.")
_SHARPE = Column("sharpe", pl.Float64, "Annual Sharpe ratio net of costs, over the tests of the search's windows.", nullable=True)
_DRAWDOWN = Column("max_drawdown", pl.Float64, "Largest loss from a peak, net of costs; larger is worse.", unit="fraction", nullable=True)
_CALMAR = Column("calmar", pl.Float64, "Annual growth over max_drawdown.", nullable=True)
_TURNOVER = Column("turnover", pl.Float64, "Mean traded notional of a session.", unit="fraction of NAV", nullable=True)
_SHARE = Column("factor_share", pl.Float64, "Largest share of one factor in the absolute weights.", unit="fraction", nullable=True)
_CONSTRUCTION = Column("construction", pl.String, "Searched parameters of the construction, as JSON; {} where none is opened.")

TRIALS = TableSchema(
    key="weights/trials",
    row="One trial of the newest search.",
    columns=(
        _TRIAL,
        Column("state", pl.String, "complete or failed."),
        Column("start", pl.String, "Name of the warm start that it is; null for one that the sampler proposed.", nullable=True),
        _SHARPE,
        _DRAWDOWN,
        _CALMAR,
        _TURNOVER,
        _SHARE,
        Column("feasible", pl.Boolean, "Whether it keeps all limits of the search."),
        Column("on_front", pl.Boolean, "Whether no other feasible trial dominates it."),
        _CONSTRUCTION,
        Column("why", pl.String, "Why it could not be judged; null where it could.", nullable=True),
        Column("completed_at", pl.Datetime("us", "UTC"), "When it was done."),
    ),
    unique=("trial",),
)

TRIAL_WEIGHTS = TableSchema(
    key="weights/trial_weights",
    row="The weight that one trial gave to one factor.",
    columns=(
        _TRIAL,
        FACTOR,
        Column("weight", pl.Float64, "Absolute weights of a trial add up to 1.", unit="fraction"),
    ),
    unique=("trial", "factor"),
)

TRIAL_RETURNS = TableSchema(
    key="weights/trial_returns",
    row="What one trial earned in one session of the search: what the measures of overfitting are computed from.",
    columns=(DATE, _TRIAL, Column("net_return", pl.Float64, "After costs; 0 before the first trade.", unit="fraction")),
    unique=("date", "trial"),
)

FRONTIER = TableSchema(
    key="weights/frontier",
    row="One trial that no other feasible trial dominates in Sharpe ratio, maximum drawdown and Calmar ratio.",
    columns=(
        _TRIAL,
        Column("chosen", pl.Boolean, "Whether search.choice picked it."),
        _SHARPE,
        _DRAWDOWN,
        _CALMAR,
        _TURNOVER,
        _SHARE,
        _CONSTRUCTION,
    ),
    unique=("trial",),
)

SHRINKAGE = TableSchema(
    key="weights/shrinkage",
    row="One share of equal weights, and how it did in the inner validation.",
    columns=(
        Column("share", pl.Float64, "Share of equal weights that is mixed in.", unit="fraction"),
        Column("sharpe", pl.Float64, "Annual Sharpe ratio over the inner tests; null where there are too few windows.", nullable=True),
        Column("chosen", pl.Boolean, "Whether the optimised weights have it."),
    ),
    unique=("share",),
)

OPTIMISED = TableSchema(
    key="weights/optimised",
    row="One factor: its weight after the search, the choice and the shrinkage.",
    columns=(
        FACTOR,
        Column(
            "weight",
            pl.Float64,
            "Absolute weights add up to 1; a candidate only where weights/overfitting has no failure.",
            unit="fraction",
        ),
        Column("searched", pl.Float64, "Weight in the trial that was picked, before shrinkage.", unit="fraction"),
        Column("equal", pl.Float64, "Equal weight.", unit="fraction"),
        Column("configured", pl.Float64, "Weight in the strategy file, scaled the same way.", unit="fraction"),
        Column("share_limit", pl.Float64, "Largest share that the search allowed; lower for a factor that had decayed.", unit="fraction"),
    ),
    unique=("factor",),
)

OVERFITTING = TableSchema(
    key="weights/overfitting",
    row="One measure of how much of the result is due to the search.",
    columns=(
        Column("measure", pl.String, "Its name; docs/overfitting.md has its definition."),
        Column("value", pl.Float64, "Null where it could not be computed, with the reason in `meaning`.", nullable=True),
        Column("threshold", pl.Float64, "From the section gates; null where it is not judged.", nullable=True),
        Column("passed", pl.Boolean, "Null where it is not judged; what could not be computed does not pass.", nullable=True),
        Column("meaning", pl.String, "What the number says, as a sentence."),
    ),
    unique=("measure",),
)

COMPARISON = TableSchema(
    key="weights/comparison",
    row="The optimised weights or a baseline, on the hold-out, which no search has seen.",
    columns=(
        Column("weights", pl.String, "optimised, configured (the strategy file's), equal or mean_ic."),
        Column("first_date", pl.Date, "First session of the hold-out that was traded."),
        Column("last_date", pl.Date, "Last session of the hold-out."),
        Column("n_sessions", pl.Int32, "Sessions that are compared.", unit="sessions"),
        Column("sharpe", pl.Float64, "Annual Sharpe ratio net of costs on the hold-out."),
        Column("sharpe_in_search", pl.Float64, "The same over the tests of the search's windows.", nullable=True),
        Column("total_return", pl.Float64, "Compounded net return on the hold-out.", unit="fraction"),
        Column("max_drawdown", pl.Float64, "Largest loss from a peak on the hold-out; larger is worse.", unit="fraction"),
        Column("turnover", pl.Float64, "Mean traded notional of a session.", unit="fraction of NAV"),
        Column("difference", pl.Float64, "Sharpe ratio of the optimised weights less this one's; null for themselves.", nullable=True),
        Column("difference_low", pl.Float64, "Lower end of its 95 % interval (studentised block bootstrap).", nullable=True),
        Column("difference_high", pl.Float64, "Upper end.", nullable=True),
        Column("p_value", pl.Float64, "Two-sided, of equal Sharpe ratios.", nullable=True),
        Column("detectable", pl.Float64, "Difference that so many sessions would show with a power of 80 %.", nullable=True),
        Column("looks", pl.Int32, "How often this hold-out, or one that overlaps it, has been looked at, this look included."),
    ),
    unique=("weights",),
)

HOLDOUT_RETURNS = TableSchema(
    key="weights/holdout_returns",
    row="What the optimised weights or a baseline earned in one session of the hold-out: what the comparison is computed from.",
    columns=(
        DATE,
        Column("weights", pl.String, "optimised, configured (the strategy file's), equal or mean_ic."),
        Column("net_return", pl.Float64, "After costs.", unit="fraction"),
    ),
    unique=("date", "weights"),
)

HISTORY = TableSchema(
    key="weights/history",
    row="One search: what it was, what it promised, and what its weights have realised since.",
    columns=(
        Column("study", pl.String, "Name of the study in the database."),
        Column("searched_at", pl.Datetime("us", "UTC"), "When its newest trial was done."),
        Column("searched_from", pl.Date, "First session that the search could see."),
        Column("searched_to", pl.Date, "Last session that the search could see."),
        Column("holdout_from", pl.Date, "First session of the hold-out."),
        Column("decided_on", pl.Date, "Last session that was known when the weights were chosen."),
        Column("scores_version", pl.Int64, "Version of factors/scores in the lake."),
        Column("prices_version", pl.Int64, "Version of market/prices in the lake."),
        Column("seed", pl.Int64, "Seed of the search."),
        Column("sampler", pl.String, "tpe or nsga2."),
        Column("trials", pl.Int32, "Trials of this search."),
        Column("trials_ever", pl.Int32, "Trials of all searches of this name until then, this one included."),
        Column("share", pl.Float64, "Share of equal weights that was mixed in.", unit="fraction"),
        Column("sharpe", pl.Float64, "Annual Sharpe ratio of the optimised weights in the search."),
        Column("max_drawdown", pl.Float64, "Their largest loss from a peak in the search.", unit="fraction"),
        Column("calmar", pl.Float64, "Their Calmar ratio in the search."),
        Column("holdout_sharpe", pl.Float64, "Their annual Sharpe ratio on the hold-out."),
        Column("holdout_equal_sharpe", pl.Float64, "That of equal weights on the hold-out."),
        Column("looks", pl.Int32, "Looks at that hold-out until then."),
        Column("passed", pl.Boolean, "Whether the gate let it through, so that it could become a candidate."),
        Column("weights", pl.String, "The optimised weights, as JSON."),
        _CONSTRUCTION,
        Column("realised_sessions", pl.Int32, "Sessions since `decided_on`.", unit="sessions"),
        Column("realised_sharpe", pl.Float64, "Annual Sharpe ratio net of costs since then; null before 60 sessions.", nullable=True),
        Column(
            "realised_return", pl.Float64, "Compounded net return since then; null before the first trade.", unit="fraction", nullable=True
        ),
    ),
    unique=("study",),
)
