"""Neutrality and limits: by hand, and what holds for any weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mech_exo_assets.quant.portfolio.constraints import constrained, limited
from mech_exo_tests.quant.portfolio.builders import NAN, construct, matrix, score_panel, weights_of


def apply(weights, *, sectors=None, beta=None, fill=True, **choices):
    codes = np.zeros(weights.shape[1], dtype=np.int64) if sectors is None else np.array(sectors, dtype=np.int64)
    return constrained(weights, construct(**choices), sectors=codes, beta=beta, fill=fill)


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12)


def test_what_a_name_loses_to_its_cap_goes_to_its_side_in_proportion():
    weights = matrix([0.4, 0.1, 0.1, 0.0, -0.3, -0.3])
    close(apply(weights, gross=1.2, limits={"name": 0.35}), [[0.35, 0.125, 0.125, 0.0, -0.3, -0.3]])


def test_a_name_that_is_filled_above_the_cap_is_cut_in_turn():
    # 0.5 is cut to 0.3; its 0.2 would lift 0.25 to 0.35, which is cut too.
    close(apply(matrix([0.5, 0.25, 0.25 / 3, -0.3, -0.3]), gross=5 / 3, limits={"name": 0.31})[0, :3], [0.31, 0.31, 0.5 + 1 / 3 - 0.62])


def test_where_a_cap_makes_the_budget_unreachable_gross_is_lower_and_the_sides_stay_balanced():
    close(apply(matrix([0.5, -0.25, -0.25]), limits={"name": 0.2}), [[0.2, -0.1, -0.1]])
    # 130/30: the longs reach 0.8 of 1.3, and the shorts are scaled alike.
    extension = apply(matrix([0.7, 0.6, -0.3]), kind="extension", gross=1.6, limits={"name": 0.4})
    close(extension, [[0.4, 0.4, -0.3 * 0.8 / 1.3]])


def test_what_a_sector_loses_to_its_cap_goes_to_the_other_sectors():
    panel = score_panel(matrix([4.0, 3.0, 2.0, 1.0]))
    sectors = {"S00": "A", "S01": "A", "S02": "A"}  # S03 has none: a sector of its own
    weights = weights_of(panel, sectors=sectors, kind="long_only", gross=0.8, quantile=1.0, limits={"sector": 0.5})
    close(weights, [[0.5 / 3, 0.5 / 3, 0.5 / 3, 0.3]])
    both = weights_of(panel, sectors=sectors, kind="long_only", gross=0.8, quantile=1.0, limits={"sector": 0.3})
    close(both, [[0.1, 0.1, 0.1, 0.3]])


def test_a_sector_cap_counts_longs_and_shorts():
    weights = apply(matrix([0.3, -0.3, 0.2, -0.2]), sectors=[0, 0, 1, 1], limits={"sector": 0.55})
    close(weights, [[0.275, -0.275, 0.225, -0.225]])


def test_sector_neutral_by_hand():
    # In the first sector longs are four times the shorts; each side gives in proportion until both are 0.16, and all is scaled to 1.
    panel = score_panel(matrix([4.0, -1.0, 1.0, -4.0]))
    weights = weights_of(panel, sectors={"S00": "A", "S01": "A", "S02": "B", "S03": "B"}, neutral=("sector",))
    close(weights, [[0.25, -0.25, 0.25, -0.25]])


def test_a_sector_with_one_side_only_is_not_held():
    weights = apply(matrix([0.3, -0.2, 0.2, -0.3]), sectors=[0, 1, 2, 2], neutral=("sector",))
    assert weights[0, :2].tolist() == [0.0, 0.0]
    close(weights[0, 2:], [0.5, -0.5])


def test_beta_neutral_by_hand():
    # Weighted betas add up to 0.25 · (1 + 2 − 0 − 1) = 0.5; from their mean 1 the betas are 0, 1, −1 and 0 away, at weights of 0.25.
    weights = apply(matrix([0.25, 0.25, -0.25, -0.25]), beta=matrix([1.0, 2.0, 0.0, 1.0]), neutral=("beta",))
    close(weights, [[0.5, 0.0, 0.0, -0.5]])


def test_equal_betas_are_neutral_already():
    close(apply(matrix([0.4, 0.1, -0.5]), beta=matrix([0.7, 0.7, 0.7]), neutral=("beta",)), [[0.4, 0.1, -0.5]])


def test_where_neutrality_leaves_nothing_there_is_no_target():
    assert np.isnan(apply(matrix([0.5, -0.5]), beta=matrix([1.0, 2.0]), neutral=("beta",))).all()
    assert np.isnan(apply(matrix([0.5, -0.5]), sectors=[0, 1], neutral=("sector",))).all()


def test_kelly_weights_only_become_smaller():
    close(apply(matrix([0.4, 0.1, -0.2]), fill=False, sizing="kelly", limits={"name": 0.3}), [[0.3, 0.1, -0.2]])
    close(apply(matrix([0.4, 0.1, -0.2]), fill=False, sizing="kelly", gross=0.35), [[0.2, 0.05, -0.1]])
    close(apply(matrix([0.4, 0.1, -0.2]), fill=False, sizing="kelly", limits={"sector": 0.35}), [[0.2, 0.05, -0.1]])
    neutral = apply(matrix([0.02, 0.01, -0.06]), fill=False, sizing="kelly", neutral=("sector",))
    close(neutral, [[0.02 * 4 / 3, 0.01 * 4 / 3, -0.04]])


def test_rows_without_a_target_stay_so_and_rows_within_the_limits_are_not_changed_by_a_bit():
    weights = matrix([NAN, NAN, NAN], [0.1, 0.4, -0.5], [0.7, 0.1, -0.8])
    limits = construct(gross=1.6, limits={"name": 0.6, "sector": 1.6, "gross": 1.6, "net": 0.5}).limits
    one_sector = np.zeros(3, dtype=np.int64)
    for out in (apply(weights, gross=1.6, limits={"name": 0.6, "sector": 1.6}), limited(weights, limits, sectors=one_sector)):
        np.testing.assert_array_equal(out[:2], weights[:2])
        assert np.abs(out[2]).max() <= 0.6 + 1e-15
    assert apply(weights) is weights
    assert limited(weights, construct().limits, sectors=one_sector) is weights


def test_a_net_limit_of_zero_leaves_balanced_weights_and_no_others():
    limits = construct(limits={"net": 0.0}).limits
    out = limited(matrix([0.1, 0.2, -0.3], [0.5, 0.2, -0.3]), limits, sectors=np.zeros(3, dtype=np.int64))
    assert out[0].tolist() == [0.1, 0.2, -0.3]
    assert np.isnan(out[1]).all()


@st.composite
def cases(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(4, 40))
    weights = rng.standard_t(3, size=(3, count))
    weights[rng.random(weights.shape) < 0.2] = 0.0
    for row in weights:
        row[row > 0] /= 2 * max(row[row > 0].sum(), 1e-300)
        row[row < 0] /= 2 * max(-row[row < 0].sum(), 1e-300)
    weights[(weights > 0).sum(axis=1) * (weights < 0).sum(axis=1) == 0] = NAN
    sectors = rng.integers(0, draw(st.integers(1, 5)), count)
    beta = rng.normal(size=weights.shape) * 0.4 + 1.0
    limits = {
        "name": draw(st.one_of(st.none(), st.floats(0.5, 4).map(lambda times: times / count))),
        "sector": draw(st.one_of(st.none(), st.floats(0.1, 1.0))),
    }
    return weights, sectors, beta, limits


@settings(max_examples=150, deadline=None)
@given(cases(), st.sampled_from([(), ("beta",), ("sector",), ("beta", "sector")]), st.booleans())
def test_caps_are_never_exceeded_and_neutrality_always_holds(case, neutral, fill):
    weights, sectors, beta, limits = case
    out = apply(weights, sectors=sectors, beta=beta if "beta" in neutral else None, fill=fill, neutral=neutral, limits=limits)
    for before, row, slopes in zip(weights, out, beta, strict=True):
        if np.isnan(row).any():
            assert np.isnan(row).all()
            assert neutral or np.isnan(before).any()
            continue
        assert np.abs(row).sum() <= 1.0 + 1e-12
        assert np.abs(row).max() <= (limits["name"] or np.inf) * (1 + 1e-12)
        of_sector = np.bincount(sectors, np.abs(row))
        assert of_sector.max() <= (limits["sector"] or np.inf) * (1 + 1e-12)
        assert not row[before == 0].any()
        if "sector" in neutral:
            assert np.abs(np.bincount(sectors, row)).max() < 1e-12
        if "beta" in neutral:
            assert abs((row * slopes).sum()) < 1e-8
        if fill:
            assert abs(row.sum()) < 1e-12
        if "beta" not in neutral:
            assert (row * before >= 0).all()


@settings(max_examples=100, deadline=None)
@given(cases())
def test_water_filling_is_one_factor_for_all_names_of_a_side_below_the_cap_and_reaches_gross_where_it_can(case):
    weights, _, _, limits = case
    cap = limits["name"] or 0.1
    for before, row in zip(weights, apply(weights, limits={"name": cap}), strict=True):
        if np.isnan(before).any():
            continue
        reach = [min(0.5, cap * (before * sign > 0).sum()) for sign in (1, -1)]
        assert np.abs(row).sum() == pytest.approx(2 * min(reach), rel=1e-9)
        for sign in (1, -1):
            below = (before * sign > 0) & (np.abs(row) < cap * (1 - 1e-9))
            if min(reach) == 0.5 and below.any():
                np.testing.assert_allclose((row / np.where(before, before, 1))[below], (row[below] / before[below])[0], rtol=1e-9)


def test_neutral_and_capped_weights_reach_gross_where_there_is_room():
    rng = np.random.default_rng(11)
    weights = rng.normal(size=(50, 120))
    weights -= weights.mean(axis=1, keepdims=True)
    weights /= np.abs(weights).sum(axis=1, keepdims=True)
    sectors = np.arange(120) % 6
    beta = 1 + 0.3 * rng.normal(size=weights.shape)
    choices = {"neutral": ("beta", "sector"), "limits": {"name": 2.0 / 120, "sector": 0.2}}
    out = apply(weights, sectors=sectors, beta=beta, **choices)
    assert np.abs(weights).max() > 3.0 / 120
    np.testing.assert_allclose(np.abs(out).sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose((out * beta).sum(axis=1), 0.0, atol=1e-12)
    assert np.abs(out).max() <= 2.0 / 120 * (1 + 1e-12)


def test_where_caps_and_neutrality_collide_gross_gives_way():
    # The first sector's only long is at most 0.1, so the sector's shorts are too; the second sector is at most 0.3.
    weights = apply(
        matrix([0.3, -0.2, -0.1, 0.2, -0.2]), sectors=[0, 0, 0, 1, 1], neutral=("sector",), limits={"name": 0.1, "sector": 0.3}
    )[0]
    close([weights[:3].sum(), weights[3:].sum()], 0.0)
    assert np.abs(weights).max() == pytest.approx(0.1, rel=1e-9)
    # Not the largest gross that is possible (0.4): that would take an optimiser.
    assert 0.3 < np.abs(weights).sum() <= 0.4
