"""Where the return came from: which factor, sector, side and name.

What belongs here: dividing the book's profit among members that add up to it. What does not: the book (`backtest`).

The numba kernel cannot be seen by the coverage tool, which is what its `pragma: no cover` says; it is tested through `contribution_table`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from mech_exo_assets.quant.composite import standardised
from mech_exo_assets.quant.learning.scores import ML_ALPHA
from mech_exo_assets.quant.panel import Dates, Index, Matrix, Panel, Vector, session_sums, unique_dates, unique_symbols
from mech_exo_assets.schemas import CONTRIBUTIONS

OTHER = "other"
"""What no member explains: by factor, the profit of names whose position the score does not explain."""
CASH = "cash"
LARGEST_RATIO = 10.0
"""A position that is larger, for its score, than so many times the session's median cannot be divided among the factors: its score is
near the mean, where the factors cancel out, and it was not the score that made it large."""


@dataclass(frozen=True, eq=False)
class Profits:
    """The book's profit of each session and name, as a fraction of the base, over the sessions that are reported.

    Attributes
    ----------
    sessions : ndarray of datetime64[D]
    symbols : ndarray of str
    profit : ndarray of shape (n_sessions, n_symbols)
        0 where a name was not held.
    held : ndarray of shape (n_sessions, n_symbols)
        Position at the close before, or, where there was none, at the session's own; as a fraction of the base.
    interest : ndarray of shape (n_sessions,)
        Interest on cash.
    book_sessions : ndarray of datetime64[D]
        All sessions of the book, those before and after the reported ones too.
    """

    sessions: Dates
    symbols: NDArray[np.str_]
    profit: Matrix
    held: Matrix
    interest: Vector
    book_sessions: Dates

    @classmethod
    def of(cls, positions: pl.DataFrame, backtest: pl.DataFrame, *, years: tuple[int, int]) -> Profits:
        """From the tables of the whole book, the years from the first to the last, both included.

        Parameters
        ----------
        positions, backtest : DataFrame
            `schemas.POSITIONS` and `schemas.BACKTEST`.
        """
        book = Panel.from_frame(
            positions, ["value", "profit"], sessions=unique_dates(backtest["date"]), symbols=unique_symbols(positions["symbol"])
        )
        days = backtest.sort("date")
        base = (days["nav"] / (1 + days["net_return"])).to_numpy()
        value = np.nan_to_num(book.observed("value"))
        before = np.vstack([np.zeros(value.shape[1]), value[:-1]])
        year = book.sessions.astype("datetime64[Y]").astype(int) + 1970
        wanted = (year >= years[0]) & (year <= years[1])
        profit = np.nan_to_num(book.observed("profit")) / base[:, None]
        held = np.where(before != 0, before, value) / base[:, None]
        return cls(book.sessions[wanted], book.symbols, profit[wanted], held[wanted], days["interest"].to_numpy()[wanted], book.sessions)

    @property
    def months(self) -> Index:
        """Positions of the first session of each month."""
        month = self.sessions.astype("datetime64[M]")
        return np.flatnonzero(np.concatenate(([True], month[1:] != month[:-1]))[: len(month)]).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Composition:
    """What the composite was made of, on the sessions of the targets that were in force.

    Attributes
    ----------
    scores : Panel
        Oriented factor scores.
    weights : mapping of str to float
        Weight of each factor.
    min_coverage : float
        `composite.min_coverage`.
    blended : tuple of (ndarray of shape (n_sessions, n_symbols), ndarray of shape (n_sessions,)), optional
        Scores and weights of the machine-learned factor beside them, as `composite.blended_score` takes them.
    """

    scores: Panel
    weights: Mapping[str, float]
    min_coverage: float
    blended: tuple[Matrix, Vector] | None = None


def contribution_table(
    profits: Profits,
    composition: Composition,
    *,
    sectors: Mapping[str, str | None],
    target_dates: Dates,
    execution_lag: int,
) -> pl.DataFrame:
    """What each factor, sector, side and name has added to the gross return of each month.

    Parameters
    ----------
    profits : Profits
    composition : Composition
    sectors : mapping of str to str or None
        Sector of each symbol.
    target_dates : ndarray of datetime64[D]
        Sessions with a target.
    execution_lag : int
        Sessions between a target and its trade.

    Returns
    -------
    DataFrame
        `schemas.CONTRIBUTIONS`. The members of each dimension add up to the month's sum of gross returns; one that has added nothing in a
        month has no row for it.
    """
    by_sector: dict[str, list[int]] = {}
    for i, symbol in enumerate(profits.symbols.tolist()):
        by_sector.setdefault(sectors.get(symbol) or "none", []).append(i)
    members = {
        "name": {symbol: profits.profit[:, i] for i, symbol in enumerate(profits.symbols.tolist())},
        "sector": {sector: _total(profits.profit[:, columns]) for sector, columns in sorted(by_sector.items())},
        "side": {name: _total(np.where(np.sign(profits.held) == sign, profits.profit, 0.0)) for name, sign in (("long", 1), ("short", -1))},
        "factor": _by_factor(profits, composition, target_dates=target_dates, execution_lag=execution_lag),
    }
    months = profits.months
    if not len(months):
        return CONTRIBUTIONS.empty()
    last = pl.Series(profits.sessions[np.append(months[1:], len(profits.sessions)) - 1]).cast(pl.Date)
    frames = [
        pl.DataFrame({"date": last, "contribution": np.add.reduceat(daily, months)}).with_columns(
            dimension=pl.lit(dimension), member=pl.lit(member)
        )
        for dimension, of_members in members.items()
        for member, daily in {**of_members, CASH: profits.interest}.items()
    ]
    return pl.concat(frames).filter(pl.col("contribution") != 0).select(CONTRIBUTIONS.names)


def _by_factor(profits: Profits, composition: Composition, *, target_dates: Dates, execution_lag: int) -> dict[str, Vector]:
    """Each name's profit, divided among the factors as they made up the score that its position came from.

    With a[f, i] = w_f s[f, i] / Σ_g |w_g| (over the factors known for i) and c[i] = Σ_f a[f, i], the share of factor f in name i is
    (a[f, i] − mean a[f]) / (c[i] − mean c); for weights in proportion to the score, this divides the position itself. With the
    machine-learned factor at weight w, the parts of the others shrink to (1 − w) a / deviation of c, and its own is w m.
    """
    scores, weights, min_coverage = composition.scores, composition.weights, composition.min_coverage
    in_force = _targets_in_force(profits, scores.sessions, target_dates, execution_lag)
    names = [name for name in sorted(weights) if name in scores]
    if not names or not len(profits.symbols) or (in_force < 0).all():
        return {OTHER: _total(profits.profit)}
    known = sum((abs(weights[name]) * ~np.isnan(scores[name]) for name in names), np.zeros(scores.shape))
    # As in the composite: a name with too few known factors has no score.
    there = known >= (min_coverage - 1e-12) * sum(abs(weight) for weight in weights.values())
    there &= known > 0
    composite, divided = np.zeros(scores.shape), {}
    parts = np.empty(scores.shape)
    for name in names:
        _part(scores[name], weights[name], known, there, parts)
        composite += parts
    scale, learned, active = _blend(composite, there, composition.blended)

    def shrunk(part: Matrix) -> Matrix:
        # A session without a blend is as it was to the last bit, whatever other sessions are computed with it.
        return np.where(active, _centred(part * scale, there), part) if active.any() else part

    composite = shrunk(composite) + learned
    column = np.searchsorted(scores.symbols, profits.symbols)
    column[column == len(scores.symbols)] = 0
    known_name = (in_force >= 0)[:, None] & (scores.symbols[column] == profits.symbols)
    behind = np.where(known_name, composite[np.ix_(in_force, column)], 0.0)
    ratio = np.divide(np.abs(profits.held), np.abs(behind), out=np.full(behind.shape, np.nan), where=(behind != 0) & (profits.held != 0))
    usable = (profits.profit != 0) & (ratio <= LARGEST_RATIO * _row_median(ratio))
    row, name_at = np.nonzero(usable)
    gain = profits.profit[row, name_at] / behind[row, name_at]

    def gained(part: Matrix) -> Vector:
        own = gain * part[in_force[row], column[name_at]]
        return np.bincount(row, weights=own, minlength=len(profits.sessions)).astype(np.float64)

    for name in names:
        _part(scores[name], weights[name], known, there, parts)
        divided[name] = gained(shrunk(parts))
    if active.any():
        divided[ML_ALPHA] = gained(learned)
    divided[OTHER] = _total(np.where(usable, 0.0, profits.profit))
    return divided


def _blend(composite: Matrix, there: NDArray[np.bool_], blended: tuple[Matrix, Vector] | None) -> tuple[Matrix, Matrix, NDArray[np.bool_]]:
    """By what the parts of the other factors shrink, the part of the machine-learned one, and the sessions in which it has one.

    Parameters
    ----------
    composite : ndarray of shape (n_sessions, n_symbols)
        Without it, less its mean over the names of the session; 0 where there is none.
    there : ndarray of shape (n_sessions, n_symbols), bool
        Which names have a composite.
    blended
        See `Composition`.
    """
    if blended is None or not blended[1].any():
        return np.ones(composite.shape), np.zeros(composite.shape), np.zeros((len(composite), 1), dtype=bool)
    ml_alpha, weights = blended
    learned = standardised(np.where(there, ml_alpha, np.nan))
    share = np.where(np.isnan(learned), 0.0, weights[:, None])
    deviation = np.sqrt(session_sums(composite**2) / np.maximum(there.sum(axis=1, keepdims=True), 1))
    # Where it has no weight, or nothing to say, the composite is what it was.
    active = share.any(axis=1, keepdims=True) & (deviation > 0)
    scale = np.divide(1.0 - share, deviation, out=np.ones(composite.shape), where=np.broadcast_to(active, composite.shape))
    return scale, _centred(np.where(active, share * np.nan_to_num(learned), 0.0), there), active


def _centred(part: Matrix, there: NDArray[np.bool_]) -> Matrix:
    """Less its mean over the names that are there; 0 elsewhere."""
    mean = session_sums(np.where(there, part, 0.0)) / np.maximum(there.sum(axis=1, keepdims=True), 1)
    return np.where(there, part - mean, 0.0)


@njit(nogil=True, cache=True)
def _part(scores, weight, known, there, out):  # pragma: no cover
    """What one factor adds to each name's score, less its mean over the names of the session; 0 where there is no score."""
    for t in range(len(scores)):
        total, count = 0.0, 0
        for i in range(scores.shape[1]):
            out[t, i] = weight * scores[t, i] / known[t, i] if there[t, i] and not np.isnan(scores[t, i]) else 0.0
            total += out[t, i]
            count += there[t, i]
        mean = total / max(count, 1)
        for i in range(scores.shape[1]):
            out[t, i] = out[t, i] - mean if there[t, i] else 0.0


