"""Each kind of finding is found where it was put, and nowhere else."""

from __future__ import annotations

import datetime as dt
import time

import numpy as np
import polars as pl
import pytest

from mech_exo_assets import schemas
from mech_exo_assets.quant import calendar, quality
from mech_exo_assets.sources.uri import open_source

SESSIONS = calendar.sessions(dt.date(2020, 1, 2), dt.date(2020, 6, 30))
SYMBOLS = ["A", "B"]
THRESHOLDS = {"jump_deviations": 10.0, "stale_sessions": 10, "gap_sessions": 1}


def _prices() -> pl.DataFrame:
    """Two names on every session, drawn with a daily deviation of 1 %, without any fault."""
    shape = (len(SESSIONS), len(SYMBOLS))
    stream = np.random.default_rng(5)
    close = 100 * np.exp(np.cumsum(stream.uniform(-0.02, 0.02, shape), axis=0)).ravel()
    return pl.DataFrame(
        {"date": np.repeat(SESSIONS, 2), "symbol": SYMBOLS * len(SESSIONS), "open": close, "high": close * 1.01}
    ).with_columns(
        pl.Series("low", close * 0.99),
        pl.Series("close", close),
        pl.Series("adjusted_close", close / 2),
        pl.Series("volume", stream.integers(1000, 9000, close.size), dtype=pl.Float64),
        dividend_amount=pl.lit(0.0),
        split_coefficient=pl.lit(1.0),
    )


def _day(number: int) -> dt.date:
    return SESSIONS[number].item()


def _at(symbol: str, first: int, last: int | None = None) -> pl.Expr:
    return (pl.col("symbol") == symbol) & pl.col("date").is_between(_day(first), _day(first if last is None else last))


def _scaled(prices: pl.DataFrame, where: pl.Expr, factor: float, *columns: str) -> pl.DataFrame:
    return prices.with_columns(pl.when(where).then(pl.col(name) * factor).otherwise(pl.col(name)).alias(name) for name in columns)


def _found(prices: pl.DataFrame, **thresholds: float) -> list[tuple[object, ...]]:
    table = quality.findings(prices, SESSIONS, **{**THRESHOLDS, **thresholds})
    assert dict(table.schema) == schemas.QUALITY.dtypes()
    assert table.select(schemas.QUALITY.unique).is_duplicated().sum() == 0
    return table.select("date", "symbol", "finding", "value").rows()


def test_clean_prices_have_no_findings() -> None:
    assert _found(_prices()) == []


def test_no_prices_have_no_findings() -> None:
    assert _found(_prices().clear()) == []


def test_prices_with_a_close_and_nothing_else_have_no_findings() -> None:
    nothing = [
        pl.lit(None, dtype=pl.Float64).alias(name) for name in ("open", "high", "low", "volume", "dividend_amount", "split_coefficient")
    ]
    assert _found(_prices().with_columns(nothing)) == []


def test_a_gap_is_listed_at_the_first_session_after_it() -> None:
    prices = _prices().filter(~_at("B", 10, 12))
    assert _found(prices) == [(_day(13), "B", "gap", 3.0)]
    assert _found(prices, gap_sessions=3) == [(_day(13), "B", "gap", 3.0)]
    assert _found(prices, gap_sessions=4) == []


def test_what_is_before_the_first_and_after_the_last_price_is_no_gap() -> None:
    assert _found(_prices().filter(~_at("B", 0, 20)).filter(~_at("B", 80, len(SESSIONS) - 1))) == []


def test_a_jump_is_measured_in_the_names_own_robust_deviations() -> None:
    prices = _scaled(_prices(), _at("A", 30, len(SESSIONS) - 1), 1.5, "open", "high", "low", "close", "adjusted_close")
    found = _found(prices)
    moves = np.diff(np.log(prices.filter(pl.col("symbol") == "A")["adjusted_close"].to_numpy()))
    apart = moves - np.median(moves)
    expected = apart[29] / (1.4826 * np.median(np.abs(apart)))
    assert found == [(_day(30), "A", "jump", pytest.approx(expected, rel=1e-12))]
    assert _found(prices, jump_deviations=expected + 0.01) == []
    fall = _scaled(_prices(), _at("A", 30, len(SESSIONS) - 1), 0.5, "open", "high", "low", "close", "adjusted_close")
    assert _found(fall)[0][3] < 0


def test_a_move_over_a_gap_is_no_one_day_move() -> None:
    prices = _scaled(_prices(), _at("A", 30, len(SESSIONS) - 1), 1.5, "open", "high", "low", "close", "adjusted_close").filter(
        ~_at("A", 29)
    )
    assert _found(prices) == [(_day(30), "A", "gap", 1.0)]


def test_a_name_that_mostly_stands_still_is_measured_by_its_mean_deviation() -> None:
    still = pl.when(pl.col("symbol") == "B").then(pl.when(_at("B", 60, 60)).then(55.0).otherwise(50.0)).otherwise(pl.col("adjusted_close"))
    jumps = [row for row in _found(_prices().with_columns(adjusted_close=still)) if row[2] == "jump"]
    assert [(row[0], row[1]) for row in jumps] == [(_day(60), "B"), (_day(61), "B")]
    never = pl.when(pl.col("symbol") == "B").then(50.0).otherwise(pl.col("adjusted_close"))
    assert _found(_prices().with_columns(adjusted_close=never)) == []


def _unchanged(first: int, last: int) -> pl.DataFrame:
    prices = _prices()
    held = prices.filter(_at("B", first)).row(0, named=True)
    where = _at("B", first, last)
    return prices.with_columns(pl.when(where).then(held[name]).otherwise(pl.col(name)).alias(name) for name in ("high", "low", "close"))


