"""The backtest: to the cent by hand, equal to a ledger of shares and cash, and blind to the future."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.backtest import CLOSE_AFTER, Backtest, run
from mech_exo_assets.schemas import BACKTEST

NAN = np.nan
NONE = [NAN, NAN, NAN]
VECTORS = ("gross_return", "net_return", "cost", "turnover", "exposure", "nav")


class Market(NamedTuple):
    """Targets and prices, as `run` takes them."""

    targets: np.ndarray
    prices: np.ndarray

    @property
    def sessions(self) -> np.ndarray:
        return np.datetime64("2020-01-01") + np.arange(len(self.prices))

    def run(self, *, lag: int = 1, cost_rate: float = 0.001, nav: float = 10_000.0) -> Backtest:
        return run(self.targets, self.prices, self.sessions, execution_lag=lag, cost_rate=cost_rate, initial_nav=nav)


def market(targets: list[list[float]], prices: list[list[float]]) -> Market:
    return Market(np.array(targets, dtype=float), np.array(prices, dtype=float))


@st.composite
def markets(draw: st.DrawFn) -> Market:
    """Random walks with gaps and names that stop trading; targets on some sessions, the first one early enough to be traded."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_sessions, n_symbols = draw(st.integers(5, 25)), draw(st.integers(1, 6))
    prices = 50 * np.exp(np.cumsum(random.normal(0, 0.02, (n_sessions, n_symbols)), axis=0))
    prices[random.random(prices.shape) < draw(st.sampled_from([0.0, 0.1, 0.5]))] = NAN
    for gone in np.flatnonzero(random.random(n_symbols) < 0.3):
        prices[random.integers(n_sessions) :, gone] = NAN
    targets = random.normal(size=prices.shape)
    targets /= np.abs(targets).sum(axis=1, keepdims=True)
    targets[random.random(targets.shape) < 0.2] = 0
    targets[random.random(n_sessions) < draw(st.sampled_from([0.0, 0.5, 0.9]))] = NAN
    targets[0] = 1 / n_symbols
    return Market(targets, prices)


def ledger_of_shares(given_market: Market, *, lag: int, cost_rate: float, nav: float) -> list[float]:
    """NAV of each session from the first trade on, kept as a bookkeeper would: shares, cash and a last price for each name."""
    targets, prices = given_market
    n_symbols = prices.shape[1]
    shares, last, missing = [0.0] * n_symbols, [NAN] * n_symbols, [0] * n_symbols
    cash, book = nav, []
    first = next(t for t in range(len(targets)) if not np.isnan(targets[t]).all()) + lag
    for t in range(first, len(prices)):
        for i, price in enumerate(prices[t]):
            missing[i] = missing[i] + 1 if np.isnan(price) else 0
            last[i] = last[i] if np.isnan(price) else price
            if missing[i] == CLOSE_AFTER and shares[i]:
                cash, shares[i] = cash + shares[i] * last[i], 0.0
        worth = cash + sum(count * price for count, price in zip(shares, last, strict=True) if count)
        target = targets[t - lag]
        for i, price in enumerate(prices[t]):
            if not np.isnan(target).all() and not np.isnan(price):
                bought = np.nan_to_num(target[i]) * worth / price - shares[i]
                cash -= bought * price + cost_rate * abs(bought * price)
                shares[i] += bought
        book.append(cash + sum(count * price for count, price in zip(shares, last, strict=True) if count))
    return book


def assert_same(one: Backtest, other: Backtest, *, tolerance: float = 0.0) -> None:
    np.testing.assert_array_equal(one.sessions, other.sessions)
    for name in VECTORS:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=tolerance, atol=tolerance, err_msg=name)
    assert one.closed_names == other.closed_names


