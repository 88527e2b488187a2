"""The steps from scores to targets, in their order.

What belongs here: which step follows which, and what each gets. What does not: a step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from mech_exo_assets.quant.calendar import sessions as exchange_sessions
from mech_exo_assets.quant.panel import Dates, Index, Matrix, Panel
from mech_exo_assets.quant.portfolio import risk as risks
from mech_exo_assets.quant.portfolio.constraints import constrained, limited
from mech_exo_assets.quant.portfolio.schedule import rebalanced
from mech_exo_assets.quant.portfolio.selection import Distances, positions, run_starts, sides, top_n_sides
from mech_exo_assets.quant.portfolio.sizing import budgets, holdable, kelly, linear, on_budgets, sizes, sizing_of
from mech_exo_assets.quant.portfolio.volatility import scaled_to_volatility
from mech_exo_assets.schemas import TARGETS
from mech_exo_assets.settings.portfolio import LONG_ONLY, Construction

NO_SECTOR = "none"
"""Names without a sector are one sector."""


def target_table(
    scores: Panel, market: Panel, construction: Construction, *, sectors: Mapping[str, str], calendar: str, previous: pl.DataFrame
) -> pl.DataFrame:
    """Target weights as a table in `schemas.TARGETS`: the names that are held; a session without new targets has no rows.

    Parameters
    ----------
    scores, market, construction, sectors, calendar, previous
        See `target_weights`.
    """
    weights = target_weights(scores, market, construction, sectors=sectors, calendar=calendar, previous=previous)
    held = np.nan_to_num(weights) != 0
    return scores.to_frame({"weight": weights}, rows=held) if held.any() else TARGETS.empty()


def target_weights(
    scores: Panel, market: Panel, construction: Construction, *, sectors: Mapping[str, str], calendar: str, previous: pl.DataFrame
) -> Matrix:
    """Target weights of each session, from what was known at its close.

    Parameters
    ----------
    scores : Panel
        With `score`: the composite, standardised over each session; on the sessions to be computed. Without it there are no targets.
    market : Panel
        With `total_return_index` and `close`, and `high` and `low` where the source has them; on those sessions and on the two calendar
        years before. Its sessions and symbols may be others than those of the scores. Not read where the construction needs no risk.
    construction : Construction
        The section `construction` of the strategy file.
    sectors : mapping of str to str
        Sector of a symbol; those without one are one sector, "none".
    calendar : str
        Code of `exchange_calendars`, for the rebalance calendar and the minimum holding.
    previous : DataFrame
        `schemas.TARGETS` of the calendar year before the first session of the scores; empty at the start of history. Read by `top_n`
        only: who was held at its last date, and since when.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        On the axes of the scores, as fractions of NAV; 0 for a name that is not held. The whole row is NaN where there is no new target:
        off the rebalance calendar, without scores (or dispersion, where there are shorts), where a side has no name that can be held,
        where neutrality leaves nothing, and where the volatility to be scaled to the target is not known.

    Raises
    ------
    InputError
        If the calendar is not known, or does not reach over the sessions.
    """
    weights = np.full(scores.shape, np.nan)
    if "score" not in scores or not weights.size:
        return weights
    codes = _sector_codes(scores, sectors)
    wanted = rebalanced(scores.sessions, rebalance=construction.rebalance, calendar=calendar)
    years = scores.sessions.astype("datetime64[Y]").astype(int) + 1970
    held = _Held.of_table(previous, int(years[0]) - 1, scores.symbols) if construction.kind == "top_n" else None
    # One calendar for all years: to build one takes a tenth of a second.
    first = held.dates[0] if held is not None and len(held.dates) else scores.sessions[0]
    exchange = exchange_sessions(first, scores.sessions[-1], calendar=calendar) if held is not None else scores.sessions[:0]
    for year in np.unique(years).tolist():
        rows = np.flatnonzero((years == year) & wanted)
        part = Panel(scores.sessions[rows], scores.symbols, {"score": scores["score"][rows]})
        before = held if held is not None and held.year == year - 1 else None
        weights[rows] = _weights_of_year(part, risks.known_in(market, year), construction, codes, exchange, before)
        if held is not None:
            held = _Held.of_weights(weights[rows], part.sessions, year)
    return weights


@dataclass(frozen=True, eq=False)
class _Held:
    """Who was held on the dates with targets of a year."""

    year: int
    dates: Dates
    names: np.ndarray

    @classmethod
    def of_table(cls, targets: pl.DataFrame, year: int, symbols: np.ndarray) -> _Held:
        of_year = targets.filter(pl.col("date").dt.year() == year)
        panel = Panel.from_frame(of_year, ["weight"], symbols=symbols)
        return cls(year, panel.sessions, np.nan_to_num(panel.observed("weight")) != 0)

    @classmethod
    def of_weights(cls, weights: Matrix, sessions: Dates, year: int) -> _Held:
        there = ~np.isnan(weights[:, 0])
        return cls(year, sessions[there], weights[there] != 0)

    def entered(self, exchange: Dates) -> Index:
        """Number of the exchange's session since which each name has been held; −1 for one that is not held on the last date."""
        starts = run_starts(self.names, self.dates)
        return np.where(np.isnat(starts), -1, np.searchsorted(exchange, starts))


def _weights_of_year(
    scores: Panel, market: Panel, construction: Construction, sectors: Index, exchange: Dates, before: _Held | None
) -> Matrix:
    score, sizing = scores["score"], sizing_of(construction)
    risk = beta = None
    if sizing in ("inverse_volatility", "kelly"):
        risk = risks.aligned(risks.volatility(market, window=construction.risk_window), market, scores)
    elif sizing == "atr":
        risk = risks.aligned(risks.average_range(market, window=construction.atr_window), market, scores)
    if "beta" in construction.neutral:
        beta = risks.aligned(risks.beta(market, window=construction.beta_window), market, scores)

    distances = Distances.of(score)
    able = holdable(score, sizing, risk=risk, beta=beta, long_only=construction.kind in LONG_ONLY)
    if construction.kind == "top_n":
        numbers = np.searchsorted(exchange, scores.sessions)
        entered = np.full(len(scores.symbols), -1) if before is None else before.entered(exchange)
        side = top_n_sides(positions(score), able, construction.top_n, numbers=numbers, entered=entered)
    else:
        side = np.where(able, sides(score, distances, construction), 0.0)

    if sizing == "kelly" and risk is not None:
        weights = kelly(score, side, risk, construction)
    elif sizing == "score" and construction.kind == "long_short" and beta is None:
        weights = linear(distances, gross=construction.gross)
    else:
        long, short = budgets(construction)
        weights = on_budgets(side, sizes(sizing, side, distances, risk), long=long, short=short)

    weights = constrained(weights, construction, sectors=sectors, beta=beta, fill=sizing != "kelly")
    if construction.volatility_target is not None:
        window = Panel(market.sessions, scores.symbols)
        moves = risks.aligned(risks.returns(market), market, window)
        last = risks.last_known(market.sessions, scores.sessions)
        weights = scaled_to_volatility(weights, moves, last, target=construction.volatility_target, window=construction.risk_window)
    return limited(weights, construction.limits, sectors=sectors)


def _sector_codes(scores: Panel, sectors: Mapping[str, str]) -> Index:
    names = [sectors.get(symbol) or NO_SECTOR for symbol in scores.symbols.tolist()]
    return np.unique(np.array(names, dtype=np.str_), return_inverse=True)[1].astype(np.int64)