def _targets_in_force(profits: Profits, score_sessions: Dates, target_dates: Dates, execution_lag: int) -> Index:
    """Row of the scores behind the positions of each session; -1 where there is none.

    A target of session s trades at s + lag and earns from s + lag + 1 on.
    """
    targets = np.intersect1d(target_dates, score_sessions)
    if not len(targets):
        return np.full(len(profits.sessions), -1, dtype=np.int64)
    axis = np.union1d(profits.book_sessions, score_sessions)
    behind = np.searchsorted(axis, profits.sessions) - 1 - execution_lag
    at = np.searchsorted(targets, axis[np.maximum(behind, 0)], side="right") - 1
    return np.where((behind >= 0) & (at >= 0), np.searchsorted(score_sessions, targets[np.maximum(at, 0)]), -1).astype(np.int64)


def _row_median(matrix: Matrix) -> Matrix:
    """Median of the known values of each row, ndarray of shape (n_rows, 1); NaN where there is none."""
    count = np.count_nonzero(~np.isnan(matrix), axis=1)
    ordered = np.sort(matrix, axis=1)
    row = np.arange(len(matrix))
    middle = 0.5 * (ordered[row, np.maximum(count - 1, 0) // 2] + ordered[row, count // 2 % matrix.shape[1]])
    return np.where(count > 0, middle, np.nan)[:, None]


def _total(matrix: Matrix) -> Vector:
    return session_sums(matrix)[:, 0]


def largest_gap(contributions: pl.DataFrame, backtest: pl.DataFrame) -> float:
    """Largest difference between a month's gross returns and the contributions of any dimension to it.

    Parameters
    ----------
    contributions, backtest : DataFrame
        `schemas.CONTRIBUTIONS`, and date and gross_return of `schemas.BACKTEST` for its months at least.
    """
    if contributions.is_empty():
        return 0.0
    gross = backtest.group_by(month=pl.col("date").dt.truncate("1mo")).agg(gross=pl.col("gross_return").sum())
    sums = contributions.group_by("dimension", month=pl.col("date").dt.truncate("1mo")).agg(pl.col("contribution").sum())
    return float((sums.join(gross, on="month", how="left").select((pl.col("contribution") - pl.col("gross")).abs().max())).item())
