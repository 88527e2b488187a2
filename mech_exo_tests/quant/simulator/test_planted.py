"""Planted factors have the ICs that they were planted with, session by session, lag by lag."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.stats import spearmanr

from mech_exo_assets.quant.simulator import Defects, Interaction, Planted, Risks, SimulatedMarket, expected_ic, plant, simulate_planted
from mech_exo_assets.quant.simulator.market import pearson_of
from mech_exo_tests.quant.simulator.measured import BOUND, ic_of, rank_correlations, returns_of, signal_of

NAMES, SESSIONS = 150, 1500
PROFILES = {
    "steady": Planted("steady", 0.08, profile="constant"),
    "abrupt": Planted("abrupt", 0.08, profile="abrupt", at=900),
    "fading": Planted("fading", 0.08, profile="exponential", at=300, length=200),
    "cyclical": Planted("cyclical", 0.08, profile="cyclical", length=500),
    "recovering": Planted("recovering", 0.08, profile="recovering", at=500, length=400),
}


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    return simulate_planted(list(PROFILES.values()), names=NAMES, sessions=SESSIONS, seed=11)


def _full(planted: Planted, names: int = NAMES) -> float:
    """The IC at full strength among so many names."""
    return expected_ic(pearson_of(planted.ic_of_next_session), names)


@pytest.mark.parametrize("name", PROFILES)
def test_the_planted_ic_has_the_stated_strength_in_every_stretch_of_time(market: SimulatedMarket, name: str) -> None:
    excess = ic_of(market, name) - _full(PROFILES[name]) * PROFILES[name].strength(SESSIONS)[:-1]
    stretch = 100
    means = excess[: len(excess) // stretch * stretch].reshape(-1, stretch).mean(axis=1)
    assert len(means) == 14
    assert np.abs(means).max() < BOUND / np.sqrt((NAMES - 1) * stretch)


@pytest.mark.parametrize("name", PROFILES)
def test_the_size_of_the_planted_ic_over_its_profile_is_the_chosen_one(market: SimulatedMarket, name: str) -> None:
    strength = PROFILES[name].strength(SESSIONS)[:-1]
    size = ic_of(market, name) @ strength / (strength @ strength)
    error = 1 / np.sqrt((NAMES - 1) * (strength @ strength))
    assert abs(size - _full(PROFILES[name])) < BOUND * error
    assert _full(PROFILES[name]) > 10 * error, "the claim would be empty"


def test_before_its_death_a_factor_has_its_ic_and_after_it_none(market: SimulatedMarket) -> None:
    ic, died = ic_of(market, "abrupt"), PROFILES["abrupt"].at
    assert abs(ic[:died].mean() - _full(PROFILES["abrupt"])) < BOUND / np.sqrt((NAMES - 1) * died)
    assert abs(ic[died:].mean()) < BOUND / np.sqrt((NAMES - 1) * (len(ic) - died))


def test_a_factor_that_recovers_has_none_in_its_gap_and_all_of_it_afterwards(market: SimulatedMarket) -> None:
    ic = ic_of(market, "recovering")
    assert abs(ic[500:900].mean()) < BOUND / np.sqrt((NAMES - 1) * 400)
    assert abs(ic[900:].mean() - _full(PROFILES["recovering"])) < BOUND / np.sqrt((NAMES - 1) * 599)


def test_the_signal_loses_half_of_its_ic_over_its_half_life() -> None:
    half_life = 8
    planted = Planted("signal", 0.15, persistence=0.5 ** (1 / half_life))
    drawn = simulate_planted([planted], names=NAMES, sessions=800, seed=2)
    for lag, share in ((0, 1.0), (half_life, 0.5), (2 * half_life, 0.25), (5 * half_life, 1 / 32)):
        ic = ic_of(drawn, "signal", lag=lag + 1)
        expected = expected_ic(share * pearson_of(planted.ic), NAMES)
        assert abs(ic.mean() - expected) < BOUND / np.sqrt((NAMES - 1) * len(ic)), lag


def test_the_ic_over_a_horizon_of_several_sessions_is_the_one_planted_for_it() -> None:
    planted = Planted("signal", 0.12, horizon=5, persistence=0.95)
    drawn = simulate_planted([planted], names=NAMES, sessions=2001, seed=4)
    # Windows that do not overlap.
    over_five = np.prod(1 + returns_of(drawn).reshape(-1, 5, NAMES), axis=1) - 1
    ic = rank_correlations(signal_of(drawn, "signal")[:-1:5], over_five)
    assert len(ic) == 400
    assert abs(ic.mean() - 0.12) < BOUND / np.sqrt((NAMES - 1) * len(ic))


@given(horizon=st.integers(1, 63), persistence=st.floats(0, 0.999), ic=st.floats(-0.2, 0.2), other=st.integers(2, 63))
def test_the_ic_is_what_was_asked_for_at_its_own_horizon_and_a_lasting_signal_gains_with_the_horizon(
    horizon: int, persistence: float, ic: float, other: int
) -> None:
    planted = Planted("signal", ic, horizon=horizon, persistence=persistence)
    assert planted.expected(horizon) == pytest.approx(ic)
    assert planted.expected(1) == pytest.approx(planted.ic_of_next_session)
    lasting, fleeting = Planted("a", 0.05, persistence=0.999), Planted("b", 0.05, persistence=0.0)
    assert lasting.expected(other) > lasting.expected(1)
    assert fleeting.expected(other) == pytest.approx(0.05 / np.sqrt(other))


@given(at=st.integers(0, 300), length=st.integers(1, 300), profile=st.sampled_from(["abrupt", "exponential", "cyclical", "recovering"]))
def test_strength_is_a_share_that_follows_its_profile(at: int, length: int, profile: str) -> None:
    strength = Planted("signal", 0.1, profile=profile, at=at, length=length).strength(700)
    assert strength.shape == (700,)
    assert strength.min() >= 0
    assert strength.max() <= 1
    if profile == "cyclical":
        assert strength[0] == 1.0
        np.testing.assert_allclose(strength[length:], strength[:-length], atol=1e-9)
        return
    np.testing.assert_array_equal(strength[:at], 1.0)
    if profile == "exponential":
        np.testing.assert_allclose(strength[at + length :], strength[at:-length] / 2)
    else:
        np.testing.assert_array_equal(strength[at : at + length] if profile == "recovering" else strength[at:], 0.0)
    if profile == "recovering":
        np.testing.assert_array_equal(strength[at + length :], 1.0)


def test_the_product_of_two_characteristics_ranks_returns_though_neither_does() -> None:
    pair = [Planted("first", 0.0, persistence=0.9), Planted("second", 0.0, persistence=0.9)]
    drawn = simulate_planted(pair, names=NAMES, sessions=800, seed=3, interactions=[Interaction("first", "second", 0.2)])
    bound = BOUND / np.sqrt((NAMES - 1) * 799)
    product = signal_of(drawn, "first") * signal_of(drawn, "second")
    # The product is not normal, so that its IC is not quite that of a normal score: drawn here independently, with an error of 0.0016.
    chance, loading = np.random.default_rng(0), pearson_of(0.2)
    z = chance.standard_normal(400_000) * chance.standard_normal(400_000)
    expected = spearmanr(z, loading * z + np.sqrt(1 - loading**2) * chance.standard_normal(400_000)).statistic
    assert abs(rank_correlations(product[:-1], returns_of(drawn)).mean() - expected) < bound + BOUND * 0.0016
    assert expected == pytest.approx(0.2, abs=0.04)
    assert abs(ic_of(drawn, "first").mean()) < bound
    assert abs(ic_of(drawn, "second").mean()) < bound
    assert drawn.truth.details["interactions"] == [("first", "second", 0.2)]


@given(
    factors=st.integers(1, 120),
    dying=st.integers(0, 120),
    sessions=st.integers(100, 3000),
    seed=st.integers(0, 9),
    ic=st.floats(0.01, 0.08),
)
def test_plant_gives_factors_of_the_mean_ic_of_which_the_last_die_in_the_second_half(
    factors: int, dying: int, sessions: int, seed: int, ic: float
) -> None:
    dying = min(dying, factors)
    planted = plant(factors=factors, dying=dying, ic=ic, sessions=sessions, seed=seed)
    assert len({each.name for each in planted}) == factors
    assert [each.name for each in planted] == sorted(each.name for each in planted)
    sizes = np.array([each.ic for each in planted])
    assert sizes.mean() == pytest.approx(ic)
    assert sizes.min() >= 0.6 * ic - 1e-12
    assert sizes.max() <= 1.4 * ic + 1e-12
    assert [each.dies is not None for each in planted] == [False] * (factors - dying) + [True] * dying
    deaths = [each.dies for each in planted if each.dies is not None]
    assert deaths == sorted(deaths)
    assert all(0.55 * sessions - 1 <= died <= 0.8 * sessions + 1 for died in deaths)
    assert planted == plant(factors=factors, dying=dying, ic=ic, sessions=sessions, seed=seed)


def _small(seed: int = 1, **more: object) -> SimulatedMarket:
    return simulate_planted(plant(factors=3, dying=1, ic=0.04, sessions=150, seed=1), names=20, sessions=150, seed=seed, **more)


def test_the_same_seed_gives_the_same_market_and_another_seed_another() -> None:
    everything = {
        "risks": Risks(styles=2, clustering=0.3),
        "defects": Defects(0.2, 0.2, 3.0, feature_delay=2, fundamentals=True, fills=True),
    }
    first, again, other = _small(1, **everything), _small(1, **everything), _small(2, **everything)
    for table in ("prices", "universe", "features", "fundamentals", "fills", "cash"):
        assert_frame_equal(getattr(first, table), getattr(again, table), check_exact=True)
        assert table in ("cash", "universe") or not getattr(first, table).equals(getattr(other, table))
    assert first.truth.details == again.truth.details


def test_a_part_that_is_added_changes_no_other() -> None:
    plain, more = _small(), _small(defects=Defects(feature_delay=1, fundamentals=True, fills=True))
    assert_frame_equal(plain.prices, more.prices, check_exact=True)


def test_without_a_factor_there_are_returns_and_no_features() -> None:
    drawn = simulate_planted([], names=12, sessions=40, seed=1, defects=Defects(fills=True))
    assert drawn.features.is_empty()
    assert drawn.features.columns == _small().features.columns
    assert drawn.prices.height == 12 * 40
    assert drawn.fills is None, "a live book trades a planted factor"


@pytest.mark.parametrize(
    ("planted", "more", "message"),
    [
        ([], {"names": 9}, "needs names >= 10, sessions >= 2 and seed >= 0"),
        ([], {"sessions": 1}, "needs names >= 10, sessions >= 2 and seed >= 0"),
        ([], {"seed": -1}, "needs names >= 10, sessions >= 2 and seed >= 0"),
        ([Planted("a", 0.1), Planted("a", 0.1)], {}, "two planted factors have the same name"),
        ([Planted("a", 0.1, persistence=1.0)], {}, "a: needs persistence from 0 to below 1"),
        ([Planted("a", 0.1, horizon=0)], {}, "a: needs .* horizon and length >= 1"),
        ([Planted("a", 0.1, profile="cyclical", length=0)], {}, "a: needs .* horizon and length >= 1"),
        ([Planted("a", 0.1, profile="abrupt", at=-1)], {}, "a: needs .* at >= 0"),
        ([Planted("a", 0.1, profile="sudden")], {}, "a: profile is 'sudden'; it must be one of constant, abrupt, exponential, cyclical"),
        ([Planted("a", 0.7), Planted("b", 0.7)], {}, r"sum to 0.98; they must stay below 0.9"),
        ([Planted("a", float("nan"))], {}, "sum to nan; they must stay below 0.9"),
        ([Planted("a", 0.1)], {"interactions": [Interaction("a", "b", 0.1)]}, "interaction: no planted factor b"),
        ([Planted("a", 0.1)], {"interactions": [Interaction("a", "a", 0.1)]}, "needs two different factors"),
        (
            [Planted("a", 0.1), Planted("b", 0.1)],
            {"interactions": [Interaction("a", "b", 0.1), Interaction("b", "a", 0.1)]},
            "each pair once",
        ),
        ([], {"risks": Risks(styles=-1)}, "styles is -1; it must be at least 0"),
        ([], {"risks": Risks(clustering=float("nan"))}, "clustering is nan; it must be at least 0"),
        ([], {"defects": Defects(delistings_per_year=-0.1)}, "delistings_per_year is -0.1; it must be at least 0"),
        ([], {"defects": Defects(late_listings=1.5)}, "late_listings is 1.5; it must be from 0 to 1"),
        ([], {"defects": Defects(gaps_per_year=253)}, "gaps_per_year is 253; it must be from 0 to 252"),
        ([], {"defects": Defects(feature_delay=-1)}, "feature_delay is -1; it must be at least 0"),
        ([], {"defects": Defects(half_spread_bps=-5)}, "half_spread_bps is -5; it must be from 0 to 10000"),
    ],
)
def test_arguments_out_of_range_are_refused_and_named(planted: list[Planted], more: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate_planted(planted, **{"names": 12, "sessions": 30, "seed": 1, **more})


@pytest.mark.parametrize(("factors", "dying"), [(0, 0), (2, 3), (2, -1)])
def test_plant_refuses_more_deaths_than_factors(factors: int, dying: int) -> None:
    with pytest.raises(ValueError, match=f"factors is {factors} and dying is {dying}; needs factors >= 1, and dying from 0 to factors"):
        plant(factors=factors, dying=dying, ic=0.04, sessions=500, seed=1)
