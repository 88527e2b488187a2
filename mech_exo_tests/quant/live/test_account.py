"""The live account: average cost, profit and loss, corporate actions, net asset value."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.live.account import account
from mech_exo_tests.quant.live.markets import FIRST, cash, fills, panel, walk


def test_average_cost_of_the_peers_case():
    market = panel(close=[[150.0], [155.0]])
    kept = account(fills(market, (0, "A", 100, 150.0, 0.0), (1, "A", 50, 155.0, 0.0)), market, cash(market, (0, 100_000)), first=FIRST)
    assert kept.average_cost[-1, 0] == pytest.approx(151.0 + 2 / 3)
    assert kept.positions()["unrealised"][-1] == pytest.approx(150 * 155 - 150 * (151 + 2 / 3))


def test_a_sale_realises_against_the_average_cost_and_leaves_it():
    market = panel(close=[[150.0], [155.0], [160.0]])
    made = fills(market, (0, "A", 100, 150.0, 0.0), (1, "A", 50, 155.0, 0.0), (2, "A", -60, 160.0, 3.0))
    kept = account(made, market, cash(market, (0, 100_000)), first=FIRST)
    assert kept.realised[2, 0] == pytest.approx(60 * (160 - (151 + 2 / 3)))
    assert kept.average_cost[2, 0] == pytest.approx(151 + 2 / 3)
    assert kept.fees[2, 0] == 3.0


def test_a_fill_through_zero_closes_and_opens_at_its_price():
    market = panel(close=[[100.0], [110.0]])
    kept = account(fills(market, (0, "A", 10, 100.0, 0.0), (1, "A", -25, 110.0, 0.0)), market, cash(market, (0, 10_000)), first=FIRST)
    assert kept.realised[1, 0] == pytest.approx(100.0)
    assert (kept.quantity[1, 0], kept.average_cost[1, 0]) == (-15.0, 110.0)


def test_a_short_gains_when_the_price_falls():
    market = panel(close=[[100.0], [90.0]])
    kept = account(fills(market, (0, "A", -10, 100.0, 0.0), (1, "A", 10, 90.0, 0.0)), market, cash(market, (0, 10_000)), first=FIRST)
    assert kept.realised[1, 0] == pytest.approx(100.0)
    assert kept.nav_values[1] == pytest.approx(10_100.0)


def test_a_buy_changes_the_nav_by_its_costs_only():
    market = panel(close=[[100.0], [100.0]])
    kept = account(fills(market, (1, "A", 50, 100.2, 4.0)), market, cash(market, (0, 10_000)), first=FIRST)
    assert kept.nav_values[1] == pytest.approx(10_000 - 50 * 0.2 - 4.0)


def test_a_split_changes_nothing_but_quantity_and_cost():
    market = panel(close=[[100.0], [50.0]], split_coefficient=[[1.0], [2.0]])
    kept = account(fills(market, (0, "A", 10, 100.0, 0.0)), market, cash(market, (0, 10_000)), first=FIRST)
    assert (kept.quantity[1, 0], kept.average_cost[1, 0]) == (20.0, 50.0)
    assert kept.live_return[1] == pytest.approx(0.0)


@pytest.mark.parametrize(("quantity", "received"), [(10.0, 20.0), (-10.0, -20.0)])
def test_a_dividend_is_paid_on_what_is_held_and_by_who_is_short(quantity: float, received: float):
    market = panel(close=[[100.0], [98.0]], dividend_amount=[[0.0], [2.0]])
    kept = account(fills(market, (0, "A", quantity, 100.0, 0.0)), market, cash(market, (0, 10_000)), first=FIRST)
    assert kept.dividends[1, 0] == received
    assert kept.live_return[1] == pytest.approx(0.0, abs=1e-12)


def test_a_fill_of_the_ex_date_has_no_dividend():
    market = panel(close=[[100.0], [98.0]], dividend_amount=[[0.0], [2.0]])
    kept = account(fills(market, (1, "A", 10, 98.0, 0.0)), market, cash(market, (0, 10_000)), first=FIRST)
    assert kept.nav_values[1] == pytest.approx(10_000.0)


def test_a_deposit_is_no_return():
    market = panel(close=[[100.0], [100.0], [110.0]])
    kept = account(fills(market, (0, "A", 100, 100.0, 0.0)), market, cash(market, (0, 10_000), (1, 5_000), (2, -1_000)), first=FIRST)
    assert kept.live_return.tolist() == pytest.approx([0.0, 0.0, 1_000 / 14_000])
    assert kept.nav()["flow"].to_list() == [10_000, 5_000, -1_000]


def test_a_name_without_a_price_keeps_its_last_one():
    market = panel(close=[[100.0], [np.nan], [120.0]])
    kept = account(fills(market, (0, "A", 10, 100.0, 0.0)), market, cash(market, (0, 10_000)), first=FIRST)
    assert kept.live_return.tolist() == pytest.approx([0.0, 0.0, 200 / 10_000])


def test_a_late_fill_restates_what_came_after_it_and_is_seen():
    market = panel(close=[[100.0], [101.0], [103.0]])
    deposits = cash(market, (0, 10_000))
    before = account(fills(market, (0, "A", 10, 100.0, 0.0)), market, deposits, first=FIRST).nav()
    late = fills(market, (0, "A", 10, 100.0, 0.0), (1, "A", 5, 101.0, 1.0))
    after = account(late, market, deposits, first=FIRST).nav(before)
    assert after["restated"].to_list() == [False, True, True]
    assert account(late, market, deposits, first=FIRST).nav(after)["restated"].to_list() == [False, False, False]


@pytest.mark.parametrize(
    ("rows", "deposits", "complaint"),
    [
        ([(0, "Z", 1.0, 1.0, 0.0)], [(0, 100.0)], "Z was filled on 2020-01-02, and has no prices"),
        ([(0, "A", 1.0, 1.0, 0.0)], [(1, 100.0)], "on 2020-01-02 there is no capital"),
        ([(0, "A", 10.0, 1000.0, 0.0)], [(0, 100.0)], "on 2020-01-02 losses, fees and withdrawals have used up the NAV"),
        ([], [(0, 100.0), (1, -100.0)], "on 2020-01-03 there is no capital"),
        ([(0, "B", 1.0, 5.0, 0.0)], [(0, 100.0)], "B was filled on 2020-01-02, and has no price by then"),
    ],
)
def test_what_cannot_be_booked_is_told(rows: list, deposits: list, complaint: str):
    market = panel(close=[[100.0, np.nan], [100.0, 5.0]])
    with pytest.raises(InputError, match=complaint):
        account(fills(market, *rows), market, cash(market, *deposits), first=FIRST)


def test_a_fill_from_before_the_account_is_told():
    market = panel(close=[[100.0], [100.0]])
    with pytest.raises(InputError, match="A was filled on 2020-01-02, and the account begins on 2020-01-03"):
        account(fills(market, (0, "A", 1, 100.0, 0.0)), market, cash(market, (1, 1_000)), first=market.sessions[1].item())


def test_a_split_on_a_session_without_a_price_leaves_the_value():
    market = panel(close=[[100.0], [np.nan], [51.0]], split_coefficient=[[1.0], [2.0], [1.0]])
    kept = account(fills(market, (0, "A", 10, 100.0, 0.0)), market, cash(market, (0, 10_000)), first=FIRST)
    assert kept.live_return.tolist() == pytest.approx([0.0, 0.0, 20 / 10_000])


def test_fractions_that_were_bought_and_sold_again_leave_no_position():
    market = panel(close=[[100.0], [100.0]])
    bought = [(0, "A", 0.1, 100.0, 0.0), (0, "A", 0.2, 100.0, 0.0)]
    kept = account(fills(market, *bought, (1, "A", -0.3, 100.0, 0.0)), market, cash(market, (0, 1_000)), first=FIRST)
    assert (kept.quantity[1, 0], kept.average_cost[1, 0]) == (0.0, 0.0)
    assert kept.nav()["exposure"][1] == 0.0


@settings(max_examples=40)
@given(data=st.data())
def test_positions_and_flows_agree_whatever_is_traded(data: st.DataObject):
    market = walk(12, 3, seed=data.draw(st.integers(0, 5)))
    rows = data.draw(
        st.lists(
            st.tuples(
                st.integers(0, 11),
                st.sampled_from("ABC"),
                st.integers(-50, 50).filter(bool).map(float),
                st.floats(50, 150),
                st.floats(0, 5),
            ),
            max_size=25,
        )
    )
    kept = account(fills(market, *sorted(rows)), market, cash(market, (0, 1e6)), first=FIRST)
    assert kept.identity_error < 1e-9
    held = kept.positions().group_by("date").agg(pl.col("value").sum())
    table = kept.nav().join(held, on="date", how="left")
    assert np.allclose(table["nav"], table["cash"] + table["value"].fill_null(0.0))
    # Everything that was earned is realised, unrealised, a dividend, or a fee.
    earned = kept.realised.sum() + table["unrealised"][-1] + kept.dividends.sum() - kept.fees.sum()
    assert table["nav"][-1] - 1e6 == pytest.approx(earned, abs=1e-6)
