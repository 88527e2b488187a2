"""What a factor's history says about it.

What belongs here: statistics, half-lives and breakdowns of series of information coefficients. What does not: the coefficients themselves
(`quant.ic`, `quant.residual`), the distribution of a t (`quant.hac`), and the monitor that watches session by session (`quant.detection`).
"""

from mech_exo_assets.quant.decay.breakdown import breakdown, regimes
from mech_exo_assets.quant.decay.half_life import HalfLife, decline, half_life
from mech_exo_assets.quant.decay.statistics import statistics

__all__ = ["HalfLife", "breakdown", "decline", "half_life", "regimes", "statistics"]
