"""The backtest: equal to a plain bookkeeper under every choice, blind to the future, and refused where it has no sense."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.backtest import CLOSE_AFTER, Book, benchmark_returns
from mech_exo_tests.quant.backtest.ledger import FREE, NAN, PLAIN, Ledger, Market, market

NONE = [NAN, NAN, NAN]
VECTORS = (
    "gross_return",
    "net_return",
    "cost",
    "turnover",
    "exposure",
    "nav",
    "cash",
    "commission",
    "spread",
    "impact",
    "borrow",
    "interest",
)
LINEAR = {"commission_bps": 3.0, "half_spread_bps": 7.0}
FULL = {
    "commission_bps": 1.0,
    "commission_per_share": 0.005,
    "commission_minimum": 0.2,
    "half_spread_bps": 4.0,
    "impact": 1.0,
    "participation": 0.05,
    "volume_window": 5,
    "volatility_window": 8,
    "borrow_bps": 80.0,
    "cash_interest_bps": 150.0,
    "debit_interest_bps": 400.0,
}


@st.composite
def markets(draw: st.DrawFn) -> Market:
    """Random walks with gaps, splits, dividends and names that stop trading; targets on some sessions, the first of them at once."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_sessions, n_symbols = draw(st.integers(5, 30)), draw(st.integers(1, 6))
    prices = 50 * np.exp(np.cumsum(random.normal(0, 0.02, (n_sessions, n_symbols)), axis=0))
    prices[random.random(prices.shape) < draw(st.sampled_from([0.0, 0.1, 0.5]))] = NAN
    for gone in np.flatnonzero(random.random(n_symbols) < 0.3):
        prices[random.integers(n_sessions) :, gone] = NAN
    close = prices * np.cumprod(np.where(random.random(prices.shape) < 0.05, random.choice([0.5, 0.99]), 1.0), axis=0)
    volume = random.lognormal(np.log(200), 1, prices.shape) * (random.random(prices.shape) > 0.1)
    volume[np.isnan(prices) | (random.random(prices.shape) < 0.05)] = NAN
    opens = close * np.exp(random.normal(0, 0.01, prices.shape))
    opens[random.random(prices.shape) < 0.05] = NAN
    targets = random.normal(size=prices.shape)
    targets /= np.abs(targets).sum(axis=1, keepdims=True)
    targets[random.random(targets.shape) < 0.2] = 0
    targets[random.random(n_sessions) < draw(st.sampled_from([0.0, 0.5, 0.9]))] = NAN
    targets[0] = 1 / n_symbols
    return Market(targets, prices, close, opens, volume)


def assert_same(one: Book, other: Book, *, tolerance: float = 0.0) -> None:
    np.testing.assert_array_equal(one.sessions, other.sessions)
    for name in VECTORS:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=tolerance, atol=tolerance, err_msg=name)
    assert one.closed_names == other.closed_names


def without_volume(given_market: Market) -> Market:
    return given_market._replace(volume=None)


@given(
    markets(),
    st.fixed_dictionaries(
        {},
        optional={
            "commission_bps": st.sampled_from([0.0, 5.0]),
            "commission_per_share": st.just(0.01),
            "commission_minimum": st.just(1.0),
            "half_spread_bps": st.just(10.0),
            "impact": st.just(0.8),
            "participation": st.sampled_from([0.02, 0.5, 1.0]),
            "volume_window": st.integers(1, 8),
            "volatility_window": st.integers(2, 8),
            "borrow_bps": st.just(300.0),
            "cash_interest_bps": st.just(200.0),
            "debit_interest_bps": st.just(500.0),
        },
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "execute_at": st.just("open"),
            "integer_shares": st.just(True),
            "flows": st.just({dt.date(2020, 1, 3): 500.0, dt.date(2020, 1, 5): -300.0, dt.date(2030, 1, 1): 1.0}),
        },
    ),
    st.integers(0, 2),
    st.sampled_from([0.0, 0.05]),
)
def test_nav_equals_a_plain_bookkeepers_under_every_choice(given_market, costs, choices, lag, band):
    result = given_market.run(lag=lag, band=band, choices=choices, **costs)
    ledger = Ledger(given_market, FREE.model_copy(update=costs), PLAIN.model_copy(update=choices), lag, band)
    np.testing.assert_allclose(result.nav, ledger.keep(), rtol=1e-9)
    traded = result.cost - result.borrow
    np.testing.assert_allclose(traded, np.array(ledger.paid) / (result.nav / (1 + result.net_return)), rtol=1e-7, atol=1e-12)


