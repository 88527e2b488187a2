"""Markets on which a weight search has something to find, or nothing: planted factors of unequal strength whose scores share noise.

What belongs here: building the problem, running search, choice and hold-out on it, and printing what docs/weights.md says of many seeds:
`python -m mech_exo_tests.quant.weights.gain_market`, about a quarter of an hour. What does not: judging the outcomes (`test_gain`).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import polars as pl

from mech_exo_assets.quant.ic import ic_table
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.prices import total_return_index
from mech_exo_assets.quant.returns import forward_returns
from mech_exo_assets.quant.simulator import Planted, Risks, simulate_planted
from mech_exo_assets.quant.simulator.market import autoregression
from mech_exo_assets.quant.weights.choice import Choice, choice
from mech_exo_assets.quant.weights.holdout import comparison_table
from mech_exo_assets.quant.weights.problem import Problem
from mech_exo_assets.quant.weights.search import search
from mech_exo_assets.quant.weights.store import MemoryStore
from mech_exo_assets.quant.weights.trials import trial_tables
from mech_exo_assets.schemas import MONITOR, RESIDUAL_IC
from mech_exo_assets.settings import Strategy, load_strategy

FACTORS = 12
SESSIONS = 2520
NAMES = 200
SHARED = 0.6
"""Share of a score's variance that is noise common to its group of factors."""
GROUPS = 3


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a search on one market found.

    Attributes
    ----------
    choice : Choice
    comparison : DataFrame
        In `schemas.COMPARISON`.
    """

    choice: Choice
    comparison: pl.DataFrame

    def sharpe(self, weights: str) -> float:
        """Annual Sharpe ratio on the hold-out."""
        return float(self.comparison.filter(weights=weights)["sharpe"].item())


def strategy(*, trials: int = 200) -> Strategy:
    """The default choices, on windows of a year each."""
    chosen = load_strategy()
    return chosen.model_copy(
        update={
            "walk_forward": chosen.walk_forward.model_copy(update={"train_months": 12, "test_months": 12}),
            "search": chosen.search.model_copy(update={"trials": trials}),
        }
    )


def free(chosen: Strategy) -> Strategy:
    """The choices without costs: with them nothing worthless comes near a gate."""
    nothing = dict.fromkeys(("commission_bps", "half_spread_bps", "impact", "borrow_bps"), 0.0)
    return chosen.model_copy(update={"costs": chosen.costs.model_copy(update=nothing)})


def seeded(chosen: Strategy, seed: int) -> Strategy:
    """The choices with the seed of a market."""
    return chosen.model_copy(update={"seed": seed})


def problem(
    seed: int, *, strongest: float, chosen: Strategy, names: int = NAMES, sessions: int = SESSIONS, factors: int = FACTORS
) -> Problem:
    """Factors whose ICs with the next session fall evenly from `strongest` to 0, in an order that the seed draws."""
    chance = np.random.default_rng([seed, 5])
    sizes = chance.permutation(np.linspace(strongest, 0.0, factors))
    planted = [
        Planted(name=f"factor_{k:02}", ic=float(sizes[k]), persistence=float(chance.choice((0.9, 0.95, 0.98)))) for k in range(factors)
    ]
    market = simulate_planted(planted, names=names, sessions=sessions, seed=seed, risks=Risks(styles=2))
    prices = total_return_index(market.prices)
    panel = Panel.from_frame(prices, ["open", "high", "low", "close", "volume", "total_return_index"])
    shared = [autoregression(chance, panel.shape, persistence=0.95) for _ in range(GROUPS)]
    scores = {}
    for k, each in enumerate(planted):
        feature = market.features.filter(feature=each.name)
        signal = Panel.from_frame(feature, ["value"], sessions=panel.sessions, symbols=panel.symbols)["value"]
        mixed = np.sqrt(1 - SHARED) * signal + np.sqrt(SHARED) * shared[k % GROUPS]
        scores[each.name] = (mixed - mixed.mean(axis=1, keepdims=True)) / mixed.std(axis=1, keepdims=True)
    index, lag = panel["total_return_index"], chosen.execution_lag
    forward = {horizon: forward_returns(index, horizon=horizon, execution_lag=lag) for horizon in chosen.horizons}
    ic = ic_table(scores, forward, panel.sessions, min_names=10)
    return Problem.of(
        Panel(panel.sessions, panel.symbols, scores),
        panel,
        chosen,
        sectors={},
        ic=ic,
        residual_ic=RESIDUAL_IC.empty(),
        monitor=MONITOR.empty(),
    )


def outcome(found: Problem) -> Outcome:
    """Search, choose, measure, and compare on the hold-out."""
    chosen = found.strategy
    trials = search(found.objective, found.space, chosen.search, MemoryStore(), seed=chosen.seed, starts=found.starts)
    tables = trial_tables(found, trials)
    best = choice(found, tables.trials, tables.weights, tables.returns, trials_ever=len(trials))
    return Outcome(best, comparison_table(found, best.candidate, looks=1))


def print_tables() -> None:
    """The figures of docs/weights.md."""
    for strongest in (0.03, 0.02):
        found = [outcome(problem(seed, strongest=strongest, chosen=seeded(strategy(), seed))) for seed in range(20)]
        ratio = np.array([each.sharpe("optimised") / each.sharpe("equal") for each in found])
        drawn = np.random.default_rng(0).integers(0, len(ratio), (9999, len(ratio)))
        low, high = np.quantile(np.median(ratio[drawn], axis=1), [0.025, 0.975])
        medians = ", ".join(f"{name} {np.median([each.sharpe(name) for each in found]):.2f}" for name in ("optimised", "equal", "mean_ic"))
        passed = sum(each.choice.passed for each in found)
        sys.stdout.write(f"strongest IC {strongest}: {medians}; {np.median(ratio):.2f} ({low:.2f} to {high:.2f}); ")
        sys.stdout.write(f"{np.count_nonzero(ratio >= 1.1)} of 20 at least 10 % above equal; {passed} pass the gate\n")
    for factors, seeds in ((12, 120), (40, 56)):
        worthless = (problem(s, strongest=0.0, chosen=seeded(free(strategy()), s), names=60, factors=factors) for s in range(seeds))
        sys.stdout.write(
            f"worthless, {factors} factors: {sum(outcome(each).choice.passed for each in worthless)} of {seeds} pass the gate\n"
        )


if __name__ == "__main__":
    print_tables()
