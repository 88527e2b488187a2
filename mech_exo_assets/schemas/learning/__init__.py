"""The tables of the group `learning`, in the order in which they are made."""

from __future__ import annotations

from mech_exo_assets.schemas.learning.dataset import DATASET
from mech_exo_assets.schemas.learning.explanations import DEPENDENCE, EXPLANATIONS, INTERACTIONS
from mech_exo_assets.schemas.learning.models import (
    LEARNED_SCORES,
    LIGHTGBM,
    MODELS,
    PREDICTIONS,
    REGISTERED,
    RIDGE,
    STACKING,
    TRAININGS,
    XGBOOST,
)
from mech_exo_assets.schemas.learning.worth import BLEND, MODEL_COMPARISON
from mech_exo_assets.schemas.table import TableSchema

LEARNING: tuple[TableSchema, ...] = (
    DATASET,
    LIGHTGBM,
    XGBOOST,
    RIDGE,
    MODELS,
    STACKING,
    PREDICTIONS,
    LEARNED_SCORES,
    MODEL_COMPARISON,
    BLEND,
    EXPLANATIONS,
    DEPENDENCE,
    INTERACTIONS,
    REGISTERED,
)
"""All of them."""

__all__ = [
    "BLEND",
    "DATASET",
    "DEPENDENCE",
    "EXPLANATIONS",
    "INTERACTIONS",
    "LEARNED_SCORES",
    "LEARNING",
    "LIGHTGBM",
    "MODELS",
    "MODEL_COMPARISON",
    "PREDICTIONS",
    "REGISTERED",
    "RIDGE",
    "STACKING",
    "TRAININGS",
    "XGBOOST",
]