def test_a_single_target_is_bought_and_held():
    prices = 20 * np.exp(np.cumsum(np.random.default_rng(8).normal(0, 0.02, (30, 3)), axis=0))
    weights = np.array([0.5, 0.3, -0.2])
    targets = np.full(prices.shape, NAN)
    targets[3] = weights
    result = Market(targets, prices).run()
    np.testing.assert_allclose(result.nav, 10_000 * (1 + (prices[4:] / prices[4] - 1) @ weights), rtol=1e-13)
    assert np.count_nonzero(result.turnover) == 1


@given(markets())
def test_compounding_the_net_returns_gives_the_nav(given_market):
    result = given_market.run(**FULL)
    np.testing.assert_allclose(10_000 * np.cumprod(1 + result.net_return), result.nav, rtol=1e-10)
    np.testing.assert_allclose(result.commission + result.spread + result.impact + result.borrow, result.cost, rtol=1e-12, atol=1e-18)


@given(markets())
def test_two_roads_lead_to_the_nav(given_market):
    assert given_market.run(**FULL).identity_error < 1e-12


@given(markets(), st.integers(0, 2))
def test_without_costs_net_is_gross(given_market, lag):
    result = given_market.run(lag=lag)
    assert not result.cost.any()
    np.testing.assert_array_equal(result.net_return, result.gross_return)


@given(
    markets(),
    st.sampled_from(["commission_bps", "half_spread_bps", "commission_per_share", "borrow_bps"]),
    st.floats(0, 50),
    st.floats(0, 50),
)
def test_more_cost_never_raises_the_net_return_since_the_start(given_market, kind, one, other):
    scale = 0.01 if kind == "commission_per_share" else 1.0
    cheap, dear = (without_volume(given_market).run(**{kind: scale * each}) for each in sorted([one, other]))
    assert (dear.nav <= cheap.nav * (1 + 1e-12)).all()


@given(markets(), st.floats(0, 3), st.floats(0, 3))
def test_more_impact_never_raises_the_net_return_since_the_start(given_market, one, other):
    base = {"volume_window": 5, "volatility_window": 5}
    cheap, dear = (given_market.run(impact=each, **base) for each in sorted([one, other]))
    assert (dear.nav <= cheap.nav * (1 + 1e-12)).all()


@given(markets(), st.floats(1, 100))
def test_more_capital_never_lowers_the_impact(given_market, scale):
    # Of the first session with impact: later ones differ, since impact has made the portfolios differ.
    one, more = ({"initial_nav": nav} for nav in (10_000.0, 10_000.0 * scale))
    small = given_market.run(impact=1.0, volume_window=5, volatility_window=5, choices=one)
    try:
        large = given_market.run(impact=1.0, volume_window=5, volatility_window=5, choices=more)
    except InputError:
        return  # the impact has used up all NAV
    first = int(np.argmax(small.impact > 0))
    assert large.impact[first] >= small.impact[first] * (1 - 1e-12)
    assert (large.nav / scale <= small.nav * (1 + 1e-9)).all()


@given(markets())
def test_doubling_the_capital_doubles_everything_where_costs_are_linear(given_market):
    one, two = (without_volume(given_market).run(choices={"initial_nav": nav}, **LINEAR) for nav in (10_000.0, 20_000.0))
    np.testing.assert_allclose(two.nav, 2 * one.nav, rtol=1e-12)


@given(markets(), st.randoms())
def test_permuting_the_symbols_changes_nothing(given_market, random):
    order = list(range(given_market.prices.shape[1]))
    random.shuffle(order)
    # In rows as ever: the kernels would be compiled once more for columns, which takes a minute.
    permuted = Market(*(np.ascontiguousarray(each[:, order]) for each in given_market))
    assert_same(permuted.run(**FULL), given_market.run(**FULL), tolerance=1e-9)


@given(markets(), st.floats(1e-6, 1e6))
def test_scaling_the_index_of_a_name_changes_nothing(given_market, scale):
    prices = given_market.prices.copy()
    prices[:, 0] *= scale
    assert_same(given_market._replace(prices=prices).run(**FULL), given_market.run(**FULL), tolerance=1e-8)


@given(markets())
def test_a_name_that_is_never_held_changes_not_even_the_last_bit(given_market):
    random = np.random.default_rng(1)

    def with_stranger(matrix, column):
        return np.column_stack([matrix[:, :1], column, matrix[:, 1:]])

    walk = random.lognormal(size=len(given_market.targets))
    targets = with_stranger(given_market.targets, np.zeros(len(walk)))
    targets[np.isnan(given_market.targets).all(axis=1), 1] = NAN
    wider = Market(targets, *(with_stranger(each, walk) for each in given_market[1:]))
    assert_same(wider.run(**FULL), given_market.run(**FULL))


