"""The parts of the gap: each is what it is called, and together they are the gap."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.quant.live.account import account
from mech_exo_assets.quant.live.attribution import attribution_table
from mech_exo_assets.quant.live.expected import deployed_backtest
from mech_exo_assets.quant.live.paper import paper_fills
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.schemas import FILLS
from mech_exo_tests.quant.live.markets import cash, strategy, walk
from mech_exo_tests.quant.live.test_paper import BANDS, random_targets

PARTS = ["fees", "slippage", "timing", "missed_positions", "residual"]


def parts_of(made: pl.DataFrame, wanted: pl.DataFrame, market: Panel) -> pl.DataFrame:
    """The gap of an account with these fills to a backtest without costs."""
    free = strategy()
    kept = account(made, market, cash(market), first=market.sessions[6].item(), capital=1e6)
    book, _ = deployed_backtest(
        wanted, market, costs=free.costs, choices=free.backtest, execution_lag=1, no_trade_band=0.0, initial_nav=1e6, flows={}
    )
    table = attribution_table(kept, book, market)
    assert np.allclose(table["gap"], table.select(pl.sum_horizontal(PARTS)).to_series(), atol=1e-15)
    return table


def exact(market: Panel, wanted: pl.DataFrame, **live: object) -> pl.DataFrame:
    return paper_fills(wanted, market, FILLS.empty(), strategy(**live), bands=BANDS)


def largest(table: pl.DataFrame, name: str) -> float:
    return float(table[name].abs().max())  # ty: ignore[invalid-argument-type]


def test_fills_as_the_backtest_trades_leave_no_part():
    market = walk(60, 4)
    wanted = random_targets(market)
    table = parts_of(exact(market, wanted), wanted, market)
    assert {name: largest(table, name) for name in PARTS} == pytest.approx(dict.fromkeys(PARTS, 0.0), abs=1e-12)


def test_fees_are_fees():
    market = walk(60, 4)
    wanted = random_targets(market, every=1000)
    table = parts_of(exact(market, wanted, commission_bps=20.0), wanted, market)
    assert table["fees"][0] == pytest.approx(-20e-4)
    assert largest(table, "slippage") == 0.0
    assert largest(table.tail(-1), "fees") == 0.0


def test_a_worse_price_is_slippage():
    market = walk(60, 4)
    wanted = random_targets(market, every=1000)
    table = parts_of(exact(market, wanted, half_spread_bps=30.0), wanted, market)
    assert table["slippage"][0] == pytest.approx(-30e-4)
    assert largest(table, "fees") == 0.0


def test_a_trade_one_session_late_is_timing():
    market = walk(60, 4)
    wanted = random_targets(market, every=1000)
    made = exact(market, wanted)
    later = made.with_columns(date=pl.lit(market.sessions[7].item()), timestamp=pl.col("timestamp") + pl.duration(days=1))
    close = dict(zip(market.symbols.tolist(), market["close"][7].tolist(), strict=True))
    later = later.with_columns(price=pl.col("symbol").replace_strict(close))
    table = parts_of(later, wanted, market)
    missed = wanted["weight"].to_numpy() @ (market["close"][7] / market["close"][6] - 1)
    assert table["timing"][1] == pytest.approx(-missed)
    assert largest(table.head(2), "missed_positions") == 0.0


def test_a_name_that_is_never_bought_is_missed():
    market = walk(60, 4)
    wanted = random_targets(market, every=1000)
    table = parts_of(exact(market, wanted).filter(pl.col("symbol") != "B"), wanted, market)
    weight = float(wanted.filter(symbol="B")["weight"][0])
    returns = market["close"][12:, 1] / market["close"][11:-1, 1] - 1
    # From the sixth session on no close of the backtest without the name is in reach.
    late = table.tail(-6)
    # The weights of the other names differ a little, since the NAV does.
    assert np.corrcoef(late["missed_positions"], -weight * returns[: late.height])[0, 1] > 0.999
    assert largest(late, "timing") < 0.1 * largest(late, "missed_positions")
    assert largest(table, "residual") < 1e-12
