"""Factors: one module for each family, one function for each factor, and the registry that finds them.

What belongs here: what a factor is, and what it says of a name at the close of a session. What does not: whether it works (`quant.decay`).
"""

from mech_exo_assets.quant.factors.registry import Factor, available, compute, feature_factor, longest_lookback, registry

__all__ = ["Factor", "available", "compute", "feature_factor", "longest_lookback", "registry"]
