"""What moves the returns of a market, each part measured apart: sectors, styles, fat tails, clustered volatility."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from mech_exo_assets.quant.simulator import Risks, SimulatedMarket, simulate_planted
from mech_exo_assets.quant.simulator.market import MARKET_DEVIATION, MARKET_MEAN, SECTOR_DEVIATION
from mech_exo_tests.quant.simulator.measured import BOUND, returns_of

DEGREES = 5
"""Of the Student's t that all shocks follow."""


def _market(*, names: int = 110, sessions: int = 600, seed: int = 5, **risks: float) -> SimulatedMarket:
    """Without a planted factor, returns are the sum of their parts, in no other order."""
    return simulate_planted([], names=names, sessions=sessions, seed=seed, risks=Risks(**risks))


def _moves(seed: int, sessions: int, clustering: float) -> np.ndarray:
    """The market's shocks with unit variance."""
    truth = _market(names=10, sessions=sessions, seed=seed, clustering=clustering).truth
    return (truth.market_returns - MARKET_MEAN) / MARKET_DEVIATION


def test_names_of_a_sector_share_a_return_of_the_stated_size_and_others_share_none() -> None:
    market = _market()
    rest = returns_of(market) - market.truth.market_returns[1:, None] * market.truth.betas
    sectors = market.universe["sector"].to_numpy()
    inside = sectors[:, None] == sectors
    covariances = rest.T @ rest / len(rest)
    np.fill_diagonal(covariances, np.nan)
    # One sector's mean square over T sessions has a relative error of sqrt(2 / T); eleven sectors are averaged. What the names add to a
    # pair's covariance has an error of their product, over the pairs within the sectors.
    own = (market.truth.deviations**2).mean() / np.sqrt(len(rest) * inside.sum() / 2)
    error = SECTOR_DEVIATION**2 * np.sqrt(2 / (len(rest) * 11)) + own
    assert abs(np.nanmean(covariances[inside]) - SECTOR_DEVIATION**2) < BOUND * error
    assert abs(np.nanmean(covariances[~inside])) < BOUND * error
    assert 2 * BOUND * error < SECTOR_DEVIATION**2, "the claim would be empty"


def test_styles_add_as_many_common_returns_as_stated_with_the_stated_deviation() -> None:
    added = returns_of(_market(styles=2, style_deviation=0.003)) - returns_of(_market())
    size = np.linalg.svd(added, compute_uv=False)
    assert size[1] > 1e6 * size[2], "two styles, and nothing else"
    # The mean square of exposures and of returns, each normal: 2 × 110 and 2 × 599 of them.
    error = np.sqrt(2 / (2 * 110) + 2 / (2 * 599))
    assert np.mean(added**2) == pytest.approx(2 * 0.003**2, rel=BOUND * error)


def test_shocks_have_the_tails_of_students_t() -> None:
    market = _market(names=11, sessions=4000, seed=8)
    moves = (market.truth.market_returns - MARKET_MEAN) / MARKET_DEVIATION
    # What is left of a name is its sector's return, which is normal, and its own.
    rest = returns_of(market) - market.truth.market_returns[1:, None] * market.truth.betas
    for shocks in (moves, (rest / rest.std(axis=0)).ravel()):
        kurtosis = np.mean((shocks - shocks.mean()) ** 4) / shocks.var() ** 2 - 3
        assert kurtosis > BOUND * np.sqrt(24 / len(shocks)), "a normal sample's has an error of sqrt(24 / n)"
    far = 2 * student.sf(3 / np.sqrt((DEGREES - 2) / DEGREES), DEGREES)
    assert abs(np.mean(np.abs(moves) > 3) - far) < BOUND * np.sqrt(far * (1 - far) / len(moves))
    assert far > 4 * 0.0027, "four times as often as a normal variable"


def test_volatility_clusters_just_as_much_as_stated() -> None:
    markets, sessions = 25, 1500
    absolute = student.expect(np.abs, args=(DEGREES,)) * np.sqrt((DEGREES - 2) / DEGREES)
    for clustering in (0.0, 0.4):
        mean = absolute * np.exp(-(clustering**2) / 2)
        # E[v_t v_{t+1}] - E[v]², of exp(c l - c²) where l is a normal AR(1) with 0.98.
        expected = absolute**2 * (np.exp(-0.02 * clustering**2) - np.exp(-(clustering**2)))
        found = []
        for seed in range(markets):
            sizes = np.abs(_moves(seed, sessions, clustering)) - mean
            found.append(np.mean(sizes[1:] * sizes[:-1]))
        error = np.std(found, ddof=1) / np.sqrt(markets)
        assert abs(np.mean(found) - expected) < BOUND * error
        assert clustering == 0 or expected > 2 * BOUND * error, "the claim would be empty"


def test_clustering_leaves_the_variance_as_it_is() -> None:
    squares = [np.mean(_moves(seed, 1500, 0.4) ** 2) for seed in range(25)]
    assert abs(np.mean(squares) - 1) < BOUND * np.std(squares, ddof=1) / 5
