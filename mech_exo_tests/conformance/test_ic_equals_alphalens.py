"""Our information coefficient against alphalens': frozen outputs on the sample, and the real package on real prices."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.quant.ic import information_coefficients
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.returns import forward_returns
from mech_exo_tests.conformance import alphalens_frozen
from mech_exo_tests.conformance.sample_prices import sample_prices

ROOT = Path(__file__).parents[2]
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
REAL_PRICES = ROOT.parent / "shared" / "data" / "sp500" / "prices.parquet"
TOLERANCE = 1e-12


def difference(ours, theirs, n):
    """Largest absolute difference, over sessions where we give a coefficient; both must be unknown in the same ones otherwise."""
    measured = n >= 10
    assert measured.any()
    np.testing.assert_array_equal(np.isnan(ours[measured]), np.isnan(theirs[measured]))
    assert np.isnan(ours[~measured]).all()
    return np.nanmax(np.abs(ours[measured] - theirs[measured]))


def test_ic_of_the_sample_equals_the_frozen_output_of_alphalens():
    frozen = pl.read_csv(alphalens_frozen.FROZEN, comment_prefix="#", try_parse_dates=True)
    sessions, prices = sample_prices()
    np.testing.assert_array_equal(frozen["date"].to_numpy().astype("datetime64[D]"), sessions.astype("datetime64[D]"))
    scores = alphalens_frozen.scores(prices)
    returns = [forward_returns(prices, horizon=h, execution_lag=0) for h in alphalens_frozen.HORIZONS]
    ic, n = information_coefficients(list(scores.values()), returns)
    for f, name in enumerate(scores):
        for h, horizon in enumerate(alphalens_frozen.HORIZONS):
            theirs = frozen[f"{name}:{horizon}"].cast(pl.Float64).to_numpy()
            assert np.isfinite(theirs).sum() > 800
            assert difference(ic[f, h], theirs, n[f, h]) <= TOLERANCE


def real_scores(close, volume):
    """Three scores with the gaps of real data."""
    change = np.full(close.shape, np.nan)
    change[252:] = close[252 - 21 : -21] / close[:-252] - 1
    reversal = np.full(close.shape, np.nan)
    reversal[5:] = close[:-5] / close[5:] - 1
    return np.array([change, reversal, np.round(np.log(close * np.where(volume > 0, volume, np.nan)), 1)])


@pytest.mark.slow
@pytest.mark.skipif(not PEERS_PYTHON.exists(), reason="alphalens is not there: make .venv-peers/.installed")
@pytest.mark.skipif(not REAL_PRICES.exists(), reason="the real prices in ../shared/data/sp500 are not there")
def test_ic_of_real_prices_equals_alphalens(tmp_path):
    panel = Panel.from_frame(pl.read_parquet(REAL_PRICES), ["adjusted_close", "volume"])
    prices, horizons = panel["adjusted_close"], [1, 5, 10, 21, 63]
    returns = np.array([forward_returns(prices, horizon=h, execution_lag=0) for h in horizons])
    scores = real_scores(prices, panel["volume"])
    visible = np.where(np.isnan(returns), np.nan, scores[:, None])
    given, result = tmp_path / "given.npz", tmp_path / "result.npz"
    np.savez(given, sessions=panel.sessions.astype("datetime64[ns]"), prices=prices, horizons=horizons, scores=visible)
    subprocess.run([PEERS_PYTHON, "-m", "mech_exo_tests.conformance.alphalens_ic", given, result], check=True, cwd=ROOT)
    with np.load(result) as theirs:
        ic, n = information_coefficients(list(scores), list(returns))
        worst = max(difference(ic[f, h], theirs["ic"][f, h], n[f, h]) for f in range(len(scores)) for h in range(len(horizons)))
    assert worst <= TOLERANCE
