"""What retraining has brought: the path taken beside those that were not.

What belongs here: the comparison of paths over the same sessions. What does not: the paths (`defs.decisions`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from mech_exo_assets.quant.comparison import MIN_SESSIONS, sharpe_difference
from mech_exo_assets.quant.panel import Dates, Vector
from mech_exo_assets.quant.performance import performance
from mech_exo_assets.quant.performance.inference import NO_VARIATION
from mech_exo_assets.schemas import BENEFIT

TAKEN = "taken"


def benefit_table(sessions: Dates, paths: Mapping[str, Vector]) -> pl.DataFrame:
    """Returns of each path, in `schemas.BENEFIT`.

    Parameters
    ----------
    sessions : ndarray of shape (n,), datetime64[D]
    paths : mapping of str to ndarray of shape (n,)
        Net returns: `taken`, and those that were not.
    """
    days = pl.Series("date", sessions.astype("datetime64[D]")).cast(pl.Date)
    parts = [
        pl.DataFrame({"date": days, "path": pl.Series([name] * len(days), dtype=pl.String), "net_return": values})
        for name, values in paths.items()
    ]
    return pl.concat(parts).select(BENEFIT.names) if parts else BENEFIT.empty()


def benefit_figures(table: pl.DataFrame, *, seed: int) -> pl.DataFrame:
    """Growth, Sharpe ratio and drawdown of each path, and by how much the Sharpe ratio of the path taken is larger, with its interval.

    Parameters
    ----------
    table : DataFrame
        `schemas.BENEFIT`.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        path, sessions, cagr, sharpe, max_drawdown, ahead, ahead_low, ahead_high (95 %); the last three null for the path taken itself, for
        fewer than 60 sessions, and where a path does not trade.
    """
    by_path = {str(name): part.sort("date") for (name,), part in table.partition_by("path", as_dict=True).items()}
    rows = []
    for name, part in sorted(by_path.items(), key=lambda item: item[0] != TAKEN):
        returns = part["net_return"].to_numpy()
        row: dict[str, object] = {"path": name, "sessions": len(returns)}
        if len(returns) > 1 and returns.std() > NO_VARIATION:
            figures = performance(returns, part["date"].to_numpy().astype("datetime64[D]"))
            row |= {"cagr": figures.cagr, "sharpe": figures.sharpe, "max_drawdown": figures.max_drawdown}
        taken = by_path[TAKEN]["net_return"].to_numpy()
        if name != TAKEN and len(returns) >= MIN_SESSIONS and min(returns.std(), taken.std()) > NO_VARIATION:
            found = sharpe_difference(taken, returns, seed=seed)
            row |= {"ahead": found.difference, "ahead_low": _finite(found.low), "ahead_high": _finite(found.high)}
        rows.append(row)
    names = ("cagr", "sharpe", "max_drawdown", "ahead", "ahead_low", "ahead_high")
    return pl.DataFrame(rows, schema={"path": pl.String, "sessions": pl.Int32, **dict.fromkeys(names, pl.Float64)})


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
