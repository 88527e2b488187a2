"""Small histories, strategies and judges for the tests of this folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from mech_exo_assets.quant.calendar import sessions
from mech_exo_assets.quant.panel import Dates, Panel, Vector
from mech_exo_assets.quant.weights.candidate import Candidate, scaled
from mech_exo_assets.quant.weights.choice import Choice, choice
from mech_exo_assets.quant.weights.objective import Evaluation, Objective
from mech_exo_assets.quant.weights.problem import Problem
from mech_exo_assets.quant.weights.search import search
from mech_exo_assets.quant.weights.store import MemoryStore
from mech_exo_assets.quant.weights.trials import TrialTables, trial_tables
from mech_exo_assets.settings import Strategy, load_strategy

NAN = np.nan


def strategy(**changes: Any) -> Strategy:
    """The default strategy with windows of 4 + 2 months and a short search; sections are given as mappings of what changes, nested too."""
    changes = _over(
        {
            "walk_forward": {"train_months": 4, "test_months": 2, "horizon": 5, "embargo": 2},
            "search": {"trials": 16, "batch": 4, "startup": 4, "holdout_months": 6},
            "gates": {"resamples": 99, "blocks": 4},
        },
        changes,
    )
    # From JSON, so that what is given is validated as a file is.
    return Strategy.model_validate(_over(json.loads(load_strategy().model_dump_json()), changes))


def _over(plain: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    nested = {
        key: _over(plain[key], value)
        for key, value in changes.items()
        if isinstance(value, dict) and plain.get(key) not in ({}, None, "equal")
    }
    return plain | changes | nested


@dataclass(frozen=True)
class History:
    """Prices, and scores on their axes."""

    market: Panel
    scores: Panel

    @property
    def names(self) -> tuple[str, ...]:
        """Factors, by name."""
        return tuple(sorted(self.scores.fields))

    def objective(self, chosen: Strategy, *, tested: slice | None = None, sectors: dict[str, str] | None = None) -> Objective:
        return Objective(self.scores, self.market, chosen, sectors=sectors or {}, tested=tested)

    def until(self, stop: int) -> History:
        """The first sessions."""
        return History(_rows(self.market, slice(0, stop)), _rows(self.scores, slice(0, stop)))

    def spoilt(self, first: int, last: int | None = None) -> History:
        """The same history with wild prices and turned scores from one session to before another."""
        rng = np.random.default_rng(99)
        part = slice(first, last)
        wild = np.exp(rng.normal(0, 0.2, self.market.shape))[part]
        return History(_changed(self.market, part, lambda rows: rows * wild), _changed(self.scores, part, lambda rows: -rows[::-1]))

    def with_scores(self, **fields: np.ndarray) -> History:
        """Other scores of some factors, or more factors."""
        return History(self.market, Panel(self.scores.sessions, self.scores.symbols, {**self.scores.fields, **fields}))

    def ic(self, *horizons: int, lag: int = 1) -> pl.DataFrame:
        """Correlations of each factor's scores with the returns that followed, as a table in `schemas.IC`."""
        index = self.market["total_return_index"]
        rows = []
        for horizon in horizons:
            for name in self.names:
                for t in range(len(index) - lag - horizon):
                    x, y = self.scores[name][t], index[t + lag + horizon] / index[t + lag] - 1
                    both = ~np.isnan(x) & ~np.isnan(y)
                    if both.sum() > 3 and x[both].std() > 0:
                        rows.append(
                            (self.market.sessions[t].item(), name, horizon, float(np.corrcoef(x[both], y[both])[0, 1]), int(both.sum()))
                        )
        return pl.DataFrame(
            rows, schema={"date": pl.Date, "factor": pl.String, "horizon": pl.Int32, "ic": pl.Float64, "n": pl.Int32}, orient="row"
        )


def _rows(panel: Panel, at: slice) -> Panel:
    return Panel(panel.sessions[at], panel.symbols, {name: matrix[at].copy() for name, matrix in panel.fields.items()})


def _changed(panel: Panel, at: slice, change: Any) -> Panel:
    fields = {name: matrix.copy() for name, matrix in panel.fields.items()}
    for matrix in fields.values():
        matrix[at] = change(matrix[at])
    return Panel(panel.sessions, panel.symbols, fields)


