"""What a candidate would have earned in the walk-forward's tests, net of costs.

What belongs here: from candidates to daily returns and the figures that a search optimises. What does not: which candidates are tried
(`search`), and the accounting (`backtest`).

A candidate's weights are the same in every window, so that its tests are one book: from the first test's first session to the last
test's end, as `walk_forward` trades them. What does not depend on the candidate is prepared once: prices, capacities, impact, and the
scores in the layout of the kernel. For a construction that is linear in the score, `kernel.trade` makes targets and books of several
candidates in one pass; any other goes through `portfolio` and `backtest` as they are. Both give the returns of the full backtest to
1e-9. So the scores are kept in double precision: in single precision a trial takes a sixth less time, and a day's return of a dozen names
is off by 1e-9; that of two factors which nearly cancel out by 1e-6, and names whose composites are equal are traded on their rounding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.backtest import Flows, Venue
from mech_exo_assets.quant.backtest import kernel as backtest_kernel
from mech_exo_assets.quant.backtest.rebalance import can_rebalance
from mech_exo_assets.quant.blas import one_blas_thread
from mech_exo_assets.quant.panel import Dates, Matrix, Panel, Vector
from mech_exo_assets.quant.performance.drawdowns import drawdown_series
from mech_exo_assets.quant.portfolio.schedule import rebalanced
from mech_exo_assets.quant.portfolio.sizing import sizing_of
from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR
from mech_exo_assets.quant.walk_forward import Stage, Window, planned
from mech_exo_assets.quant.weights import kernel
from mech_exo_assets.quant.weights.candidate import Candidate
from mech_exo_assets.settings import Strategy
from mech_exo_assets.settings.portfolio import Construction, with_construction

_BITS = 62
"""Factors whose presence fits into one integer."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What one candidate earned.

    Attributes
    ----------
    net_return : ndarray of shape (n_sessions,)
        On the sessions of the objective, as fractions; 0 before the first trade, when nothing is held.
    start : int
        Session of the first trade. The figures run from there.
    sharpe : float
        Annual, net of costs.
    max_drawdown : float
        Largest loss from a peak, as a fraction ≥ 0.
    calmar : float
        Annual growth over `max_drawdown`; infinite where there is no drawdown.
    turnover : float
        Mean traded notional of a session, as a fraction of NAV.
    """

    net_return: Vector
    start: int
    sharpe: float
    max_drawdown: float
    calmar: float
    turnover: float

    @classmethod
    def of(cls, flows: Flows, n_sessions: int) -> Evaluation | str:
        """The figures of a book that ends with the last of `n_sessions`; why there are none, where its returns do not vary."""
        net = flows.net_return
        deviation = float(net.std(ddof=1)) if len(net) > 1 else 0.0
        if not deviation > 0:
            return "its returns do not vary"
        depth = -float(drawdown_series(net).min())
        growth = math.expm1(float(np.log1p(net).sum()) * SESSIONS_PER_YEAR / len(net))
        start = n_sessions - len(net)
        return cls(
            net_return=np.concatenate([np.zeros(start), net]),
            start=start,
            sharpe=float(net.mean()) / deviation * math.sqrt(SESSIONS_PER_YEAR),
            max_drawdown=depth,
            calmar=growth / depth if depth > 0 else math.inf,
            turnover=float(flows.turnover.mean()),
        )


class Objective:
    """Judges candidates on one history.

    Attributes
    ----------
    sessions : ndarray of shape (n_sessions,), datetime64[D]
        Of all tests.
    windows : tuple of Window
        Positions count from the first session of the history, and not from `sessions`.
    factors : tuple of str
        Those that have scores, by name.
    """

    def __init__(
        self, scores: Panel, market: Panel, strategy: Strategy, *, sectors: Mapping[str, str], tested: slice | None = None
    ) -> None:
        """Prepare a history.

        Parameters
        ----------
        scores : Panel
            One field for each factor, oriented, on the axes of `market`; NaN where a name has no score.
        market : Panel
            All sessions that may be seen, with the fields that `portfolio.target_weights` and `backtest.run` want.
        strategy : Strategy
        sectors : mapping of str to str
            Sector of each symbol.
        tested : slice, optional
            Positions of the sessions to judge; by default those of the walk-forward's tests.

        Raises
        ------
        NoWindowError
            If the history is too short for one window.
        """
        if not (np.array_equal(scores.sessions, market.sessions) and np.array_equal(scores.symbols, market.symbols)):
            raise ValueError(f"scores are on axes of {scores.shape} and the market on {market.shape}; they must be the same")
        self.windows: tuple[Window, ...] = () if tested is not None else tuple(planned(market.sessions, strategy))
        self._at = tested if tested is not None else slice(self.windows[0].test.start, self.windows[-1].test.stop)
        self._strategy, self._scores = strategy, scores
        self._stage = Stage(scores, market, strategy, sectors)
        self.sessions: Dates = market.sessions[self._at]
        self.factors: tuple[str, ...] = tuple(sorted(scores.fields))
        self._venue = Venue(
            self._stage.seen(self._at),
            costs=strategy.costs,
            choices=strategy.backtest.model_copy(update={"flows": {}}),
            execution_lag=strategy.execution_lag,
            no_trade_band=strategy.construction.no_trade_band,
        )
        rows = len(self._venue.market.sessions)
        unread = self._venue.market["total_return_index"]
        self._inputs = self._venue.inputs(unread, np.zeros(rows, dtype=bool), start=0)
        self._laid_out: tuple[kernel.Scores, Matrix] | None = None

    def evaluate(self, candidates: Sequence[Candidate], *, workers: int = 1) -> list[Evaluation | str]:
        """What each candidate earned, or why it cannot be judged.

        Parameters
        ----------
        candidates : sequence of Candidate
        workers : int
            Threads; they do not change the result.
        """
        if not all(is_linear(self._construction(each)) for each in candidates):
            with ThreadPoolExecutor(workers) as pool:
                return list(pool.map(self._by_the_full_backtest, candidates))
        self._layout()
        blocks = [candidates[first : first + kernel.BLOCK] for first in range(0, len(candidates), kernel.BLOCK)]
        with one_blas_thread(), ThreadPoolExecutor(workers) as pool:
            return [each for judged in pool.map(self._in_one_pass, blocks) for each in judged]

    def require(self, candidate: Candidate) -> Evaluation:
        """What one candidate earned.

        Raises
        ------
        InputError
            If it cannot be judged.
        """
        found = self.evaluate([candidate])[0]
        if isinstance(found, str):
            raise InputError(f"weight search: weights {dict(candidate.weights)} cannot be judged: {found}.")
        return found

    def _construction(self, candidate: Candidate) -> Construction:
        return with_construction(self._strategy.construction, candidate.construction)

    def _in_one_pass(self, candidates: Sequence[Candidate]) -> list[Evaluation | str]:
        """At most a block of candidates, whose constructions are linear and differ in the no-trade band at most."""
        bands = [self._construction(each).no_trade_band for each in candidates]
        if len(set(bands)) > 1:
            return [self._in_one_pass([each])[0] for each in candidates]
        scores, known = self._layout()
        # A block that is not full is filled up with the last candidate.
        block = [candidates[min(k, len(candidates) - 1)] for k in range(kernel.BLOCK)]
        weights = np.array([each.vector(self.factors) for each in block])
        carried = np.einsum("kf,pf->kp", np.abs(weights), known)
        # Of all factors that a candidate names: one that has no scores is known for no name.
        totals = np.array([[sum(abs(weight) for weight in each.weights.values())] for each in block])
        enough = carried >= (self._strategy.composite.min_coverage - 1e-12) * totals
        shares = np.divide(1.0, carried, out=np.full(carried.shape, np.nan), where=enough & (carried > 0))
        flows = np.zeros((kernel.BLOCK, backtest_kernel.HELD + 1, len(self.sessions)))
        starts = np.zeros(kernel.BLOCK, dtype=np.int64)
        terms = self._venue.terms._replace(band=bands[0])
        gross = self._strategy.construction.gross
        daily = can_rebalance(terms) and bool(scores.rebalanced.all())
        if not (daily and kernel.trade_daily(scores, (weights, shares), gross, self._inputs, self._venue.in_force(), terms, flows, starts)):
            flows[:] = 0.0
            kernel.trade(scores, (weights, shares), gross, self._inputs, terms, flows, starts)
        own = zip(flows[: len(candidates)], starts[: len(candidates)].tolist(), strict=True)
        return [self._judged(Flows(np.ascontiguousarray(each[:, start:]))) for each, start in own]

    def _by_the_full_backtest(self, candidate: Candidate) -> Evaluation | str:
        construction = self._construction(candidate)
        targets = self._stage.targets(self._stage.composite(self._at, candidate.weights), self._at, construction=construction)
        market = self._venue.market
        wanted = np.full(market.shape, np.nan)
        wanted[len(wanted) - len(targets) :] = targets
        if not self._stage.traded(targets):
            return "nothing is traded"
        try:
            return self._judged(self._venue.run(wanted, no_trade_band=construction.no_trade_band))
        except InputError as error:  # Ruined: what this candidate did is known, and the search goes on.
            return str(error)

    def _judged(self, flows: Flows) -> Evaluation | str:
        if not flows.flows.shape[1]:
            return "nothing is traded"
        if np.any(flows.nav <= 0):
            return "its losses used up all NAV"
        return Evaluation.of(flows, len(self.sessions))

    def _layout(self) -> tuple[kernel.Scores, Matrix]:
        """The scores for the kernel, and which factors each pattern has, ndarray of shape (n_patterns, n_factors)."""
        if self._laid_out is None:
            shape = (len(self.sessions), len(self.factors), len(self._scores.symbols))
            stack = np.empty(shape)
            patterns = np.zeros(shape[0] * shape[2], dtype=np.int64)
            known = np.ones((1, 0), dtype=bool)
            for first in range(0, shape[1], _BITS):
                group = self.factors[first : first + _BITS]
                bits = np.zeros((shape[0], shape[2]), dtype=np.int64)
                for k, name in enumerate(group):
                    matrix = self._scores[name][self._at]
                    there = ~np.isnan(matrix)
                    stack[:, first + k] = np.where(there, matrix, 0.0)
                    bits |= there.astype(np.int64) << k
                codes, found = pd.factorize(bits.ravel())
                patterns, pairs = pd.factorize(patterns * len(found) + codes)
                of_group = (np.asarray(found)[:, None] >> np.arange(len(group))) & 1 == 1
                before, now = np.divmod(np.asarray(pairs), len(found))
                known = np.hstack([known[before], of_group[now]])
            # The most common pattern becomes number 0, and the others are listed.
            common = int(np.bincount(patterns).argmax())
            order = np.arange(len(known))
            order[[0, common]] = order[[common, 0]]
            codes = order[patterns].reshape(shape[0], shape[2])
            at, names = np.nonzero(codes)
            construction = self._strategy.construction
            scores = kernel.Scores(
                stack,
                odd=np.searchsorted(at, np.arange(shape[0] + 1)),
                names=names.astype(np.int32),
                patterns=codes[at, names].astype(np.int32),
                rebalanced=rebalanced(self.sessions, rebalance=construction.rebalance, calendar=self._strategy.calendar),
            )
            self._laid_out = scores, known[order].astype(np.float64)
        return self._laid_out


def is_linear(construction: Construction) -> bool:
    """Whether targets are the composite's distances from its mean, scaled to gross, and nothing else."""
    limits = construction.limits
    return (
        construction.kind == "long_short"
        and sizing_of(construction) == "score"
        and not construction.neutral
        and construction.volatility_target is None
        and limits.name is None
        and limits.sector is None
    )
