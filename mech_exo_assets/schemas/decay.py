"""The tables of the group `decay`."""

from __future__ import annotations

import polars as pl

from mech_exo_assets.schemas.table import DATE, FACTOR, HORIZON, Column, TableSchema

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

_IC_SOURCE = ("decay/ic.ic",)
_RESIDUAL_SOURCE = ("decay/residual_ic.ic",)

RESIDUAL_IC = TableSchema(
    key="decay/residual_ic",
    row="One factor, horizon and session.",
    columns=(
        DATE,
        FACTOR,
        HORIZON,
        Column(
            "ic",
            pl.Float64,
            "Rank correlation of the score with the forward return after what `decay.residual` names was taken out of it.",
            source=("factors/scores.*", "market/prices.total_return_index", "market/universe.sector"),
        ),
        Column("n", pl.Int32, "Names that had both.", unit="names"),
    ),
    unique=("date", "factor", "horizon"),
    time_column="date",
)

LAGGED_IC = TableSchema(
    key="decay/lagged_ic",
    row="One factor, lag and session.",
    columns=(
        DATE,
        FACTOR,
        Column(
            "lag", pl.Int32, "Sessions between the first session whose return the score could earn and the one measured.", unit="sessions"
        ),
        Column(
            "ic",
            pl.Float64,
            "Rank correlation of the score with the return of the one session that begins execution_lag + lag sessions later.",
            source=("factors/scores.*", "market/prices.total_return_index"),
        ),
        Column("n", pl.Int32, "Names that had both.", unit="names"),
    ),
    unique=("date", "factor", "lag"),
    time_column="date",
)

SECTOR_IC = TableSchema(
    key="decay/sector_ic",
    row="One factor, sector and session, over the monitored horizon.",
    columns=(
        DATE,
        FACTOR,
        HORIZON,
        Column("sector", pl.String, "Sector of the names.", source=("market/universe.sector",)),
        Column(
            "ic",
            pl.Float64,
            "Rank correlation of the score with the forward return among the sector's names.",
            source=("factors/scores.*", "market/prices.total_return_index"),
        ),
        Column("n", pl.Int32, "Names of the sector that had both.", unit="names"),
    ),
    unique=("date", "factor", "sector"),
    time_column="date",
)

_QUINTILES = tuple(
    Column(
        f"quintile_{number}",
        pl.Float64,
        f"Mean forward return of the names in quintile {number} of the score{note}.",
        unit="fraction",
        nullable=True,
        source=("factors/scores.*", "market/prices.total_return_index"),
    )
    for number, note in ((1, " (the worst)"), (2, ""), (3, ""), (4, ""), (5, " (the best)"))
)

