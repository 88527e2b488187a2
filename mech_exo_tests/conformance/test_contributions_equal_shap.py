"""The libraries' contributions, and our interactions, against shap's own algorithm: frozen outputs, and the real package."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mech_exo_assets.quant.explain import checked_contributions, interaction_values
from mech_exo_assets.quant.models.fitted import Features, load
from mech_exo_tests.conformance import shap_frozen

PEERS_PYTHON = Path(__file__).parents[2] / ".venv-peers" / "bin" / "python"
TOLERANCE = 1e-6
FEATURES = Features(tuple(f"f{number}" for number in range(shap_frozen.N_FEATURES)))


def peers_are_there():
    return PEERS_PYTHON.exists() and not subprocess.run([PEERS_PYTHON, "-c", "import shap"], capture_output=True, check=False).returncode


def assert_equal(kind, theirs):
    model = load(kind, FEATURES, json.loads(shap_frozen.MODELS.read_text())[kind], threads=1)
    rows = shap_frozen.rows()
    assert rows.shape == (1000, shap_frozen.N_FEATURES)
    ours, _, _ = checked_contributions(model, rows, where=kind)
    assert np.abs(ours[:, :-1]).max() > 0.5
    np.testing.assert_allclose(ours[:, :-1], theirs[f"{kind}_contributions"], rtol=0, atol=TOLERANCE)
    pairs = interaction_values(model, rows[: shap_frozen.N_INTERACTIONS])
    assert np.abs(pairs[:, 4, 7]).max() > 0.1
    np.testing.assert_allclose(pairs, theirs[f"{kind}_interactions"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_contributions_and_interactions_equal_the_frozen_outputs_of_shap(kind):
    assert_equal(kind, np.load(shap_frozen.FROZEN))


@pytest.mark.slow
def test_contributions_and_interactions_equal_shap_as_installed(tmp_path):
    if not peers_are_there():
        pytest.skip("shap is not there: make .venv-peers/.installed")
    subprocess.run([PEERS_PYTHON, shap_frozen.__file__, tmp_path / "shap.npz"], check=True, capture_output=True)
    theirs = np.load(tmp_path / "shap.npz")
    for kind in ("lightgbm", "xgboost"):
        assert_equal(kind, theirs)
