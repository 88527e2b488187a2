"""The tables of the group `decay` that hold evidence: what each factor's score did, session by session and in sum.

What belongs here: information coefficients of every kind, quintiles, and their statistics. What does not: what is concluded from them
(`monitor`).
"""

from __future__ import annotations

import polars as pl

from mech_exo_assets.schemas.table import DATE, FACTOR, HORIZON, Column, TableSchema

_RETURNS_SOURCE = ("factors/scores.*", "market/prices.total_return_index")


def _ic_table(
    key: str, *segment: Column, row: str, ic: str, source: tuple[str, ...] = _RETURNS_SOURCE, n: str = "Names that had both."
) -> TableSchema:
    """A table of information coefficients by session; the last column of `segment` tells the rows of one factor and session apart."""
    return TableSchema(
        key=key,
        row=row,
        columns=(DATE, FACTOR, *segment, Column("ic", pl.Float64, ic, source=source), Column("n", pl.Int32, n, unit="names")),
        unique=("date", "factor", segment[-1].name),
        time_column="date",
    )


IC = _ic_table(
    "decay/ic",
    HORIZON,
    row="One factor, horizon and session.",
    ic="Rank correlation of the factor's score with the forward return, over the session's names.",
    source=("factors/scores.*", "market/forward_returns.value"),
)

RESIDUAL_IC = _ic_table(
    "decay/residual_ic",
    HORIZON,
    row="One factor, horizon and session.",
    ic="Rank correlation of the score with the forward return after what `decay.residual` names was taken out of it.",
    source=(*_RETURNS_SOURCE, "market/universe.sector"),
)

LAGGED_IC = _ic_table(
    "decay/lagged_ic",
    Column("lag", pl.Int32, "Sessions between the first session whose return the score could earn and the one measured.", unit="sessions"),
    row="One factor, lag and session.",
    ic="Rank correlation of the score with the return of the one session that begins execution_lag + lag sessions later.",
)

SECTOR_IC = _ic_table(
    "decay/sector_ic",
    HORIZON,
    Column("sector", pl.String, "Sector of the names.", source=("market/universe.sector",)),
    row="One factor, sector and session, over the monitored horizon.",
    ic="Rank correlation of the score with the forward return among the sector's names.",
    n="Names of the sector that had both.",
)

_QUINTILES = tuple(
    Column(
        f"quintile_{number}",
        pl.Float64,
        f"Mean forward return of the names in quintile {number} of the score{note}.",
        unit="fraction",
        nullable=True,
        source=_RETURNS_SOURCE,
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

_IC_SOURCE = ("decay/ic.ic",)
_RESIDUAL_SOURCE = ("decay/residual_ic.ic",)

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

_SEGMENT_SOURCE = ("decay/sector_ic.ic", "decay/residual_ic.ic")

BREAKDOWN = TableSchema(
    key="decay/breakdown",
    row="One factor and segment of names or of sessions, over the monitored horizon and the whole history.",
    columns=(
        FACTOR,
        HORIZON,
        Column("dimension", pl.String, "sector, volatility (of the market, against its own past) or trend (of the market)."),
        Column("segment", pl.String, "A sector; calm or turbulent; rising or falling."),
        Column("mean_ic", pl.Float64, "Mean IC of the segment.", source=_SEGMENT_SOURCE),
        Column("t_hac", pl.Float64, "Its t with Bartlett variance.", nullable=True, source=_SEGMENT_SOURCE),
        Column(
            "p_value",
            pl.Float64,
            "Two-sided, from the fixed-b distribution.",
            nullable=True,
            source=_SEGMENT_SOURCE,
        ),
        Column("n_sessions", pl.Int32, "Sessions with an IC.", unit="sessions"),
    ),
    unique=("factor", "dimension", "segment"),
)
