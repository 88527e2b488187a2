"""What a factor sees of a panel: its declared fields, figures derived from them once for all factors, and rolling windows.

What belongs here: intermediates that more than one factor needs. What does not: a factor.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from mech_exo_assets.quant.panel import Index, Matrix, Panel, Vector
from mech_exo_assets.quant.returns import market_return, simple_returns
from mech_exo_assets.quant.rolling import extremes, lags, moments, regression, sums
from mech_exo_assets.quant.rolling.blocks import prepared

MINIMUM_OBSERVED = 0.8
"""Share of a window's sessions that must be known; with fewer, a factor is unknown."""


class _Shape(TypedDict):
    window: int
    min_count: int
    year_starts: Index


@dataclass(frozen=True, slots=True)
class Window:
    """The last `sessions` sessions of every name, the current one included; see `quant.rolling` for the statistics."""

    sessions: int
    year_starts: Index
    observed: float = MINIMUM_OBSERVED

    @property
    def _shape(self) -> _Shape:
        return {"window": self.sessions, "min_count": math.ceil(self.observed * self.sessions), "year_starts": self.year_starts}

    def mean(self, values: Matrix) -> Matrix:
        """Mean of the known values."""
        return sums.mean(values, **self._shape)

    def standard_deviation(self, values: Matrix) -> Matrix:
        """Sample standard deviation, n - 1."""
        return moments.standard_deviation(values, **self._shape)

    def skewness(self, values: Matrix) -> Matrix:
        """Adjusted Fisher-Pearson skewness."""
        return moments.skewness(values, **self._shape)

    def maximum(self, values: Matrix) -> Matrix:
        """Largest value."""
        return extremes.maximum(values, **self._shape)

    def sessions_since_maximum(self, values: Matrix) -> Matrix:
        """Sessions since the largest value, the latest of equals."""
        return extremes.sessions_since_maximum(values, **self._shape)

    def maximum_drawdown(self, values: Matrix) -> Matrix:
        """Deepest fall from an earlier peak, as a positive fraction."""
        return extremes.maximum_drawdown(values, **self._shape)

    def mean_of_largest(self, values: Matrix, count: int) -> Matrix:
        """Mean of the `count` largest values."""
        return extremes.mean_of_largest(values, count, **self._shape)

    def slope(self, values: Matrix, on: Vector) -> Matrix:
        """Slope of the regression on a vector."""
        return regression.slope(values, on, **self._shape)

    def slope_t(self, values: Matrix, on: Vector) -> Matrix:
        """Slope of the regression on a vector, over its standard error."""
        return regression.slope_t(values, on, **self._shape)

    def residual_deviation(self, values: Matrix, on: Vector) -> Matrix:
        """Standard deviation of the residuals of the regression on a vector."""
        return regression.residual_deviation(values, on, **self._shape)

    def coskewness(self, values: Matrix, on: Vector) -> Matrix:
        """Standardised coskewness of the residuals with the vector."""
        return regression.coskewness(values, on, **self._shape)

    def correlation(self, values: Matrix, others: Matrix) -> Matrix:
        """Correlation of two matrices, name by name."""
        return regression.correlation(values, others, **self._shape)


CARRIED_SESSIONS = 5
"""Gap that a price may bridge where a factor compares single sessions, so that one missing quote a year ago does not cost a name."""

FIELDS = ("open", "high", "low", "close", "volume", "dividend_amount", "total_return_index")


class FactorPanel:
    """A panel as one factor sees it: declared fields only, intermediates shared with all other factors.

    Parameters
    ----------
    panel : Panel
        With all sessions that the factors look back to.
    symbols : slice, optional
        The columns that this one holds; by default all.
    market : callable, optional
        The market's return; by default the mean over the columns of this one.

    Notes
    -----
    What is read here is shared: a factor must not write into it. `restricted` gives the view for one factor's declaration.
    """

    def __init__(self, panel: Panel, symbols: slice = slice(None), market: Callable[[], Vector] | None = None) -> None:
        self._panel = panel
        self._symbols = symbols
        self._inputs = frozenset(panel.fields)
        self._year_starts = panel.year_starts()
        self._market = market
        self._shared: dict[str, Matrix] = {}

    def restricted(self, inputs: Iterable[str]) -> FactorPanel:
        """The same panel and intermediates, with just these fields allowed."""
        view = copy.copy(self)
        view._inputs = frozenset(inputs)  # noqa: SLF001 - a copy of its own
        return view

    def __getitem__(self, name: str) -> Matrix:
        """The field `name`.

        Raises
        ------
        LookupError
            If the factor did not declare it, or the panel does not have it.
        """
        if name not in self._inputs:
            raise LookupError(
                f"'{name}' is read but not declared; add it to the factor's inputs (declared: {', '.join(sorted(self._inputs))})"
            )
        matrix = self._panel[name]
        if name not in self._shared:
            self._shared[name] = prepared(matrix[:, self._symbols])
        return self._shared[name]

    def window(self, sessions: int, *, observed: float = MINIMUM_OBSERVED) -> Window:
        """The last `sessions` sessions, of which at least the share `observed` must be known."""
        return Window(sessions, self._year_starts, observed)

    @property
    def index(self) -> Matrix:
        """Total-return index; NaN where there is no price."""
        return self["total_return_index"]

    @property
    def carried_index(self) -> Matrix:
        """Total-return index, carried over gaps of at most `CARRIED_SESSIONS`."""
        return self._once("carried_index", ("total_return_index",), lambda: lags.carried(self.index, CARRIED_SESSIONS))

    @property
    def log_index(self) -> Matrix:
        """Natural logarithm of the total-return index."""
        return self._once("log_index", ("total_return_index",), lambda: np.log(self.index))

    @property
    def returns(self) -> Matrix:
        """Simple return of each session over the one before."""
        return self._once("returns", ("total_return_index",), lambda: simple_returns(self.index))

    @property
    def market(self) -> Vector:
        """Equal-weighted mean return of the names known in each session."""
        return self._once("market", ("total_return_index",), self._market or (lambda: market_return(self.returns)))

    @property
    def session_numbers(self) -> Vector:
        """0, 1, 2, …: time, to regress on."""
        return np.arange(len(self._panel.sessions), dtype=np.float64)

    @property
    def dollar_volume(self) -> Matrix:
        """Raw close times raw volume, which no split moves; NaN without trading, where neither price impact nor logarithm exists."""
        return self._once("dollar_volume", ("close", "volume"), self._dollar_volume)

    @property
    def log_dollar_volume(self) -> Matrix:
        """Natural logarithm of the dollar volume."""
        return self._once("log_dollar_volume", ("close", "volume"), lambda: np.log(self.dollar_volume))

    def change(self, *, since: int, until: int = 0) -> Matrix:
        """Return from `since` to `until` sessions ago, over short gaps."""
        return lags.change(self.carried_index, since=since, until=until)

    def _dollar_volume(self) -> Matrix:
        product = self["close"] * self["volume"]
        product[product <= 0.0] = np.nan
        return product

    def _once(self, name: str, needs: tuple[str, ...], build: Callable[[], Matrix]) -> Matrix:
        for field in needs:
            self[field]  # an intermediate may be there already, and still needs its fields declared
        if name not in self._shared:
            self._shared[name] = build()
        return self._shared[name]
