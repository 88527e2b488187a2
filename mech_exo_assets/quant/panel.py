"""A panel: sessions by symbols, dense, with NaN where nothing was observed.

What belongs here: the shape that all numerics work on, and the way between it and long tables. What does not: any finance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

Matrix: TypeAlias = NDArray[np.float64]
"""ndarray of shape (n_sessions, n_symbols), C-contiguous."""
Vector: TypeAlias = NDArray[np.float64]
"""ndarray of shape (n_sessions,) or (n_symbols,)."""
Dates: TypeAlias = NDArray[np.datetime64]
"""Sorted ndarray of datetime64[D]."""
Index: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Panel:
    """Named dense matrices over one sorted vector of sessions and one sorted vector of symbols.

    Attributes
    ----------
    sessions : ndarray of shape (n_sessions,), datetime64[D]
        Strictly increasing.
    symbols : ndarray of shape (n_symbols,), str
        Strictly increasing.
    fields : mapping of str to ndarray of shape (n_sessions, n_symbols)
        NaN where there is no observation. A field that was never observed is not there at all.
    """

    sessions: Dates
    symbols: NDArray[np.str_]
    fields: Mapping[str, Matrix] = field(default_factory=dict)

    @classmethod
    def from_frame(
        cls,
        frame: pl.DataFrame | pl.LazyFrame,
        columns: Iterable[str],
        *,
        sessions: Dates | None = None,
        symbols: NDArray[np.str_] | None = None,
    ) -> Panel:
        """Scatter a long table with `date` and `symbol` into a panel.

        Parameters
        ----------
        frame : DataFrame or LazyFrame
            One row for each (date, symbol) at most; in any order. Of a LazyFrame over files, one column at a time is read.
        columns : iterable of str
            Numeric columns to take; one that is wholly null is left out of `fields`.
        sessions, symbols : ndarray, optional
            The axes; by default those that occur in `frame`. Rows outside the given axes are left out.
        """
        keys = frame.lazy().select("date", "symbol").collect()
        session_axis = unique_dates(keys["date"]) if sessions is None else sessions
        symbol_axis = unique_symbols(keys["symbol"]) if symbols is None else symbols
        position, inside = _positions(keys, session_axis, symbol_axis)
        shape = (len(session_axis), len(symbol_axis))
        fields: dict[str, Matrix] = {}
        for name in columns:
            series = frame[name] if isinstance(frame, pl.DataFrame) else frame.select(name).collect()[name]
            if series.null_count() == len(series):
                continue
            values = series.cast(pl.Float64).to_numpy()
            dense = np.full(shape[0] * shape[1], np.nan)
            dense[position] = values if inside is None else values[inside]
            fields[name] = dense.reshape(shape)
        return cls(session_axis, symbol_axis, fields)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_sessions, n_symbols)."""
        return len(self.sessions), len(self.symbols)

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def __getitem__(self, name: str) -> Matrix:
        try:
            return self.fields[name]
        except KeyError:
            raise KeyError(f"the panel has no field '{name}'; it has {', '.join(sorted(self.fields)) or 'none'}") from None

    def observed(self, name: str) -> Matrix:
        """The field `name`; all NaN where it was never observed."""
        return self.fields[name] if name in self.fields else np.full(self.shape, np.nan)

    def year_starts(self) -> Index:
        """Positions of the first session of each calendar year.

        Rolling kernels start afresh there, so that a year's figures are the same to the last bit, however much history
        before their window was loaded.
        """
        years = self.sessions.astype("datetime64[Y]")
        return np.flatnonzero(np.concatenate(([True], years[1:] != years[:-1]))[: len(years)]).astype(np.int64)

    def since(self, first: int) -> Panel:
        """The sessions from a position on."""
        return Panel(self.sessions[first:], self.symbols, {name: matrix[first:] for name, matrix in self.fields.items()})

    def within(self, years: tuple[int, int]) -> Panel:
        """The sessions of the calendar years from the first to the last."""
        ends = np.array([f"{years[0]:04}-01-01", f"{min(years[1] + 1, 9999):04}-01-01"], dtype="datetime64[D]")
        first, stop = np.searchsorted(self.sessions, ends)
        return Panel(self.sessions[first:stop], self.symbols, {name: matrix[first:stop] for name, matrix in self.fields.items()})

    def to_frame(self, fields: Mapping[str, Matrix] | None = None, *, rows: NDArray[np.bool_] | None = None) -> pl.DataFrame:
        """Gather matrices into a long table, ordered by date and symbol.

        Parameters
        ----------
        fields : mapping of str to ndarray of shape (n_sessions, n_symbols), optional
            Columns of the table; by default the panel's own. NaN becomes null.
        rows : ndarray of shape (n_sessions, n_symbols), bool, optional
            Which observations become rows; by default those where any column is known.
        """
        matrices = dict(self.fields if fields is None else fields)
        if rows is None:
            rows = np.zeros(self.shape, dtype=bool)
            for matrix in matrices.values():
                rows |= ~np.isnan(matrix)
        flat = np.flatnonzero(rows)
        session, symbol = np.divmod(flat, max(len(self.symbols), 1))
        names = pl.Series("symbol", self.symbols, dtype=pl.String)
        return pl.DataFrame(
            [
                pl.Series("date", self.sessions[session].astype("datetime64[D]")).cast(pl.Date),
                names.gather(symbol) if len(flat) else names.clear(),
                *(pl.Series(name, matrix.ravel()[flat], nan_to_null=True) for name, matrix in matrices.items()),
            ]
        )


def session_sums(matrix: Matrix) -> Matrix:
    """Sum of the known values of each session, ndarray of shape (n_sessions, 1).

    Added up symbol after symbol, and not pairwise as NumPy does, so that names without any observation do not change even the last bit:
    one year alone gives the same figures as all years together.
    """
    known = np.concatenate([np.zeros((len(matrix), 1)), np.where(np.isnan(matrix), 0.0, matrix)], axis=1)
    return np.cumsum(known, axis=1)[:, -1:]


def unique_dates(dates: pl.Series) -> Dates:
    """Sorted distinct dates as datetime64[D]."""
    return dates.unique().sort().to_numpy().astype("datetime64[D]")


def unique_symbols(symbols: pl.Series) -> NDArray[np.str_]:
    """Sorted distinct symbols."""
    return np.array(symbols.unique().sort().to_list(), dtype=np.str_)


def _positions(frame: pl.DataFrame, sessions: Dates, symbols: NDArray[np.str_]) -> tuple[Index, NDArray[np.bool_] | None]:
    """Flat position of each row in the panel, and which rows lie on it (None where all do)."""
    dates = frame["date"].to_numpy().astype("datetime64[D]")
    row = np.searchsorted(sessions, dates)
    codes = pl.DataFrame({"symbol": pl.Series(symbols, dtype=pl.String), "code": np.arange(len(symbols), dtype=np.int64)})
    column = frame.select("symbol").join(codes, on="symbol", how="left", maintain_order="left")["code"]
    known = (row < len(sessions)) & column.is_not_null().to_numpy()
    known[known] &= sessions[row[known]] == dates[known]
    code = column.fill_null(0).to_numpy()
    flat = row * len(symbols) + code
    return (flat, None) if known.all() else (flat[known], known)
