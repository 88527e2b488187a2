"""What is missing, late and traded in the records is what was asked for, and the truth says so."""

from __future__ import annotations

import datetime as dt
import json
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mech_exo_assets.quant.simulator import Defects, Planted, SimulatedMarket, simulate_planted, truth_as_json
from mech_exo_tests.quant.simulator.measured import BOUND, signal_of

SIGNAL = Planted("signal", 0.1, persistence=0.9)


def _market(*, names: int = 20, sessions: int = 200, seed: int = 6, **defects: float) -> SimulatedMarket:
    return simulate_planted([SIGNAL], names=names, sessions=sessions, seed=seed, defects=Defects(**defects))


def _dates(market: SimulatedMarket) -> list[dt.date]:
    return market.prices["date"].unique().sort().to_list()


def _within(found: int, trials: int, probability: float) -> bool:
    """Whether a binomial count is where it should be."""
    return abs(found - trials * probability) < BOUND * np.sqrt(trials * probability * (1 - probability))


def _spans(market: SimulatedMarket) -> pl.DataFrame:
    return market.prices.group_by("symbol").agg(first=pl.col("date").min(), last=pl.col("date").max(), rows=pl.len()).sort("symbol")


@pytest.mark.parametrize("defects", [{}, {"delistings_per_year": 0.3, "late_listings": 0.2}])
def test_splits_and_dividends_reconcile_traded_with_adjusted_prices(defects: dict[str, float]) -> None:
    market = _market(names=60, sessions=800, **defects)
    before = pl.col("close").shift().over("symbol"), pl.col("adjusted_close").shift().over("symbol")
    table = market.prices.with_columns(
        traded=(pl.col("close") + pl.col("dividend_amount")) * pl.col("split_coefficient") / before[0],
        adjusted=pl.col("adjusted_close") / before[1],
    ).drop_nulls()
    np.testing.assert_allclose(table["traded"], table["adjusted"], rtol=1e-12)
    assert (table["split_coefficient"] > 1).any()
    assert (table["dividend_amount"] > 0).any()


def test_names_are_delisted_at_the_stated_rate_and_the_universe_and_the_truth_say_when() -> None:
    market = _market(names=600, sessions=504, delistings_per_year=0.1)
    spans, last = _spans(market), market.prices["date"].max()
    gone = spans.filter(pl.col("last") < last)
    assert _within(gone.height, 600, 1 - np.exp(-0.1 * 2))
    assert dict(gone.select("symbol", pl.col("last").cast(pl.String)).iter_rows()) == market.truth.details["delistings"]
    listed = market.universe.filter(pl.col("listed_to").is_not_null()).sort("symbol")
    assert listed.select("symbol", "listed_to").rows() == gone.select("symbol", "last").rows()
    assert market.universe["listed_from"].null_count() == 600


def test_names_are_listed_late_in_the_stated_share_and_within_the_first_half() -> None:
    market = _market(names=600, sessions=200, late_listings=0.2)
    dates, spans = _dates(market), _spans(market)
    late = spans.filter(pl.col("first") > dates[0])
    assert _within(late.height, 600, 0.2)
    assert late["first"].max() < dates[100]
    assert dict(late.select("symbol", pl.col("first").cast(pl.String)).iter_rows()) == market.truth.details["late_listings"]
    listed = market.universe.filter(pl.col("listed_from").is_not_null()).sort("symbol")
    assert listed.select("symbol", "listed_from").rows() == late.select("symbol", "first").rows()


def test_sessions_of_a_name_are_missing_at_the_stated_rate() -> None:
    market = _market(names=100, sessions=504, gaps_per_year=5.0)
    missing = 100 * 504 - market.prices.height
    assert _within(missing, 100 * 504, 5 / 252)
    assert market.truth.details["missing_rows"] == missing
    assert market.prices.select("date", "symbol").is_duplicated().sum() == 0


