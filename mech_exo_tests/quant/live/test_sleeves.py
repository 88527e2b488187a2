"""One account in two parts: the split of orders, and what each part earns."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.live.account import account
from mech_exo_assets.quant.live.sleeves import Earned, Whole, sleeve_returns, split_order
from mech_exo_assets.quant.panel import Panel
from mech_exo_tests.quant.live.markets import FIRST, cash, fills, panel


@pytest.mark.parametrize(
    ("quantity", "share", "parts"),
    [(100, 0.1, (90, 10)), (157, 0.1, (142, 15)), (50, 0.2, (40, 10)), (23, 0.1, (21, 2)), (30, 0.1, (27, 3)), (-157, 0.1, (-142, -15))],
)
def test_orders_are_split_as_the_peers_split_them(quantity: float, share: float, parts: tuple[float, float]):
    assert split_order(quantity, share) == parts


@given(quantity=st.integers(-(10**6), 10**6), share=st.floats(0, 1))
def test_the_parts_add_up_and_the_canary_is_never_above_its_share(quantity: int, share: float):
    champion, canary = split_order(quantity, share)
    assert champion + canary == quantity
    assert canary == int(canary)
    assert abs(canary) <= abs(quantity) * share + 1e-6
    assert champion * canary >= 0


def parts(market: Panel, made: pl.DataFrame, wanted: tuple[list, list], *, share: float, first: int = 1) -> Earned:
    kept = account(made, market, cash(market, (0, 10_000)), first=FIRST)
    whole = Whole(kept.nav(), kept.positions(), made)
    targets = (np.array(wanted[0], dtype=np.float64), np.array(wanted[1], dtype=np.float64))
    return sleeve_returns(whole, market, targets, first=market.sessions[first].item(), share=share, whole_shares=True)


NONE = [np.nan, np.nan]


def test_each_part_earns_what_its_own_names_earn():
    """Champion wants A, canary B. 80 of 100 A are the champion's; the canary sells its 20 and buys 40 B at 50. A rises by 10 %, B falls."""
    market = panel(close=[[100.0, 50.0], [100.0, 50.0], [110.0, 45.0]])
    made = fills(market, (0, "A", 100, 100.0, 0.0), (1, "A", -20, 100.0, 0.0), (1, "B", 40, 50.0, 0.0))
    found = parts(market, made, ([NONE, [1.0, 0.0], NONE], [NONE, [0.0, 1.0], NONE]), share=0.2)
    assert found.sessions.tolist() == [market.sessions[2].item()]
    assert found.champion.tolist() == pytest.approx([0.1])
    assert found.canary.tolist() == pytest.approx([-0.1])


def test_what_one_sells_and_the_other_buys_is_traded_between_them():
    """The account's holding stays: the canary takes over the B that the champion gives up, for A."""
    market = panel(close=[[100.0, 100.0], [100.0, 100.0], [110.0, 90.0]])
    made = fills(market, (0, "A", 50, 100.0, 0.0), (0, "B", 50, 100.0, 0.0))
    found = parts(market, made, ([NONE, [1.0, 0.0], NONE], [NONE, [0.0, 1.0], NONE]), share=0.5)
    assert found.champion.tolist() == pytest.approx([0.1])
    assert found.canary.tolist() == pytest.approx([-0.1])


def test_fees_and_slippage_are_borne_in_proportion():
    market = panel(close=[[100.0], [100.0], [100.0]])
    made = fills(market, (0, "A", 50, 100.0, 0.0), (2, "A", 50, 101.0, 10.0))
    found = parts(market, made, ([[np.nan], [0.5], [1.0]], [[np.nan], [0.5], [1.0]]), share=0.2)
    assert found.champion.tolist() == pytest.approx([-60 / 10_000])
    assert found.canary.tolist() == pytest.approx([-60 / 10_000])


def test_a_fill_that_nobody_ordered_is_split_by_capital():
    market = panel(close=[[100.0], [100.0], [100.0], [110.0]])
    made = fills(market, (2, "A", 50, 100.0, 0.0))
    found = parts(market, made, ([[np.nan], [0.0], [np.nan], [np.nan]], [[np.nan], [0.0], [np.nan], [np.nan]]), share=0.2)
    assert found.champion[-1] == pytest.approx(found.canary[-1]) == pytest.approx(0.05)


def test_the_two_parts_earn_what_the_whole_earns():
    chance = np.random.default_rng(4)
    close = 100 * np.exp(np.cumsum(chance.normal(0, 0.01, (12, 2)), axis=0))
    market = panel(close=close, dividend_amount=np.where(np.arange(24).reshape(12, 2) % 7 == 0, 0.5, 0.0))
    rows = [
        (at, name, float(chance.integers(-15, 30)) or 1.0, close[at, "AB".index(name)] * 1.001, 1.0) for at in range(12) for name in "AB"
    ]
    made = fills(market, *rows)
    wanted = [NONE, *chance.uniform(0, 0.5, (11, 2)).tolist()], [NONE, *chance.uniform(0, 0.5, (11, 2)).tolist()]
    kept = account(made, market, cash(market, (0, 10_000), (6, 1_000)), first=FIRST)
    whole = Whole(kept.nav(), kept.positions(), made)
    found = sleeve_returns(
        whole, market, (np.array(wanted[0]), np.array(wanted[1])), first=market.sessions[1].item(), share=0.3, whole_shares=True
    )
    assert len(found.sessions) == 10
    # A return of the whole lies between those of its parts.
    low, high = np.minimum(found.champion, found.canary), np.maximum(found.champion, found.canary)
    assert ((low - 1e-12 <= kept.live_return[2:]) & (kept.live_return[2:] <= high + 1e-12)).all()


def test_a_session_that_is_not_there_yet_gives_nothing():
    market = panel(close=[[100.0], [100.0]])
    made = fills(market, (0, "A", 50, 100.0, 0.0))
    assert len(parts(market, made, ([[np.nan], [0.5]], [[np.nan], [0.5]]), share=0.2).sessions) == 0


def test_a_part_with_nothing_left_is_told():
    market = panel(close=[[100.0, 100.0], [100.0, 100.0], [100.0, 1.0]])
    made = fills(market, (0, "A", 100, 100.0, 0.0), (1, "A", -60, 100.0, 0.0), (1, "B", 60, 100.0, 0.0))
    with pytest.raises(InputError, match="nothing is left of the part of the canary"):
        parts(market, made, ([NONE, [1.0, 0.0], NONE], [NONE, [-1.0, 2.0], NONE]), share=0.2)
