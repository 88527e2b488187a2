"""Small markets and tables for the tests of the live account."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from mech_exo_assets.quant.calendar import sessions
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.schemas import FILLS, LIVE_TARGETS
from mech_exo_assets.settings import Strategy, load_strategy

FIRST = dt.date(2020, 1, 2)


def panel(**fields: list[list[float]] | np.ndarray) -> Panel:
    """A market of the names A, B, … from the first session of 2020 on; total_return_index is the close where it is not given."""
    matrices = {name: np.array(values, dtype=np.float64) for name, values in fields.items()}
    matrices.setdefault("total_return_index", matrices["close"])
    rows, columns = matrices["close"].shape
    dates = sessions(FIRST, dt.date(2024, 12, 31))[:rows]
    return Panel(dates, np.array([chr(65 + at) for at in range(columns)]), matrices)


def walk(rows: int, columns: int, *, seed: int = 1, volume: float = 1e9) -> Panel:
    """A market of random walks with a volume that is always the same."""
    chance = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(chance.normal(0.0003, 0.01, (rows, columns)), axis=0))
    return panel(close=close, volume=np.full((rows, columns), volume))


def fills(market: Panel, *rows: tuple[int, str, float, float, float]) -> pl.DataFrame:
    """Fills: position of the session, symbol, quantity, price, fee; an hour apart within a session."""
    out = []
    for number, (at, symbol, quantity, price, fee) in enumerate(rows):
        day = market.sessions[at].item()
        stamp = dt.datetime.combine(day, dt.time(15)) + dt.timedelta(minutes=number)
        out.append((stamp, day, symbol, quantity, price, fee, f"o{number}", "source"))
    return pl.DataFrame(out, schema=FILLS.dtypes(), orient="row")


def targets(market: Panel, weights: dict[int, dict[str, float]], *, version: str = "v") -> pl.DataFrame:
    """Targets by position of their session."""
    rows = [(market.sessions[at].item(), name, weight, version) for at, row in weights.items() for name, weight in sorted(row.items())]
    return pl.DataFrame(rows, schema=LIVE_TARGETS.dtypes(), orient="row")


def cash(market: Panel, *rows: tuple[int, float]) -> pl.DataFrame:
    """Deposits by position of their session."""
    return pl.DataFrame(
        [(market.sessions[at].item(), amount) for at, amount in rows], schema={"date": pl.Date, "amount": pl.Float64}, orient="row"
    )


def strategy(**live: object) -> Strategy:
    """The default strategy with free trading, but for what is named of the section `live`."""
    default = load_strategy()
    free = dict.fromkeys(("commission_bps", "half_spread_bps", "impact", "borrow_bps", "cash_interest_bps", "debit_interest_bps"), 0.0)
    costs = default.costs.model_copy(update=free | {"participation": None})
    exact = {"noise_bps": 0.0, "integer_shares": False} | live
    return default.model_copy(update={"costs": costs, "live": default.live.model_copy(update=exact)})
