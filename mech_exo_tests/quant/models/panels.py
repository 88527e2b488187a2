"""Datasets whose truth is known, small enough to train on in a test."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy.special import ndtri
from scipy.stats import rankdata

from mech_exo_assets.settings import Strategy, load_strategy


def strategy(**learning: object) -> Strategy:
    """The default strategy with other choices of learning, and no search of hyperparameters unless one is asked for."""
    default = load_strategy()
    nested = {name: learning.pop(name) for name in ("tuning",) if name in learning}
    tuning = default.learning.tuning.model_copy(update={"trials": 0} | nested.get("tuning", {}))
    return default.model_copy(update={"learning": default.learning.model_copy(update={**learning, "tuning": tuning})})


def business_days(count: int, first: str = "2010-01-04") -> np.ndarray:
    """So many weekdays."""
    days = np.arange(np.datetime64(first), np.datetime64(first) + 2 * count)
    return days[np.is_busday(days)][:count]


def dataset(features: np.ndarray, label: np.ndarray, *, first: str = "2010-01-04") -> pl.DataFrame:
    """A table in `schemas.DATASET`.

    Parameters
    ----------
    features : ndarray of shape (n_sessions, n_names, n_features)
    label : ndarray of shape (n_sessions, n_names)
        NaN where it is not known.
    """
    sessions, names, width = features.shape
    return pl.DataFrame(
        {
            "date": pl.Series(np.repeat(business_days(sessions, first), names)).cast(pl.Date),
            "symbol": np.tile([f"S{number:03}" for number in range(names)], sessions),
            "label": pl.Series(label.ravel().astype(np.float32), nan_to_null=True),
            "sector": np.tile([f"sector {number % 3}" for number in range(names)], sessions),
            **{f"score_{number}": features[..., number].ravel().astype(np.float32) for number in range(width)},
        }
    )


def normal_scores_of_sessions(values: np.ndarray) -> np.ndarray:
    """Φ⁻¹((rank − ½)/n) in each row."""
    return ndtri((rankdata(values, axis=1) - 0.5) / values.shape[1])


def planted(sessions: int, names: int, *, seed: int, width: int = 6, linear: float = 0.1, interaction: float = 0.0) -> pl.DataFrame:
    """A label that is a feature, and the product of two others, in noise; features without memory."""
    chance = np.random.default_rng(seed)
    features = chance.normal(size=(sessions, names, width))
    signal = linear * features[..., 0] + interaction * features[..., 1] * features[..., 2]
    return dataset(features, normal_scores_of_sessions(signal + chance.normal(size=(sessions, names))))


def overlapping_noise(sessions: int, names: int, *, horizon: int, seed: int, width: int = 6, persistence: float = 0.99) -> pl.DataFrame:
    """Slow features that say nothing, and labels over `horizon` sessions, which neighbours share but for one."""
    chance = np.random.default_rng(seed)
    shocks = chance.normal(size=(sessions, names, width))
    features = np.empty_like(shocks)
    features[0] = shocks[0]
    for t in range(1, sessions):
        features[t] = persistence * features[t - 1] + np.sqrt(1 - persistence**2) * shocks[t]
    returns = np.concatenate([np.zeros((1, names)), np.cumsum(chance.normal(size=(sessions + horizon + 1, names)), axis=0)])
    # Executed in the next session, as the default execution lag has it.
    label = returns[horizon + 1 : horizon + 1 + sessions] - returns[1 : 1 + sessions]
    return dataset(features, normal_scores_of_sessions(label))
