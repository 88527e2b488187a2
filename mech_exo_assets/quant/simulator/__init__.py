"""Markets whose truth is known, to test against.

What belongs here: what is drawn from stated laws, and the truth that it was drawn with. What does not: anything estimated from it, how it
becomes a source (`sources.simulator`), and how it is written to files (`sources.market_folder`).
"""

from mech_exo_assets.quant.simulator.market import (
    FIRST_DATE,
    PERSISTENCE,
    SECTORS,
    SimulatedMarket,
    Truth,
    expected_ic,
    simulate,
)
from mech_exo_assets.quant.simulator.planted import Interaction, Planted, Risks, plant, simulate_planted, truth_as_json
from mech_exo_assets.quant.simulator.records import Defects

__all__ = [
    "FIRST_DATE",
    "PERSISTENCE",
    "SECTORS",
    "Defects",
    "Interaction",
    "Planted",
    "Risks",
    "SimulatedMarket",
    "Truth",
    "expected_ic",
    "plant",
    "simulate",
    "simulate_planted",
    "truth_as_json",
]
