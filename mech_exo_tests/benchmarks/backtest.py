"""The backtest of daily target weights with costs, against vectorbt's fastest engine on the same orders."""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from mech_exo_assets.quant.backtest import run
from mech_exo_assets.quant.costs import BASIS_POINT
from mech_exo_assets.quant.panel import Panel
from mech_exo_tests.benchmarks.measurement import Measurement
from mech_exo_tests.quant.backtest.ledger import FREE, PLAIN

PEERS_PYTHON = Path(__file__).parents[2] / ".venv-peers" / "bin" / "python"
ENGINES = ("numba", "rust")
FASTER = "rust"
"""The engine that is asked for the table, which takes most of a minute with each."""
TARGET = 20.0
TABLE_TARGET = 5.0
"""Not a speed that was promised: most of the work is that of pandas and Polars."""
COSTS = FREE.model_copy(update={"commission_bps": 1.0, "half_spread_bps": 4.0})
CHOICES = PLAIN.model_copy(update={"initial_nav": 1e6})


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


def ours(known: Panel, targets: np.ndarray, *, table: bool) -> tuple[float, float]:
    """Seconds, and the last NAV; `table` makes the table of all trades too."""
    start = time.perf_counter()
    book = run(targets, known, costs=COSTS, choices=CHOICES, execution_lag=0)
    last = float(book.nav[-1])
    if table:
        book.trades()
    return time.perf_counter() - start, last


class Vectorbt:
    """A process in the peers' environment that runs vectorbt on the same prices and targets whenever it is asked."""

    def __init__(self, folder: str, known: Panel, targets: np.ndarray) -> None:
        source = Path(folder) / "given.npz"
        cost = (COSTS.commission_bps + COSTS.half_spread_bps) * BASIS_POINT
        np.savez(source, prices=known["total_return_index"], targets=targets, cost=cost, nav=CHOICES.initial_nav)
        command = [PEERS_PYTHON, Path(__file__).parent / "peers" / "vectorbt_backtest.py", source]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.version = ""

    def seconds(self, work: str, nav: float) -> float:
        """Of an engine, or of "ENGINE table"; its last NAV must be the given one."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{work}\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if not math.isclose(nav, answer["nav"], rel_tol=1e-9):
            raise AssertionError(f"the last NAV is {nav} with us and {answer['nav']} with vectorbt's {work}: not the same work")
        self.version = answer["version"]
        return answer["seconds"]


def measure(n_sessions: int, n_symbols: int, *, rounds: int) -> list[Measurement]:
    """From target weights to NAV against the faster of vectorbt's engines; and with a table of all trades for people, in its faster one.

    Ours and theirs take turns, so that a busy neighbour meets all.
    """
    known, targets = market(n_sessions, n_symbols)
    seconds: dict[str, list[float]] = defaultdict(list)
    for table in (False, True):
        ours(known, targets, table=table)
    with tempfile.TemporaryDirectory() as folder:
        peer = Vectorbt(folder, known, targets)
        with peer.process:
            for _ in range(rounds):
                for table in (False, True):
                    taken, nav = ours(known, targets, table=table)
                    seconds["ours table" if table else "ours"].append(taken)
                    for work in [f"{FASTER} table"] if table else ENGINES:
                        seconds[work].append(peer.seconds(work, nav))
            assert peer.process.stdin is not None
            peer.process.stdin.close()
    medians = {work: statistics.median(taken) for work, taken in seconds.items()}
    fastest = min(ENGINES, key=medians.__getitem__)

    def compared(work: str, mine: str, theirs: str, target: float) -> Measurement:
        names = f"{n_sessions} x {n_symbols}", f"vectorbt {peer.version}, {theirs}"
        return Measurement(work, *names, ours=medians[mine], theirs=medians[theirs], target=target)

    return [
        compared("backtest of daily target weights with costs: orders, NAV", "ours", fastest, TARGET),
        compared("the same, and a table of all trades", "ours table", f"{FASTER} table", TABLE_TARGET),
    ]
