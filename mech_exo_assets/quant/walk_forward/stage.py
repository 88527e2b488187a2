"""The steps from factor weights to a book, each on the sessions that it may see.

What belongs here: composite, targets and book of some sessions of a history. What does not: which sessions (`engine`, `quant.weights`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mech_exo_assets.quant import backtest
from mech_exo_assets.quant.composite import composite_score
from mech_exo_assets.quant.panel import Matrix, Panel
from mech_exo_assets.quant.performance import performance
from mech_exo_assets.quant.portfolio import target_weights
from mech_exo_assets.quant.walk_forward.windows import Window
from mech_exo_assets.schemas import TARGETS
from mech_exo_assets.settings import Strategy
from mech_exo_assets.settings.portfolio import Construction

_YEARS_BEFORE = np.timedelta64(2, "Y")


class Stage:
    """What all windows are played on; no step sees a session after those that it is asked for."""

    def __init__(self, scores: Panel, market: Panel, strategy: Strategy, sectors: Mapping[str, str]) -> None:
        self._scores, self._market, self._strategy, self._sectors = scores, market, strategy, sectors
        self._choices = strategy.backtest.model_copy(update={"flows": {}})

    def composite(self, at: slice, weights: Mapping[str, float]) -> Matrix:
        """Composite score of the sessions `at`."""
        chosen = {name: self._scores[name][at] for name in weights if name in self._scores}
        part = Panel(self._scores.sessions[at], self._scores.symbols, chosen)
        return composite_score(part, weights, min_coverage=self._strategy.composite.min_coverage)

    def targets(self, composite: Matrix, at: slice, *, construction: Construction | None = None) -> Matrix:
        """Target weights of the sessions `at`, from their composite scores, with nothing held before; by default as the strategy says."""
        return target_weights(
            Panel(self._market.sessions[at], self._market.symbols, {"score": composite}),
            self.seen(at),
            construction or self._strategy.construction,
            sectors=self._sectors,
            calendar=self._strategy.calendar,
            previous=TARGETS.empty(),
        )

    def traded(self, targets: Matrix) -> bool:
        """Whether any of them is executed within its own sessions."""
        return not np.isnan(targets[: max(len(targets) - self._strategy.execution_lag, 0)]).all()

    def book(self, targets: Matrix, at: slice) -> backtest.Book:
        """The backtest of the targets of the sessions `at`."""
        market = self.seen(at)
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

    def seen(self, at: slice) -> Panel:
        """The market of the sessions `at` and of the two calendar years before, on which risk figures and costs look back."""
        first = (self._market.sessions[at.start].astype("datetime64[Y]") - _YEARS_BEFORE).astype("datetime64[D]")
        rows = slice(int(np.searchsorted(self._market.sessions, first)), at.stop)
        fields = {name: matrix[rows] for name, matrix in self._market.fields.items()}
        return Panel(self._market.sessions[rows], self._market.symbols, fields)
