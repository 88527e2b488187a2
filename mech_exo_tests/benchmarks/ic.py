"""Forward returns and information coefficients from prices, against alphalens doing the same factor by factor."""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from mech_exo_assets.quant.ic import information_coefficients
from mech_exo_assets.quant.returns import forward_returns
from mech_exo_tests.benchmarks.measurement import Measurement, median_seconds

ROOT = Path(__file__).parents[2]
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
N_FACTORS = 20
HORIZONS = (1, 5, 10, 21, 63)
LARGE = 1_000_000
"""Observations from which on one factor of alphalens is measured instead of two: it takes most of a minute."""


def market(n_sessions: int, n_symbols: int, *, n_factors: int = N_FACTORS) -> tuple[np.ndarray, list[np.ndarray]]:
    """Prices and scores with 2 % missing, each on its own, so that no two sets of known names are the same."""
    rng = np.random.default_rng(0)

    def gapped(values: np.ndarray) -> np.ndarray:
        values[rng.random(values.shape) < 0.02] = np.nan
        return values

    shape = (n_sessions, n_symbols)
    prices = gapped(np.exp(np.cumsum(0.01 * rng.standard_t(4, size=shape), axis=0)))
    return prices, [gapped(rng.standard_normal(shape)) for _ in range(n_factors)]


def ours(prices: np.ndarray, scores: list[np.ndarray]) -> None:
    information_coefficients(scores, [forward_returns(prices, horizon=h, execution_lag=0) for h in HORIZONS])


def ask_alphalens(module: str, prices: np.ndarray, scores: list[np.ndarray]) -> dict:
    """What a module of `peers` measures on these prices and scores."""
    sessions = np.busday_offset(np.datetime64("2010-01-04"), np.arange(len(prices))).astype("datetime64[ns]")
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "given.npz"
        np.savez(given, sessions=sessions, prices=prices, scores=np.array(scores), horizons=HORIZONS)
        command = [PEERS_PYTHON, "-m", f"mech_exo_tests.benchmarks.peers.{module}", given]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)


def alphalens(prices: np.ndarray, scores: list[np.ndarray]) -> tuple[str, float]:
    """Version, and median seconds for one factor."""
    answer = ask_alphalens("alphalens_ic", prices, scores)
    return answer["version"], statistics.median(answer["seconds"])


def measure(n_sessions: int, n_symbols: int, *, rounds: int) -> list[Measurement]:
    """IC alone; the targets are set for IC, quantiles and turnover together, which `decay` measures."""
    large = n_sessions * n_symbols >= LARGE
    n_measured = 1 if large else 2
    scale = N_FACTORS // n_measured
    prices, scores = market(n_sessions, n_symbols)
    version, seconds = alphalens(prices, scores[:n_measured])
    return [
        Measurement(
            work=f"forward returns, IC: {N_FACTORS} factors x {len(HORIZONS)} horizons (peer: {n_measured} factors, times {scale})",
            size=f"{n_sessions} x {n_symbols}",
            peer=f"alphalens {version}",
            ours=median_seconds(lambda: ours(prices, scores), rounds=rounds),
            theirs=N_FACTORS * seconds,
            target=100.0 if large else 200.0,
        )
    ]