@given(markets(), st.integers(0, 2), st.sampled_from(["close", "open"]), st.data())
def test_nothing_at_or_before_a_session_knows_what_comes_after_it(given_market, lag, at, data):
    t = data.draw(st.integers(lag, len(given_market.prices) - 1))
    random = np.random.default_rng(data.draw(st.integers(0, 1000)))
    changed = Market(*(each.copy() for each in given_market))
    scale = random.choice([0.7, 0.9, 1.2, NAN], size=changed.prices.shape[1])
    for each in (changed.prices, changed.close, changed.open, changed.volume):
        each[t + 1 :] *= scale
    changed.targets[t + 1 :] *= -0.5
    before, after = (each.run(lag=lag, choices={"execute_at": at}, **FULL) for each in (given_market, changed))
    known = before.sessions <= given_market.sessions[t]
    for name in VECTORS:
        np.testing.assert_array_equal(getattr(after, name)[known], getattr(before, name)[known], err_msg=name)


@pytest.mark.parametrize("lag", [0, 1, 2])
def test_a_target_is_traded_lag_sessions_later_at_the_close(lag):
    prices = [[100.0], [110.0], [121.0], [133.1], [146.41]]
    result = market([[1.0], [NAN], [NAN], [NAN], [NAN]], prices).run(lag=lag)
    assert result.sessions[0] == np.datetime64("2020-01-01") + lag
    np.testing.assert_allclose(result.gross_return, [0.0] + [0.1] * (4 - lag), atol=1e-12)


def test_nan_within_a_target_is_not_held():
    with_nan = market([[0.5, NAN], [NAN, 0.5], [NAN, NAN]], [[10, 10], [11, 12], [12, 11]])
    with_zero = market([[0.5, 0.0], [0.0, 0.5], [NAN, NAN]], [[10, 10], [11, 12], [12, 11]])
    assert_same(with_nan.run(lag=0), with_zero.run(lag=0))


def test_a_target_of_zeros_sells_everything():
    result = market([[0.6, 0.4], [0.0, 0.0], [NAN, NAN]], [[10, 10], [11, 10], [50, 50]]).run(lag=0)
    assert result.exposure.tolist() == [1.0, 0.0, 0.0]
    assert result.names.tolist() == [2, 0, 0]
    assert result.nav.tolist() == pytest.approx([10_000, 10_600, 10_600])


def test_at_the_open_yesterdays_position_earns_the_night_and_todays_the_day():
    # Half of 10 000 at the open of 2 January (20), closed at 22; sold at the next open (24), and the close of 30 is missed.
    result = market([[0.5], [0.0], [NAN]], [[20.0], [22.0], [30.0]], close=[[20.0], [22.0], [30.0]], open=[[19.0], [20.0], [24.0]]).run(
        lag=1, choices={"execute_at": "open"}
    )
    assert result.nav.tolist() == pytest.approx([10_500.0, 11_000.0])
    assert result.exposure.tolist() == pytest.approx([5_500 / 10_500, 0.0])
    assert result.trades()["price"].to_list() == pytest.approx([20.0, 24.0])


def test_an_order_above_the_cap_is_carried_over_until_it_is_filled():
    # Average daily volume 1 000 shares at 10; a tenth of it is 1 000 in currency: 2 500 wanted take three sessions.
    volume = [[1000.0]] * 7
    result = market([[NAN]] * 2 + [[0.25]] + [[NAN]] * 4, [[10.0]] * 7, volume=volume).run(lag=0, participation=0.1)
    assert result.trades()["notional"].to_list() == pytest.approx([1000, 1000, 500])
    assert result.trades()["reason"].to_list() == ["target", "carried", "carried"]
    assert result.carried_orders == 2
    assert result.exposure.tolist() == pytest.approx([0.1, 0.2, 0.25, 0.25, 0.25])


def test_in_a_session_without_volume_nothing_is_traded():
    volume = [[1000.0], [1000.0], [0.0], [1000.0]]
    result = market([[NAN], [NAN], [0.25], [NAN]], [[10.0]] * 4, volume=volume).run(lag=0)
    assert result.turnover.tolist() == pytest.approx([0.0, 0.25])


def test_where_volume_is_not_known_trades_are_counted():
    targets, prices = [[0.25], [0.5], [NAN]], [[10.0], [10.0], [10.0]]
    assert market(targets, prices).run(lag=0, participation=0.1).unmeasured_trades == 2
    known = market(targets, prices, volume=[[1e6]] * 3).run(lag=0, participation=0.1, volume_window=1)
    assert known.unmeasured_trades == 1  # the first session has no sessions before it


