"""Fills and the sessions that they are booked in."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.calendar import sessions
from mech_exo_assets.quant.live.fills import booked

AXIS = sessions(dt.date(2016, 11, 21), dt.date(2016, 11, 29))


def raw(*rows: tuple[str, float, float], order: str = "") -> pl.DataFrame:
    """Fills of A: time, quantity and price; no fee."""
    return pl.DataFrame(
        [
            (dt.datetime.fromisoformat(time), "A", quantity, price, 0.0, f"{order}{at if order else ''}")
            for at, (time, quantity, price) in enumerate(rows)
        ],
        schema={
            "timestamp": pl.Datetime("us"),
            "symbol": pl.String,
            "quantity": pl.Float64,
            "price": pl.Float64,
            "fee": pl.Float64,
            "order_id": pl.String,
        },
        orient="row",
    )


@pytest.mark.parametrize(
    ("time", "session"),
    [
        ("2016-11-23 15:00", "2016-11-23"),
        ("2016-11-23 21:00", "2016-11-23"),  # 16:00 in New York: the close
        ("2016-11-23 21:00:00.000001", "2016-11-25"),  # the day between is Thanksgiving
        ("2016-11-25 18:00", "2016-11-25"),  # a short session, to 13:00
        ("2016-11-25 18:01", "2016-11-28"),
        ("2016-11-26 12:00", "2016-11-28"),  # a Saturday
    ],
)
def test_a_fill_is_booked_in_the_session_whose_close_is_next(time: str, session: str):
    table = booked(raw((time, 1.0, 10.0)), AXIS, calendar="XNYS", broker="source")
    assert table["date"].to_list() == [dt.date.fromisoformat(session)]
    assert table["broker"].to_list() == ["source"]


def test_a_fill_after_the_last_close_waits():
    assert booked(raw(("2016-11-29 21:01", 1.0, 10.0)), AXIS, calendar="XNYS", broker="source").is_empty()


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([("2016-11-23 15:00", 0.0, 10.0)], "row 1: its quantity is 0.0, and must be a number other than 0"),
        ([("2016-11-23 15:00", np.nan, 10.0)], "row 1: its quantity is nan"),
        ([("2016-11-23 15:00", 1.0, 0.0)], "row 1: its price is 0.0, and must be above 0"),
        ([("2016-11-23 15:00", 1.0, 10.0)] * 2, "rows 1 and 2: a fill of A at 2016-11-23 15:00:00 stands there twice"),
        ([("2016-11-23 15:00", 1.0, 10.0), ("2016-11-23 15:00", 1.0, 11.0)], "rows 1 and 2: .* contradicts another of the same order"),
        ([("2016-11-18 15:00", 1.0, 10.0)], "prices begin on 2016-11-21"),
    ],
)
def test_what_cannot_be_booked_is_refused(rows: list, complaint: str):
    with pytest.raises(InputError, match=complaint):
        booked(raw(*rows), AXIS, calendar="XNYS", broker="source")


def test_partial_fills_of_one_second_are_told_apart_by_their_order():
    table = booked(raw(("2016-11-23 15:00", 1.0, 10.0), ("2016-11-23 15:00", 1.0, 10.0), order="o"), AXIS, calendar="XNYS", broker="source")
    assert table["order_id"].to_list() == ["o0", "o1"]
