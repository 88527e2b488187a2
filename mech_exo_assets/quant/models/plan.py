"""The trainings of a walk-forward on some rows: which of them have rows enough, and which share their hyperparameters.

What belongs here: where the sessions of each training stand among the rows. What does not: which trainings there are (`folds`), and
fitting them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.models.folds import inner_folds, validation_of
from mech_exo_assets.quant.models.rows import TrainingRows
from mech_exo_assets.quant.panel import Dates
from mech_exo_assets.quant.walk_forward import Window
from mech_exo_assets.settings import Strategy

_MIN_SESSIONS = 30
"""Sampled sessions with labels without which nothing is fitted, or judged, on a stretch."""


class Plan:
    """The trainings that can be done.

    Attributes
    ----------
    rows : TrainingRows
    strategy : Strategy
    windows : list of Window
        With rows enough.
    skipped : dict of int to str
        The others, by number, and why.
    reference : slice
        Sampled sessions of the first training, from whose values bins are made.

    Raises
    ------
    InputError
        If the validation leaves nothing of a training.
    """

    def __init__(self, rows: TrainingRows, windows: Sequence[Window], sessions: Dates, strategy: Strategy) -> None:
        self.rows, self.strategy, self._sessions = rows, strategy, sessions
        self.windows: list[Window] = []
        self.skipped: dict[int, str] = {}
        for window in windows:
            why = self._lacking(window)
            if why:
                self.skipped[window.number] = why
            else:
                self.windows.append(window)
        self.reference = self.training(self.windows[0]) if self.windows else slice(0, 0)

    def groups(self) -> list[list[Window]]:
        """The trainings in groups: hyperparameters are searched in the first of each, and the others take them."""
        first = range(0, len(self.windows), self.strategy.learning.tuning.every or max(1, len(self.windows)))
        return [self.windows[start:stop] for start, stop in pairwise([*first, len(self.windows)])]

    def training(self, window: Window) -> slice:
        """Positions of the sampled sessions that a training is fitted on."""
        return self.rows.between(window.train_from, window.train_to)

    def test(self, window: Window) -> slice:
        """Positions of those that its model predicts."""
        return self.rows.between(window.test_from, window.test_to)

    def validation(self, window: Window) -> tuple[slice, slice]:
        """Positions of those before the validation of a training, and of those in it."""
        choices = self.strategy.learning
        span = validation_of(self._sessions[window.train], share=choices.validation, gap=self.strategy.learning_gap)
        return self.rows.between(span.fit_from, span.fit_to), self.rows.between(span.judged_from, span.judged_to)

    def inner_folds(self, window: Window) -> list[tuple[slice, slice]]:
        """Folds within a training on which hyperparameters are judged: positions that are fitted on, and that are judged."""
        spans = inner_folds(self._sessions[window.train], folds=self.strategy.learning.tuning.folds, gap=self.strategy.learning_gap)
        between = self.rows.between
        pairs = [(between(each.fit_from, each.fit_to), between(each.judged_from, each.judged_to)) for each in spans]
        return [pair for pair in pairs if min(map(length, pair)) >= _MIN_SESSIONS]

    def _lacking(self, window: Window) -> str:
        """Why a training cannot be done; empty if it can."""
        try:
            before, judged = self.validation(window)
        except ValueError as error:
            raise InputError(
                f"learning.validation: in the training of {window.train_from} to {window.train_to}, {error}. Lower learning.validation, "
                "learning.embargo or learning.horizon, or raise learning.train_months."
            ) from error
        if min(length(before), length(judged)) >= _MIN_SESSIONS:
            return ""
        return (
            f"{window.train_from} to {window.train_to}: {length(before)} sampled sessions with labels before the validation and "
            f"{length(judged)} in it, and {_MIN_SESSIONS} are wanted of each"
        )


def length(part: slice) -> int:
    """Number of positions."""
    return max(part.stop - part.start, 0)