def test_without_defects_every_name_has_every_session() -> None:
    market = _market()
    assert market.prices.height == 20 * 200
    assert market.truth.details == {"interactions": [], "delistings": {}, "late_listings": {}, "missing_rows": 0}
    assert market.fundamentals is None
    assert (market.features["known_at"] == market.features["date"]).all()


@pytest.mark.parametrize("delay", [1, 3, 21])
def test_features_become_known_as_many_sessions_late_as_asked_and_the_last_ones_not_yet(delay: int) -> None:
    market, plain = _market(feature_delay=delay), _market()
    dates = _dates(market)
    pairs = market.features.select("date", "known_at").unique().sort("date").rows()
    assert pairs == list(zip(dates[:-delay], dates[delay:], strict=True))
    known = plain.features.filter(pl.col("date") <= dates[-1 - delay])
    assert market.features.drop("known_at").equals(known.drop("known_at")), "the values are the same"


def test_of_a_delay_longer_than_the_market_no_feature_is_known() -> None:
    assert _market(sessions=30, feature_delay=30).features.is_empty()
    assert _market(sessions=30, feature_delay=29).features["date"].n_unique() == 1


def test_fundamentals_are_quarterly_and_known_forty_sessions_after_their_quarter() -> None:
    market = _market(fundamentals=True)
    assert market.fundamentals is not None
    dates = _dates(market)
    known = market.fundamentals["date"].unique().sort().to_list()
    assert known == [dates[quarter + 40] for quarter in (63, 126)]
    assert market.fundamentals.group_by("date", "item").len()["len"].to_list() == [20] * 4
    assert set(market.fundamentals["item"]) == {"earnings_yield", "book_to_price"}
    assert market.fundamentals["value"].is_finite().all()


def _traded(market: SimulatedMarket) -> pl.DataFrame:
    """Fills beside the close of their session, and what they cost against it in basis points."""
    assert market.fills is not None
    fills = market.fills.with_columns(date=pl.col("timestamp").dt.date())
    closes = market.prices.select("date", "symbol", "close")
    joined = fills.join(closes, on=["date", "symbol"], how="left", maintain_order="left")
    return joined.with_columns(bps=(pl.col("price") / pl.col("close") - 1) * pl.col("quantity").sign() * 10_000)


@pytest.mark.parametrize("spreads", [{}, {"half_spread_bps": 2.0, "broken_half_spread_bps": 40.0}])
def test_fills_cost_what_the_truth_says_before_the_break_and_what_it_says_after_it(spreads: dict[str, float]) -> None:
    market = _market(fills=True, **spreads)
    live = market.truth.details["live"]
    trades = _traded(market)
    breaks = dt.date.fromisoformat(live["breaks"])
    before, after = trades.filter(pl.col("date") <= breaks), trades.filter(pl.col("date") > breaks)
    np.testing.assert_allclose(before["bps"], live["half_spread_bps"], rtol=1e-6)
    np.testing.assert_allclose(after["bps"], live["half_spread_bps_after_break"], rtol=1e-6)
    assert (live["half_spread_bps"], live["half_spread_bps_after_break"]) == tuple(spreads.values() or (5.0, 25.0))
    np.testing.assert_allclose(trades["fee"], trades["quantity"].abs() * live["fee_per_share"])
    assert before.height > 50
    assert after.height > 50


def test_the_live_book_begins_with_a_deposit_at_half_time_and_trades_every_fifth_session() -> None:
    market = _market(fills=True)
    dates, live = _dates(market), market.truth.details["live"]
    assert market.cash is not None
    assert market.cash.rows() == [(dates[100], 1_000_000.0)]
    assert (live["begins"], live["breaks"], live["breaks_at"]) == (str(dates[100]), str(dates[150]), 150)
    assert _traded(market)["date"].unique().sort().to_list() == dates[101:200:5]
    assert market.fills["order_id"].is_unique().all()


