"""Which sessions a search may see, and which are held out.

What belongs here: where the hold-out begins, and what was known before it. What does not: windows inside the search (`walk_forward`).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.panel import Dates, Panel
from mech_exo_assets.quant.walk_forward import gap_sessions, months_later
from mech_exo_assets.settings import Strategy


@dataclass(frozen=True, slots=True)
class Span:
    """How a history is divided.

    Attributes
    ----------
    searched : slice
        Positions of the sessions that the search may see.
    held_out : slice
        Positions of the sessions that it may not; between the two, purge and embargo.
    searched_from, searched_to, holdout_from, holdout_to : date
        First and last session of each.
    """

    searched: slice
    held_out: slice
    searched_from: dt.date
    searched_to: dt.date
    holdout_from: dt.date
    holdout_to: dt.date


def span_of(sessions: Dates, strategy: Strategy) -> Span:
    """Divide a history: the hold-out is its last `search.holdout_months` calendar months, the month of the last session included.

    Whole months, so that the hold-out, and with it the search, stays the same for a month: a search that is repeated within it sees the
    same data, finds its trials done, and counts no new ones. Between the search and the hold-out `walk_forward.gap_sessions` are left
    out.

    Parameters
    ----------
    sessions : ndarray of shape (n_sessions,), datetime64[D]
        Those of the prices.

    Raises
    ------
    InputError
        If nothing is left to search, or there are no sessions.
    """
    months = strategy.search.holdout_months
    if not len(sessions):
        raise InputError("the weight search has no sessions. Run `mech-exo run` first.")
    dates: list[dt.date] = [day.item() for day in (sessions[0], sessions[-1])]
    begin = months_later(dates[1].replace(day=1), 1 - months)
    split = int(np.searchsorted(sessions, np.datetime64(begin)))
    stop = split - gap_sessions(strategy)
    if stop <= 0:
        raise InputError(
            f"the weight search has nothing to search: of the sessions from {dates[0]} to {dates[1]}, the last {months} months "
            f"(search.holdout_months) are held out and {gap_sessions(strategy)} sessions before them are left out. Lower "
            "search.holdout_months, or give a longer history."
        )
    ends: list[dt.date] = [sessions[at].item() for at in (0, stop - 1, split, len(sessions) - 1)]
    return Span(slice(0, stop), slice(split, len(sessions)), *ends)


def until(panel: Panel, stop: int) -> Panel:
    """The panel's first sessions; a field that was not observed in them is not there, as in any panel."""
    fields = {name: matrix[:stop] for name, matrix in panel.fields.items() if not np.isnan(matrix[:stop]).all()}
    return Panel(panel.sessions[:stop], panel.symbols, fields)


def known_ic(ic: pl.DataFrame, sessions: Dates, *, horizon: int, execution_lag: int) -> pl.DataFrame:
    """Information coefficients at a horizon whose returns had ended by the last of the sessions.

    Parameters
    ----------
    ic : DataFrame
        With date, factor, horizon and ic.
    sessions : ndarray of shape (n_sessions,), datetime64[D]
        Those that may be seen.
    """
    last = len(sessions) - 1 - execution_lag - horizon
    if last < 0:
        return ic.clear()
    return ic.filter((pl.col("horizon") == horizon) & (pl.col("date") <= sessions[last].item()))
