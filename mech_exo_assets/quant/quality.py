"""What is suspicious in prices, but usable.

What belongs here: findings that a person should look at, each one row with a sentence. What does not: data that cannot be used at
all, which a source refuses, and any repair.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mech_exo_assets import schemas
from mech_exo_assets.quant.panel import Dates
from mech_exo_assets.quant.prices import is_session

MAD_TO_DEVIATION = 1.4826
"""Standard deviation of a normal variable over its median absolute deviation."""
MEAN_TO_DEVIATION = 1.2533
"""The same over its mean absolute deviation; used where more than half of a name's returns are equal, so that the median is zero."""
_ROUNDING = 1e-6
"""A close outside of high and low by less than this fraction is rounding."""


def findings(
    prices: pl.DataFrame,
    sessions: Dates,
    *,
    jump_deviations: float = 10.0,
    stale_sessions: int = 10,
    gap_sessions: int = 1,
) -> pl.DataFrame:
    """Every suspicious observation, one row each.

    - `off_session`: a row whose date is no session. The other findings do not see it.
    - `gap`: at least `gap_sessions` sessions without a row between two rows of a name. `value`: how many.
    - `jump`: |r - median(r)| > `jump_deviations` · 1.4826 · MAD(r), where r is the log return of adjusted_close between two sessions
      that follow each other, and median and MAD are over all such returns of the name. `value`: the deviations, signed.
    - `stale`: at least `stale_sessions` rows in a row with the same close. Where the volume is known, a row repeats the one before only
      if it has no volume, or the same volume: a price that held while shares changed hands is not stale. `value`: rows in the run;
      `date`: its last session.
    - `unadjusted_split`: split_coefficient s ≠ 1 while adjusted_close / close changes by less than half of s, on a log scale.
      `value`: s.
    - `close_outside_range`: close above high or below low. `value`: by which fraction of the close.

    Parameters
    ----------
    prices : DataFrame
        In the columns of `schemas.PRICES` (total_return_index is not needed), one row for each date and symbol, sorted by date.
    sessions : ndarray of shape (n_sessions,), datetime64[D]
        Sorted; from the first date of the prices to the last.
    jump_deviations : float
        In robust standard deviations.
    stale_sessions, gap_sessions : int
        In sessions.

    Returns
    -------
    DataFrame
        `schemas.QUALITY`, sorted by date, symbol and finding.
    """
    inside = is_session(prices["date"], sessions)
    rows = _by_symbol(prices if inside.all() else prices.filter(inside), sessions)
    found = [
        schemas.QUALITY.empty(),
        _off_session(prices.filter(~inside)),
        _gaps(rows, gap_sessions),
        _jumps(rows, jump_deviations),
        _stale(rows, stale_sessions),
        _unadjusted_splits(rows),
        _close_outside_range(rows),
    ]
    return pl.concat(found).sort("date", "symbol", "finding")


def _by_symbol(prices: pl.DataFrame, sessions: Dates) -> pl.DataFrame:
    """Rows grouped by symbol, in order of time, with the session's number and what the row before says; null on a symbol's first row."""
    session = np.searchsorted(sessions, prices["date"].to_numpy().astype("datetime64[D]"))
    columns = ("high", "low", "close", "adjusted_close", "volume", "split_coefficient")
    # As an Enum, symbols are sorted and compared as small integers, many times faster than text; the sort is stable, so dates stay
    # in order.
    rows = prices.select(
        "date", pl.col("symbol").cast(pl.Enum(prices["symbol"].unique().sort())), *columns, session=pl.Series(session, dtype=pl.Int32)
    ).sort("symbol", maintain_order=True)
    same = pl.col("symbol") == pl.col("symbol").shift()
    before = ("session", "close", "adjusted_close", "volume")
    return rows.with_columns(pl.when(same).then(pl.col(name).shift()).alias(f"previous_{name}") for name in before)


def _listed(rows: pl.DataFrame, finding: str, value: pl.Expr, *detail: pl.Expr | str) -> pl.DataFrame:
    sentence = pl.concat_str(pl.lit(part) if isinstance(part, str) else part for part in detail)
    symbol = pl.col("symbol").cast(pl.String)
    return rows.select("date", symbol, pl.lit(finding).alias("finding"), value.cast(pl.Float64).alias("value"), sentence.alias("detail"))


