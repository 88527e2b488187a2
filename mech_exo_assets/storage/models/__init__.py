"""Trained models on record: MLflow's runs and its registry of models, in a database and a folder of artifacts.

What belongs here: everything that knows MLflow. What does not: training (`quant.models`), and the tables of trainings in the lake.

Parts: `registry` (the door), `training` (what is recorded), `reach` (database and folder, before anything is written), `saving` (a model in
its library's own form), `mech_exo_ridge` (copied into each recorded ridge model, which it reads).
"""

from mech_exo_assets.storage.models.registry import ModelRegistry
from mech_exo_assets.storage.models.training import Training

__all__ = ["ModelRegistry", "Training"]
