"""The sessions of an exchange.

What belongs here: from a range of days to the sessions in it. What does not: prices, or anything else that happens on a session.
"""

from __future__ import annotations

import datetime as dt
import difflib
import warnings
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.panel import Dates

_RULES_START = dt.date(1970, 1, 1)
"""Before this day pandas gives no recurring holidays unless it is asked for the range, and `exchange_calendars` does not ask."""


def sessions(first: dt.date | np.datetime64, last: dt.date | np.datetime64, *, calendar: str = "XNYS") -> Dates:
    """Every session of an exchange from `first` to `last`, both included.

    Parameters
    ----------
    first, last : date or datetime64
        Days; they need not be sessions.
    calendar : str
        Code of `exchange_calendars`, e.g. "XNYS" (New York), "XLON" (London), "24/7" (every day).

    Returns
    -------
    ndarray of shape (n_sessions,), datetime64[D]
        Sorted; empty where the range holds no session. Shared between callers, and therefore read-only.

    Raises
    ------
    InputError
        If the calendar is not known, or does not reach over the range.

    Notes
    -----
    Source: the `exchange_calendars` package. New York's Saturdays before October 1952 are not in it.
    """
    begin, end = np.array([first, last], dtype="datetime64[D]").tolist()
    if begin > end:
        return _sealed(np.zeros(0, dtype="datetime64[D]"))
    return _sessions(begin, end, calendar)


def closes(days: Dates | Sequence[dt.date | None], *, calendar: str = "XNYS") -> NDArray[np.datetime64]:
    """When sessions end, in UTC.

    Parameters
    ----------
    days : ndarray of datetime64[D], or sequence of date
        Sessions; None, or a day that is none, has no close.
    calendar : str
        Code of `exchange_calendars`.

    Returns
    -------
    ndarray of datetime64[us]
        NaT where there is no session.
    """
    wanted = np.array([np.datetime64("NaT") if day is None else day for day in days], dtype="datetime64[D]")
    known = wanted[~np.isnat(wanted)]
    ends = np.full(len(wanted), np.datetime64("NaT"), dtype="datetime64[us]")
    if not len(known):
        return ends
    years = dt.date(known.min().item().year, 1, 1), dt.date(known.max().item().year, 12, 31)
    every, at_close = _closes(*years, calendar)
    at = np.minimum(np.searchsorted(every, wanted), len(every) - 1)
    there = every[at] == wanted
    ends[there] = at_close[at[there]]
    return ends


def _sealed(dates: Dates) -> Dates:
    dates.flags.writeable = False
    return dates


@lru_cache(maxsize=32)
def _sessions(first: dt.date, last: dt.date, calendar: str) -> Dates:
    years = dt.date(first.year, 1, 1), dt.date(last.year, 12, 31)
    try:
        # Whole years share one construction, which takes a tenth of a second, and are never without a session.
        every = _construct(*years, calendar)
    except ValueError:
        # Some calendars begin or end within a year.
        try:
            every = _construct(first, last, calendar)
        except ValueError as error:
            raise InputError(f"calendar: {calendar} cannot be given for {first} to {last}. {error}") from error
    begin, end = np.searchsorted(every, np.array([first, last + dt.timedelta(days=1)], dtype="datetime64[D]"))
    return _sealed(every[begin:end].copy())


@lru_cache(maxsize=8)
def _closes(start: dt.date, end: dt.date, calendar: str) -> tuple[Dates, NDArray[np.datetime64]]:
    import exchange_calendars as xc  # half a second that only this needs

    _construct(start, end, calendar)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Series.values returning", category=DeprecationWarning)
        built = xc.get_calendar(calendar, start=start.isoformat(), end=end.isoformat())
    return built.sessions.to_numpy().astype("datetime64[D]"), built.closes.dt.tz_convert(None).to_numpy().astype("datetime64[us]")


@lru_cache(maxsize=8)
def _construct(start: dt.date, end: dt.date, calendar: str) -> Dates:
    import exchange_calendars as xc  # half a second that only this needs
    from exchange_calendars import errors

    try:
        with warnings.catch_warnings():
            # exchange_calendars 4.13 reads the values of a Series with a time zone, which pandas 3.1 deprecates; not ours to mend.
            warnings.filterwarnings("ignore", message="Series.values returning", category=DeprecationWarning)
            built = xc.get_calendar(calendar, start=start.isoformat(), end=end.isoformat())
    except errors.InvalidCalendarName:
        close = difflib.get_close_matches(calendar.upper(), xc.get_calendar_names())
        hint = f"did you mean {' or '.join(close)}?" if close else "the codes are those of exchange_calendars, e.g. XNYS, XLON, 24/7."
        raise InputError(f"calendar: '{calendar}' is not known; {hint}") from None
    dates = built.sessions.to_numpy().astype("datetime64[D]")
    if start < _RULES_START and built.regular_holidays is not None:
        missed = built.regular_holidays.holidays(start.isoformat(), _RULES_START.isoformat()).to_numpy().astype("datetime64[D]")
        dates = dates[~np.isin(dates, missed)]
    return dates
