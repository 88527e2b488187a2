"""One search as a whole: the history, what may be seen of it, what is searched, and from where.

What belongs here: putting the parts together, the same way for the search, the choice and the comparison. What does not: the parts.
"""

from __future__ import annotations

import calendar
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from mech_exo_assets.quant.composite import composite_weights
from mech_exo_assets.quant.factor_names import ML_ALPHA
from mech_exo_assets.quant.panel import Dates, Panel
from mech_exo_assets.quant.walk_forward import gap_sessions
from mech_exo_assets.quant.weights import known
from mech_exo_assets.quant.weights.candidate import Candidate, Space, scaled
from mech_exo_assets.quant.weights.objective import Objective
from mech_exo_assets.quant.weights.span import Span, span_of, until
from mech_exo_assets.settings import Strategy

_VERSION = 3
"""Raised by hand whenever the same choices and data give other trials, so that a study never holds trials of two kinds."""
_NOT_OF_THE_SEARCH = ("name", "trials", "seconds", "workers", "choice", "shrinkage")
"""Choices that do not change what a given trial is, so that a search goes on under others of them."""
_NOT_OF_THE_TRIALS = ("ic", "quality", "factors", "scores", "alerts", "gates", "search", "decay", "first_year", "composite")
"""Sections that reach a trial through its data only, or are looked at one by one."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A search problem; see `Problem.of`.

    Attributes
    ----------
    scores, market : Panel
        The whole history, the hold-out included.
    strategy : Strategy
    sectors : mapping of str to str
    ic : DataFrame
        In `schemas.IC`.
    span : Span
    objective : Objective
        On the sessions that the search may see, and no others.
    space : Space
    multipliers : mapping of str to float
        Of factors that had decayed when the search ended.
    configured : mapping of str to float
        Weights of the strategy file.
    """

    scores: Panel
    market: Panel
    strategy: Strategy
    sectors: Mapping[str, str]
    ic: pl.DataFrame
    span: Span
    objective: Objective
    space: Space
    multipliers: Mapping[str, float]
    configured: Mapping[str, float]

    @classmethod
    def of(
        cls,
        scores: Panel,
        market: Panel,
        strategy: Strategy,
        *,
        sectors: Mapping[str, str],
        ic: pl.DataFrame,
        residual_ic: pl.DataFrame,
        monitor: pl.DataFrame,
    ) -> Problem:
        """The problem that a strategy and its tables pose.

        Parameters
        ----------
        scores, market : Panel
            On the same axes, as in `Objective`; the whole history.
        strategy : Strategy
        sectors : mapping of str to str
            Sector of each symbol.
        ic, residual_ic, monitor : DataFrame
            In `schemas.IC`, `schemas.RESIDUAL_IC` and `schemas.MONITOR`; of what they hold, only what was known when the search ended is
            used.

        Raises
        ------
        InputError
            If the history is too short, no factor is alive, or bounds contradict what is there.
        """
        span = span_of(market.sessions, strategy)
        seen = until(market, span.searched.stop)
        objective = Objective(until(scores, span.searched.stop), seen, strategy, sectors=sectors)
        known.require_factors(objective)
        multipliers = known.decayed_multipliers(monitor, residual_ic, seen.sessions, strategy)
        space = Space.of(objective.factors, strategy.search, multipliers=multipliers)
        # Equal weights are those of the factors that there were when the search ended, and ml_alpha is none of them unless it is named.
        named = strategy.composite.weights
        there = [name for name in (objective.factors if isinstance(named, str) else scores.fields) if name != ML_ALPHA]
        configured = composite_weights(named, there, learned=ML_ALPHA in scores)
        return cls(scores, market, strategy, sectors, ic, span, objective, space, multipliers, configured)

    @cached_property
    def starts(self) -> dict[str, Candidate]:
        """Warm starts by name, from what was known before the first test.

        One that was fitted on the tests would be in the search as a trial that had seen its own judgement, and no count of trials says how
        much it is worth: with forty factors, more than two hundred random ones.
        """
        first = self.objective.windows[0]
        seen = until(self.market, first.train.stop)
        early = Objective(until(self.scores, first.train.stop), seen, self.strategy, sectors=self.sectors, tested=first.train)
        sessions = self.market.sessions[: first.test.start]
        return known.warm_starts(early, self.space, self.ic, sessions, self.strategy, configured=dict(self.configured))

    @cached_property
    def baselines(self) -> dict[str, Candidate]:
        """What the result is compared with: the strategy file, equal weights, and those in proportion to mean ICs until then.

        The strategy file's weights are whole here, with factors that decay has switched off for the search. What is deployed is compared
        with a challenger elsewhere (`lifecycle.holdout`), and no search starts from it: it may have been fitted on the tests.
        """
        found = {known.CONFIGURED: Candidate(scaled(self.configured)), known.EQUAL: Candidate(self.equal)}
        sessions = self.market.sessions[self.span.searched]
        means = known.mean_ic_weights(self.ic, sessions, self.strategy, factors=self.space.factors)
        return found | ({known.MEAN_IC: Candidate(scaled(means))} if any(means.values()) else {})

    @property
    def equal(self) -> dict[str, float]:
        """Equal weights of all factors of the space."""
        return dict.fromkeys(self.space.factors, 1.0 / len(self.space.factors))

    @property
    def gap(self) -> int:
        """Sessions of purge and embargo."""
        return gap_sessions(self.strategy)

    def held_out(self) -> Objective:
        """Judges candidates on the hold-out. Whoever asks for it has looked: count it (`StudyDatabase.record_look`)."""
        return Objective(self.scores, self.market, self.strategy, sectors=self.sectors, tested=self.span.held_out)

    @property
    def held_out_sessions(self) -> Dates:
        """Sessions of the hold-out."""
        return self.market.sessions[self.span.held_out]

    def since(self, session: np.datetime64) -> Objective | None:
        """Judges candidates on the sessions after one; None where there are none."""
        first = int(np.searchsorted(self.market.sessions, session, side="right"))
        if first >= len(self.market.sessions):
            return None
        tested = slice(first, len(self.market.sessions))
        return Objective(self.scores, self.market, self.strategy, sectors=self.sectors, tested=tested)

    @cached_property
    def fingerprint(self) -> str:
        """What makes a trial what it is: the choices that reach it, and the data that the search may see. 16 hexadecimal digits.

        Names and fields of which nothing was known when the search ended are not among them: a listing in the hold-out begins no other
        search.
        """
        seen = [until(panel, self.span.searched.stop) for panel in (self.market, self.scores)]
        listed = ~np.isnan(seen[0]["close"]).all(axis=0)
        symbols = self.market.symbols[listed].tolist()
        # Deposits do not reach a walk-forward, and a benchmark is compared only.
        left_out: dict[str, Any] = dict.fromkeys(_NOT_OF_THE_TRIALS, True) | {"backtest": {"flows", "benchmark"}}
        chosen = self.strategy.model_dump(mode="json", exclude=left_out)
        search = self.strategy.search.model_dump(mode="json", exclude=set(_NOT_OF_THE_SEARCH))
        parts = {
            "version": _VERSION,
            "strategy": chosen,
            "search": search,
            "min_coverage": self.strategy.composite.min_coverage,
            "configured": dict(self.configured),
            "bounds": dict(self.space.bounds),
            "limits": dict(self.space.share_limits),
            "sectors": {symbol: self.sectors[symbol] for symbol in symbols if symbol in self.sectors},
            "symbols": symbols,
        }
        digest = hashlib.blake2b(json.dumps(parts, sort_keys=True, default=str).encode(), digest_size=8)
        digest.update(self.market.sessions[self.span.searched].tobytes())
        for panel in seen:
            for name in sorted(panel.fields):
                digest.update(name.encode())
                digest.update((panel[name] if listed.all() else panel[name][:, listed]).tobytes())
        return digest.hexdigest()

    @property
    def study_name(self) -> str:
        """Name of the study that holds this search's trials."""
        return f"{self.strategy.search.name}/{self.span.searched_to}/{self.fingerprint}"

    @property
    def study_attributes(self) -> dict[str, str]:
        """What a study says of itself. The hold-out is named by whole months, so that it stays the same while they go on."""
        last = self.span.holdout_to
        end = last.replace(day=calendar.monthrange(last.year, last.month)[1])
        return {
            "family": self.strategy.search.name,
            "searched_from": self.span.searched_from.isoformat(),
            "searched_to": self.span.searched_to.isoformat(),
            "holdout_from": self.span.holdout_from.isoformat(),
            "holdout_to": end.isoformat(),
            "seed": str(self.strategy.seed),
            "sampler": self.strategy.search.sampler,
        }