def test_within_the_band_nothing_is_traded_but_an_exit():
    targets, prices = [[0.50], [0.52], [0.60], [0.0]], [[10.0]] * 4
    assert market(targets, prices).run(lag=0, band=0.05).turnover.tolist() == pytest.approx([0.5, 0.0, 0.1, 0.6])


def test_the_band_lets_a_small_position_go_when_its_target_is_zero():
    assert market([[0.06], [0.0]], [[10.0]] * 2).run(lag=0, band=0.05).turnover.tolist() == pytest.approx([0.06, 0.06])
    assert market([[0.04], [NAN]], [[10.0]] * 2).run(lag=0, band=0.05).turnover.tolist() == [0.0, 0.0]


def test_whole_shares_are_rounded_towards_the_position_that_is_held():
    result = market([[0.5], [0.7], [0.0]], [[30.0]] * 3).run(lag=0, choices={"integer_shares": True})
    assert result.trades()["quantity"].to_list() == [166.0, 67.0, -233.0]


def test_deposits_are_no_return():
    flows = {dt.date(2020, 1, 2): 1_000.0, dt.date(2020, 1, 3): -500.0}
    result = market([[0.5], [NAN], [NAN]], [[10.0], [10.0], [11.0]]).run(lag=0, choices={"flows": flows})
    assert result.nav.tolist() == pytest.approx([10_000, 11_000, 11_000])
    assert result.flow.tolist() == [0.0, 1_000.0, -500.0]
    assert result.net_return.tolist() == pytest.approx([0.0, 0.0, 500 / 10_500])


def test_a_deposit_before_the_first_trade_or_on_a_day_without_session_comes_at_the_next_one():
    given_market = market([[NAN], [0.5], [NAN]], [[10.0]] * 3)
    assert given_market.run(lag=0, choices={"flows": {dt.date(2019, 5, 1): 7.0}}).flow.tolist() == [7.0, 0.0]
    assert given_market.run(lag=0, choices={"flows": {dt.date(2025, 5, 1): 7.0}}).flow.tolist() == [0.0, 0.0]


def test_interest_and_borrow_accrue_by_calendar_days():
    # Short half of 10 000: cash 15 000 at 365 bps a year is 1.50 a day; 5 000 short at 73 bps is 0.10 a day.
    result = market([[-0.5], [NAN], [NAN]], [[10.0]] * 3).run(lag=0, cash_interest_bps=365, borrow_bps=73)
    assert (result.interest * 10_000).tolist() == pytest.approx([0, 1.5, 1.5], abs=2e-3)
    assert (result.borrow * 10_000).tolist() == pytest.approx([0, 0.1, 0.1], abs=2e-4)


def test_owed_cash_is_paid_for():
    result = market([[2.0], [NAN]], [[10.0]] * 2).run(lag=0, debit_interest_bps=365, cash_interest_bps=9_999)
    assert result.nav.tolist() == pytest.approx([10_000, 9_999])


def with_gap(length: int, *, after: float = 12.0) -> Market:
    """Two names held in halves from the first session; the first has no price for `length` sessions, and then costs `after`."""
    prices = [[10.0, 10.0], [11.0, 10.0], *[[NAN, 10.0]] * length, [after, 10.0], [after, 10.0]]
    return market([[0.5, 0.5], *[[NAN, NAN]] * (len(prices) - 1)], prices)


@pytest.mark.parametrize("length", [1, CLOSE_AFTER - 1])
def test_a_shorter_gap_is_carried_at_the_last_price_and_made_up_after_it(length):
    result = with_gap(length).run(lag=0)
    np.testing.assert_allclose(result.nav, [10_000, 10_500, *[10_500] * length, 11_000, 11_000])
    assert result.closed_names == 0


@pytest.mark.parametrize("length", [CLOSE_AFTER, CLOSE_AFTER + 3])
def test_a_name_that_stops_trading_is_closed_at_its_last_price_and_counted(length):
    result = with_gap(length, after=99.0).run(lag=0, commission_bps=100)
    np.testing.assert_allclose(result.nav, [9_900, *[10_400] * (length + 3)])
    np.testing.assert_allclose(result.exposure[[CLOSE_AFTER, CLOSE_AFTER + 1]], [10_500 / 10_400, 5_000 / 10_400])
    assert result.turnover[1:].max() == 0
    assert result.closed_names == 1
    closed = result.trades().filter(reason="closed")
    assert closed.select("symbol", "price", "notional", "commission").row(0) == pytest.approx(("S00", 11.0, 5_500.0, 0.0))