def test_a_worked_example_to_the_cent():
    result = market(
        targets=[[0.5, 0.5, 0.0], NONE, [0.0, 0.5, -0.5], NONE, NONE],
        prices=[[10, 20, 50], [10, 20, 50], [11, 19, 50], [11, 19, 40], [12, 20.9, 42]],
    ).run(lag=1, cost_rate=0.001, nav=10_000)
    # 2 January: buy 5 000 of A and of B, at a cost of 10.
    # 3 January: A +500, B -250.
    # 4 January: sell 5 500 A, buy 370 B up to half of 10 240, sell 5 120 C short: 10 990 traded, at a cost of 10.99.
    # 5 January: B +512, C -256.
    assert [str(session) for session in result.sessions] == ["2020-01-02", "2020-01-03", "2020-01-04", "2020-01-05"]
    np.testing.assert_allclose(result.nav, [9_990.00, 10_240.00, 10_229.01, 10_485.01], rtol=0, atol=1e-9)
    np.testing.assert_allclose(result.gross_return, [0, 250 / 9_990, 0, 256 / 10_229.01], rtol=0, atol=1e-15)
    np.testing.assert_allclose(result.cost, [0.001, 0, 10.99 / 10_240, 0], rtol=0, atol=1e-15)
    np.testing.assert_allclose(result.turnover, [1, 0, 10_990 / 10_240, 0], rtol=0, atol=1e-15)
    np.testing.assert_allclose(
        result.exposure, [10_000 / 9_990, 10_250 / 10_240, 10_240 / 10_229.01, 11_008 / 10_485.01], rtol=0, atol=1e-15
    )
    np.testing.assert_allclose(result.net_return, [-0.001, 250 / 9_990, -10.99 / 10_240, 256 / 10_229.01], rtol=0, atol=1e-15)
    assert result.closed_names == 0


def test_a_single_target_is_bought_and_held():
    prices = 20 * np.exp(np.cumsum(np.random.default_rng(8).normal(0, 0.02, (30, 3)), axis=0))
    weights = np.array([0.5, 0.3, -0.2])
    targets = np.full(prices.shape, NAN)
    targets[3] = weights
    result = Market(targets, prices).run(lag=1, cost_rate=0.0)
    np.testing.assert_allclose(result.nav, 10_000 * (1 + (prices[4:] / prices[4] - 1) @ weights), rtol=1e-13)
    assert np.count_nonzero(result.turnover) == 1


@given(markets(), st.integers(0, 2), st.sampled_from([0.0, 0.0005, 0.01]))
def test_nav_equals_a_ledger_of_shares_and_cash(given_market, lag, cost_rate):
    result = given_market.run(lag=lag, cost_rate=cost_rate)
    expected = ledger_of_shares(given_market, lag=lag, cost_rate=cost_rate, nav=10_000)
    np.testing.assert_allclose(result.nav, expected, rtol=1e-9)


@given(markets())
def test_compounding_the_net_returns_gives_the_nav(given_market):
    result = given_market.run()
    np.testing.assert_allclose(10_000 * np.cumprod(1 + result.net_return), result.nav, rtol=1e-10)
    np.testing.assert_allclose((1 + result.gross_return) * (1 - result.cost), 1 + result.net_return, rtol=1e-14)
    np.testing.assert_allclose(result.cost, 0.001 * result.turnover, rtol=1e-12)


@given(markets())
def test_without_costs_net_is_gross(given_market):
    result = given_market.run(cost_rate=0.0)
    assert not result.cost.any()
    np.testing.assert_array_equal(result.net_return, (1 + result.gross_return) - 1)


@given(markets(), st.floats(0, 0.01), st.floats(0, 0.01))
def test_more_cost_never_raises_the_net_return_since_the_start(given_market, one, other):
    cheap, dear = (given_market.run(cost_rate=rate) for rate in sorted([one, other]))
    assert (dear.nav <= cheap.nav * (1 + 1e-12)).all()


@given(markets(), st.randoms())
def test_permuting_the_symbols_changes_nothing(given_market, random):
    order = list(range(given_market.prices.shape[1]))
    random.shuffle(order)
    permuted = Market(given_market.targets[:, order], given_market.prices[:, order])
    assert_same(permuted.run(), given_market.run(), tolerance=1e-12)


