"""Windows of training and test, in calendar months on the exchange's sessions.

What belongs here: from sessions to windows. What does not: what is fitted on a training, and how a test is judged.
"""

from __future__ import annotations

import calendar as month_lengths
import datetime as dt
from dataclasses import dataclass

import numpy as np

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant import calendar as exchange
from mech_exo_assets.quant.panel import Dates
from mech_exo_assets.settings import Strategy

_DAY = dt.timedelta(days=1)
_REACHES = (dt.timedelta(days=4), dt.timedelta(days=31))
"""How far the next session is looked for: over a weekend, and only then as far as no exchange was closed since 1950. Some calendars end
with the year, and need not be asked beyond it."""


class NoWindowError(InputError):
    """The history is too short for one window of training and test."""


@dataclass(frozen=True, slots=True)
class Window:
    """A training, and the test that follows it.

    Attributes
    ----------
    number : int
        From 1.
    train, test : slice
        Positions of their sessions; the training without those that purge and embargo leave out.
    train_from, train_to, test_from, test_to : datetime64[D]
        First and last session of each.
    """

    number: int
    train: slice
    test: slice
    train_from: np.datetime64
    train_to: np.datetime64
    test_from: np.datetime64
    test_to: np.datetime64


def gap_sessions(strategy: Strategy) -> int:
    """Sessions left out between a training and its test: purge and embargo.

    Purge: the label of session t is the return from t + execution_lag to t + execution_lag + horizon, so that of the last
    execution_lag + horizon sessions of a training it reaches into the test. Embargo: `walk_forward.embargo` sessions more.
    """
    return strategy.execution_lag + strategy.fit_horizon + strategy.walk_forward.embargo


def planned(sessions: Dates, strategy: Strategy) -> list[Window]:
    """The windows of a strategy over the sessions of its prices; see `windows`."""
    chosen = strategy.walk_forward
    return windows(
        sessions,
        train_months=chosen.train_months,
        test_months=chosen.test_months,
        anchored=chosen.anchored,
        gap=gap_sessions(strategy),
        calendar=strategy.calendar,
    )


def windows(
    sessions: Dates, *, train_months: int, test_months: int, anchored: bool, gap: int, calendar: str, open_end: bool = False
) -> list[Window]:
    """Every window whose test period is complete; with `open_end`, the last one's may have only begun.

    Months are counted from the day after the exchange's session before the first one of `sessions`, or from the first of the month where
    one lies between the two: data that begin on the exchange's first session of a month begin with that month. Each boundary is that
    day, so many months later; in a month that is too short, its last day. Training: the sessions from the start up to `train_months`
    later, less the last `gap`. Test: the sessions of the `test_months` after the training's months. The start moves by `test_months`
    from window to window; `anchored`, only the end of the training does. A test period is complete when the exchange has no session
    between the last one of `sessions` and its end.

    Parameters
    ----------
    sessions : ndarray of shape (n_sessions,), datetime64[D]
        Increasing; those of the prices.
    train_months, test_months : int
        Calendar months, each at least 1.
    anchored : bool
        Whether every training begins at the first session.
    gap : int
        Sessions left out at the end of each training.
    calendar : str
        Code of the exchange.
    open_end : bool
        Whether a test period counts from its first session on, and not only when it is complete.

    Returns
    -------
    list of Window
        At least one; their tests follow each other without overlap or gap.

    Raises
    ------
    NoWindowError
        If no window fits.
    InputError
        If `gap` leaves nothing of a training, or the prices nothing of a test.
    """
    needed = train_months + test_months
    if not len(sessions):
        raise NoWindowError(f"walk_forward: there are no sessions, and one window needs {needed} months. Give a longer history.")
    origin, covered = _origin(sessions, calendar), _covered_until(sessions, calendar)
    found = []
    # A period has begun when the last session lies in it, which is the day before `covered` or earlier.
    last, wanted = (_day(sessions[-1]), train_months) if open_end else (covered, needed)
    while months_later(origin, wanted + len(found) * test_months) <= last:
        moved = len(found) * test_months
        start = origin if anchored else months_later(origin, moved)
        split, end = months_later(origin, moved + train_months), months_later(origin, moved + needed)
        found.append(_window(sessions, len(found) + 1, (start, split, end), gap))
    if not found:
        there = 0
        while months_later(origin, there + 1) <= covered:
            there += 1
        raise NoWindowError(
            f"walk_forward: the prices hold {there} whole months ({sessions[0]} to {sessions[-1]}), and one window needs "
            f"{train_months} + {test_months} = {needed}. Lower walk_forward.train_months or walk_forward.test_months, or give a longer "
            "history."
        )
    return found


def months_later(day: dt.date, months: int) -> dt.date:
    """The same day so many months later; in a month that is too short, its last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return dt.date(year, month + 1, min(day.day, month_lengths.monthrange(year, month + 1)[1]))


def _origin(sessions: Dates, calendar: str) -> dt.date:
    """The day from which months are counted."""
    first = _day(sessions[0])
    for reach in _REACHES:
        before = exchange.sessions(first - reach, first - _DAY, calendar=calendar)
        if len(before):
            earliest = _day(before[-1]) + _DAY
            return earliest if earliest.month == first.month else first.replace(day=1)
    return first


def _covered_until(sessions: Dates, calendar: str) -> dt.date:
    """The exchange's next session after the last one: a period that ends there or earlier is complete."""
    last = _day(sessions[-1])
    for reach in _REACHES:
        after = exchange.sessions(last + _DAY, last + reach, calendar=calendar)
        if len(after):
            return _day(after[0])
    return last + _DAY


def _window(sessions: Dates, number: int, bounds: tuple[dt.date, dt.date, dt.date], gap: int) -> Window:
    start, split, end = (int(at) for at in np.searchsorted(sessions, np.array(bounds, dtype="datetime64[D]")))
    if split - gap <= start:
        raise InputError(
            f"walk_forward: the training of window {number} ({bounds[0]} to {bounds[1]}) has {split - start} sessions, and the last {gap} "
            "are left out (execution_lag + walk_forward.horizon + walk_forward.embargo). Raise walk_forward.train_months, or lower "
            "walk_forward.horizon or walk_forward.embargo."
        )
    if split == end:
        raise InputError(
            f"walk_forward: there is no session in the test of window {number} ({bounds[1]} to {bounds[2]}). Give prices of that time."
        )
    train, test = slice(start, split - gap), slice(split, end)
    return Window(number, train, test, sessions[start], sessions[train.stop - 1], sessions[split], sessions[end - 1])


def _day(session: np.datetime64) -> dt.date:
    return dt.date.fromisoformat(str(session.astype("datetime64[D]")))