QUINTILE_RETURNS = TableSchema(
    key="decay/quintile_returns",
    row="One factor, horizon and session.",
    columns=(
        DATE,
        FACTOR,
        HORIZON,
        *_QUINTILES,
        Column(
            "spread",
            pl.Float64,
            "Best less worst quintile.",
            unit="fraction",
            source=("decay/quintile_returns.quintile_5", "decay/quintile_returns.quintile_1"),
        ),
        Column(
            "turnover",
            pl.Float64,
            "Share of the names in the best and worst quintile that were not there a horizon before, mean of the two.",
            unit="fraction",
            nullable=True,
            source=("factors/scores.*",),
        ),
        Column(
            "rank_autocorrelation",
            pl.Float64,
            "Rank correlation of the scores with those a horizon before.",
            nullable=True,
            source=("factors/scores.*",),
        ),
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
        Column("mean_ic", pl.Float64, "Mean information coefficient.", source=_IC_SOURCE),
        Column("icir", pl.Float64, "Mean over standard deviation of the IC, not annualised.", nullable=True, source=_IC_SOURCE),
        Column("t_hac", pl.Float64, "t of the mean IC with Bartlett (Newey-West) variance.", nullable=True, source=_IC_SOURCE),
        Column("p_value", pl.Float64, "Two-sided, from the fixed-b distribution of t_hac.", nullable=True, source=_IC_SOURCE),
        Column("q_value", pl.Float64, "Benjamini-Yekutieli, over all factors and horizons.", nullable=True, source=_IC_SOURCE),
        Column(
            "half_life",
            pl.Float64,
            "Sessions after which half of the signal is used up, the same for every horizon of a factor; null where not identified.",
            unit="sessions",
            nullable=True,
            source=("decay/lagged_ic.ic",),
        ),
        Column(
            "half_life_low", pl.Float64, "Lower end of its 95 % interval.", unit="sessions", nullable=True, source=("decay/lagged_ic.ic",)
        ),
        Column(
            "half_life_high", pl.Float64, "Upper end of its 95 % interval.", unit="sessions", nullable=True, source=("decay/lagged_ic.ic",)
        ),
        Column(
            "turnover",
            pl.Float64,
            "Mean share of the names in the best and worst quintile that were not there a horizon before.",
            unit="fraction",
            nullable=True,
            source=("decay/quintile_returns.turnover",),
        ),
        Column("n_sessions", pl.Int32, "Sessions with an IC.", unit="sessions"),
        Column("first_date", pl.Date, "First session with an IC."),
        Column("last_date", pl.Date, "Last session with an IC."),
        Column(
            "hit_rate",
            pl.Float64,
            "Share of sessions with an IC above zero; one of exactly zero counts half.",
            unit="fraction",
            source=_IC_SOURCE,
        ),
        Column(
            "calendar_half_life",
            pl.Float64,
            "Sessions in which the IC itself halves, from the first session on; null where not identified.",
            unit="sessions",
            nullable=True,
            source=_IC_SOURCE,
        ),
        Column("calendar_half_life_low", pl.Float64, "Lower end of its 95 % interval.", unit="sessions", nullable=True, source=_IC_SOURCE),
        Column("calendar_half_life_high", pl.Float64, "Upper end of its 95 % interval.", unit="sessions", nullable=True, source=_IC_SOURCE),
        Column("trend", pl.Float64, "Slope of the IC, in IC per 252 sessions.", nullable=True, source=_IC_SOURCE),
        Column("trend_t", pl.Float64, "t of the slope with Bartlett variance.", nullable=True, source=_IC_SOURCE),
        Column("trend_p", pl.Float64, "Two-sided, from the fixed-b distribution of trend_t.", nullable=True, source=_IC_SOURCE),
        Column("residual_ic", pl.Float64, "Mean IC on residual returns.", nullable=True, source=_RESIDUAL_SOURCE),
        Column("residual_t", pl.Float64, "Its t with Bartlett variance.", nullable=True, source=_RESIDUAL_SOURCE),
        Column("residual_p", pl.Float64, "Two-sided, from the fixed-b distribution.", nullable=True, source=_RESIDUAL_SOURCE),
        Column("residual_q", pl.Float64, "Benjamini-Yekutieli, over all factors and horizons.", nullable=True, source=_RESIDUAL_SOURCE),
        *(
            Column(
                each.name,
                each.dtype,
                f"{each.meaning[:-1]}, mean over sessions.",
                unit="fraction",
                nullable=True,
                source=(f"decay/quintile_returns.{each.name}",),
            )
            for each in _QUINTILES
        ),
        Column(
            "spread",
            pl.Float64,
            "Mean return of the best less the worst quintile over the horizon.",
            unit="fraction",
            nullable=True,
            source=("decay/quintile_returns.spread",),
        ),
        Column("spread_t", pl.Float64, "Its t with Bartlett variance.", nullable=True, source=("decay/quintile_returns.spread",)),
        Column(
            "spread_p", pl.Float64, "Two-sided, from the fixed-b distribution.", nullable=True, source=("decay/quintile_returns.spread",)
        ),
        Column(
            "net_spread",
            pl.Float64,
            "Mean spread less commission and half spread of the names that are exchanged each horizon.",
            unit="fraction",
            nullable=True,
            source=("decay/quintile_returns.spread", "decay/quintile_returns.turnover"),
        ),
        Column(
            "monotonicity",
            pl.Float64,
            "Rank correlation of quintile number and mean return, from -1 to 1.",
            nullable=True,
            source=tuple(f"decay/quintile_returns.{each.name}" for each in _QUINTILES),
        ),
        Column(
            "rank_autocorrelation",
            pl.Float64,
            "Mean rank correlation of the scores with those a horizon before.",
            nullable=True,
            source=("decay/quintile_returns.rank_autocorrelation",),
        ),
    ),
    unique=("factor", "horizon"),
)

