"""From factor scores to out-of-sample curves: fit, compose, construct, trade.

What belongs here: which windows see what. What does not: windows (`windows`), fits (`fits`), the steps (`stage`), tables (`result`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.walk_forward.fits import Fit
from mech_exo_assets.quant.walk_forward.result import COLUMNS, Outcome, WalkForward
from mech_exo_assets.quant.walk_forward.stage import Stage
from mech_exo_assets.quant.walk_forward.windows import Window, planned
from mech_exo_assets.settings import Strategy


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
    plan = planned(market.sessions, strategy)
    stage = Stage(scores, market, strategy, sectors)
    return WalkForward(tuple(plan), {name: _outcome(stage, plan, fit) for name, fit in fits.items()})


def _outcome(stage: Stage, plan: list[Window], fit: Fit) -> Outcome:
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
