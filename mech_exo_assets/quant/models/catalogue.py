"""Which kinds of model there are.

What belongs here: a learner by the name of its kind; its library is loaded then, and not before. What does not: any learner.
"""

from __future__ import annotations

from mech_exo_assets.quant.models.fitted import LIGHTGBM, RIDGE, XGBOOST
from mech_exo_assets.quant.models.learners import Learner
from mech_exo_assets.quant.models.rows import TrainingRows
from mech_exo_assets.settings.learning import Learning


def open_learner(kind: str, rows: TrainingRows, reference: slice, choices: Learning, *, seed: int) -> Learner:
    """The learner of a kind.

    Parameters
    ----------
    kind : {"lightgbm", "xgboost", "ridge"}
    rows : TrainingRows
    reference : slice
        Sessions whose values the edges of bins come from; they end before the first session that is predicted.
    choices : Learning
    seed : int
    """
    if kind == RIDGE:
        from mech_exo_assets.quant.models.ridge_learner import RidgeLearner

        return RidgeLearner(rows)
    if kind == LIGHTGBM:
        from mech_exo_assets.quant.models.lightgbm_learner import LightGbmLearner

        return LightGbmLearner(rows, reference, choices, seed=seed)
    if kind == XGBOOST:
        from mech_exo_assets.quant.models.xgboost_learner import XGBoostLearner

        return XGBoostLearner(rows, reference, choices, seed=seed)
    raise ValueError(f"kind is '{kind}'; there are {LIGHTGBM}, {XGBOOST} and {RIDGE}")
