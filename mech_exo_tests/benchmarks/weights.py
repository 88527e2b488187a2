"""A weight search of 200 trials, kept in SQLite, against Optuna with an empty objective, and against the naive way in pandas.

Ours is the whole search: asking, judging every trial by the walk-forward's tests net of costs, and storing every batch. Optuna's time is
that of asking and telling as many trials in memory, with a random number for each objective; once with our sampler, and once with the
sampler that Optuna takes by itself for several objectives. What our search prepares once, before the first trial, is a row of its own.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pandas as pd

from mech_exo_assets.quant.optuna_log import quietly
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.weights.candidate import Space
from mech_exo_assets.quant.weights.objective import Objective
from mech_exo_assets.quant.weights.search import DIRECTIONS, distributions, search
from mech_exo_assets.settings import Strategy, load_strategy
from mech_exo_assets.storage.studies import StudyDatabase
from mech_exo_tests.benchmarks.measurement import Measurement

FACTORS = 20
TARGETS = {"S": 1 / 2, "M": 1 / 3}
"""At most twice, and three times, Optuna's own time."""
NAIVE_TRIALS = 5
"""Trials in pandas that are timed; 200 of them would take minutes."""
LARGE = 1_000_000
"""Cells from which on a size is called M."""


def history(n_sessions: int, n_symbols: int) -> tuple[Panel, Panel]:
    """Twenty factors and a market with 2 % missing."""
    rng = np.random.default_rng(0)
    shape = (n_sessions, n_symbols)
    index = 100 * np.exp(np.cumsum(0.0003 + 0.01 * rng.standard_t(4, size=shape), axis=0))
    index[rng.random(shape) < 0.02] = np.nan
    sessions = np.busday_offset(np.datetime64("2010-01-04"), np.arange(n_sessions)).astype("datetime64[D]")
    symbols = np.array([f"n{i:05d}" for i in range(n_symbols)])
    factors = {}
    for k in range(FACTORS):
        scores = rng.standard_normal(shape)
        scores[rng.random(shape) < 0.02] = np.nan
        factors[f"factor_{k:02}"] = scores
    market = {"total_return_index": index, "close": index, "volume": rng.lognormal(13, 1, shape)}
    return Panel(sessions, symbols, factors), Panel(sessions, symbols, market)


def empty(sampler: Callable[[], optuna.samplers.BaseSampler | None], space: Space, strategy: Strategy) -> float:
    """Seconds that Optuna takes for as many trials with nothing in them."""
    rng = np.random.default_rng(0)
    start = time.perf_counter()
    with quietly():
        study = optuna.create_study(directions=DIRECTIONS, sampler=sampler())
        wanted = distributions(space)
        for _ in range(strategy.search.trials):
            study.tell(study.ask(wanted), rng.random(len(DIRECTIONS)).tolist())
    return time.perf_counter() - start


def ours(objective: Objective, space: Space, strategy: Strategy) -> float:
    """Seconds of the whole search, in a new SQLite database."""
    with tempfile.TemporaryDirectory() as folder:
        database = StudyDatabase(f"sqlite:///{Path(folder) / 'studies.db'}")
        start = time.perf_counter()
        with quietly():
            store = database.open("bench", directions=DIRECTIONS, attributes={"family": "bench"})
        trials = search(objective, space, strategy.search, store, seed=0)
        seconds = time.perf_counter() - start
        database.close()
    assert len(trials) == strategy.search.trials
    return seconds


def naive(scores: Panel, market: Panel, strategy: Strategy, tested: slice) -> float:
    """Seconds of one trial in pandas: composite of wide frames, targets, returns and turnover with proportional costs and impact."""
    frames = {name: pd.DataFrame(matrix[tested], columns=scores.symbols) for name, matrix in scores.fields.items()}
    index = pd.DataFrame(market["total_return_index"][tested], columns=market.symbols)
    returns = index.pct_change(fill_method=None)
    volume = pd.DataFrame(market["volume"][tested], columns=market.symbols) * index
    impact = returns.rolling(60).std().shift(1) / np.sqrt(volume.rolling(20).mean().shift(1))
    rng = np.random.default_rng(1)
    times = []
    for _ in range(NAIVE_TRIALS):
        weights = rng.random(FACTORS)
        start = time.perf_counter()
        total = sum(weight * frame.fillna(0.0) for weight, frame in zip(weights, frames.values(), strict=True))
        known = sum(weight * frame.notna() for weight, frame in zip(weights, frames.values(), strict=True))
        composite = total / known
        distance = composite.sub(composite.mean(axis=1), axis=0)
        targets = distance.div(distance.abs().sum(axis=1), axis=0).shift(strategy.execution_lag)
        traded = targets.diff().abs()
        cost = 5e-4 * traded.sum(axis=1) + (impact * (traded * 1e6) ** 1.5).sum(axis=1) / 1e6
        net = (targets.shift(1) * returns).sum(axis=1) - cost
        value = (1 + net).cumprod()
        _ = net.mean() / net.std(), (1 - value / value.cummax()).max()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure(n_sessions: int, n_symbols: int, *, rounds: int) -> list[Measurement]:
    """Median seconds of ours and of the peers, which take turns."""
    strategy, size = load_strategy(), "M" if n_sessions * n_symbols > LARGE else "S"
    scores, market = history(n_sessions, n_symbols)
    start = time.perf_counter()
    objective = Objective(scores, market, strategy, sectors={})
    space = Space.of(objective.factors, strategy.search, multipliers={})
    equal = space.candidate({f"weight.{name}": 1.0 for name in space.factors})
    assert equal is not None
    objective.require(equal)
    prepared = time.perf_counter() - start
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        samplers: dict[str, Callable[[], optuna.samplers.BaseSampler | None]] = {
            "Optuna, our sampler, empty": lambda: optuna.samplers.TPESampler(
                seed=0, multivariate=True, n_startup_trials=strategy.search.startup
            ),
            "Optuna's own sampler, empty": lambda: None,
        }
        times: dict[str, list[float]] = {"ours": []}
        for _ in range(max(1, rounds)):
            times["ours"].append(ours(objective, space, strategy))
            for name, sampler in samplers.items():
                times.setdefault(name, []).append(empty(sampler, space, strategy))
    medians = {name: statistics.median(each) for name, each in times.items()}
    shape = f"{n_sessions} x {n_symbols}"
    work = f"search, {strategy.search.trials} trials"
    rows = [Measurement(work, shape, name, medians["ours"], medians[name], TARGETS[size]) for name in samplers]
    windows = objective.windows
    pandas = naive(scores, market, strategy, slice(windows[0].test.start, windows[-1].test.stop)) * strategy.search.trials
    rows.append(Measurement(work, shape, "naive in pandas, by 5 trials", medians["ours"], pandas))
    rows.append(Measurement("search, prepared once", shape, None, prepared))
    return rows
