"""The tables of the group `decay` that hold conclusions: which factor works, since when, and what that means for its weight.

What belongs here: the monitor's path, alarms, statuses and the recommended rotation. What does not: what they are concluded from
(`evidence`).
"""

from __future__ import annotations

import polars as pl

from mech_exo_assets.schemas.table import FACTOR, Column, TableSchema

_RESIDUAL_SOURCE = ("decay/residual_ic.ic",)

_STATUS = Column(
    "status", pl.String, "healthy, watch, decayed, recovered or unproven; the rules stand in docs/decay.md.", source=_RESIDUAL_SOURCE
)

_DELTA = Column(
    "delta",
    pl.Float64,
    "Shift that is watched for, in standard deviations of a session: what the loss of the established IC does to z.",
    nullable=True,
    source=_RESIDUAL_SOURCE,
)
_STATISTIC = Column(
    "statistic",
    pl.Float64,
    "CUSUM or Shiryaev-Roberts statistic; after a decay that of the recovery.",
    nullable=True,
    source=_RESIDUAL_SOURCE,
)
_THRESHOLD = Column("threshold", pl.Float64, "Where the statistic raises the alarm.", nullable=True)
_T = Column(
    "t",
    pl.Float64,
    "t of the mean IC of the working time, at the last review before it ended.",
    nullable=True,
    source=_RESIDUAL_SOURCE,
)
_ALIVE = Column(
    "alive",
    pl.Float64,
    "Probability that the factor still works, by a two-state filter.",
    unit="fraction",
    nullable=True,
    source=_RESIDUAL_SOURCE,
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
        _DELTA,
        _STATISTIC,
        _THRESHOLD,
        Column("watch_threshold", pl.Float64, "Where it raises the watch; null after a decay.", nullable=True),
        _T,
        _ALIVE,
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
        _T,
        _DELTA,
        _STATISTIC,
        _THRESHOLD,
        _ALIVE,
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
