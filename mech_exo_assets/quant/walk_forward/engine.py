"""From factor scores to out-of-sample curves: fit, compose, construct, trade.

What belongs here: which sessions each step sees. What does not: windows (`windows`), fits (`fits`), tables (`result`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant import backtest
from mech_exo_assets.quant.composite import composite_score
from mech_exo_assets.quant.panel import Matrix, Panel
from mech_exo_assets.quant.performance import performance
from mech_exo_assets.quant.portfolio import target_weights
from mech_exo_assets.quant.walk_forward.fits import Fit
from mech_exo_assets.quant.walk_forward.result import COLUMNS, Outcome, WalkForward
from mech_exo_assets.quant.walk_forward.windows import Window, gap_sessions, windows
from mech_exo_assets.schemas import TARGETS
from mech_exo_assets.settings import Strategy

_YEARS_BEFORE = np.timedelta64(2, "Y")


def walk_forward(scores: Panel, market: Panel, strategy: Strategy, *, fits: Mapping[str, Fit], sectors: Mapping[str, str]) -> WalkForward:
    """Judge each fit out of sample: fitted on every training, traded in the test that follows, all tests joined into one curve.

    For each window the fit gives factor weights; with them the composite is computed over the test's sessions. The composites of all
    tests go through the construction as one history, and are traded as one book, so that holdings carry over from window to window and
    the change of weights is paid for. A score is traded `execution_lag` sessions after it is known: the first `execution_lag` sessions
    of a test, and the price move up to the first trade, are earned by what the window before left, and the curve begins with the first
    trade of the first test. Trainings are traded the same way, each on its own, with the weights fitted on them. Deposits and
    withdrawals are left out: every book begins with `backtest.initial_nav`.

    Parameters
    ----------
    scores : Panel
        One field for each factor, oriented, on the axes of `market`; NaN where a name has no score.
    market : Panel
        All sessions of the prices, with the fields that `portfolio.target_weights` and `backtest.run` want. The windows are counted on
        its sessions.
    strategy : Strategy
        Windows, composite, construction, costs, backtest, execution lag and calendar.
    fits : mapping of str to Fit
        By name.
    sectors : mapping of str to str
        Sector of each symbol.

    Returns
    -------
    WalkForward

    Raises
    ------
    NoWindowError
        If the history is too short for one window.
    InputError
        If the windows cannot be joined, a fit has nothing to fit on, or nothing can be traded in a test.
    ValueError
        If scores and market are on other axes.
    """
    if not (np.array_equal(scores.sessions, market.sessions) and np.array_equal(scores.symbols, market.symbols)):
        raise ValueError(
            f"scores are on axes of {scores.shape} and the market on {market.shape}; they must be the same sessions and symbols"
        )
    chosen = strategy.walk_forward
    plan = windows(
        market.sessions,
        train_months=chosen.train_months,
        test_months=chosen.test_months,
        anchored=chosen.anchored,
        gap=gap_sessions(strategy),
        calendar=strategy.calendar,
    )
    stage = _Stage(scores, market, strategy, sectors)
    return WalkForward(tuple(plan), {name: _outcome(stage, plan, fit) for name, fit in fits.items()})


def _outcome(stage: _Stage, plan: list[Window], fit: Fit) -> Outcome:
    weights = tuple(dict(fit(window)) for window in plan)
    trained = tuple(stage.train_sharpe(window, chosen) for window, chosen in zip(plan, weights, strict=True))
    tested = slice(plan[0].test.start, plan[-1].test.stop)
    composite = np.concatenate([stage.composite(window.test, chosen) for window, chosen in zip(plan, weights, strict=True)])
    targets = stage.targets(composite, tested)
    for window in plan:
        if not stage.traded(targets[window.test.start - tested.start : window.test.stop - tested.start]):
            raise InputError(
                f"walk_forward: nothing is traded in the test of window {window.number} ({window.test_from} to {window.test_to}): no "
                "session has targets that can be executed in it. Lower composite.min_coverage, scores.min_names or execution_lag, or raise "
                "walk_forward.test_months."
            )
    book = stage.book(targets, tested)
    return Outcome(weights, trained, book.sessions, {name: getattr(book, name) for name in COLUMNS})


class _Stage:
    """What all windows are played on; no step sees a session after those that it is asked for."""

    def __init__(self, scores: Panel, market: Panel, strategy: Strategy, sectors: Mapping[str, str]) -> None:
        self._scores, self._market, self._strategy, self._sectors = scores, market, strategy, sectors
        self._choices = strategy.backtest.model_copy(update={"flows": {}})

    def composite(self, at: slice, weights: Mapping[str, float]) -> Matrix:
        """Composite score of the sessions `at`."""
        chosen = {name: self._scores[name][at] for name in weights if name in self._scores}
        part = Panel(self._scores.sessions[at], self._scores.symbols, chosen)
        return composite_score(part, weights, min_coverage=self._strategy.composite.min_coverage)

    def targets(self, composite: Matrix, at: slice) -> Matrix:
        """Target weights of the sessions `at`, from their composite scores, with nothing held before."""
        return target_weights(
            Panel(self._market.sessions[at], self._market.symbols, {"score": composite}),
            self._seen(at),
            self._strategy.construction,
            sectors=self._sectors,
            calendar=self._strategy.calendar,
            previous=TARGETS.empty(),
        )

    def traded(self, targets: Matrix) -> bool:
        """Whether any of them is executed within its own sessions."""
        return not np.isnan(targets[: max(len(targets) - self._strategy.execution_lag, 0)]).all()

    def book(self, targets: Matrix, at: slice) -> backtest.Book:
        """The backtest of the targets of the sessions `at`."""
        market = self._seen(at)
        wanted = np.full(market.shape, np.nan)
        wanted[len(wanted) - len(targets) :] = targets
        return backtest.run(
            wanted,
            market,
            costs=self._strategy.costs,
            choices=self._choices,
            execution_lag=self._strategy.execution_lag,
            no_trade_band=self._strategy.construction.no_trade_band,
        )

    def train_sharpe(self, window: Window, weights: Mapping[str, float]) -> float | None:
        """Sharpe ratio in the training; None where nothing could be traded in it, or its returns do not vary."""
        targets = self.targets(self.composite(window.train, weights), window.train)
        if not self.traded(targets):
            return None
        book = self.book(targets, window.train)
        return performance(book.net_return, book.sessions).sharpe

    def _seen(self, at: slice) -> Panel:
        """The market of the sessions `at` and of the two calendar years before, on which risk figures and costs look back."""
        first = (self._market.sessions[at.start].astype("datetime64[Y]") - _YEARS_BEFORE).astype("datetime64[D]")
        rows = slice(int(np.searchsorted(self._market.sessions, first)), at.stop)
        fields = {name: matrix[rows] for name, matrix in self._market.fields.items()}
        return Panel(self._market.sessions[rows], self._market.symbols, fields)
