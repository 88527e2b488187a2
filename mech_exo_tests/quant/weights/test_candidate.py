"""Candidates and the space that they come from."""

from __future__ import annotations

import math
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.weights.candidate import Candidate, Space, scaled
from mech_exo_assets.settings import load_strategy
from mech_exo_tests.quant.weights.builders import strategy

FACTORS = ("a", "b", "c")


def space(*, multipliers: dict[str, float] | None = None, factors: tuple[str, ...] = FACTORS, **search: Any) -> Space:
    return Space.of(factors, strategy(search=search).search, multipliers=multipliers or {})


def test_every_factor_has_the_common_bounds_or_its_own():
    assert space(low=-0.5, bounds={"b": [0.2, 0.4]}).bounds == {"a": (-0.5, 1.0), "b": (0.2, 0.4), "c": (-0.5, 1.0)}


def test_factors_are_in_the_order_of_their_names():
    assert space(factors=("c", "a", "b")).factors == FACTORS


def test_a_decayed_factor_has_bounds_and_share_times_its_multiplier():
    found = space(multipliers={"a": 0.25}, limits={"factor_share": 0.6})
    assert found.bounds["a"] == (0.0, 0.25)
    assert found.share_limits == {"a": pytest.approx(0.15), "b": 0.6, "c": 0.6}


def test_a_factor_that_decay_has_switched_off_is_not_in_the_space():
    assert space(multipliers={"a": 0.0}, limits={"factor_share": 0.6}).factors == ("b", "c")


def test_without_a_limit_each_factor_may_have_all():
    assert set(space(limits={"factor_share": None}).share_limits.values()) == {1.0}


def test_bounds_of_a_factor_that_is_not_there_are_refused():
    with pytest.raises(InputError, match=r"^search.bounds: no factor 'd' in this source's data; there are: a, b, c\.$"):
        space(bounds={"d": [0, 1]})


@pytest.mark.parametrize(
    ("factors", "multipliers", "reason"),
    [
        ((), {}, "no factor has scores and bounds other than 0. "),
        (FACTORS, dict.fromkeys(FACTORS, 0.0), "decay has switched off a, b, c. "),
    ],
)
def test_a_search_without_a_factor_is_refused(factors, multipliers, reason):
    with pytest.raises(InputError) as refusal:
        space(factors=factors, multipliers=multipliers)
    assert str(refusal.value) == (
        f"the weight search has no factor alive: {reason}Add factors or data, raise search.high, or wait until one recovers; nothing was "
        "changed."
    )


def test_shares_that_cannot_add_up_to_1_are_refused():
    with pytest.raises(InputError, match=r"^search.limits.factor_share: 0.3 of each of 3 factors .* adds up to 0.9, .* Raise it, or set"):
        space(limits={"factor_share": 0.3})
    with pytest.raises(InputError, match=r"adds up to 0\.85"):
        space(limits={"factor_share": 0.35}, multipliers={"a": 3 / 7})


def test_shares_that_just_add_up_to_1_are_accepted():
    assert space(limits={"factor_share": 1 / 3}).factors == FACTORS


WEIGHTS = st.lists(st.floats(-1, 1).map(lambda each: round(each, 4)), min_size=3, max_size=3).filter(any)


@hypothesis.given(weights=WEIGHTS, high=st.lists(st.floats(0.01, 5), min_size=3, max_size=3))
def test_parameters_keep_the_ratios_of_weights_and_lie_within_the_bounds(weights: list[float], high: list[float]):
    found = space(low=-1, bounds={name: [-top, top] for name, top in zip(FACTORS, high, strict=True)}, limits={"factor_share": None})
    given = Candidate(scaled(dict(zip(FACTORS, weights, strict=True))))
    parameters = found.parameters(given.weights, {})
    back = found.candidate(parameters)
    assert back is not None
    for name, top in zip(FACTORS, high, strict=True):
        assert -top <= parameters[f"weight.{name}"] <= top
        assert back.weights[name] == pytest.approx(given.weights[name], rel=1e-12, abs=1e-15)
    assert max(abs(parameters[f"weight.{name}"]) / top for name, top in zip(FACTORS, high, strict=True)) == pytest.approx(1)


@hypothesis.given(
    weights=WEIGHTS,
    bounds=st.lists(st.tuples(st.floats(-2, 2), st.floats(-2, 2)).map(sorted), min_size=3, max_size=3).filter(
        lambda pairs: all(low or high for low, high in pairs)
    ),
)
def test_parameters_lie_within_any_bounds(weights: list[float], bounds: list[list[float]]):
    found = space(bounds=dict(zip(FACTORS, bounds, strict=True)), limits={"factor_share": None})
    parameters = found.parameters(dict(zip(FACTORS, weights, strict=True)), {})
    assert list(parameters) == ["weight.a", "weight.b", "weight.c"]
    for name, (low, high) in zip(FACTORS, bounds, strict=True):
        assert low <= parameters[f"weight.{name}"] <= high


def test_a_weight_that_its_bounds_forbid_is_the_nearest_that_they_allow():
    found = space(bounds={"b": [0.3, 0.5]}, limits={"factor_share": None})
    assert found.parameters({"a": 0.5, "b": -0.5}, {}) == {"weight.a": 1.0, "weight.b": 0.3, "weight.c": 0.0}


