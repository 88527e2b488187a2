"""What a kind of feature sees: scores, prices and states of the market, on the sessions that are wanted and the history before them.

What belongs here: reading tables as matrices, one at a time. What does not: a feature.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mech_exo_assets.quant.factors.inputs import Window
from mech_exo_assets.quant.factors.registry import registry
from mech_exo_assets.quant.features import states
from mech_exo_assets.quant.panel import Index, Matrix, Panel, Vector, unique_dates, unique_symbols
from mech_exo_assets.schemas import factor_columns

SCORES, SECTOR = "scores", "sector"
"""Inputs beside the fields of prices."""

PRICE_FIELDS = ("total_return_index", "close", "volume")

USER_FAMILY = "feature"
"""Family of the user's own features, as `factors.feature_factor` declares it."""


class FeaturePanel:
    """Scores and prices on common axes, and where the wanted sessions lie on them.

    Parameters
    ----------
    scores : DataFrame
        `schemas.SCORES`, in any order; it is not copied, and one of its columns at a time becomes a matrix.
    prices : DataFrame
        `schemas.PRICES`, with date, symbol and those of `PRICE_FIELDS` that the source has.
    sectors : sequence of (str, str or None)
        Symbols and their sectors.
    years : tuple of int
        First and last calendar year of the rows that are wanted.
    change_sessions : int
        Sessions over which changes of scores run.

    Attributes
    ----------
    market : Panel
        Fields of `prices` on all sessions and symbols of both tables.
    wanted : slice
        Positions of the wanted sessions in those of `market`.
    sectors : dict of str to str
        By symbol; a symbol without one is not there.
    factors : tuple of str
        All factors that have a column, by name, so that a sum over them does not depend on the order of columns.
    change_sessions : int

    Notes
    -----
    Whatever is read is shared: a kind must not write into it. `restricted` gives the view for one kind's declaration.
    """

    def __init__(
        self,
        scores: pl.DataFrame,
        prices: pl.DataFrame,
        sectors: Iterable[tuple[str, str | None]],
        *,
        years: tuple[int, int],
        change_sessions: int,
    ) -> None:
        sessions = unique_dates(pl.concat([scores["date"].unique(), prices["date"].unique()]))
        symbols = unique_symbols(pl.concat([scores["symbol"].unique(), prices["symbol"].unique()]))
        there = [name for name in PRICE_FIELDS if name in prices.columns]
        self.market = Panel.from_frame(prices, there, sessions=sessions, symbols=symbols)
        ends = np.array([f"{years[0]:04}-01-01", f"{years[1] + 1:04}-01-01"], dtype="datetime64[D]")
        self.wanted = slice(*np.searchsorted(sessions, ends).tolist())
        self.sectors = {symbol: sector for symbol, sector in sectors if sector is not None}
        self.factors = tuple(sorted(factor_columns(scores.columns)))
        self.change_sessions = change_sessions
        numbered = scores.select("date", "symbol").with_row_index("row")
        row = Panel.from_frame(numbered, ["row"], sessions=sessions, symbols=symbols).observed("row")
        before = np.full((change_sessions, len(symbols)), -1)
        row = np.concatenate([before, np.nan_to_num(row, nan=-1).astype(np.int64)])
        # Of the wanted sessions, and of as many before them as changes run over; -1 where there is no row.
        self._row: Index = row[self.wanted.start : self.wanted.stop + change_sessions]
        self._at: Index = np.flatnonzero(self._row[change_sessions:] >= 0)
        self._scores = scores
        self._last_read: tuple[str, Matrix] | None = None
        self._year_starts = self.market.year_starts()
        self._states: dict[tuple[str, bool], Vector] = {}
        self._inputs = self.available

    @property
    def available(self) -> frozenset[str]:
        """The inputs that were observed."""
        return frozenset(self.market.fields) | ({SCORES} if self.factors else set()) | ({SECTOR} if self.sectors else set())

    @property
    def shape(self) -> tuple[int, int]:
        """(n_wanted_sessions, n_symbols)."""
        return self.wanted.stop - self.wanted.start, len(self.market.symbols)

    @property
    def rows(self) -> NDArray[np.bool_]:
        """Where a name has a row of scores, ndarray of shape (n_wanted_sessions, n_symbols)."""
        return self._row[self.change_sessions :] >= 0

    @property
    def families(self) -> dict[str, tuple[str, ...]]:
        """The factors of each family, both ordered by name; the user's features are the family "feature"."""
        known, found = registry(), dict[str, list[str]]()
        for name in self.factors:
            found.setdefault(known[name].family if name in known else USER_FAMILY, []).append(name)
        return {family: tuple(names) for family, names in sorted(found.items())}

    def restricted(self, inputs: Iterable[str]) -> FeaturePanel:
        """The same panel with just these inputs allowed."""
        view = copy.copy(self)
        view._inputs = frozenset(inputs)  # noqa: SLF001 - a copy of its own
        return view

    def score(self, factor: str, *, lag: int = 0) -> Matrix:
        """Scores of a factor, `lag` sessions (`change_sessions` at most) before each wanted one.

        Returns
        -------
        ndarray of shape (n_wanted_sessions, n_symbols)
            NaN where the name had no score.

        Raises
        ------
        LookupError
            If the kind did not declare scores.
        ValueError
            If `lag` is longer than `change_sessions`.
        """
        self._allowed(SCORES)
        if not 0 <= lag <= self.change_sessions:
            raise ValueError(f"lag is {lag}; it may be 0 to {self.change_sessions}, the sessions that changes run over")
        if self._last_read is None or self._last_read[0] != factor:
            values = self._scores[factor].cast(pl.Float64).to_numpy()
            self._last_read = factor, np.append(values, np.nan)[self._row]  # row -1 is the last: NaN
        first = self.change_sessions - lag
        return self._last_read[1][first : first + self.shape[0]]

    def price(self, field: str) -> Matrix:
        """A field of prices on all loaded sessions, ndarray of shape (n_sessions, n_symbols).

        Raises
        ------
        LookupError
            If the kind did not declare it.
        """
        self._allowed(field)
        return self.market[field]

    def window(self, sessions: int) -> Window:
        """The last `sessions` of all loaded sessions, of which eight tenths must be known."""
        return Window(sessions, self._year_starts)

    def state(self, name: str, *, standardised: bool = False) -> Vector:
        """A state of the market (`states.STATES`) in each wanted session, ndarray of shape (n_wanted_sessions,); computed once.

        Raises
        ------
        LookupError
            If the kind did not declare `total_return_index`.
        """
        index = self.price("total_return_index")
        if (name, False) not in self._states:
            self._states[name, False] = states.STATES[name](index, self._year_starts)
        if standardised and (name, True) not in self._states:
            self._states[name, True] = states.standardised(self._states[name, False], self._year_starts)
        return self._states[name, standardised][self.wanted]

    def of_rows(self, matrix: Matrix) -> NDArray[np.float32]:
        """A matrix over the wanted sessions, in single precision and in the order of the table's rows, ndarray of shape (n_rows,)."""
        return matrix.ravel()[self._at].astype(np.float32)

    def _allowed(self, name: str) -> None:
        if name not in self._inputs:
            raise LookupError(
                f"'{name}' is read but not declared; add it to the kind's inputs (declared: {', '.join(sorted(self._inputs))})"
            )
