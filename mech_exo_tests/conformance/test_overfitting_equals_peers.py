"""Our deflated Sharpe ratio and probability of overfitting against purgedcv's and ffn's: frozen outputs, and the real packages."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mech_exo_assets.quant.overfitting import deflated_probability, deflated_sharpe, probability_of_overfitting, trial_variance
from mech_exo_tests.conformance import overfitting_frozen
from mech_exo_tests.conformance.overfitting_frozen import CASES, annual_sharpe, trials

PEERS_PYTHON = Path(__file__).parents[2] / ".venv-peers" / "bin" / "python"
TOLERANCE = 1e-9


def peers_are_there():
    return (
        PEERS_PYTHON.exists()
        and not subprocess.run([PEERS_PYTHON, "-c", "import ffn, purgedcv"], capture_output=True, check=False).returncode
    )


def assert_equal(case, theirs):
    returns = trials(case)
    annual = annual_sharpe(returns)
    best = returns[:, annual.argmax()]
    deflated = deflated_sharpe(best, trials=len(annual), trial_variance=trial_variance(annual))
    assert deflated.probability == pytest.approx(theirs["ffn"]["deflated"], rel=TOLERANCE)
    # purgedcv divides by the standard deviation over n, the rest of it is the same.
    n = len(best)
    biased = deflated_probability(
        deflated.sharpe * (n / (n - 1)) ** 0.5, sessions=n, skew=deflated.skew, kurtosis=deflated.kurtosis, hurdle=deflated.hurdle
    )
    assert biased == pytest.approx(theirs["purgedcv"]["deflated"], rel=TOLERANCE)

    found = probability_of_overfitting(returns, blocks=case["blocks"])
    # All numbers of trials here are even, so that no logit is 0, which purgedcv does not count and the article and ffn do.
    assert found.logits.all()
    for peer in ("purgedcv", "ffn"):
        assert found.probability == pytest.approx(theirs[peer]["pbo"], rel=TOLERANCE)
        np.testing.assert_allclose(found.logits, theirs[peer]["logits"], rtol=TOLERANCE, atol=1e-12)
    assert found.degradation_slope == pytest.approx(theirs["purgedcv"]["slope"], rel=1e-7)


@pytest.mark.parametrize("name", CASES)
def test_deflated_sharpe_and_pbo_equal_the_frozen_outputs_of_purgedcv_and_ffn(name):
    frozen = json.loads(overfitting_frozen.FROZEN.read_text())
    assert_equal(CASES[name], frozen["figures"][name])


@pytest.mark.slow
def test_deflated_sharpe_and_pbo_equal_purgedcv_and_ffn_as_installed():
    if not peers_are_there():
        pytest.skip("purgedcv and ffn are not there: make .venv-peers/.installed")
    run = subprocess.run([PEERS_PYTHON, overfitting_frozen.__file__], capture_output=True, text=True, check=True)
    theirs = json.loads(run.stdout)["figures"]
    assert list(theirs) == list(CASES)
    for name, case in CASES.items():
        assert_equal(case, theirs[name])
