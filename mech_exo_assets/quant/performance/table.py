"""The figures of a strategy beside those of its benchmark, as a table.

What belongs here: the order, units and meanings in which figures are shown. What does not: their definitions (`figures`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from mech_exo_assets.quant.panel import Dates, Vector
from mech_exo_assets.quant.performance.figures import Performance, performance
from mech_exo_assets.schemas import PERFORMANCE


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table: an attribute of `Performance`, its unit and what it is.

    Units: "fraction" (0.01 is one per cent), "fraction per year", "ratio" (annual), "number" (without a unit), "sessions".
    """

    name: str
    unit: str
    meaning: str


METRICS = (
    Metric("n_sessions", "sessions", "Sessions with a return."),
    Metric("total_return", "fraction", "Compounded return over all sessions."),
    Metric("cagr", "fraction per year", "Compound annual growth rate, at 252 sessions a year."),
    Metric("volatility", "fraction per year", "Standard deviation of the session returns times √252."),
    Metric("sharpe", "ratio", "Mean over standard deviation of the session returns, times √252; no risk-free rate."),
    Metric("sharpe_error", "ratio", "Standard error of the Sharpe ratio, for independent returns of this skew and tails (Mertens 2002)."),
    Metric(
        "probabilistic_sharpe",
        "fraction",
        "Probability that the true Sharpe ratio is above 0, given its standard error (Bailey and López de Prado 2012).",
    ),
    Metric("sortino", "ratio", "Mean over the root mean square of the losses (gains count as 0), times √252."),
    Metric("calmar", "ratio", "Compound annual growth rate over the size of the largest drawdown."),
    Metric("max_drawdown", "fraction", "Largest loss from a peak of the compounded value; the start counts as a peak."),
    Metric("time_under_water", "fraction", "Share of sessions that end below an earlier peak."),
    Metric("hit_rate", "fraction", "Sessions with a gain over sessions with a gain or a loss."),
    Metric("best", "fraction", "Largest return of a session."),
    Metric("worst", "fraction", "Smallest return of a session."),
    Metric("skew", "number", "Skew of the session returns, adjusted for their number; negative where losses are the larger moves."),
    Metric("kurtosis", "number", "Kurtosis of the session returns above the normal distribution's, adjusted for their number."),
    Metric("var_95", "fraction", "The return that one session in twenty falls below (5 % quantile of those that were)."),
    Metric("cvar_95", "fraction", "Mean of the session returns at or below that quantile."),
    Metric("alpha", "fraction per year", "Intercept of the regression on the benchmark's returns, times 252."),
    Metric("alpha_t", "number", "t of alpha with Bartlett (Newey-West) variance."),
    Metric("beta", "number", "Slope of the regression on the benchmark's returns, over sessions where both are known."),
    Metric("beta_t", "number", "t of beta with Bartlett (Newey-West) variance."),
)
"""In the order of the table."""


def performance_table(net: Vector, gross: Vector, benchmark: Vector, sessions: Dates) -> pl.DataFrame:
    """Figures after costs, before costs, and of the benchmark.

    Parameters
    ----------
    net, gross : ndarray of shape (n_sessions,)
        Returns of the strategy after and before costs, without NaN.
    benchmark : ndarray of shape (n_sessions,)
        Returns of the benchmark; NaN where it is not known.
    sessions : ndarray of shape (n_sessions,), datetime64[D]

    Returns
    -------
    DataFrame
        In `schemas.PERFORMANCE`, a row for each of `METRICS`. The benchmark's figures are of the sessions where it is known; alpha and
        beta of the strategy, too. The benchmark has no alpha and beta to itself, and no figure at all where none of its returns is known.

    Raises
    ------
    ValueError
        As `performance`.
    """
    after = performance(net, sessions, benchmark=benchmark)
    before = performance(gross, sessions, benchmark=benchmark)
    known = ~np.isnan(benchmark)
    other = performance(benchmark[known], sessions[known]) if known.any() else None
    dates = _dates(after)
    return pl.DataFrame(
        {
            "metric": [metric.name for metric in METRICS],
            "unit": [metric.unit for metric in METRICS],
            "net": [_value(after, metric.name) for metric in METRICS],
            "gross": [_value(before, metric.name) for metric in METRICS],
            "benchmark": [None if other is None else _value(other, metric.name) for metric in METRICS],
            "net_dates": [dates.get(metric.name) for metric in METRICS],
            "meaning": [metric.meaning for metric in METRICS],
        },
        schema=PERFORMANCE.dtypes(),
    )


def _value(figures: Performance, name: str) -> float | None:
    value = getattr(figures, name)
    return None if value is None else float(value)


def _dates(figures: Performance) -> dict[str, str]:
    """When the figures that belong to a day or a period came about."""
    dates = {"best": str(figures.best_at), "worst": str(figures.worst_at)}
    if figures.drawdown_to is not None:
        start = "the start" if figures.drawdown_from is None else figures.drawdown_from
        recovered = "not recovered" if figures.drawdown_recovered is None else f"recovered {figures.drawdown_recovered}"
        dates["max_drawdown"] = f"{start} to {figures.drawdown_to}, {recovered}"
    return dates
