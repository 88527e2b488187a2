"""Costs: basis points into fractions."""

from __future__ import annotations

import pytest

from mech_exo_assets.quant.costs import linear_cost_rate


@pytest.mark.parametrize(
    ("commission", "half_spread", "rate"), [(0.0, 0.0, 0.0), (1.0, 4.0, 0.0005), (10_000.0, 0.0, 1.0), (0.0, 2.5, 0.00025)]
)
def test_the_cost_rate_is_commission_and_half_the_spread_as_a_fraction(commission, half_spread, rate):
    assert linear_cost_rate(commission_bps=commission, half_spread_bps=half_spread) == pytest.approx(rate, abs=1e-18)
