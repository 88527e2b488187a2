"""The table of forward returns, and the way back from it to matrices.

What belongs here: the long form of what `returns.forward_returns` computes. What does not: the definition of a forward return.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from mech_exo_assets.quant.panel import Dates, Matrix, Panel
from mech_exo_assets.quant.returns import forward_returns
from mech_exo_assets.schemas import FORWARD_RETURNS


def forward_return_table(panel: Panel, *, horizons: Sequence[int], execution_lag: int, years: tuple[int, int]) -> pl.DataFrame:
    """Forward returns over every horizon, as a table in `schemas.FORWARD_RETURNS`.

    Parameters
    ----------
    panel : Panel
        With `total_return_index`; must reach beyond `years` by the longest horizon, where those sessions are there.
    horizons : sequence of int
        In sessions.
    execution_lag : int
        Sessions between the score and its trade.
    years : tuple of int
        First and last calendar year of the rows.

    Returns
    -------
    DataFrame
        Rows where the return is known.
    """
    calendar_year = panel.sessions.astype("datetime64[Y]").astype(int) + 1970
    inside = (calendar_year >= years[0]) & (calendar_year <= years[1])
    tables = [FORWARD_RETURNS.empty()]
    for horizon in horizons:
        values = forward_returns(panel["total_return_index"], horizon=horizon, execution_lag=execution_lag)
        table = panel.to_frame({"value": values}, rows=~np.isnan(values) & inside[:, None])
        tables.append(table.select("date", "symbol", pl.lit(horizon, dtype=pl.Int32).alias("horizon"), "value"))
    return pl.concat(tables)


def forward_return_matrices(table: pl.DataFrame, *, sessions: Dates, symbols: np.ndarray) -> dict[int, Matrix]:
    """The matrices of a table in `schemas.FORWARD_RETURNS`, by horizon, on the given axes; NaN where there is no row."""
    matrices: dict[int, Matrix] = {}
    for (horizon,), part in sorted(table.partition_by("horizon", as_dict=True).items()):
        matrices[int(horizon)] = Panel.from_frame(part, ["value"], sessions=sessions, symbols=symbols).observed("value")
    return matrices
