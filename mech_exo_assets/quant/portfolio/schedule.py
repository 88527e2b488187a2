"""When there are new targets.

What belongs here: the exchange's calendar as the construction sees it. What does not: the calendar itself (`quant.calendar`).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mech_exo_assets.quant.calendar import sessions as exchange_sessions
from mech_exo_assets.quant.panel import Dates

_MONDAY = 3
"""Days from the last Monday to 1 January 1970, from which datetime64 counts."""


def rebalanced(sessions: Dates, *, rebalance: Literal["daily", "weekly", "monthly"], calendar: str) -> NDArray[np.bool_]:
    """Which sessions have new targets: all of them, or the first session of the exchange in each ISO week or calendar month.

    The first, and not the last: whether a session is the last of its month is only known from the next.

    Parameters
    ----------
    sessions : ndarray of shape (n_sessions,), datetime64[D]
        Sorted.
    rebalance : {"daily", "weekly", "monthly"}
    calendar : str
        Code of `exchange_calendars`.

    Returns
    -------
    ndarray of shape (n_sessions,), bool
        A week or month whose first exchange session is not among `sessions` has none.

    Raises
    ------
    InputError
        If the calendar is not known, or does not reach over the sessions.
    """
    if rebalance == "daily" or not len(sessions):
        return np.ones(len(sessions), dtype=bool)
    first = sessions[0]
    monday = first - (first.astype(np.int64) + _MONDAY) % 7
    begin = monday if rebalance == "weekly" else first.astype("datetime64[M]").astype("datetime64[D]")
    every = exchange_sessions(begin, sessions[-1], calendar=calendar)
    days = every.astype(np.int64)
    period = (days + _MONDAY) // 7 if rebalance == "weekly" else every.astype("datetime64[M]").astype(np.int64)
    return np.isin(sessions, every[np.unique(period, return_index=True)[1]])
