"""The backtest of daily target weights with costs, against vectorbt's fastest engine on the same orders."""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from mech_exo_assets.quant.backtest import run
from mech_exo_assets.quant.costs import BASIS_POINT
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.settings.judgement import Backtest, Costs
from mech_exo_tests.benchmarks.measurement import Measurement

PEERS_PYTHON = Path(__file__).parents[2] / ".venv-peers" / "bin" / "python"
ENGINES = ("numba", "rust")
TARGET = 20.0
COSTS = Costs(
    commission_bps=1.0,
    commission_per_share=0.0,
    commission_minimum=0.0,
    half_spread_bps=4.0,
    impact=0.0,
    participation=None,
    volume_window=20,
    volatility_window=60,
    borrow_bps=0.0,
    cash_interest_bps=0.0,
    debit_interest_bps=0.0,
)
CHOICES = Backtest(initial_nav=1e6, execute_at="close", integer_shares=False, flows={}, benchmark=None)


def market(n_sessions: int, n_symbols: int) -> tuple[Panel, np.ndarray]:
    """Prices with 2 % missing, and an order for every name in every session.

    Weights are half long, half short, gross 0.9, and move by a tenth a session: so vectorbt, which lends nothing, never cuts an order.
    """
    rng = np.random.default_rng(0)
    shape = (n_sessions, n_symbols)
    prices = np.exp(np.cumsum(0.01 * rng.standard_t(4, size=shape), axis=0))
    prices[rng.random(shape) < 0.02] = np.nan
    weights = np.where(np.arange(n_symbols) % 2 == 0, 1.0, -1.0) * (1 + 0.1 * rng.standard_normal(shape))
    weights *= 0.9 / np.abs(weights).sum(axis=1, keepdims=True)
    sessions = np.busday_offset(np.datetime64("2010-01-04"), np.arange(n_sessions)).astype("datetime64[D]")
    symbols = np.array([f"n{i:05d}" for i in range(n_symbols)])
    return Panel(sessions, symbols, {"total_return_index": prices, "close": prices}), weights


def ours(known: Panel, targets: np.ndarray) -> tuple[float, float]:
    """Seconds, and the last NAV."""
    start = time.perf_counter()
    last = float(run(targets, known, costs=COSTS, choices=CHOICES, execution_lag=0).nav[-1])
    return time.perf_counter() - start, last


def alternating(known: Panel, targets: np.ndarray, *, rounds: int) -> tuple[list[float], dict[str, list[float]], str]:
    """Seconds of ours and of each engine, in turns, so that a busy neighbour meets all; and vectorbt's version. NAVs must agree."""
    ours(known, targets)
    our_seconds: list[float] = []
    their_seconds: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    version = ""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "given.npz"
        cost = (COSTS.commission_bps + COSTS.half_spread_bps) * BASIS_POINT
        np.savez(source, prices=known["total_return_index"], targets=targets, cost=cost, nav=CHOICES.initial_nav)
        command = [PEERS_PYTHON, Path(__file__).parent / "peers" / "vectorbt_backtest.py", source]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:
            assert peer.stdin is not None
            assert peer.stdout is not None
            for _ in range(rounds):
                seconds, nav = ours(known, targets)
                our_seconds.append(seconds)
                for engine in ENGINES:
                    peer.stdin.write(f"{engine}\n")
                    peer.stdin.flush()
                    answer = json.loads(peer.stdout.readline())
                    version = answer["version"]
                    their_seconds[engine].append(answer["seconds"])
                    if not math.isclose(nav, answer["nav"], rel_tol=1e-9):
                        raise AssertionError(
                            f"the last NAV is {nav} with us and {answer['nav']} with vectorbt's {engine}: not the same work"
                        )
            peer.stdin.close()
    return our_seconds, their_seconds, version


def measure(n_sessions: int, n_symbols: int, *, rounds: int) -> list[Measurement]:
    """One row: from target weights to NAV, with the orders kept, against the faster of vectorbt's engines."""
    our_seconds, their_seconds, version = alternating(*market(n_sessions, n_symbols), rounds=rounds)
    medians = {engine: statistics.median(seconds) for engine, seconds in their_seconds.items()}
    fastest = min(medians, key=medians.__getitem__)
    return [
        Measurement(
            work="backtest of daily target weights with costs: orders, NAV",
            size=f"{n_sessions} x {n_symbols}",
            peer=f"vectorbt {version}, {fastest}",
            ours_seconds=statistics.median(our_seconds),
            peer_seconds=medians[fastest],
            target=TARGET,
        )
    ]