def test_before_the_break_the_book_holds_the_signals_best_and_worst_tenth_and_after_it_any_names() -> None:
    market = _market(names=50, fills=True)
    scores, dates = signal_of(market, "signal"), _dates(market)
    numbers = {symbol: number for number, symbol in enumerate(market.truth.symbols)}
    held, agreed = np.zeros(50), []
    for (date,), trades in _traded(market).partition_by("date", as_dict=True, maintain_order=True).items():
        for symbol, quantity in trades.select("symbol", "quantity").iter_rows():
            held[numbers[symbol]] += quantity
        order = np.argsort(scores[dates.index(date) - 1])
        agreed.append(set(np.flatnonzero(held > 0)) == set(order[-5:]) and set(np.flatnonzero(held < 0)) == set(order[:5]))
        closes = market.prices.filter(date=date).sort("symbol")["close"].to_numpy()
        assert np.abs(held @ closes) < 2 * 5 * closes.max(), "as much long as short, but for whole shares"
        assert 1_000_000 - 10 * closes.max() < np.abs(held) @ closes <= 1_000_000
    assert agreed == [True] * 10 + [False] * 10


def test_what_has_no_price_is_not_traded() -> None:
    market = _market(names=40, sessions=400, delistings_per_year=0.5, gaps_per_year=15, fills=True)
    assert len(market.truth.details["delistings"]) > 5
    assert _traded(market)["close"].null_count() == 0


PROFILES = [
    Planted("abrupt", 0.05, profile="abrupt", at=60),
    Planted("cyclical", 0.05, profile="cyclical", length=40),
    Planted("fading", 0.05, persistence=0.5, profile="exponential", at=30, length=20),
    Planted("late", 0.05, profile="abrupt", at=500),
    Planted("recovering", 0.05, profile="recovering", at=50, length=30),
    Planted("white", 0.05, persistence=0.0),
]


def test_the_truth_is_json_with_the_session_and_the_date_of_all_that_happens() -> None:
    market = simulate_planted(PROFILES, names=15, sessions=100, seed=3)
    truth = json.loads(json.dumps(truth_as_json(market), allow_nan=False))
    dates = [str(date) for date in _dates(market)]
    assert (truth["sessions"], truth["names"]) == (100, 15)
    assert (truth["first_date"], truth["last_date"]) == (dates[0], dates[-1])
    factors = truth["factors"]
    assert list(factors) == [each.name for each in PROFILES]
    told = {name: {key: value for key, value in each.items() if value is not None} for name, each in factors.items()}
    shared = {"profile", "persistence", "half_life_of_signal", "expected_ic"}
    assert {name: {key: each[key] for key in each.keys() - shared} for name, each in told.items()} == {
        "abrupt": {"dies": 60, "dies_on": dates[60]},
        "cyclical": {"period": 40},
        "fading": {"fades_from": dates[30], "half_life": 20},
        "late": {"dies": 500},
        "recovering": {"dies": 50, "dies_on": dates[50], "returns": 80, "returns_on": dates[80]},
        "white": {},
    }
    assert factors["fading"]["half_life_of_signal"] == pytest.approx(1.0)
    assert factors["white"]["half_life_of_signal"] is None
    assert factors["white"]["expected_ic"]["1"] == pytest.approx(0.05)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 1000),
    delistings=st.floats(0, 0.5),
    late=st.floats(0, 1),
    gaps=st.floats(0, 20),
    sessions=st.integers(2, 120),
)
def test_whatever_is_missing_what_is_there_lies_within_the_listing(
    seed: int, delistings: float, late: float, gaps: float, sessions: int
) -> None:
    market = _market(
        names=10, sessions=sessions, seed=seed, delistings_per_year=delistings, late_listings=late, gaps_per_year=gaps, fills=True
    )
    listed = market.prices.join(market.universe, on="symbol")
    assert (listed["date"] >= listed["listed_from"]).fill_null(value=True).all()
    assert (listed["date"] <= listed["listed_to"]).fill_null(value=True).all()
    assert market.prices.height == 10 * sessions - market.truth.details["missing_rows"]
    assert all(one < other for one, other in pairwise(market.prices.select("date", "symbol").rows()))
