"""Why models predict what they predict.

What belongs here: contributions of features to predictions, and what they tell: importances and their stability, dependence, interactions,
one name on one session. What does not: the models (`quant.models`), and how good the predictions are (`quant.learning`).
"""

from __future__ import annotations

from mech_exo_assets.quant.explain.additivity import TOLERANCE, additivity_gap, checked_contributions
from mech_exo_assets.quant.explain.engine import Explained, Reader, explain
from mech_exo_assets.quant.explain.importance import Stability, importance_table, overall, stability
from mech_exo_assets.quant.explain.interactions import interaction_table, interaction_values
from mech_exo_assets.quant.explain.sample import sample_rows
from mech_exo_assets.quant.explain.session import NameExplained, SessionExplained, explain_session, in_use, loaded

__all__ = [
    "TOLERANCE",
    "Explained",
    "NameExplained",
    "Reader",
    "SessionExplained",
    "Stability",
    "additivity_gap",
    "checked_contributions",
    "explain",
    "explain_session",
    "importance_table",
    "in_use",
    "interaction_table",
    "interaction_values",
    "loaded",
    "overall",
    "sample_rows",
    "stability",
]