def test_a_name_without_a_price_is_not_revalued_and_its_order_waits():
    result = market([[1.0, 0.0], [0.0, 1.0], [NAN, NAN]], [[10, 10], [NAN, 10], [20, 20]]).run(lag=0)
    # On the second session the first name cannot be sold; the second one is bought all the same. On the third it is sold, at 20.
    assert result.exposure.tolist() == pytest.approx([1.0, 2.0, 2 / 3])
    assert result.nav.tolist() == pytest.approx([10_000, 10_000, 30_000])


def test_a_name_without_a_price_at_the_trade_is_bought_when_it_has_one():
    result = market([[0.5, 0.5], [NAN, NAN], [NAN, NAN]], [[10, NAN], [10, 10], [10, 20]]).run(lag=0)
    assert result.nav.tolist() == [10_000, 10_000, 15_000]


def test_a_new_target_replaces_orders_that_wait():
    result = market([[0.5, 0.5], [0.5, 0.0], [NAN, NAN]], [[10, NAN], [10, NAN], [10, 20]]).run(lag=0)
    assert result.exposure.tolist() == pytest.approx([0.5] * 3)


def test_a_name_that_trades_again_can_be_bought_again():
    prices = [[10.0], [10.0], *[[NAN]] * CLOSE_AFTER, [40.0], [50.0]]
    targets = [[1.0], *[[NAN]] * (CLOSE_AFTER + 1), [1.0], [NAN]]
    result = market(targets, prices).run(lag=0)
    assert result.nav[-2:].tolist() == pytest.approx([10_000, 12_500])
    assert result.closed_names == 1


@pytest.mark.parametrize(
    ("target", "prices", "bps"),
    [
        ([-1.0], [[100.0], [200.0], [200.0]], 0.0),  # loses exactly everything
        ([-1.0], [[100.0], [350.0], [350.0]], 0.0),  # loses more than everything
        ([1.0], [[100.0], [100.0], [100.0]], 10_000.0),  # costs take exactly everything
        ([3.0], [[100.0], [100.0], [100.0]], 5_000.0),  # costs take more than everything
    ],
)
def test_ruin_is_refused_with_its_date(target, prices, bps):
    with pytest.raises(InputError) as refusal:
        market([target, [NAN], [NAN]], prices).run(lag=0, commission_bps=bps)
    day = "2020-01-01" if bps else "2020-01-02"
    assert str(refusal.value).startswith(f"the backtest is ruined: losses, costs and withdrawals used up all NAV on {day}. Lower ")


def test_a_withdrawal_of_everything_is_refused_with_its_date():
    flows = {dt.date(2020, 1, 2): -20_000.0}
    with pytest.raises(InputError, match=r"used up all NAV on 2020-01-02.*withdrawals in backtest.flows"):
        market([[0.5], [NAN]], [[1.0], [1.0]]).run(lag=0, choices={"flows": flows})


def test_no_target_at_all_is_refused_with_what_to_do():
    with pytest.raises(InputError, match=r"no session has a target. Give a longer history, or lower scores.min_names"):
        market([NONE, NONE], [[1, 1, 1], [1, 1, 1]]).run()


def test_a_target_that_comes_too_late_to_be_traded_is_refused_with_its_date():
    with pytest.raises(InputError, match=r"first target is of 2020-01-02, and 1 sessions later the prices have ended \(2020-01-02\)"):
        market([[NAN], [1.0]], [[1.0], [1.0]]).run(lag=1)


def test_the_open_is_refused_where_there_is_none():
    with pytest.raises(InputError, match=r"execute_at: open, and the source has no column open"):
        market([[1.0], [NAN]], [[1.0], [1.0]]).run(choices={"execute_at": "open"})


def test_the_benchmark_is_the_mean_of_all_names_or_the_chosen_one():
    index = np.array([[1.0, 10.0], [1.1, 10.0], [1.1, NAN]])
    names = np.array(["AAA", "BBB"])
    assert benchmark_returns(index, names, symbol=None).tolist()[1:] == pytest.approx([0.05, 0.0])
    assert benchmark_returns(index, names, symbol="BBB").tolist() == pytest.approx([NAN, 0.0, NAN], nan_ok=True)
    with pytest.raises(InputError, match=r"no symbol aaa. Did you mean AAA\?"):
        benchmark_returns(index, names, symbol="aaa")
    with pytest.raises(InputError, match=r"no symbol SPY. Add its prices to the source, or take benchmark: null"):
        benchmark_returns(index, names, symbol="SPY")