@given(markets(), st.floats(1e-6, 1e6))
def test_scaling_the_prices_of_a_name_changes_nothing(given_market, scale):
    prices = given_market.prices.copy()
    prices[:, 0] *= scale
    assert_same(Market(given_market.targets, prices).run(), given_market.run(), tolerance=1e-10)


@given(markets(), st.floats(1.0, 1e9))
def test_returns_do_not_depend_on_the_initial_nav(given_market, nav):
    assert_same(replace(given_market.run(nav=nav), nav=given_market.run().nav), given_market.run(), tolerance=1e-10)


@given(markets())
def test_a_name_that_is_never_held_changes_not_even_the_last_bit(given_market):
    random = np.random.default_rng(1)
    targets = np.column_stack([given_market.targets[:, :1], np.zeros(len(given_market.targets)), given_market.targets[:, 1:]])
    prices = np.column_stack([given_market.prices[:, :1], random.lognormal(size=len(targets)), given_market.prices[:, 1:]])
    targets[np.isnan(given_market.targets).all(axis=1), 1] = NAN
    assert_same(Market(targets, prices).run(), given_market.run())


@given(markets(), st.integers(0, 2), st.data())
def test_nothing_at_or_before_a_session_knows_what_comes_after_it(given_market, lag, data):
    t = data.draw(st.integers(lag, len(given_market.prices) - 1))
    random = np.random.default_rng(data.draw(st.integers(0, 1000)))
    prices, targets = given_market.prices.copy(), given_market.targets.copy()
    prices[t + 1 :] *= random.choice([0.7, 0.9, 1.2, NAN], size=prices.shape[1])
    targets[t + 1 :] = -0.5 * targets[t + 1 :]
    before, after = given_market.run(lag=lag), Market(targets, prices).run(lag=lag)
    known = before.sessions <= given_market.sessions[t]
    for name in VECTORS:
        np.testing.assert_array_equal(getattr(after, name)[known], getattr(before, name)[known], err_msg=name)


@pytest.mark.parametrize("lag", [0, 1, 2])
def test_a_target_is_traded_lag_sessions_later_at_the_close(lag):
    prices = [[100.0], [110.0], [121.0], [133.1], [146.41]]
    result = market([[1.0], [NAN], [NAN], [NAN], [NAN]], prices).run(lag=lag, cost_rate=0.0)
    assert result.sessions[0] == np.datetime64("2020-01-01") + lag
    np.testing.assert_allclose(result.gross_return, [0.0] + [0.1] * (4 - lag), atol=1e-12)


def test_nan_within_a_target_is_not_held():
    with_nan = market([[0.5, NAN], [NAN, 0.5], [NAN, NAN]], [[10, 10], [11, 12], [12, 11]])
    with_zero = market([[0.5, 0.0], [0.0, 0.5], [NAN, NAN]], [[10, 10], [11, 12], [12, 11]])
    assert_same(with_nan.run(lag=0), with_zero.run(lag=0))


def test_a_target_of_zeros_sells_everything():
    result = market([[0.6, 0.4], [0.0, 0.0], [NAN, NAN]], [[10, 10], [11, 10], [50, 50]]).run(lag=0, cost_rate=0.0)
    assert result.exposure.tolist() == [1.0, 0.0, 0.0]
    assert result.nav.tolist() == pytest.approx([10_000, 10_600, 10_600])


def with_gap(length: int, *, after: float = 12.0) -> Market:
    """Two names held in halves from the first session; the first has no price for `length` sessions, and then costs `after`."""
    prices = [[10.0, 10.0], [11.0, 10.0], *[[NAN, 10.0]] * length, [after, 10.0], [after, 10.0]]
    return market([[0.5, 0.5], *[[NAN, NAN]] * (len(prices) - 1)], prices)


@pytest.mark.parametrize("length", [1, CLOSE_AFTER - 1])
def test_a_shorter_gap_is_carried_at_the_last_price_and_made_up_after_it(length):
    result = with_gap(length).run(lag=0, cost_rate=0.0)
    np.testing.assert_allclose(result.nav, [10_000, 10_500, *[10_500] * length, 11_000, 11_000])
    assert result.closed_names == 0


