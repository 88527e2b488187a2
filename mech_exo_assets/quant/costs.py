"""What trading costs.

What belongs here: cost models. What does not: how much is traded (`backtest`).
"""

from __future__ import annotations

BASIS_POINT = 1e-4


def linear_cost_rate(*, commission_bps: float, half_spread_bps: float) -> float:
    """Cost of a trade as a fraction of its notional: commission and half the bid-ask spread, both in basis points."""
    return (commission_bps + half_spread_bps) * BASIS_POINT
