"""Information coefficients seen from more sides: by lag, by sector.

What belongs here: the tables `decay/lagged_ic` and `decay/sector_ic`. What does not: the rank correlation (`ic`), residual returns
(`residual`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from mech_exo_assets.quant.ic import ic_table
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.portfolio.risk import aligned
from mech_exo_assets.quant.returns import forward_returns
from mech_exo_assets.schemas import LAGGED_IC, SECTOR_IC


def lagged_ic_table(
    scores: Panel, market: Panel, *, lags: Sequence[int], execution_lag: int, min_names: int, years: tuple[int, int]
) -> pl.DataFrame:
    """Information coefficients with the return of one session, so many sessions later, as a table in `schemas.LAGGED_IC`.

    IC of score[t] and P[t + execution_lag + lag + 1] / P[t + execution_lag + lag] − 1.

    Parameters
    ----------
    scores : Panel
        One field for each factor.
    market : Panel
        With `total_return_index`; must reach beyond `years` by the longest lag, where those sessions are there.
    lags : sequence of int
        In sessions, from 0 on.
    execution_lag : int
        Sessions between the score and its trade.
    min_names : int
        Fewer names have no information coefficient.
    years : tuple of int
        First and last calendar year of the rows.
    """
    of_years = scores.within(years)
    returns = {
        lag: aligned(forward_returns(market["total_return_index"], horizon=1, execution_lag=execution_lag + lag), market, of_years)
        for lag in lags
    }
    table = ic_table(of_years.fields, returns, of_years.sessions, min_names=min_names)
    return table.rename({"horizon": "lag"}).select(LAGGED_IC.names)


def sector_ic_table(
    scores: Panel,
    market: Panel,
    *,
    horizon: int,
    execution_lag: int,
    sectors: Mapping[str, str | None],
    min_names: int,
    years: tuple[int, int],
) -> pl.DataFrame:
    """Information coefficients among the names of each sector, as a table in `schemas.SECTOR_IC`.

    Parameters
    ----------
    scores, market, execution_lag, years
        As in `lagged_ic_table`.
    horizon : int
        In sessions.
    sectors : mapping of str to str or None
        Of each symbol; those without one are in no row.
    min_names : int
        A sector with fewer names in a session has no information coefficient there.
    """
    of_years = scores.within(years)
    returns = aligned(forward_returns(market["total_return_index"], horizon=horizon, execution_lag=execution_lag), market, of_years)
    tables = [SECTOR_IC.empty()]
    of_symbol = np.array([sectors.get(str(symbol)) or "" for symbol in of_years.symbols], dtype=np.str_)
    for sector in sorted({str(sector) for sector in of_symbol if sector}):
        members = np.flatnonzero(of_symbol == sector)
        if len(members) < min_names:
            continue
        fields = {name: matrix[:, members] for name, matrix in of_years.fields.items()}
        table = ic_table(fields, {horizon: returns[:, members]}, of_years.sessions, min_names=min_names)
        tables.append(table.with_columns(pl.lit(sector).alias("sector")).select(SECTOR_IC.names))
    return pl.concat(tables)
