"""A ridge model that is read without Mech-Exo predicts what it predicts with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from mech_exo_assets.quant.models.fitted import Features, Ridge
from mech_exo_assets.storage.models.mech_exo_ridge import _load_pyfunc

NAMES = ["score_size", "score_value", "market_trend"]


def test_its_predictions_are_those_of_the_model_missing_values_among_them(tmp_path: Path):
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(50, len(NAMES))).astype(np.float32)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    features = Features.of(NAMES, [], with_sector=False)
    model = Ridge(features, 0.3, rng.normal(size=len(NAMES)), rng.uniform(0.5, 2, len(NAMES)), rng.normal(size=len(NAMES)))
    numbers = json.loads(model.to_text()) | {"features": list(features.numeric)}
    (tmp_path / "ridge.json").write_text(json.dumps(numbers))
    order = list(features.numeric)
    # Columns of a frame are found by name, in whatever order they stand.
    frame = pd.DataFrame(rows, columns=order)[order[::-1]]
    np.testing.assert_array_equal(_load_pyfunc(str(tmp_path / "ridge.json")).predict(frame), model.predict(rows))
