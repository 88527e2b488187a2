"""Random panels with what real ones have: gaps, delistings, a name that never traded, a stale stretch, sessions without volume."""

from __future__ import annotations

import numpy as np

from mech_exo_assets.quant.factors.known import FEATURE_PREFIX
from mech_exo_assets.quant.panel import Panel

FUNDAMENTALS = ("earnings_yield", "book_to_price", "return_on_equity", "debt_to_equity", "revenue_growth", "earnings_growth")


def weekdays(n_sessions: int, start: str = "2015-03-02") -> np.ndarray:
    return np.busday_offset(np.datetime64(start, "D"), np.arange(n_sessions))


def random_panel(n_sessions: int = 820, n_symbols: int = 7, *, seed: int = 0, missing: float = 0.02, start: str = "2015-03-02") -> Panel:
    rng = np.random.default_rng(seed)
    shape = (n_sessions, n_symbols)
    returns = rng.standard_t(4, size=shape) * 0.015 + rng.normal(size=(n_sessions, 1)) * 0.01
    returns[n_sessions // 2 : n_sessions // 2 + 30, 0] = 0.0
    index = np.exp(np.cumsum(np.clip(returns, -0.5, 0.5), axis=0))
    close = index * rng.uniform(10.0, 200.0, n_symbols)
    opened = close * np.exp(rng.normal(size=shape) * 0.005)
    fields = {
        "open": opened,
        "high": np.maximum(opened, close) * np.exp(np.abs(rng.normal(size=shape)) * 0.004),
        "low": np.minimum(opened, close) * np.exp(-np.abs(rng.normal(size=shape)) * 0.004),
        "close": close,
        "volume": np.where(rng.random(shape) < 0.01, 0.0, np.exp(rng.normal(size=shape) + 12.0)),
        "dividend_amount": np.where(rng.random(shape) < 0.016, 0.5, 0.0),
        "total_return_index": index,
    }
    unknown = rng.random(shape) < missing
    unknown[:, 0] = False
    unknown[n_sessions * 3 // 4 :, n_symbols - 2] = True
    unknown[:, n_symbols - 1] = True
    for matrix in fields.values():
        matrix[unknown] = np.nan
    fields["dividend_amount"][fields["dividend_amount"] == 0.0] = np.nan
    for name in (*FUNDAMENTALS, FEATURE_PREFIX + "sentiment"):
        fields[name] = np.where(rng.random(shape) < missing, np.nan, rng.normal(size=shape))
    symbols = np.array([f"S{i:04d}" for i in range(n_symbols)])
    return Panel(weekdays(n_sessions, start), symbols, fields)


def rows(panel: Panel, first: int, stop: int) -> Panel:
    """Sessions first … stop - 1, as copies."""
    return Panel(panel.sessions[first:stop], panel.symbols, {name: matrix[first:stop].copy() for name, matrix in panel.fields.items()})


def columns(panel: Panel, chosen: np.ndarray) -> Panel:
    """The chosen symbols, in the given order (so not always sorted: kernels do not care)."""
    fields = {name: np.ascontiguousarray(matrix[:, chosen]) for name, matrix in panel.fields.items()}
    return Panel(panel.sessions, panel.symbols[chosen], fields)