def test_a_decayed_factor_is_cut_to_its_share_and_the_others_keep_their_ratios():
    names = ("a", "b", "c", "d")
    found = Space.of(names, load_strategy().search, multipliers={"d": 0.02})
    near = found.candidate(found.parameters({"a": 0.3, "b": 0.2, "c": 0.1, "d": 0.4}, {}))
    assert near is not None
    assert found.share_excess(near) <= 0
    assert near.weights["d"] == pytest.approx(0.01)
    assert near.weights["a"] / near.weights["b"] == pytest.approx(1.5)
    assert near.weights["a"] / near.weights["c"] == pytest.approx(3.0)


@hypothesis.given(
    weights=st.lists(st.floats(0, 1).map(lambda each: round(each, 3)), min_size=6, max_size=6).filter(
        lambda each: sum(map(bool, each)) > 2
    ),
    alive=st.lists(st.floats(0.01, 1), min_size=6, max_size=6),
)
def test_a_warm_start_of_three_factors_or_more_keeps_its_shares_where_they_can_be_kept(weights: list[float], alive: list[float]):
    names = [f"f{k}" for k in range(6)]
    found = Space.of(names, load_strategy().search, multipliers=dict(zip(names, [1.0, 1.0, *alive[2:]], strict=True)))
    near = found.candidate(found.parameters(dict(zip(names, weights, strict=True)), {}))
    held = [name for name, weight in zip(names, weights, strict=True) if weight]
    if near is not None and sum(found.share_limits[name] for name in held) >= 1.001:
        assert found.share_excess(near) <= 1e-12


def test_parameters_of_the_construction_are_clipped_rounded_and_in_the_middle_where_not_named():
    opened = {"no_trade_band": [0.0, 0.01], "top_n.names": [10, 15]}
    found = space(construction=opened)
    names = ("construction.no_trade_band", "construction.top_n.names")
    assert [found.parameters({"a": 1}, {})[name] for name in names] == [0.005, 12]
    chosen = found.parameters({"a": 1}, {"no_trade_band": 0.5, "top_n.names": 13.4})
    assert [chosen[name] for name in names] == [0.01, 13]
    assert isinstance(chosen["construction.top_n.names"], int)
    back = found.candidate(chosen)
    assert back is not None
    assert back.construction == {"no_trade_band": 0.01, "top_n.names": 13}


def test_parameters_that_are_all_0_are_no_candidate():
    assert space().candidate({"weight.a": 0.0, "weight.b": 0.0, "weight.c": 0.0}) is None


@hypothesis.given(weights=WEIGHTS, share=st.floats(0, 1))
def test_mixed_weights_go_straight_to_the_others_and_add_up_to_1(weights: list[float], share: float):
    equal = dict.fromkeys(FACTORS, 1 / 3)
    given = Candidate(scaled(dict(zip(FACTORS, weights, strict=True))), {"no_trade_band": 0.1})
    wanted = np.array([(1 - share) * given.weights[name] + share / 3 for name in FACTORS])
    hypothesis.assume(np.abs(wanted).sum() > 1e-6)
    found = given.mixed(equal, share)
    assert found is not None
    assert sum(abs(weight) for weight in found.weights.values()) == pytest.approx(1)
    np.testing.assert_allclose(found.vector(FACTORS), wanted / np.abs(wanted).sum(), atol=1e-12)
    assert found.construction == {"no_trade_band": 0.1}


def test_the_ends_of_mixing_are_the_two_that_are_mixed():
    given, equal = Candidate({"a": 0.75, "b": 0.25, "c": 0.0}), dict.fromkeys(FACTORS, 1 / 3)
    ends = [given.mixed(equal, share) for share in (0.0, 1.0)]
    assert [each and each.weights for each in ends] == [given.weights, pytest.approx(equal)]


def test_weights_that_cancel_out_are_no_candidate():
    assert Candidate({"a": -1.0}).mixed({"a": 1.0}, 0.5) is None


@hypothesis.given(WEIGHTS, st.floats(1e-3, 1e3))
def test_scaled_weights_add_up_to_1_whatever_their_size(weights: list[float], factor: float):
    named = dict(zip(FACTORS, weights, strict=True))
    found = scaled(named)
    assert math.fsum(abs(each) for each in found.values()) == pytest.approx(1)
    assert scaled({name: factor * weight for name, weight in named.items()}) == pytest.approx(found)


def test_weights_that_are_all_0_cannot_be_scaled():
    with pytest.raises(ValueError, match="all 0"):
        scaled({"a": 0.0})


def test_a_vector_is_in_the_order_asked_for_with_0_for_others():
    np.testing.assert_array_equal(Candidate({"a": 0.75, "b": -0.25}).vector(("b", "x", "a")), [-0.25, 0.0, 0.75])


def test_excess_is_the_largest_share_over_its_limit():
    found = space(multipliers={"a": 0.5}, limits={"factor_share": 0.6})
    assert found.share_excess(Candidate({"a": 0.4, "b": -0.5, "c": 0.1})) == pytest.approx(0.1)
    assert found.share_excess(Candidate({"a": 0.2, "b": -0.7, "c": 0.1})) == pytest.approx(0.1)
    assert found.share_excess(Candidate({"a": 0.3, "b": 0.5, "c": 0.2})) == pytest.approx(0.0)
    assert Candidate({"a": 0.2, "b": -0.7, "c": 0.1}).factor_share == 0.7