def history(
    strengths: Sequence[float] = (0.1, 0.05, 0.0),
    *,
    count: int = 12,
    length: int = 300,
    seed: int = 0,
    missing: float = 0.0,
    delisted: int = 0,
    volume: bool = True,
    start: str = "2015-01-02",
) -> History:
    """A market whose returns the scores foretell, each factor with its own strength (the correlation with the next session's return).

    `missing` is a share of scores and of prices that are not there; the last `delisted` names end within the history, a few sessions apart.
    """
    rng = np.random.default_rng(seed)
    days = sessions(np.datetime64(start), np.datetime64(start) + 2 * length, calendar="XNYS")[:length]
    shape = (length, count)
    fields = {f"f{number:03}": standardised(rng.standard_normal(shape)) for number in range(len(strengths))}
    moves = rng.standard_normal(shape)
    for strength, matrix in zip(strengths, fields.values(), strict=True):
        # A score at the close of t is traded at t + 1, and earns from there on.
        moves[2:] += strength * matrix[:-2]
    index = np.exp(np.cumsum(0.01 * moves, axis=0))
    close = index * rng.uniform(8, 80, count)
    opens = close * np.exp(0.003 * rng.standard_normal(shape))
    prices = {"total_return_index": index, "close": close, "open": opens}
    if volume:
        prices["volume"] = np.round(np.exp(rng.normal(9, 1, shape)))
        prices["volume"][rng.random(shape) < missing] = 0.0
    gone = rng.random(shape) < missing
    for number in range(delisted):
        gone[length // 2 + 7 * number :, count - 1 - number] = True
    for matrix in prices.values():
        matrix[gone] = NAN
    for matrix in fields.values():
        matrix[gone | (rng.random(shape) < missing)] = NAN
    symbols = np.array([f"S{number:02}" for number in range(count)])
    return History(Panel(days, symbols, prices), Panel(days, symbols, fields))


def standardised(matrix: np.ndarray) -> np.ndarray:
    """Mean 0 and deviation 1 in each session."""
    return (matrix - np.nanmean(matrix, axis=1, keepdims=True)) / np.nanstd(matrix, axis=1, keepdims=True)


def monitor(days: Dates, **status: str) -> pl.DataFrame:
    """What `decay/monitor` says of factors on each day; all work with a probability of 0.4."""
    parts = [pl.DataFrame({"date": days, "factor": name, "status": given, "alive": 0.4}) for name, given in status.items()]
    empty = pl.DataFrame(schema={"date": pl.Date, "factor": pl.String, "status": pl.String, "alive": pl.Float64})
    return pl.concat([empty, *(part.cast({"date": pl.Date}) for part in parts)])


def candidate(*weights: float, construction: dict[str, float] | None = None) -> Candidate:
    """Weights of the factors f000, f001, …, scaled."""
    return Candidate(scaled({f"f{number:03}": weight for number, weight in enumerate(weights)}), construction or {})


def evaluation(
    sharpe: float = 1.0, max_drawdown: float = 0.1, calmar: float = 1.0, *, turnover: float = 0.1, net_return: Vector | None = None
) -> Evaluation:
    """Figures that a judge might give."""
    return Evaluation(np.zeros(3) if net_return is None else net_return, 0, sharpe, max_drawdown, calmar, turnover)


def cheap_judge(candidates: Sequence[Candidate]) -> list[Evaluation | str]:
    """Smooth figures of the weights, with a front of their own: the first factor earns, the last one spares losses."""
    found: list[Evaluation | str] = []
    for each in candidates:
        weights = list(each.weights.values())
        sharpe = weights[0] - 0.3 * weights[0] ** 2 + 0.1 * sum(each.construction.values())
        depth = 0.3 - 0.2 * weights[-1]
        found.append(evaluation(sharpe, depth, sharpe * 0.2 / depth, turnover=abs(weights[0])))
    return found


NOTHING = pl.DataFrame(schema={"date": pl.Date, "factor": pl.String, "horizon": pl.Int32, "ic": pl.Float64, "n": pl.Int32})
"""No information coefficients."""


def problem_of(
    past: History,
    chosen: Strategy,
    *,
    ic: pl.DataFrame | None = None,
    residual_ic: pl.DataFrame = NOTHING,
    states: pl.DataFrame | None = None,
) -> Problem:
    """The problem of a history, with its own information coefficients over five sessions; by default no factor has decayed."""
    return Problem.of(
        past.scores,
        past.market,
        chosen,
        sectors={},
        ic=past.ic(5) if ic is None else ic,
        residual_ic=residual_ic,
        monitor=monitor(past.market.sessions) if states is None else states,
    )


@dataclass(frozen=True)
class Searched:
    """A search that is done, and its tables."""

    problem: Problem
    tables: TrialTables

    @classmethod
    def of(cls, problem: Problem) -> Searched:
        strategy = problem.strategy
        trials = search(problem.objective, problem.space, strategy.search, MemoryStore(), seed=strategy.seed, starts=problem.starts)
        return cls(problem, trial_tables(problem, trials))

    def choice(self, *, trials_ever: int = 16, problem: Problem | None = None) -> Choice:
        tables = self.tables
        return choice(problem or self.problem, tables.trials, tables.weights, tables.returns, trials_ever=trials_ever)