BREAKDOWN = TableSchema(
    key="decay/breakdown",
    row="One factor and segment of names or of sessions, over the monitored horizon and the whole history.",
    columns=(
        FACTOR,
        HORIZON,
        Column("dimension", pl.String, "sector, volatility (of the market, against its own past) or trend (of the market)."),
        Column("segment", pl.String, "A sector; calm or turbulent; rising or falling."),
        Column("mean_ic", pl.Float64, "Mean IC of the segment.", source=("decay/sector_ic.ic", "decay/residual_ic.ic")),
        Column("t_hac", pl.Float64, "Its t with Bartlett variance.", nullable=True, source=("decay/sector_ic.ic", "decay/residual_ic.ic")),
        Column(
            "p_value",
            pl.Float64,
            "Two-sided, from the fixed-b distribution.",
            nullable=True,
            source=("decay/sector_ic.ic", "decay/residual_ic.ic"),
        ),
        Column("n_sessions", pl.Int32, "Sessions with an IC.", unit="sessions"),
    ),
    unique=("factor", "dimension", "segment"),
)

_STATUS = Column(
    "status", pl.String, "healthy, watch, decayed, recovered or unproven; the rules stand in docs/decay.md.", source=_RESIDUAL_SOURCE
)

MONITOR = TableSchema(
    key="decay/monitor",
    row="One factor and session: what was known of it at that session's close.",
    columns=(
        Column("date", pl.Date, "Session at whose close the newest IC became known: execution lag and horizon after its score."),
        FACTOR,
        Column("score_date", pl.Date, "Session of the score whose IC is the newest."),
        Column("ic", pl.Float64, "The newest IC on residual returns.", source=_RESIDUAL_SOURCE),
        Column(
            "z",
            pl.Float64,
            "The IC without what its past said of it, as a normal score by its own past, over its lasting spread; negative is worse.",
            nullable=True,
            source=_RESIDUAL_SOURCE,
        ),
        Column(
            "delta",
            pl.Float64,
            "Shift that is watched for: what the loss of the established IC does to z.",
            nullable=True,
            source=_RESIDUAL_SOURCE,
        ),
        Column(
            "statistic",
            pl.Float64,
            "CUSUM or Shiryaev-Roberts statistic; after a decay that of the recovery.",
            nullable=True,
            source=_RESIDUAL_SOURCE,
        ),
        Column("threshold", pl.Float64, "Where the statistic raises the alarm.", nullable=True),
        Column("watch_threshold", pl.Float64, "Where it raises the watch; null after a decay.", nullable=True),
        Column(
            "t",
            pl.Float64,
            "t of the mean IC of the working time, at the last review before it ended.",
            nullable=True,
            source=_RESIDUAL_SOURCE,
        ),
        Column(
            "alive",
            pl.Float64,
            "Probability that the factor still works, by a two-state filter.",
            unit="fraction",
            nullable=True,
            source=_RESIDUAL_SOURCE,
        ),
        _STATUS,
    ),
    unique=("date", "factor"),
)

ALARMS = TableSchema(
    key="decay/alarms",
    row="One alarm: a factor that stopped working, or works again.",
    columns=(
        Column("alarm_date", pl.Date, "Session at whose close the alarm was raised."),
        FACTOR,
        Column("kind", pl.String, "decay or recovery."),
        Column(
            "change_date",
            pl.Date,
            "Most likely first session of scores of the new regime, as estimated at the alarm.",
            source=_RESIDUAL_SOURCE,
        ),
        Column("change_low", pl.Date, "Lower end of its 95 % interval."),
        Column("change_high", pl.Date, "Upper end of its 95 % interval."),
        Column(
            "ic_before",
            pl.Float64,
            "Mean IC before the change: of the working time, or for a recovery of the dead time.",
            source=_RESIDUAL_SOURCE,
        ),
        Column("ic_after", pl.Float64, "Mean IC from the change to the alarm.", source=_RESIDUAL_SOURCE),
        Column("delta", pl.Float64, "Shift that was watched for, in standard deviations of a session."),
        Column("threshold", pl.Float64, "Where the statistic raised the alarm."),
        Column("detector", pl.String, "cusum or shiryaev_roberts."),
        Column(
            "expected_delay",
            pl.Float64,
            "Mean sessions from such a change to its alarm, at this breadth and budget.",
            unit="sessions",
        ),
        Column("false_alarms_per_year", pl.Float64, "Budget over all factors."),
        Column("factors", pl.Int32, "Factors that shared the budget."),
    ),
    unique=("factor", "alarm_date"),
)

