"""Which sessions a model is trained on, and which it predicts.

What belongs here: the trainings of the walk-forward, and the folds within one. What does not: windows in months (`walk_forward.windows`).
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from mech_exo_assets.quant.calendar import sessions as exchange_sessions
from mech_exo_assets.quant.panel import Dates
from mech_exo_assets.quant.walk_forward import NoWindowError, Window, months_later, windows
from mech_exo_assets.settings import Strategy

_LONGEST_CLOSURE = dt.timedelta(days=21)
"""No exchange has been closed for longer since 1950."""


@dataclass(frozen=True, slots=True)
class Span:
    """Sessions that something is fitted on, and later ones that it is judged on; both ends are included.

    Attributes
    ----------
    fit_from, fit_to : datetime64[D]
    judged_from, judged_to : datetime64[D]
    """

    fit_from: np.datetime64
    fit_to: np.datetime64
    judged_from: np.datetime64
    judged_to: np.datetime64


def planned_trainings(sessions: Dates, strategy: Strategy, *, asked: Collection[dt.date] = ()) -> list[Window]:
    """The trainings of a strategy over the sessions of its dataset, the one whose model is in use included.

    Parameters
    ----------
    sessions : ndarray of datetime64[D]
        Increasing.
    strategy : Strategy
    asked : collection of date
        Days after whose close a retraining was asked for, beside those of the calendar of `learning.refit_months`. The model that was in
        use until then predicts that day for the last time. Days before the first training's test are none for a retraining, and those
        after the last session are ignored until their session is there.

    Raises
    ------
    NoWindowError
        If the history is too short for one.
    """
    chosen = strategy.learning
    try:
        planned = windows(
            sessions,
            train_months=chosen.train_months,
            test_months=chosen.refit_months,
            anchored=chosen.window == "expanding",
            gap=strategy.learning_gap,
            calendar=strategy.calendar,
            open_end=True,
        )
    except NoWindowError as error:
        there = f"from {sessions[0]} to {sessions[-1]}" if len(sessions) else "of no session"
        raise NoWindowError(
            f"learning: the dataset is {there}, and the first training takes {chosen.train_months} months and a session to predict. Lower "
            "learning.train_months, or give a longer history."
        ) from error
    for day in sorted(set(asked)):
        planned = _with_training_after(planned, sessions, strategy, day)
    return planned


def _with_training_after(planned: list[Window], sessions: Dates, strategy: Strategy, day: dt.date) -> list[Window]:
    """The trainings with one more, on what was known at the close of a day, which takes over the rest of the test that it falls into."""
    cut = int(np.searchsorted(sessions, np.datetime64(day), side="right"))
    known = cut > 0 and day <= sessions[-1].item()
    split = next((at for at, each in enumerate(planned) if known and each.test.start < cut <= each.test.stop), None)
    if split is None or (split + 1 < len(planned) and cut == planned[split].test.stop):
        return planned
    before = planned[split]
    begin = months_later(day + dt.timedelta(days=1), -strategy.learning.train_months)
    start = 0 if strategy.learning.window == "expanding" else int(np.searchsorted(sessions, np.datetime64(begin)))
    stop = cut - strategy.learning_gap
    first = sessions[cut] if cut < len(sessions) else _session_after(day, strategy)
    more = Window(
        number=before.number + 1,
        train=slice(start, stop),
        test=slice(cut, before.test.stop),
        train_from=sessions[start],
        train_to=sessions[stop - 1],
        test_from=first,
        test_to=max(first, before.test_to),
    )
    cut_short = replace(before, test=slice(before.test.start, cut), test_to=sessions[cut - 1])
    return [*planned[:split], cut_short, more, *(replace(each, number=each.number + 1) for each in planned[split + 1 :])]


def _session_after(day: dt.date, strategy: Strategy) -> np.datetime64:
    return exchange_sessions(day + dt.timedelta(days=1), day + _LONGEST_CLOSURE, calendar=strategy.calendar)[0]


def validation_of(train: Dates, *, share: float, gap: int) -> Span:
    """The last share of a training as its validation, and what comes before it, less the gap of purge and embargo.

    Parameters
    ----------
    train : ndarray of datetime64[D]
        All sessions of the training, sampled or not.
    share : float
        Of the training's sessions, in (0, 1).
    gap : int
        Sessions left out between the two.

    Raises
    ------
    ValueError
        If nothing is left before the validation.
    """
    first = len(train) - max(1, round(len(train) * share))
    return _span(train, first - gap, first, len(train))


def inner_folds(train: Dates, *, folds: int, gap: int) -> list[Span]:
    """Folds within a training: it is cut into folds + 1 parts; each but the first is judged once, by what comes before it, less the gap.

    Every inner training lies wholly before what it is judged on, so that one gap, of purge and embargo, keeps the two apart (López de Prado
    2018, ch. 7). A fold in which the gap leaves nothing to fit on is left out.

    Parameters
    ----------
    train : ndarray of datetime64[D]
    folds, gap : int
    """
    edges = np.linspace(0, len(train), folds + 2).round().astype(int)
    return [_span(train, first - gap, first, stop) for first, stop in itertools.pairwise(edges[1:]) if first > gap]


def _span(train: Dates, fit_stop: int, first: int, stop: int) -> Span:
    if fit_stop < 1:
        raise ValueError(f"of {first} sessions before the judged ones nothing is left by purge and embargo")
    return Span(train[0], train[fit_stop - 1], train[first], train[stop - 1])
