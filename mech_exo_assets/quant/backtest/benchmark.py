"""What the strategy is compared with.

What belongs here: returns of a benchmark from the user's own prices. What does not: the comparison (`performance`).
"""

from __future__ import annotations

import difflib

import numpy as np
from numpy.typing import NDArray

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.panel import Matrix, Vector
from mech_exo_assets.quant.returns import market_return, simple_returns

UNIVERSE = "equal-weighted mean of all names"
"""What the benchmark is called when no symbol was chosen."""


def benchmark_returns(index: Matrix, symbols: NDArray[np.str_], *, symbol: str | None) -> Vector:
    """Return of the benchmark in each session.

    Parameters
    ----------
    index : ndarray of shape (n_sessions, n_symbols)
        Total-return index.
    symbols : ndarray of shape (n_symbols,)
    symbol : str or None
        The name that is the benchmark; None takes the equal-weighted mean return of all names with a price in the session and the one
        before, which is what a portfolio that is made equal at each close would earn.

    Returns
    -------
    ndarray of shape (n_sessions,)
        As a fraction; NaN in the first session, and where no name (or not the chosen one) has both prices.

    Raises
    ------
    InputError
        If there are no prices of the chosen symbol.
    """
    returns = simple_returns(index)
    if symbol is None:
        return market_return(returns)
    found = np.flatnonzero(symbols == symbol)
    if not len(found):
        close = difflib.get_close_matches(symbol.upper(), [name.upper() for name in symbols.tolist()], n=1)
        hint = (
            f"Did you mean {next(name for name in symbols.tolist() if name.upper() == close[0])}?"
            if close
            else "Add its prices to the source, or take benchmark: null."
        )
        raise InputError(f"backtest.benchmark: the prices have no symbol {symbol}. {hint}")
    return returns[:, found[0]]