STATUS_HISTORY = TableSchema(
    key="decay/status_history",
    row="One change of a factor's status.",
    columns=(
        Column("date", pl.Date, "Session at whose close the status became this."),
        FACTOR,
        _STATUS,
        Column("previous", pl.String, "Status before; null for the first.", nullable=True),
        Column("reason", pl.String, "Why, in words and numbers."),
    ),
    unique=("factor", "date"),
)

STATUS = TableSchema(
    key="decay/status",
    row="One factor, as it stands now.",
    columns=(
        FACTOR,
        _STATUS,
        Column("since", pl.Date, "Session at whose close the status became this."),
        Column(
            "alarm_date",
            pl.Date,
            "Session of the last alarm, of a decay or a recovery.",
            nullable=True,
            source=("decay/alarms.alarm_date",),
        ),
        Column("change_date", pl.Date, "Its estimated change.", nullable=True, source=("decay/alarms.change_date",)),
        Column(
            "ic_before",
            pl.Float64,
            "Mean IC before that change; without an alarm, of all sessions.",
            nullable=True,
            source=_RESIDUAL_SOURCE,
        ),
        Column(
            "ic_after", pl.Float64, "Mean IC from that change until now; null without an alarm.", nullable=True, source=_RESIDUAL_SOURCE
        ),
        Column(
            "expected_delay",
            pl.Float64,
            "Mean sessions from a loss of the whole IC (once decayed: from its return) to the alarm, if it came now; null where unproven.",
            unit="sessions",
            nullable=True,
            source=_RESIDUAL_SOURCE,
        ),
        Column("change_low", pl.Date, "Lower end of the 95 % interval of the change.", nullable=True, source=("decay/alarms.change_low",)),
        Column(
            "change_high", pl.Date, "Upper end of the 95 % interval of the change.", nullable=True, source=("decay/alarms.change_high",)
        ),
        Column(
            "t",
            pl.Float64,
            "t of the mean IC of the working time, at the last review before it ended.",
            nullable=True,
            source=_RESIDUAL_SOURCE,
        ),
        Column(
            "delta", pl.Float64, "Shift that is watched for, in standard deviations of a session.", nullable=True, source=_RESIDUAL_SOURCE
        ),
        Column("statistic", pl.Float64, "CUSUM or Shiryaev-Roberts statistic now.", nullable=True, source=_RESIDUAL_SOURCE),
        Column("threshold", pl.Float64, "Where it raises the alarm.", nullable=True),
        Column(
            "alive",
            pl.Float64,
            "Probability that the factor still works, by a two-state filter.",
            unit="fraction",
            nullable=True,
            source=_RESIDUAL_SOURCE,
        ),
        Column("n_sessions", pl.Int32, "Sessions with an IC.", unit="sessions"),
        Column("reason", pl.String, "Why it has this status, in words and numbers."),
    ),
    unique=("factor",),
)

ROTATION = TableSchema(
    key="decay/rotation",
    row="One factor: what its evidence recommends for its weight. A recommendation; nothing is changed by it.",
    columns=(
        FACTOR,
        Column(
            "multiplier",
            pl.Float64,
            "By how much to multiply the factor's weight, from 0 to 1.",
            source=("decay/status.alive", "decay/statistics.residual_t"),
        ),
        Column("weight_before", pl.Float64, "Weight in the strategy's composite."),
        Column("weight_after", pl.Float64, "Recommended weight; the sum of absolute weights stays what it was, unless all are 0."),
        Column("reason", pl.String, "Why, in words and numbers."),
        Column("status", pl.String, "As in decay/status.", source=("decay/status.status",)),
        Column(
            "evidence",
            pl.Float64,
            "Posterior mean of the factor's IC over its estimate, from 0 to 1.",
            unit="fraction",
            source=("decay/statistics.residual_t",),
        ),
        Column("alive", pl.Float64, "Probability that the factor still works.", unit="fraction", source=("decay/status.alive",)),
    ),
    unique=("factor",),
)
