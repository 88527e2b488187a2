"""Our quintile figures against alphalens': frozen outputs on the sample, and the real package on real prices.

What is compared. Mean forward return of each quintile by session, with `demeaned=False`, where alphalens takes the session's mean out by
default; our turnover with the mean of alphalens' `quantile_turnover` of the first and the last quintile at the period of the horizon, which
has the same definition (the share of a quintile's names that were not in it so many sessions before); `factor_rank_autocorrelation`.

What differs, and is not compared. Alphalens ranks only names whose forward return is known, which is not known when the score is: here
both sides get the score blanked where the return is unknown. It has nothing for sessions whose return is not over; ours have turnover and
autocorrelation. Of equal scores it takes the lowest rank and drops the session where edges tie; ours take the average rank. Its `spread`
is halved since 0.5; ours is the plain difference.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.quintiles import quintile_figures
from mech_exo_assets.quant.returns import forward_returns
from mech_exo_tests.conformance import alphalens_frozen, alphalens_quantiles_frozen
from mech_exo_tests.conformance.alphalens_quantiles import FIGURES
from mech_exo_tests.conformance.sample_prices import sample_prices

ROOT = Path(__file__).parents[2]
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
REAL_PRICES = ROOT.parent / "shared" / "data" / "sp500" / "prices.parquet"
TOLERANCE = 1e-12
LEAST_NAMES = 5


def visible(score: np.ndarray, prices: np.ndarray, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """The score, blanked where the return is unknown, and the return."""
    returns = forward_returns(prices, horizon=horizon, execution_lag=0)
    return np.where(np.isnan(returns), np.nan, score), returns


def our_figures(score: np.ndarray, returns: np.ndarray, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Ours in the order of `FIGURES`, shape (7, n_sessions), and the names that went in."""
    ours = quintile_figures(score, [returns], [horizon])
    return np.vstack([ours.returns[0].T, ours.turnover[0], ours.rank_autocorrelation[0]]), ours.n[0]


def without_ties(score: np.ndarray) -> np.ndarray:
    return np.array([len(np.unique(row)) == len(row) for row in (row[~np.isnan(row)] for row in score)])


def assert_equal(ours: np.ndarray, theirs: np.ndarray, compared: np.ndarray, horizon: int) -> None:
    """The seven figures in the compared sessions; turnover only where the session a horizon before is compared too."""
    before = np.concatenate([np.zeros(horizon, bool), compared[:-horizon]])
    for figure, mine, other in zip(FIGURES, ours, theirs, strict=True):
        chosen = compared & before if figure == "turnover" else compared
        assert np.isfinite(mine[chosen]).sum() > 0.8 * chosen.sum() > 0
        np.testing.assert_allclose(mine[chosen], other[chosen], rtol=0, atol=TOLERANCE, err_msg=figure)


@pytest.mark.parametrize("horizon", alphalens_quantiles_frozen.HORIZONS)
@pytest.mark.parametrize("name", alphalens_quantiles_frozen.SCORES)
def test_quintiles_of_the_sample_equal_the_frozen_output_of_alphalens(name: str, horizon: int):
    frozen = pl.read_csv(alphalens_quantiles_frozen.FROZEN, comment_prefix="#", try_parse_dates=True)
    sessions, prices = alphalens_quantiles_frozen.last_sessions(*sample_prices())
    np.testing.assert_array_equal(frozen["date"].to_numpy().astype("datetime64[D]"), sessions.astype("datetime64[D]"))
    score, returns = visible(alphalens_frozen.scores(prices)[name], prices, horizon)
    assert without_ties(score).all()
    ours, n = our_figures(score, returns, horizon)
    theirs = np.array([frozen[f"{name}:{horizon}:{figure}"].cast(pl.Float64).to_numpy() for figure in FIGURES])
    assert (n > 0).sum() >= 300 - 126 - 21
    assert_equal(ours, theirs, n > 0, horizon)
    assert np.isnan(theirs[:, n == 0]).all()


def real_scores(prices: np.ndarray) -> np.ndarray:
    """A slow and a fast score, with the gaps of real data."""
    slow, fast = np.full(prices.shape, np.nan), np.full(prices.shape, np.nan)
    slow[252:] = prices[252 - 21 : -21] / prices[:-252] - 1
    fast[5:] = prices[:-5] / prices[5:] - 1
    return np.array([slow, fast])


@pytest.mark.slow
@pytest.mark.skipif(not PEERS_PYTHON.exists(), reason="alphalens is not there: make .venv-peers/.installed")
@pytest.mark.skipif(not REAL_PRICES.exists(), reason="the real prices in ../shared/data/sp500 are not there")
def test_quintiles_of_real_prices_equal_alphalens(tmp_path: Path):
    panel = Panel.from_frame(pl.read_parquet(REAL_PRICES), ["adjusted_close"])
    prices, horizons = panel["adjusted_close"], (1, 21)
    scores = np.array([[visible(score, prices, horizon)[0] for horizon in horizons] for score in real_scores(prices)])
    given, result = tmp_path / "given.npz", tmp_path / "result.npz"
    np.savez(given, sessions=panel.sessions.astype("datetime64[ns]"), prices=prices, horizons=horizons, scores=scores)
    subprocess.run([PEERS_PYTHON, "-m", "mech_exo_tests.conformance.alphalens_quantiles", given, result], check=True, cwd=ROOT)
    with np.load(result) as found:
        theirs = found["figures"]
    for by_horizon, their_horizons in zip(scores, theirs, strict=True):
        for horizon, score, figures in zip(horizons, by_horizon, their_horizons, strict=True):
            ours, n = our_figures(score, visible(score, prices, horizon)[1], horizon)
            compared = (n >= LEAST_NAMES) & without_ties(score)
            assert compared.sum() > 2000
            assert_equal(ours, figures, compared, horizon)
