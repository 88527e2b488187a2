"""Prices on sessions, and the index that drives returns."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.quant import prices

SATURDAY = dt.date(2020, 1, 4)
DAYS = [dt.date(2020, 1, day) for day in (2, 3, 6)]
SESSIONS = np.array(DAYS, dtype="datetime64[D]")


def test_rows_off_the_sessions_are_left_out_and_the_rest_is_untouched() -> None:
    frame = pl.DataFrame({"date": [DAYS[0], DAYS[1], SATURDAY, DAYS[2], dt.date(2020, 1, 7)], "close": [1.0, 2.0, 3.0, 4.0, 5.0]})
    assert prices.on_sessions(frame, SESSIONS)["close"].to_list() == [1.0, 2.0, 4.0]
    clean = frame.filter(pl.col("close").is_in([1.0, 4.0]))
    assert prices.on_sessions(clean, SESSIONS) is clean
    assert prices.on_sessions(frame, SESSIONS[:0]).is_empty()
    assert prices.on_sessions(frame.clear(), SESSIONS).is_empty()


def test_the_index_starts_at_one_for_each_symbol_and_moves_like_the_adjusted_close() -> None:
    frame = pl.DataFrame(
        {
            "date": [DAYS[0], DAYS[0], DAYS[1], DAYS[1], DAYS[1], DAYS[2]],
            "symbol": ["A", "B", "A", "B", "C", "A"],
            "adjusted_close": [10.0, 4.0, 11.0, 3.0, 7.0, 22.0],
        }
    )
    indexed = prices.total_return_index(frame)
    assert indexed.columns[-1] == "total_return_index"
    assert indexed["total_return_index"].to_list() == pytest.approx([1.0, 1.0, 1.1, 0.75, 1.0, 2.2])


def test_a_later_dividend_that_rescales_the_history_does_not_move_the_index() -> None:
    frame = pl.DataFrame({"date": DAYS, "symbol": ["A"] * 3, "adjusted_close": [10.0, 11.0, 12.0]})
    rescaled = frame.with_columns(pl.col("adjusted_close") * 0.97)
    assert prices.total_return_index(rescaled)["total_return_index"].to_list() == pytest.approx(
        prices.total_return_index(frame)["total_return_index"].to_list(), rel=1e-15
    )
