"""The paper broker: what it fills is what the backtest trades, but for what it is told to be worse."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.quant import backtest
from mech_exo_assets.quant.live.account import account
from mech_exo_assets.quant.live.expected import deployed_backtest
from mech_exo_assets.quant.live.paper import paper_fills
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.schemas import FILLS
from mech_exo_assets.settings import Strategy
from mech_exo_tests.quant.live.markets import cash, panel, strategy, targets, walk

BANDS = {"v": 0.0}


def random_targets(market: Panel, *, seed: int = 3, every: int = 1) -> pl.DataFrame:
    chance = np.random.default_rng(seed)
    weights = {}
    for at in range(5, len(market.sessions), every):
        row = chance.normal(0, 1, len(market.symbols))
        weights[at] = dict(zip(market.symbols.tolist(), (row / np.abs(row).sum()).tolist(), strict=True))
    return targets(market, weights)


def traded(wanted: pl.DataFrame, market: Panel, chosen: Strategy) -> pl.DataFrame:
    return paper_fills(wanted, market, FILLS.empty(), chosen, bands=BANDS)


@pytest.mark.parametrize("every", [1, 4])
def test_without_frictions_the_account_earns_what_the_backtest_earns(every: int):
    market, chosen = walk(60, 4), strategy()
    wanted = random_targets(market, every=every)
    kept = account(traded(wanted, market, chosen), market, cash(market), first=market.sessions[6].item(), capital=chosen.live.capital)
    book, _ = deployed_backtest(
        wanted,
        market,
        costs=chosen.costs,
        choices=chosen.backtest,
        execution_lag=chosen.execution_lag,
        no_trade_band=0.0,
        initial_nav=chosen.live.capital,
        flows={},
    )
    assert kept.sessions.tolist() == book.sessions.tolist()
    assert np.allclose(kept.nav_values / book.nav, 1.0, atol=1e-9, rtol=0)


def test_with_the_same_costs_the_account_earns_what_the_backtest_earns_after_costs():
    market = walk(60, 4)
    chosen = strategy()
    dear = chosen.costs.model_copy(update={"commission_bps": 3.0, "half_spread_bps": 7.0})
    chosen = chosen.model_copy(update={"costs": dear})
    wanted = random_targets(market)
    kept = account(traded(wanted, market, chosen), market, cash(market), first=market.sessions[6].item(), capital=1e6)
    weights = Panel.from_frame(wanted, ["weight"], sessions=market.sessions, symbols=market.symbols)["weight"]
    book = backtest.run(weights, market, costs=dear, choices=chosen.backtest, execution_lag=1)
    assert np.allclose(kept.nav_values / book.nav, 1.0, atol=1e-6, rtol=0)
    assert kept.fees.sum() == pytest.approx(float((book.commission * book.nav / (1 + book.net_return)).sum()), rel=1e-6)


def test_sessions_one_by_one_give_the_same_fills_as_all_at_once():
    market = walk(50, 5, volume=2e3)
    chosen = strategy(noise_bps=5.0, integer_shares=True, participation=0.05)
    wanted = random_targets(market, every=3)
    whole = traded(wanted, market, chosen)
    by_session = FILLS.empty()
    for stop in range(7, 51):
        known = Panel(market.sessions[:stop], market.symbols, {name: matrix[:stop] for name, matrix in market.fields.items()})
        so_far = wanted.filter(pl.col("date") <= known.sessions[-1].item())
        by_session = paper_fills(so_far, known, by_session, chosen, bands=BANDS)
    assert by_session.equals(whole)
    assert whole.height > 50


def test_what_is_above_the_participation_waits_and_keeps_its_order():
    # Each session trades 100 000 of the name; a tenth of that can be bought, until 25 000 are held.
    market = panel(close=np.full((40, 1), 100.0), volume=np.full((40, 1), 1_000.0))
    chosen = strategy(participation=0.1, capital=25_000.0)
    made = traded(targets(market, {25: {"A": 1.0}}), market, chosen)
    assert made["quantity"].to_list() == pytest.approx([100.0, 100.0, 50.0])
    assert made["order_id"].unique().to_list() == [f"{market.sessions[25]}-A"]
    assert made["date"].to_list() == [day.item() for day in market.sessions[26:29]]


def test_a_name_without_volume_is_not_traded_in_that_session():
    volume = np.full((40, 1), 1e6)
    volume[26] = 0.0
    market = panel(close=np.full((40, 1), 100.0), volume=volume)
    made = traded(targets(market, {25: {"A": 1.0}}), market, strategy())
    assert made["date"].to_list() == [market.sessions[27].item()]


def test_whole_shares_are_never_more_than_the_target():
    market = walk(40, 3)
    made = traded(random_targets(market, every=5), market, strategy(integer_shares=True))
    assert (made["quantity"] == made["quantity"].round()).all()


def test_buys_are_dearer_and_sales_cheaper_than_the_close():
    market = walk(40, 3)
    chosen = strategy(half_spread_bps=10.0)
    made = traded(random_targets(market), market, chosen)
    close = market.to_frame({"close": market["close"]})
    joined = made.join(close, on=["date", "symbol"])
    worse = (joined["price"] / joined["close"] - 1) * joined["quantity"].sign()
    assert np.allclose(worse, 10e-4)


def test_noise_depends_on_seed_session_and_symbol_only_and_has_the_size_that_is_stated():
    market = walk(300, 8)
    chosen = strategy(noise_bps=4.0)
    made = traded(random_targets(market), market, chosen)
    joined = made.join(market.to_frame({"close": market["close"]}), on=["date", "symbol"])
    noise = 1e4 * (joined["price"] / joined["close"] - 1).to_numpy()
    assert abs(noise.mean()) < 4 * 4.0 / np.sqrt(len(noise))
    assert noise.std() == pytest.approx(4.0, rel=4 / np.sqrt(2 * len(noise)))
    other = traded(random_targets(market), market, chosen.model_copy(update={"seed": 1}))
    assert not np.allclose(other["price"], made["price"])


def test_fills_that_were_made_stay_when_prices_are_restated():
    market, chosen = walk(40, 3), strategy()
    wanted = random_targets(market)
    known = Panel(market.sessions[:30], market.symbols, {name: matrix[:30] for name, matrix in market.fields.items()})
    made = paper_fills(wanted.filter(pl.col("date") <= known.sessions[-1].item()), known, FILLS.empty(), chosen, bands=BANDS)
    restated = Panel(market.sessions, market.symbols, {name: matrix * 1.01 for name, matrix in market.fields.items()})
    later = paper_fills(wanted, restated, made, chosen, bands=BANDS)
    assert later.head(made.height).equals(made)
    assert later.height > made.height


def test_a_name_that_has_stopped_trading_is_closed_at_its_last_price():
    close = np.full((60, 2), 100.0)
    close[30:, 1] = np.nan
    market = panel(close=close, volume=np.where(np.isnan(close), np.nan, 1e6))
    made = traded(targets(market, {25: {"A": 0.5, "B": 0.5}}), market, strategy(half_spread_bps=5.0))
    last = made.filter(symbol="B").row(-1, named=True)
    assert (last["price"], last["fee"]) == (100.0, 0.0)
    assert made.filter(symbol="B")["quantity"].sum() == pytest.approx(0.0)
    assert last["date"] == market.sessions[39].item()
