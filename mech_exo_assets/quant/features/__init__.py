"""Features and labels: what models learn from, and what they learn.

What belongs here: kinds of features as declared objects, labels, and the table that both make. What does not: models (`quant.models`), and
factors (`quant.factors`), whose scores most features are made from.
"""

from mech_exo_assets.quant.features.registry import FeatureKind, available, kinds
from mech_exo_assets.quant.features.tables import (
    PRICE_YEARS_AFTER,
    PRICE_YEARS_BEFORE,
    SCORE_YEARS_BEFORE,
    Dataset,
    dataset_table,
    largest_label_mean,
)

__all__ = [
    "PRICE_YEARS_AFTER",
    "PRICE_YEARS_BEFORE",
    "SCORE_YEARS_BEFORE",
    "Dataset",
    "FeatureKind",
    "available",
    "dataset_table",
    "kinds",
    "largest_label_mean",
]
