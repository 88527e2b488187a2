"""What a book earned, paid and traded, session by session.

What belongs here: names and units of the kernel's flows. What does not: positions and trades (`book`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mech_exo_assets.quant.backtest import kernel
from mech_exo_assets.quant.panel import Matrix, Vector


@dataclass(frozen=True, eq=False)
class Flows:
    """Flows of a book, from the session of the first trade; fractions are of the base: NAV at the previous close and the deposits.

    Attributes
    ----------
    flows : ndarray of shape (14, n_sessions)
        The kernel's flows, in currency; the properties name them.
    """

    flows: Matrix

    def _fraction(self, row: int) -> Vector:
        return self.flows[row] / self.flows[kernel.BASE]

    @property
    def nav(self) -> Vector:
        """Net asset value at the close: cash and the value of all positions."""
        return self.flows[kernel.NAV]

    @property
    def cash(self) -> Vector:
        """Cash at the close, in currency; proceeds of short sales are in it."""
        return self.flows[kernel.CASH]

    @property
    def commission(self) -> Vector:
        """Commissions, as a fraction."""
        return self._fraction(kernel.COMMISSION)

    @property
    def spread(self) -> Vector:
        """Half bid-ask spreads, as a fraction."""
        return self._fraction(kernel.SPREAD)

    @property
    def impact(self) -> Vector:
        """Market impact, as a fraction."""
        return self._fraction(kernel.IMPACT)

    @property
    def borrow(self) -> Vector:
        """Borrow fees, as a fraction."""
        return self._fraction(kernel.BORROW)

    @property
    def interest(self) -> Vector:
        """Interest on cash, as a fraction; part of the gross return."""
        return self._fraction(kernel.INTEREST)

    @property
    def cost(self) -> Vector:
        """All costs, as a fraction: commission, spread, impact and borrow."""
        return self.flows[[kernel.COMMISSION, kernel.SPREAD, kernel.IMPACT, kernel.BORROW]].sum(axis=0) / self.flows[kernel.BASE]

    @property
    def gross_return(self) -> Vector:
        """Profit of the positions and interest, as a fraction."""
        return (self.flows[kernel.PROFIT] + self.flows[kernel.INTEREST]) / self.flows[kernel.BASE]

    @property
    def net_return(self) -> Vector:
        """gross_return − cost."""
        return self.gross_return - self.cost

    @property
    def turnover(self) -> Vector:
        """Traded notional, buys and sells together, as a fraction."""
        return self._fraction(kernel.TRADED)

    @property
    def exposure(self) -> Vector:
        """Sum of absolute positions over NAV, at the close."""
        return (self.flows[kernel.LONG] + self.flows[kernel.SHORT]) / self.nav

    @property
    def net_exposure(self) -> Vector:
        """Sum of signed positions over NAV, at the close."""
        return (self.flows[kernel.LONG] - self.flows[kernel.SHORT]) / self.nav

    @property
    def names(self) -> NDArray[np.int32]:
        """Names held at the close."""
        return self.flows[kernel.HELD].astype(np.int32)
