"""The simulated market has the truth that it claims."""

from __future__ import annotations

import datetime as dt
import hashlib

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mech_exo_assets.quant import calendar, quality, simulator
from mech_exo_assets.quant.simulator import SimulatedMarket
from mech_exo_tests.quant.simulator.measured import ic_of, matrix_of, returns_of, signal_of

NAMES, SESSIONS = 200, 1500


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    return simulator.simulate(names=NAMES, sessions=SESSIONS, seed=11)


@pytest.mark.parametrize("feature", ["planted_a", "planted_b"])
def test_the_planted_ic_is_found_back(market: SimulatedMarket, feature: str) -> None:
    # Each session's Spearman correlation has variance 1 / (n - 1) to first order, and sessions are independent.
    ic = ic_of(market, feature)
    standard_error = 1 / np.sqrt((NAMES - 1) * len(ic))
    assert abs(ic.mean() - market.truth.ic[feature]) < 3 * standard_error
    assert market.truth.ic[feature] > 6 * standard_error, "the claim would be empty"


def test_the_planted_ic_fades_with_the_characteristics_persistence(market: SimulatedMarket) -> None:
    for feature, lag in (("planted_a", 20), ("planted_b", 5)):
        ic = ic_of(market, feature, lag=lag)
        expected = market.truth.ic[feature] * market.truth.persistence[feature] ** (lag - 1)
        assert abs(ic.mean() - expected) < 3 / np.sqrt((NAMES - 1) * len(ic))


def test_without_premia_there_is_no_ic() -> None:
    null = simulator.simulate(names=50, sessions=1000, seed=3, ic_a=0.0, ic_b=0.0)
    assert null.truth.ic == {"planted_a": 0.0, "planted_b": 0.0}
    for feature in null.truth.ic:
        ic = ic_of(null, feature)
        assert abs(ic.mean()) < 3 / np.sqrt(49 * len(ic))


def test_a_negative_ic_is_negative() -> None:
    turned = simulator.simulate(names=50, sessions=500, seed=3, ic_a=-0.3, ic_b=0.0)
    ic = ic_of(turned, "planted_a")
    assert abs(ic.mean() - turned.truth.ic["planted_a"]) < 3 / np.sqrt(49 * len(ic))


@pytest.mark.slow
def test_the_planted_ic_is_unbiased_over_many_markets() -> None:
    errors = []
    for seed in range(200):
        drawn = simulator.simulate(names=30, sessions=250, seed=seed, ic_a=0.1, ic_b=0.05)
        errors.append([ic_of(drawn, name).mean() - drawn.truth.ic[name] for name in drawn.truth.ic])
    # The variance of each mean is 1 / (29 · 249); over 200 markets the bias is known to a 200th of it.
    assert np.all(np.abs(np.mean(errors, axis=0)) < 3 / np.sqrt(29 * 249 * 200))


def test_the_expected_ic_tends_to_that_of_the_normal_distribution() -> None:
    assert simulator.expected_ic(0.5, 10**9) == pytest.approx(6 / np.pi * np.arcsin(0.25))
    assert simulator.expected_ic(0.0, 10) == 0.0
    assert simulator.expected_ic(1.0, 10) == pytest.approx(1.0)


def test_the_characteristics_have_unit_variance_and_their_persistence(market: SimulatedMarket) -> None:
    for feature, persistence in market.truth.persistence.items():
        values = signal_of(market, feature)
        lagged = np.mean(values[1:] * values[:-1])
        # The mean square of an AR(1) series over T sessions has variance of about 2 / T · (1 + p²) / (1 - p²), for each of n names.
        error = np.sqrt(2 / values.size * (1 + persistence**2) / (1 - persistence**2))
        assert abs(np.mean(values**2) - 1) < 3 * error
        assert abs(lagged - persistence) < 3 * error
    assert (market.features["known_at"] == market.features["date"]).all()


def test_returns_follow_the_market_by_beta(market: SimulatedMarket) -> None:
    returns = returns_of(market)
    factor = market.truth.market_returns[1:]
    estimated = (returns * (factor - factor.mean())[:, None]).sum(axis=0) / ((factor - factor.mean()) ** 2).sum()
    assert np.corrcoef(estimated, market.truth.betas)[0, 1] > 0.95


def test_total_return_of_traded_prices_is_that_of_adjusted_prices(market: SimulatedMarket) -> None:
    close, adjusted, dividend, split = (
        matrix_of(market, market.prices, name) for name in ("close", "adjusted_close", "dividend_amount", "split_coefficient")
    )
    traded = (close[1:] + dividend[1:]) * split[1:] / close[:-1]
    np.testing.assert_allclose(traded, adjusted[1:] / adjusted[:-1], rtol=1e-12)
    np.testing.assert_allclose(adjusted[-1], close[-1])
    assert (split > 1).any()
    assert (split < 1).any()
    assert (dividend > 0).any()


def test_prices_are_possible(market: SimulatedMarket) -> None:
    frame = market.prices
    assert frame.select(pl.all().null_count()).sum_horizontal().item() == 0
    assert frame.filter(pl.col("low") > pl.min_horizontal("open", "close")).is_empty()
    assert frame.filter(pl.col("high") < pl.max_horizontal("open", "close")).is_empty()
    assert frame.filter(pl.col("low") <= 0).is_empty()
    assert frame.filter(pl.col("volume") <= 0).is_empty()


def test_dates_are_sessions_and_the_only_findings_are_fat_tails(market: SimulatedMarket) -> None:
    sessions = calendar.sessions(simulator.FIRST_DATE, market.prices["date"][-1])
    assert market.prices["date"].unique().sort().to_list() == sessions.tolist()
    assert len(sessions) == SESSIONS
    found = quality.findings(market.prices, sessions, jump_deviations=10, stale_sessions=10, gap_sessions=1)
    assert set(found["finding"]) <= {"jump"}


def test_every_sector_has_its_share(market: SimulatedMarket) -> None:
    counts = market.universe["sector"].value_counts()["count"]
    assert market.universe["sector"].n_unique() == len(simulator.SECTORS)
    assert counts.max() - counts.min() <= 1


def _digest(market: SimulatedMarket) -> str:
    digest = hashlib.sha256()
    for frame in (market.prices, market.universe, market.features):
        digest.update(frame.hash_rows(seed=1).to_numpy().tobytes())
    return digest.hexdigest()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_market() -> None:
    first, again, other = (simulator.simulate(names=20, sessions=60, seed=seed) for seed in (4, 4, 5))
    assert _digest(first) == _digest(again)
    assert _digest(first) != _digest(other)


def test_more_sessions_only_add_to_the_market() -> None:
    short, long = (simulator.simulate(names=20, sessions=sessions, seed=4) for sessions in (60, 90))
    last = short.prices["date"][-1]
    assert_frame_equal(
        short.prices.drop("adjusted_close"), long.prices.filter(pl.col("date") <= last).drop("adjusted_close"), check_exact=True
    )
    assert_frame_equal(short.features, long.features.filter(pl.col("date") <= last), check_exact=True)


def test_a_first_date_that_is_no_session_moves_to_the_next() -> None:
    drawn = simulator.simulate(names=10, sessions=5, first=dt.date(2020, 7, 4))
    assert drawn.prices["date"][0] == dt.date(2020, 7, 6)
    assert drawn.prices["date"].n_unique() == 5


@pytest.mark.parametrize("wrong", [{"names": 9}, {"sessions": 1}, {"seed": -1}, {"ic_a": 0.9, "ic_b": 0.9}])
def test_arguments_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="needs names >= 10"):
        simulator.simulate(**wrong)
