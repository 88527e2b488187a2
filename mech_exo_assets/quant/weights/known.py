"""What was known of the factors when the search ended.

What belongs here: multipliers of decayed factors, and the weights that a search starts from and is compared with. What does not: how
decay is detected (`detection`), and what evidence is worth (`rotation`).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.hac import t_of_mean
from mech_exo_assets.quant.panel import Dates, Vector
from mech_exo_assets.quant.rotation import evidence_of
from mech_exo_assets.quant.weights.candidate import Candidate, Space, scaled
from mech_exo_assets.quant.weights.objective import Objective
from mech_exo_assets.quant.weights.span import known_ic
from mech_exo_assets.settings import Strategy

CONFIGURED, EQUAL, MEAN_IC, INVERSE_VARIANCE = "configured", "equal", "mean_ic", "inverse_variance"


def decayed_multipliers(monitor: pl.DataFrame, residual_ic: pl.DataFrame, sessions: Dates, strategy: Strategy) -> dict[str, float]:
    """By how much the weight of each factor that had decayed is limited: its evidence times the probability that it still works.

    As `decay/rotation` computes it, but from what was known at the close of the last of the sessions, so that a decay inside the hold-out
    does not reach into the search.

    Parameters
    ----------
    monitor : DataFrame
        In `schemas.MONITOR`.
    residual_ic : DataFrame
        In `schemas.RESIDUAL_IC`.
    sessions : ndarray of shape (n_sessions,), datetime64[D]
        Those that the search may see.

    Returns
    -------
    dict of str to float
        From 0 to 1; factors that are not decayed are not in it.
    """
    latest = monitor.filter(pl.col("date") <= sessions[-1].item()).sort("date").group_by("factor", maintain_order=True).last()
    horizon = strategy.monitored_horizon
    values = _series(residual_ic, sessions, strategy, horizon=horizon)
    multipliers = {}
    for factor, alive in latest.filter(pl.col("status") == "decayed").select("factor", "alive").iter_rows():
        series = values.get(factor, np.empty(0))
        t = t_of_mean(series, horizon=horizon) if len(series) else np.nan
        evidence = 0.0 if np.isnan(t) else evidence_of(float(series.mean()), float(t), prior_ic=strategy.decay.prior_ic)
        multipliers[factor] = evidence * float(alive)
    return multipliers


def warm_starts(
    objective: Objective, space: Space, ic: pl.DataFrame, sessions: Dates, strategy: Strategy, *, configured: dict[str, float]
) -> dict[str, Candidate]:
    """The weights that a search starts from, by name: configured, equal, mean_ic, inverse_variance.

    mean_ic: see `mean_ic_weights`. inverse_variance: w ∝ 1 over the variance of the net returns of a portfolio of that factor alone.

    Parameters
    ----------
    objective : Objective
        On sessions before those that the search judges on.
    space : Space
    ic : DataFrame
        In `schemas.IC`.
    sessions : ndarray of shape (n_sessions,), datetime64[D]
        Those that the starts may see.
    strategy : Strategy
    configured : dict of str to float
        The weights of the strategy as it stands.

    Returns
    -------
    dict of str to Candidate
        Without one that gives no factor of the space a weight: mean_ic where no mean is above 0, configured where it holds other factors.
        They are not brought within bounds; a search tries what is nearest.
    """
    factors = space.factors
    alone = [Candidate({name: float(name == factor) for name in factors}) for factor in factors]
    outcomes = objective.evaluate(alone, workers=strategy.search.workers)
    variances = {
        factor: float(outcome.net_return[outcome.start :].var())
        for factor, outcome in zip(factors, outcomes, strict=True)
        if not isinstance(outcome, str)
    }
    wanted = {
        CONFIGURED: configured,
        EQUAL: dict.fromkeys(factors, 1.0),
        MEAN_IC: mean_ic_weights(ic, sessions, strategy, factors=factors),
        INVERSE_VARIANCE: {name: 1 / variance for name, variance in variances.items()},
    }
    inside = {name: {factor: weights.get(factor, 0.0) for factor in factors} for name, weights in wanted.items()}
    return {name: Candidate(scaled(weights), _middle(space, strategy)) for name, weights in inside.items() if any(weights.values())}


def mean_ic_weights(ic: pl.DataFrame, sessions: Dates, strategy: Strategy, *, factors: Iterable[str]) -> dict[str, float]:
    """max(mean IC, 0) of each factor at the horizon of the walk-forward's fit, over the coefficients that were known in the sessions."""
    means = {name: float(values.mean()) for name, values in _series(ic, sessions, strategy, horizon=strategy.fit_horizon).items()}
    return {name: max(means.get(name, 0.0), 0.0) for name in factors}


def require_factors(objective: Objective) -> None:
    """Refuse a history without any score.

    Raises
    ------
    InputError
        If no factor has scores.
    """
    if not objective.factors:
        raise InputError("the weight search has no factor alive: factors/scores holds none. Give longer prices or features, and run again.")


def _series(ic: pl.DataFrame, sessions: Dates, strategy: Strategy, *, horizon: int) -> dict[str, Vector]:
    """Information coefficients of each factor, in the order of sessions: a mean over Polars' groups differs in its last bits each time."""
    known = known_ic(ic, sessions, horizon=horizon, execution_lag=strategy.execution_lag).sort("factor", "date")
    return {str(key[0]): part["ic"].to_numpy() for key, part in known.partition_by("factor", as_dict=True).items()}


def _middle(space: Space, strategy: Strategy) -> dict[str, float]:
    """The opened parameters as the strategy has them."""
    values = strategy.construction.model_dump()
    found = {}
    for name in space.construction:
        section, _, last = name.rpartition(".")
        value = (values[section] if section else values)[last]
        if value is not None:
            found[name] = float(value)
    return found