def _off_session(rows: pl.DataFrame) -> pl.DataFrame:
    weekday = pl.col("date").dt.strftime("%A")
    return _listed(
        rows, "off_session", pl.lit(None), pl.col("date").cast(pl.String), ", a ", weekday, ", is no session: the row is left out."
    )


def _gaps(rows: pl.DataFrame, at_least: int) -> pl.DataFrame:
    missing = pl.col("session") - pl.col("previous_session") - 1
    return _listed(
        rows.filter(missing >= at_least), "gap", missing, missing.cast(pl.String), " session(s) without a price before this one."
    )


def _jumps(rows: pl.DataFrame, beyond: float) -> pl.DataFrame:
    consecutive = pl.col("session") == pl.col("previous_session") + 1
    moves = rows.lazy().select(
        "date", "symbol", move=pl.when(consecutive).then((pl.col("adjusted_close") / pl.col("previous_adjusted_close")).log())
    )
    centre = moves.group_by("symbol").agg(centre=pl.col("move").median())
    apart = moves.join(centre, on="symbol").with_columns(apart=pl.col("move") - pl.col("centre"))
    scale = apart.group_by("symbol").agg(
        scale=pl.when(pl.col("apart").abs().median() > 0)
        .then(pl.col("apart").abs().median() * MAD_TO_DEVIATION)
        .otherwise(pl.col("apart").abs().mean() * MEAN_TO_DEVIATION)
    )
    deviations = pl.col("apart") / pl.col("scale")
    found = apart.join(scale, on="symbol").filter((pl.col("scale") > 0) & (deviations.abs() > beyond)).collect()
    percent = ((pl.col("move").exp() - 1) * 100).round(1).cast(pl.String)
    return _listed(found, "jump", deviations, "adjusted_close moved by ", percent, " % in one session.")


def _stale(rows: pl.DataFrame, at_least: int) -> pl.DataFrame:
    traded = (pl.col("volume") > 0) & (pl.col("volume") != pl.col("previous_volume"))
    repeats = (pl.col("close") == pl.col("previous_close")) & ~traded.fill_null(value=False)
    run = rows.select("date", "symbol", "close", start=~repeats.fill_null(value=False)).with_columns(run=pl.col("start").cum_sum())
    length = run.with_row_index("row").filter(pl.col("start")).select("run", pl.col("row").cast(pl.Int64), since=pl.col("date"))
    length = length.with_columns(length=pl.col("row").shift(-1, fill_value=rows.height) - pl.col("row"))
    found = length.filter(pl.col("length") >= at_least)
    last = run[(found["row"] + found["length"] - 1)].select("date", "symbol", "close").hstack(found.select("since", "length"))
    sessions = pl.col("length").cast(pl.String)
    return _listed(
        last,
        "stale",
        pl.col("length"),
        "close ",
        pl.col("close").cast(pl.String),
        " on ",
        sessions,
        " sessions in a row, since ",
        pl.col("since").cast(pl.String),
        ".",
    )


def _unadjusted_splits(rows: pl.DataFrame) -> pl.DataFrame:
    split = pl.col("split_coefficient").log()
    close_move = (pl.col("close") / pl.col("previous_close")).log()
    adjusted_move = (pl.col("adjusted_close") / pl.col("previous_adjusted_close")).log()
    found = rows.filter(pl.col("split_coefficient") != 1).filter((adjusted_move - close_move - split).abs() > split.abs() / 2)
    fell = found.select(((adjusted_move + split).abs() < split.abs() / 2).alias("fell")).to_series()
    found = found.with_columns(
        what=pl.when(fell)
        .then(pl.lit("moved by it as if it were a loss or gain."))
        .otherwise(pl.lit("and close both went on as if nothing happened."))
    )
    return _listed(
        found,
        "unadjusted_split",
        pl.col("split_coefficient"),
        "split ",
        pl.col("split_coefficient").cast(pl.String),
        ":1, and adjusted_close ",
        pl.col("what"),
    )


def _close_outside_range(rows: pl.DataFrame) -> pl.DataFrame:
    beyond = pl.max_horizontal(pl.col("close") - pl.col("high"), pl.col("low") - pl.col("close")) / pl.col("close")
    text = [pl.col(name).cast(pl.String) for name in ("close", "low", "high")]
    found = rows.filter(beyond > _ROUNDING)
    return _listed(
        found,
        "close_outside_range",
        beyond,
        "close ",
        text[0],
        " is outside of low ",
        text[1].fill_null("?"),
        " and high ",
        text[2].fill_null("?"),
        ".",
    )
