"""What a walk-forward found, and its tables.

What belongs here: the out-of-sample curves, figures of each window, and how steady they are. What does not: how they came about
(`engine`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from mech_exo_assets.quant.panel import Dates, Vector
from mech_exo_assets.quant.performance import performance
from mech_exo_assets.quant.walk_forward.windows import Window
from mech_exo_assets.schemas import WALK_FORWARD, WALK_FORWARD_WEIGHTS, WALK_FORWARD_WINDOWS

COLUMNS = ("gross_return", "net_return", "cost", "turnover", "exposure")


@dataclass(frozen=True, eq=False)
class Outcome:
    """One fit: its weights, and the backtest over all test periods.

    Attributes
    ----------
    weights : tuple of mapping of str to float
        Factor weights of each window.
    train_sharpe : tuple of float or None
        Annual Sharpe ratio after costs of each training, traded with the weights that were fitted on it.
    sessions : ndarray of datetime64[D]
        From the session of the first trade out of sample.
    columns : mapping of str to ndarray of shape (n_sessions,)
        `COLUMNS` of the backtest.
    """

    weights: tuple[Mapping[str, float], ...]
    train_sharpe: tuple[float | None, ...]
    sessions: Dates
    columns: Mapping[str, Vector]

    def within(self, window: Window) -> slice:
        """Positions of the window's test in `sessions`."""
        first, last = np.searchsorted(self.sessions, [window.test_from, window.test_to + np.timedelta64(1, "D")])
        return slice(int(first), int(last))


@dataclass(frozen=True, slots=True)
class Stability:
    """How steady one fit is from window to window.

    Attributes
    ----------
    n_windows : int
    mean_sharpe : float or None
        Mean of the windows' annual Sharpe ratios out of sample; None where no window has one.
    dispersion : float or None
        Their standard deviation (ddof=1); None for fewer than two.
    positive : float or None
        Share of them above 0.
    sharpe, sharpe_error : float or None
        Annual Sharpe ratio of all test periods as one curve, and its standard error.
    """

    n_windows: int
    mean_sharpe: float | None
    dispersion: float | None
    positive: float | None
    sharpe: float | None
    sharpe_error: float | None


@dataclass(frozen=True, eq=False)
class WalkForward:
    """A walk-forward of one or more fits over the same windows.

    Attributes
    ----------
    plan : tuple of Window
    outcomes : mapping of str to Outcome
        By name of the fit.
    """

    plan: tuple[Window, ...]
    outcomes: Mapping[str, Outcome]

    def days(self) -> pl.DataFrame:
        """The table in `schemas.WALK_FORWARD`, ordered by fit and date."""
        return pl.concat([self._days(name, outcome) for name, outcome in self.outcomes.items()])

    def windows(self) -> pl.DataFrame:
        """The table in `schemas.WALK_FORWARD_WINDOWS`, ordered by fit and window."""
        rows = [
            _row(window, name, outcome, outcome.train_sharpe[number])
            for name, outcome in self.outcomes.items()
            for number, window in enumerate(self.plan)
        ]
        return pl.DataFrame(rows, schema=WALK_FORWARD_WINDOWS.dtypes())

    def weights(self) -> pl.DataFrame:
        """The table in `schemas.WALK_FORWARD_WEIGHTS`, ordered by fit, window and factor."""
        rows = [
            (window.number, name, factor, weight)
            for name, outcome in self.outcomes.items()
            for window, weights in zip(self.plan, outcome.weights, strict=True)
            for factor, weight in sorted(weights.items())
        ]
        return pl.DataFrame(rows, schema=WALK_FORWARD_WEIGHTS.dtypes(), orient="row")

    @property
    def stability(self) -> dict[str, Stability]:
        """By name of the fit."""
        table = self.windows()
        return {name: self._stability(table.filter(pl.col("fit") == name), outcome) for name, outcome in self.outcomes.items()}

    def _days(self, name: str, outcome: Outcome) -> pl.DataFrame:
        starts = np.array([window.test_from for window in self.plan])
        number = np.searchsorted(starts, outcome.sessions, side="right")
        return pl.DataFrame(
            {
                "date": pl.Series(outcome.sessions).cast(pl.Date),
                "fit": pl.Series([name], dtype=pl.String).new_from_index(0, len(number)),
                "window": number,
                **outcome.columns,
            },
            schema=WALK_FORWARD.dtypes(),
        )

    def _stability(self, table: pl.DataFrame, outcome: Outcome) -> Stability:
        sharpes = table["sharpe"].drop_nulls().to_numpy()
        stitched = performance(outcome.columns["net_return"], outcome.sessions)
        return Stability(
            n_windows=len(self.plan),
            mean_sharpe=float(sharpes.mean()) if len(sharpes) else None,
            dispersion=float(sharpes.std(ddof=1)) if len(sharpes) > 1 else None,
            positive=float((sharpes > 0).mean()) if len(sharpes) else None,
            sharpe=stitched.sharpe,
            sharpe_error=stitched.sharpe_error,
        )


def _row(window: Window, fit: str, outcome: Outcome, train_sharpe: float | None) -> dict[str, object]:
    within = outcome.within(window)
    figures = performance(outcome.columns["net_return"][within], outcome.sessions[within])
    return {
        "window": window.number,
        "fit": fit,
        "train_from": window.train_from.item(),
        "train_to": window.train_to.item(),
        "test_from": window.test_from.item(),
        "test_to": window.test_to.item(),
        "train_sessions": window.train.stop - window.train.start,
        "test_sessions": window.test.stop - window.test.start,
        "train_sharpe": train_sharpe,
        "sharpe": figures.sharpe,
        "sharpe_error": figures.sharpe_error,
        "total_return": figures.total_return,
        "volatility": figures.volatility,
        "max_drawdown": figures.max_drawdown,
        "turnover": float(outcome.columns["turnover"][within].mean()),
    }