def test_a_stale_price_is_listed_at_the_last_session_of_the_run() -> None:
    prices = _unchanged(20, 29).with_columns(volume=pl.lit(None, dtype=pl.Float64))
    assert _found(prices) == [(_day(29), "B", "stale", 10.0)]
    assert _found(prices, stale_sessions=11) == []
    detail = quality.findings(prices, SESSIONS, **THRESHOLDS)["detail"][0]
    assert detail.endswith(f"on 10 sessions in a row, since {_day(20)}.")


@pytest.mark.parametrize(("volume", "listed"), [(pl.lit(0.0), True), (pl.lit(500.0), True), (pl.col("volume"), False)])
def test_a_price_that_held_while_shares_changed_hands_is_not_stale(volume: pl.Expr, listed: bool) -> None:
    found = _found(_unchanged(20, 40).with_columns(volume=pl.when(_at("B", 20, 40)).then(volume).otherwise(pl.col("volume"))))
    assert [row[2] for row in found] == ["stale"] * listed


def test_a_run_does_not_go_from_one_name_to_the_next() -> None:
    last = len(SESSIONS) - 1
    flat = (pl.col("symbol") == "A") & (pl.col("date") >= _day(last - 5)) | (pl.col("symbol") == "B") & (pl.col("date") <= _day(5))
    prices = _prices().with_columns(pl.when(flat).then(50.0).otherwise(pl.col(name)).alias(name) for name in ("high", "low", "close"))
    assert "stale" not in {row[2] for row in _found(prices.with_columns(volume=pl.lit(None, dtype=pl.Float64)))}


def _split(*adjusted: str) -> pl.DataFrame:
    prices = _prices().with_columns(split_coefficient=pl.when(_at("A", 50)).then(2.0).otherwise(1.0))
    return _scaled(prices, _at("A", 50, len(SESSIONS) - 1), 0.5, "open", "high", "low", "close", *adjusted)


def test_a_split_that_the_adjusted_price_follows_is_in_order() -> None:
    assert _found(_split()) == []


def test_a_split_that_the_adjusted_price_ignores_is_listed() -> None:
    prices = _split("adjusted_close")
    assert (_day(50), "A", "unadjusted_split", 2.0) in _found(prices)
    details = quality.findings(prices, SESSIONS, **THRESHOLDS).filter(pl.col("finding") == "unadjusted_split")["detail"]
    assert details.to_list() == ["split 2.0:1, and adjusted_close moved by it as if it were a loss or gain."]


def test_a_split_that_no_price_follows_is_listed() -> None:
    prices = _prices().with_columns(split_coefficient=pl.when(_at("A", 50)).then(2.0).otherwise(1.0))
    assert _found(prices) == [(_day(50), "A", "unadjusted_split", 2.0)]


def test_a_split_on_the_first_row_cannot_be_judged() -> None:
    assert _found(_prices().with_columns(split_coefficient=pl.when(_at("A", 0)).then(2.0).otherwise(1.0))) == []


def test_a_row_off_the_sessions_is_listed_and_seen_by_no_other_check() -> None:
    saturday = dt.date(2020, 2, 1)
    odd = _prices().filter(_at("A", 20)).with_columns(date=saturday, close=1.0, adjusted_close=1.0)
    table = quality.findings(pl.concat([_prices(), odd]).sort("date", "symbol"), SESSIONS, **THRESHOLDS)
    assert table.rows() == [(saturday, "A", "off_session", None, "2020-02-01, a Saturday, is no session: the row is left out.")]


def test_a_close_outside_of_high_and_low_is_listed_beyond_rounding() -> None:
    above = _scaled(_prices(), _at("A", 9), 0.5, "high", "low")
    assert _found(above) == [(_day(9), "A", "close_outside_range", pytest.approx(1 - 0.5 * 1.01))]
    below = _prices().with_columns(low=pl.when(_at("B", 9)).then(pl.col("close") * 1.005).otherwise(pl.col("low")))
    assert _found(below) == [(_day(9), "B", "close_outside_range", pytest.approx(0.005))]
    rounded = _prices().with_columns(high=pl.col("close") * (1 - 1e-8))
    assert _found(rounded) == []


def test_a_close_is_compared_with_the_one_bound_that_is_known() -> None:
    prices = _scaled(_prices(), _at("A", 9), 0.5, "high").with_columns(low=pl.lit(None, dtype=pl.Float64))
    assert [row[:3] for row in _found(prices)] == [(_day(9), "A", "close_outside_range")]


def test_the_order_of_names_does_not_matter() -> None:
    prices = _split("adjusted_close").filter(~_at("B", 10))
    swapped = prices.with_columns(pl.col("symbol").replace({"A": "Z"})).sort("date", "symbol")
    assert {row[2:] for row in _found(prices)} == {row[2:] for row in _found(swapped)}


def test_real_prices_have_known_findings(sp500_folder) -> None:
    prices = open_source(f"files:{sp500_folder}").load().prices
    sessions = calendar.sessions(prices["date"][0], prices["date"][-1])
    started = time.process_time()
    table = quality.findings(prices, sessions, **THRESHOLDS)
    assert time.process_time() - started < 5, "950 000 rows take a third of a second of wall time on two cores"
    assert dict(table["finding"].value_counts().rows()) == {"jump": 1297, "unadjusted_split": 3, "stale": 1}
    assert table.filter(pl.col("finding") == "stale").row(0)[:2] == (dt.date(2002, 2, 14), "TTWO")
    assert table.filter(pl.col("finding") == "unadjusted_split")["symbol"].to_list() == ["SO", "ABT", "JCI"]
