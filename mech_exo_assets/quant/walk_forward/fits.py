"""How factor weights are chosen for a window.

What belongs here: fits, which see what was known in a window's training and nothing else. What does not: a search over many weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import polars as pl

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.composite import composite_weights
from mech_exo_assets.quant.factor_names import ML_ALPHA
from mech_exo_assets.quant.panel import Dates, Vector
from mech_exo_assets.quant.walk_forward.windows import Window
from mech_exo_assets.settings import Strategy

Fit: TypeAlias = Callable[[Window], Mapping[str, float]]
"""Weight of each factor for the test of a window, from what was known in its training; absolute weights add up to 1."""

MIN_SESSIONS = 60
"""A factor with fewer known coefficients in a training gets no weight: the mean of a quarter is mostly noise."""


def fits_of(strategy: Strategy, ic: pl.DataFrame, *, factors: list[str]) -> dict[str, Fit]:
    """The fits to judge, by name: `configured`, and beside it the one that `walk_forward.fit` names, where that is another.

    Parameters
    ----------
    strategy : Strategy
        With composite.weights, walk_forward.fit and the horizon of the fit.
    ic : DataFrame
        In `schemas.IC`.
    factors : list of str
        Those that have scores.

    Raises
    ------
    InputError
        If no factor has a weight, or a weight is given to a factor that has no scores.
    """
    others = [name for name in factors if name != ML_ALPHA]
    fits = {"configured": configured(composite_weights(strategy.composite.weights, others, learned=ML_ALPHA in factors))}
    if strategy.walk_forward.fit == "mean_ic":
        fits["mean_ic"] = mean_ic(ic.filter(pl.col("factor").is_in(factors)), horizon=strategy.fit_horizon)
    return fits


def configured(weights: Mapping[str, float]) -> Fit:
    """No fit: the same weights in every window.

    Parameters
    ----------
    weights : mapping of str to float
        As `composite.factor_weights` gives them; scaled so that absolute weights add up to 1.

    Raises
    ------
    InputError
        If no factor has a weight.
    """
    total = sum(abs(weight) for weight in weights.values())
    if not total:
        raise InputError("walk_forward: no factor has a weight in composite.weights. Give at least one factor a weight that is not 0.")
    scaled = {name: weight / total for name, weight in weights.items() if weight}

    def fit(window: Window) -> Mapping[str, float]:  # noqa: ARG001 - the weights are the same in all
        return scaled

    return fit


def mean_ic(ic: pl.DataFrame, *, horizon: int) -> Fit:
    """Factors weighted by their mean information coefficient over the training; one that worked the other way round is turned.

    w_f = m_f / Σ |m|, with m_f the mean over the training's sessions of IC[t, f, horizon].

    Parameters
    ----------
    ic : DataFrame
        In `schemas.IC`, in any order.
    horizon : int
        Which of its horizons, in sessions.

    Notes
    -----
    The coefficient of session t holds returns up to t + execution_lag + horizon. It is known by the end of the training's months because
    the window leaves out that many sessions and the embargo (`gap_sessions`); this function relies on it.

    The fit raises InputError where no factor has `MIN_SESSIONS` coefficients in the training.
    """
    known = ic.filter(pl.col("horizon") == horizon).sort("factor", "date")
    series: dict[str, tuple[Dates, Vector]] = {
        str(key[0]): (part["date"].to_numpy().astype("datetime64[D]"), part["ic"].to_numpy())
        for key, part in known.partition_by("factor", as_dict=True, maintain_order=True).items()
    }

    def fit(window: Window) -> Mapping[str, float]:
        means = {}
        for factor, (dates, values) in series.items():
            inside = values[np.searchsorted(dates, window.train_from) : np.searchsorted(dates, window.train_to, side="right")]
            if len(inside) >= MIN_SESSIONS and inside.mean():
                means[factor] = float(inside.mean())
        if not means:
            raise InputError(
                f"walk_forward: in the training of window {window.number} ({window.train_from} to {window.train_to}) no factor has an "
                f"information coefficient over {horizon} sessions on {MIN_SESSIONS} of them. Raise walk_forward.train_months, lower "
                "ic.min_names, or take walk_forward.fit: configured."
            )
        total = sum(abs(mean) for mean in means.values())
        return {factor: mean / total for factor, mean in means.items()}

    return fit
