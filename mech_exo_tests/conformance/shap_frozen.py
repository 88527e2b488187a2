"""Regenerates `frozen/shap.npz`: contributions and interactions of the frozen models, by shap's own algorithm.

    .venv-peers/bin/python mech_exo_tests/conformance/shap_frozen.py
    .venv-peers/bin/python mech_exo_tests/conformance/shap_frozen.py OTHER.npz

Runs with the interpreter of `.venv-peers`, and imports nothing of ours. `shap.TreeExplainer` asks LightGBM and XGBoost for `pred_contrib`
themselves, which would compare them with themselves: here the model is declared to be of no library (`model_type = "internal"`), so that
shap walks the trees, as it has read them, by its own C extension (`_cext.dense_tree_shap`), path-dependent. That extension takes no
XGBoost categories, and has LightGBM's in an encoding of its own; categories are held to the definition in `test_interactions.py` instead.

The models are frozen as well (`frozen/shap_models.json`, made by `--train`), so that other versions of the libraries are judged on the same
trees.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "frozen"
FROZEN, MODELS = FOLDER / "shap.npz", FOLDER / "shap_models.json"
N_ROWS, N_FEATURES, N_INTERACTIONS = 1000, 12, 40


def rows(seed=11, n=N_ROWS):
    """Features in single precision, a tenth of them missing."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, N_FEATURES)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    return values


def trained():
    """LightGBM's text and XGBoost's JSON of models that have learned an interaction and a linear part."""
    import lightgbm
    import xgboost

    values = rows(seed=7, n=4000)
    known = np.nan_to_num(values)
    label = 0.6 * known[:, 1] + 0.8 * known[:, 4] * known[:, 7] + np.random.default_rng(8).normal(0.0, 0.5, len(known))
    choices = {"num_leaves": 15, "learning_rate": 0.1, "num_threads": 1, "deterministic": True, "verbosity": -1, "seed": 1}
    light = lightgbm.train(choices, lightgbm.Dataset(values, label), 40)
    names = [f"f{number}" for number in range(N_FEATURES)]
    extreme = xgboost.train({"max_depth": 4, "eta": 0.1, "nthread": 1, "seed": 1}, xgboost.DMatrix(values, label, feature_names=names), 40)
    return {"lightgbm": light.model_to_string(), "xgboost": extreme.save_raw("json").decode()}


def booster(kind, text):
    if kind == "lightgbm":
        import lightgbm

        return lightgbm.Booster(model_str=text)
    import xgboost

    loaded = xgboost.Booster({"nthread": 1})
    loaded.load_model(bytearray(text.encode()))
    return loaded


def figures(kind, text):
    """Contributions, and interactions of the first rows, by shap itself."""
    import shap

    explainer = shap.TreeExplainer(booster(kind, text), feature_perturbation="tree_path_dependent")
    assert explainer.model.model_type == kind
    explainer.model.model_type = "internal"
    explainer.model.original_model = None  # so that nothing can ask the library
    values = rows()
    return {
        f"{kind}_contributions": np.asarray(explainer.shap_values(values, check_additivity=False)),
        f"{kind}_interactions": np.asarray(explainer.shap_interaction_values(values[:N_INTERACTIONS])),
    }


def main(words):
    if "--train" in words:
        MODELS.write_text(json.dumps(trained()))
        return
    models = json.loads(MODELS.read_text())
    found = {name: value for kind, text in models.items() for name, value in figures(kind, text).items()}
    np.savez_compressed(words[0] if words else FROZEN, version=version("shap"), **found)


if __name__ == "__main__":
    main(sys.argv[1:])
