"""Sessions of an exchange."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant import calendar
from mech_exo_assets.sources.uri import open_source


def test_sessions_leave_out_weekends_and_holidays_and_hold_both_ends() -> None:
    days = calendar.sessions(dt.date(2021, 12, 23), dt.date(2022, 1, 4))
    assert days.tolist() == [dt.date(2021, 12, day) for day in (23, 27, 28, 29, 30, 31)] + [dt.date(2022, 1, day) for day in (3, 4)]
    assert days.dtype == np.dtype("datetime64[D]")


def test_days_may_be_dates_or_datetime64() -> None:
    by_date = calendar.sessions(dt.date(2020, 1, 1), dt.date(2020, 2, 1))
    assert np.array_equal(by_date, calendar.sessions(np.datetime64("2020-01-01"), np.datetime64("2020-02-01T00:00")))


@pytest.mark.parametrize(
    ("day", "is_session"),
    [
        ("1962-01-01", False),  # New Year, before the first year that pandas gives holidays for by itself
        ("1962-01-02", True),
        ("1963-11-25", False),  # funeral of President Kennedy
        ("1968-06-12", False),  # a Wednesday of the paperwork crisis
        ("1969-12-25", False),
        ("1970-01-01", False),
        ("2001-09-12", False),
        ("2012-10-29", False),  # hurricane
        ("2025-01-09", False),  # funeral of President Carter
    ],
)
def test_new_york_is_right_on_days_that_are_easily_missed(day: str, is_session: bool) -> None:
    assert len(calendar.sessions(np.datetime64(day), np.datetime64(day))) == int(is_session)


def test_the_sample_has_exactly_the_sessions_of_new_york() -> None:
    dates = open_source("sample").load().prices["date"].unique().sort()
    assert calendar.sessions(dates[0], dates[-1]).tolist() == dates.to_list()


def test_a_longer_range_holds_the_sessions_of_a_shorter_one() -> None:
    long = calendar.sessions(dt.date(1962, 1, 1), dt.date(2024, 12, 31))
    short = calendar.sessions(dt.date(1990, 3, 1), dt.date(2003, 8, 1))
    assert np.array_equal(long[(long >= short[0]) & (long <= short[-1])], short)
    assert np.all(np.diff(long) > np.timedelta64(0, "D"))


def test_a_range_without_a_session_is_empty() -> None:
    assert len(calendar.sessions(dt.date(2022, 1, 1), dt.date(2022, 1, 2))) == 0
    assert len(calendar.sessions(dt.date(2022, 1, 5), dt.date(2022, 1, 4))) == 0


def test_other_calendars_have_their_own_sessions() -> None:
    week = dt.date(2020, 5, 4), dt.date(2020, 5, 10)
    assert len(calendar.sessions(*week, calendar="24/7")) == 7
    assert len(calendar.sessions(*week, calendar="XLON")) == 4  # VE day on the Friday
    assert len(calendar.sessions(*week, calendar="XTKS")) == 2  # Golden Week


def test_a_calendar_that_begins_within_a_year_can_be_asked_from_its_first_day() -> None:
    days = calendar.sessions(dt.date(1990, 12, 19), dt.date(1991, 1, 10), calendar="XSHG")
    assert days[0] == np.datetime64("1990-12-19")


def test_sessions_are_shared_and_cannot_be_written() -> None:
    days = calendar.sessions(dt.date(2020, 1, 1), dt.date(2020, 2, 1))
    assert calendar.sessions(dt.date(2020, 1, 1), dt.date(2020, 2, 1)) is days
    with pytest.raises(ValueError, match="read-only"):
        days[0] = np.datetime64("2000-01-01")


@pytest.mark.parametrize(
    ("code", "part"),
    [
        ("XNYZ", "'XNYZ' is not known; did you mean XN"),
        ("xnys", "did you mean XNYS"),
        ("??????", "the codes are those of exchange_calendars"),
    ],
)
def test_an_unknown_calendar_is_refused_with_a_near_one(code: str, part: str) -> None:
    with pytest.raises(InputError) as caught:
        calendar.sessions(dt.date(2020, 1, 1), dt.date(2020, 2, 1), calendar=code)
    assert part in str(caught.value)


def test_a_range_that_a_calendar_does_not_reach_is_refused() -> None:
    with pytest.raises(InputError, match="XTKS cannot be given for 1962-01-01 to 1990-12-01"):
        calendar.sessions(dt.date(1962, 1, 1), dt.date(1990, 12, 1), calendar="XTKS")


def test_the_development_prices_lie_on_sessions(sp500_folder) -> None:
    dates = pl.read_parquet(sp500_folder / "prices.parquet", columns=["date"])["date"].unique().sort()
    assert calendar.sessions(dates[0], dates[-1]).tolist() == dates.to_list()