@pytest.mark.parametrize("length", [CLOSE_AFTER, CLOSE_AFTER + 3])
def test_a_name_that_stops_trading_is_closed_at_its_last_price_and_counted(length):
    result = with_gap(length, after=99.0).run(lag=0, cost_rate=0.01)
    np.testing.assert_allclose(result.nav, [9_900, *[10_400] * (length + 3)])
    np.testing.assert_allclose(result.exposure[[CLOSE_AFTER, CLOSE_AFTER + 1]], [10_500 / 10_400, 5_000 / 10_400])
    assert result.turnover[1:].max() == 0
    assert result.closed_names == 1


def test_a_name_without_a_price_is_neither_traded_nor_revalued():
    result = market([[1.0, 0.0], [0.0, 1.0], [NAN, NAN]], [[10, 10], [NAN, 10], [20, 20]]).run(lag=0, cost_rate=0.0)
    # On the second session the first name cannot be sold; the second one is bought all the same.
    assert result.exposure.tolist() == pytest.approx([1.0, 2.0, 4 / 3])
    assert result.nav.tolist() == pytest.approx([10_000, 10_000, 30_000])


def test_a_name_without_a_price_at_the_trade_is_not_bought():
    result = market([[0.5, 0.5], [NAN, NAN], [NAN, NAN]], [[10, NAN], [10, 10], [10, 20]]).run(lag=0, cost_rate=0.0)
    assert result.nav.tolist() == [10_000] * 3
    assert result.exposure.tolist() == [0.5] * 3


def test_a_name_that_trades_again_can_be_bought_again():
    prices = [[10.0], [10.0], *[[NAN]] * CLOSE_AFTER, [40.0], [50.0]]
    targets = [[1.0], *[[NAN]] * (CLOSE_AFTER + 1), [1.0], [NAN]]
    result = market(targets, prices).run(lag=0, cost_rate=0.0)
    assert result.nav[-2:].tolist() == pytest.approx([10_000, 12_500])
    assert result.closed_names == 1


@pytest.mark.parametrize(
    ("target", "prices", "cost_rate"),
    [
        ([-1.0], [[100.0], [200.0], [200.0]], 0.0),  # loses exactly everything
        ([-1.0], [[100.0], [350.0], [350.0]], 0.0),  # loses more than everything
        ([1.0], [[100.0], [100.0], [100.0]], 1.0),  # costs take exactly everything
        ([3.0], [[100.0], [100.0], [100.0]], 0.5),  # costs take more than everything
    ],
)
def test_ruin_is_refused_with_its_date(target, prices, cost_rate):
    with pytest.raises(InputError) as refusal:
        market([target, [NAN], [NAN]], prices).run(lag=0, cost_rate=cost_rate)
    day = "2020-01-01" if cost_rate else "2020-01-02"
    assert (
        str(refusal.value) == f"the backtest is ruined: losses and costs used up all NAV on {day}. Lower construction.gross or the costs."
    )


def test_no_target_at_all_is_refused_with_what_to_do():
    with pytest.raises(InputError, match=r"no session has a target. Give a longer history, or lower scores.min_names"):
        market([NONE, NONE], [[1, 1, 1], [1, 1, 1]]).run()


def test_a_target_that_comes_too_late_to_be_traded_is_refused_with_its_date():
    with pytest.raises(InputError, match=r"first target is of 2020-01-02, and 1 sessions later the prices have ended \(2020-01-02\)"):
        market([[NAN], [1.0]], [[1.0], [1.0]]).run(lag=1)


def test_the_table_conforms_to_its_schema():
    result = market([[1.0], [NAN]], [[1.0], [2.0]]).run(lag=0)
    table = result.to_frame()
    assert table.schema == BACKTEST.empty().schema
    assert table["nav"].to_list() == result.nav.tolist()
