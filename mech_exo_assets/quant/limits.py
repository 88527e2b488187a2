"""Whether a backtest keeps the limits that were set for it.

What belongs here: the judgement, from returns to limits that are kept or left. What does not: telling anybody (`reports.alerts`), and
what was judged before.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mech_exo_assets.quant.panel import Dates, Vector
from mech_exo_assets.quant.performance import performance
from mech_exo_assets.settings.judgement import Alerts


@dataclass(frozen=True, slots=True)
class LimitCheck:
    """One limit, and the figure that was held against it.

    Attributes
    ----------
    name : str
        Key of the limit in the section `alerts`: `min_sharpe` or `max_drawdown`.
    value : float or None
        Annual Sharpe ratio after costs, or the largest loss from a peak as a fraction ≥ 0; None where it is not defined (a Sharpe ratio
        of returns that do not vary).
    limit : float
        As set, in the unit of `value`.
    peak, trough : date or None
        Of a drawdown; the peak is None where it was the start of the period.
    """

    name: str
    value: float | None
    limit: float
    peak: dt.date | None = None
    trough: dt.date | None = None

    @property
    def left(self) -> bool | None:
        """Whether the figure is on the wrong side of its limit (on it is kept); None where it is not defined."""
        if self.value is None:
            return None
        return self.value < self.limit if self.name == "min_sharpe" else self.value > self.limit


@dataclass(frozen=True, slots=True)
class Judgement:
    """Limits held against the last sessions of a backtest.

    Attributes
    ----------
    judged : bool
        False where there are fewer sessions than asked for; then nothing is known about any limit.
    n_sessions, wanted : int
        Sessions that there are, at most `wanted`, and sessions asked for.
    first, last : date or None
        Of these sessions; None where there are none.
    checks : tuple of LimitCheck
        One for each limit that is set; empty where `judged` is False.
    """

    judged: bool
    n_sessions: int
    wanted: int
    first: dt.date | None
    last: dt.date | None
    checks: tuple[LimitCheck, ...]

    @property
    def breaches(self) -> tuple[LimitCheck, ...]:
        """The limits that are left."""
        return tuple(each for each in self.checks if each.left)

    def left_after(self, before: Sequence[str]) -> tuple[str, ...]:
        """Names of the limits that are left now, for the next judgement: those of `before` that could not be judged stay left.

        A limit that is no longer set is dropped.
        """
        if not self.judged:
            return tuple(before)
        return tuple(each.name for each in self.checks if each.left or (each.left is None and each.name in before))


def judge(net_returns: Vector, sessions: Dates, limits: Alerts) -> Judgement:
    """Hold the last `limits.sessions` sessions against the limits.

    Parameters
    ----------
    net_returns : ndarray of shape (n_sessions,)
        Simple returns after costs, as fractions, without NaN.
    sessions : ndarray of shape (n_sessions,), datetime64[D]
    limits : Alerts
        A limit that is None is not judged.

    Notes
    -----
    The first of these sessions' opening value counts as a peak; what was lost before it does not count. Both figures are those of
    `quant.performance`.

    Raises
    ------
    ValueError
        If a return is NaN or below -1.
    """
    wanted = limits.sessions
    returns, days = net_returns[-wanted:], sessions[-wanted:]
    first, last = (days[0].item(), days[-1].item()) if len(days) else (None, None)
    if len(returns) < wanted:
        return Judgement(judged=False, n_sessions=len(returns), wanted=wanted, first=first, last=last, checks=())
    figures = performance(returns, days)
    checks = []
    if limits.min_sharpe is not None:
        checks.append(LimitCheck("min_sharpe", figures.sharpe, limits.min_sharpe))
    if limits.max_drawdown is not None:
        peak, trough = _day(figures.drawdown_from), _day(figures.drawdown_to)
        checks.append(LimitCheck("max_drawdown", abs(figures.max_drawdown), limits.max_drawdown, peak, trough))
    return Judgement(judged=True, n_sessions=wanted, wanted=wanted, first=first, last=last, checks=tuple(checks))


def _day(session: np.datetime64 | None) -> dt.date | None:
    return None if session is None else dt.date.fromisoformat(str(session))
