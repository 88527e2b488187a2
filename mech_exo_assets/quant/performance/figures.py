"""All figures about one series of returns.

What belongs here: `Performance`, and how each of its figures is computed. What does not: their errors (`inference`), and tables
(`table`, `periods`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mech_exo_assets.quant.panel import Dates, Vector
from mech_exo_assets.quant.performance.drawdowns import drawdown_series, peak_before, recovery_after
from mech_exo_assets.quant.performance.inference import NO_VARIATION, probability_above_zero, regression, sharpe_error
from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR

_TAIL_PARTS = 20
"""The tail of VaR and CVaR is one part in so many: 5 %."""


@dataclass(frozen=True, slots=True)
class Performance:
    """Figures of a series of simple returns per session, as fractions; None where a figure is not defined.

    Attributes
    ----------
    n_sessions : int
    cagr : float
        Compound annual growth rate, Π(1 + r) ** (252 / n) − 1.
    volatility : float or None
        Standard deviation (ddof=1) · √252; None for fewer than two sessions.
    sharpe : float or None
        Mean / standard deviation · √252, no risk-free rate; None where the returns do not vary.
    max_drawdown : float
        Largest loss from a peak of the compounded value (the start counts as one), as a fraction ≤ 0.
    drawdown_from, drawdown_to : datetime64[D] or None
        Sessions of that peak (the last one, where it was reached several times) and that trough; None where there was no drawdown, and
        as peak where it was the start.
    drawdown_recovered : datetime64[D] or None
        First session after that trough at which the value was at that peak again; None where it is not, or there was no drawdown.
    time_under_water : float
        Share of sessions that end below an earlier peak.
    total_return : float
        Π(1 + r) − 1.
    sortino : float or None
        Mean / √(Σ min(r, 0)² / n) · √252; None where no return is below 0, and for fewer than two sessions.
    calmar : float or None
        cagr / |max_drawdown|; None where there was no drawdown.
    hit_rate : float or None
        Sessions with r > 0 over sessions with r ≠ 0; None where all are 0.
    skew : float or None
        Adjusted Fisher-Pearson coefficient, g₁·√(n(n−1))/(n−2); None for fewer than three sessions, and where the returns do not vary.
    kurtosis : float or None
        Excess over the normal's, ((n+1)·g₂ + 6)·(n−1)/((n−2)(n−3)); None for fewer than four sessions, and where the returns do not vary.
    var_95 : float
        The 5 % quantile of the returns, between two of them by linear interpolation; signed as a return.
    cvar_95 : float
        Mean of the returns at or below `var_95`; signed as a return.
    best, worst : float
        The largest and the smallest return.
    best_at, worst_at : datetime64[D]
        Their sessions; the first of several.
    sharpe_error : float or None
        Standard error of `sharpe` for independent returns with the skew and kurtosis found; None where one of the three is.
    probabilistic_sharpe : float or None
        Probability that the true Sharpe ratio is above 0, Φ(sharpe / sharpe_error); None where the error is.
    alpha, beta : float or None
        Of the regression on the benchmark over sessions where it is known; alpha is the intercept · 252. None without a benchmark, for
        fewer than three such sessions, and where the benchmark does not vary.
    alpha_t, beta_t : float or None
        Their HAC t; None for fewer than 20 such sessions, and where the benchmark explains the returns wholly.
    """

    n_sessions: int
    cagr: float
    volatility: float | None
    sharpe: float | None
    max_drawdown: float
    drawdown_from: np.datetime64 | None
    drawdown_to: np.datetime64 | None
    drawdown_recovered: np.datetime64 | None
    time_under_water: float
    total_return: float
    sortino: float | None
    calmar: float | None
    hit_rate: float | None
    skew: float | None
    kurtosis: float | None
    var_95: float
    cvar_95: float
    best: float
    best_at: np.datetime64
    worst: float
    worst_at: np.datetime64
    sharpe_error: float | None
    probabilistic_sharpe: float | None
    alpha: float | None
    alpha_t: float | None
    beta: float | None
    beta_t: float | None


def performance(returns: Vector, sessions: Dates, *, benchmark: Vector | None = None) -> Performance:
    """Figures of a series of returns.

    Parameters
    ----------
    returns : ndarray of shape (n_sessions,)
        Simple returns as fractions, without NaN.
    sessions : ndarray of shape (n_sessions,), datetime64[D]
    benchmark : ndarray of shape (n_sessions,), optional
        Returns of a benchmark on the same sessions; NaN where it is not known.

    Raises
    ------
    ValueError
        If there are no returns, one of them is NaN, infinite or below -1, or the lengths differ.

    Notes
    -----
    Which of these equal quantstats' and empyrical's, and why others do not, stands in docs/performance.md.
    """
    _require_returns(returns, sessions, benchmark)
    n = len(returns)
    growth = float(np.prod(1 + returns))
    cagr = float(growth ** (SESSIONS_PER_YEAR / n) - 1)
    depth = drawdown_series(returns)
    trough = int(np.argmin(depth))
    max_drawdown = float(depth[trough])
    peak, recovery = (peak_before(depth, trough), recovery_after(depth, trough)) if max_drawdown else (None, None)
    centred = returns - returns.mean()
    deviation = (float(centred @ centred) / (n - 1)) ** 0.5 if n > 1 else None
    # The Sharpe ratio of one session.
    ratio = float(returns.mean()) / deviation if deviation is not None and deviation > NO_VARIATION else None
    skew, kurtosis = (None, None) if ratio is None else shape(centred)
    error = None if ratio is None or skew is None or kurtosis is None else sharpe_error(ratio, skew=skew, kurtosis=kurtosis, n=n)
    var, cvar = _tail(returns)
    best, worst = int(np.argmax(returns)), int(np.argmin(returns))
    explained = None if benchmark is None else regression(returns, benchmark)
    annual = SESSIONS_PER_YEAR**0.5
    return Performance(
        n_sessions=n,
        cagr=cagr,
        volatility=None if deviation is None else deviation * annual,
        sharpe=None if ratio is None else ratio * annual,
        max_drawdown=max_drawdown,
        drawdown_from=None if peak is None else sessions[peak],
        drawdown_to=sessions[trough] if max_drawdown else None,
        drawdown_recovered=None if recovery is None else sessions[recovery],
        time_under_water=float(np.count_nonzero(depth) / n),
        total_return=growth - 1,
        sortino=_sortino(returns),
        calmar=cagr / abs(max_drawdown) if max_drawdown else None,
        hit_rate=_hit_rate(returns),
        skew=skew,
        kurtosis=kurtosis,
        var_95=var,
        cvar_95=cvar,
        best=float(returns[best]),
        best_at=sessions[best],
        worst=float(returns[worst]),
        worst_at=sessions[worst],
        sharpe_error=None if error is None else error * annual,
        probabilistic_sharpe=None if ratio is None or error is None else probability_above_zero(ratio, error),
        alpha=None if explained is None else explained.alpha * SESSIONS_PER_YEAR,
        alpha_t=None if explained is None else explained.alpha_t,
        beta=None if explained is None else explained.beta,
        beta_t=None if explained is None else explained.beta_t,
    )


def _require_returns(returns: Vector, sessions: Dates, benchmark: Vector | None) -> None:
    n = len(returns)
    if not n or np.isnan(returns).any():
        raise ValueError(f"performance needs at least one return and no NaN; got {n} with {np.isnan(returns).sum()} NaN")
    if returns.min() < -1 or not np.isfinite(returns.max()):
        extreme = returns.min() if returns.min() < -1 else returns.max()
        raise ValueError(f"performance needs finite returns of at least -1, which is all there was; got {extreme}")
    lengths = {"returns": n, "sessions": len(sessions)} | ({} if benchmark is None else {"benchmark": len(benchmark)})
    if len(set(lengths.values())) > 1:
        raise ValueError(f"performance needs series of one length; got {lengths}")


def shape(centred: Vector) -> tuple[float | None, float | None]:
    """Adjusted skew and excess kurtosis of returns that vary, less their mean."""
    n = len(centred)
    squares = centred * centred
    m2 = float(squares.mean())
    skew = float(squares @ centred) / n / m2**1.5 * (n * (n - 1)) ** 0.5 / (n - 2) if n > 2 else None
    if n < 4:
        return skew, None
    excess = float(squares @ squares) / n / m2**2 - 3
    return skew, ((n + 1) * excess + 6) * (n - 1) / ((n - 2) * (n - 3))


def _sortino(returns: Vector) -> float | None:
    losses = np.minimum(returns, 0.0)
    downside = float(losses @ losses / len(returns)) ** 0.5
    if len(returns) < 2 or downside <= NO_VARIATION:
        return None
    return float(returns.mean()) / downside * SESSIONS_PER_YEAR**0.5


def _hit_rate(returns: Vector) -> float | None:
    moved = np.count_nonzero(returns)
    return float(np.count_nonzero(returns > 0) / moved) if moved else None


def _tail(returns: Vector) -> tuple[float, float]:
    """VaR and CVaR; the position of the quantile is counted in whole numbers, so that a return at the quantile is in the tail."""
    ordered = np.sort(returns)
    position, part = divmod(len(returns) - 1, _TAIL_PARTS)
    low, high = ordered[position], ordered[min(position + 1, len(returns) - 1)]
    var = low + (high - low) * part / _TAIL_PARTS
    return float(var), float(ordered[: np.searchsorted(ordered, var, side="right")].mean())
