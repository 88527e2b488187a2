"""What the machine-learned factor is worth: compared, let in or kept out, and blended into the composite.

What belongs here: judging predictions that were made out of sample, and the weight that follows from it. What does not: making them
(`models`), and why they are what they are (`explain`).
"""

from __future__ import annotations

from mech_exo_assets.quant.learning.blend import blend_table, blend_weights
from mech_exo_assets.quant.learning.comparison import comparison_table
from mech_exo_assets.quant.learning.gate import Measure, Verdict, gate
from mech_exo_assets.quant.learning.judged import BLENDED, COMPOSITE, ENSEMBLE, Judged, judge
from mech_exo_assets.quant.learning.scores import ML_ALPHA, learned_score_table, with_learned

__all__ = [
    "BLENDED",
    "COMPOSITE",
    "ENSEMBLE",
    "ML_ALPHA",
    "Judged",
    "Measure",
    "Verdict",
    "blend_table",
    "blend_weights",
    "comparison_table",
    "gate",
    "judge",
    "learned_score_table",
    "with_learned",
]
