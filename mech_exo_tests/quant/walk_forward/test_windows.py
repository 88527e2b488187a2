"""Windows in calendar months: by hand, and what holds for any of them."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant import calendar
from mech_exo_assets.quant.walk_forward import NoWindowError, gap_sessions, windows
from mech_exo_assets.quant.walk_forward.windows import months_later
from mech_exo_assets.settings import load_strategy


def cut(first: str, last: str, *, train=36, test=12, anchored=False, gap=0, code="XNYS"):
    days = calendar.sessions(np.datetime64(first), np.datetime64(last), calendar=code)
    return windows(days, train_months=train, test_months=test, anchored=anchored, gap=gap, calendar=code)


def dates(window) -> tuple[str, str, str, str]:
    return str(window.train_from), str(window.train_to), str(window.test_from), str(window.test_to)


@pytest.mark.parametrize(
    ("first", "last", "test_from"),
    [
        pytest.param("2010-01-04", "2013-12-31", "2013-01-02", id="four calendar years"),
        pytest.param("2006-01-03", "2009-12-31", "2009-01-02", id="the year begins with a Sunday and a holiday"),
        pytest.param("2013-01-02", "2016-12-30", "2016-01-04", id="the year ends with a Saturday"),
        pytest.param("2002-01-02", "2005-12-30", "2005-01-03", id="a bridge over a weekend at the end"),
        pytest.param("2010-05-03", "2014-04-30", "2013-05-01", id="from the first session of a month, a Monday the third"),
        pytest.param("2010-03-17", "2014-03-14", "2013-03-18", id="mid-month to mid-month, up to the Friday before Monday the 17th"),
        pytest.param("2010-03-15", "2014-03-12", "2013-03-13", id="from a Monday: the weekend before it is covered"),
        pytest.param("2008-02-29", "2012-02-28", "2011-02-28", id="from a leap day to the day before the next one"),
        pytest.param("2011-09-06", "2015-09-02", "2014-09-03", id="from the day after Labor Day: the long weekend before it is covered"),
    ],
)
def test_exactly_four_years_give_one_window_and_a_session_less_gives_none(first, last, test_from):
    (window,) = cut(first, last)
    assert (str(window.train_from), str(window.test_from), str(window.test_to)) == (first, test_from, last)
    day_before = str(np.datetime64(last) - np.timedelta64(1, "D"))
    with pytest.raises(NoWindowError, match="hold 47 whole months"):
        cut(first, day_before)


def test_sessions_are_counted_to_the_month_by_hand():
    first, second, third = cut("2010-01-04", "2010-05-28", train=2, test=1, gap=3)
    # May has its last session on the 28th: the 31st was Memorial Day.
    assert dates(first) == ("2010-01-04", "2010-02-23", "2010-03-01", "2010-03-31")
    assert (first.train, first.test, first.number) == (slice(0, 38 - 3), slice(38, 61), 1)
    assert dates(second) == ("2010-02-01", "2010-03-26", "2010-04-01", "2010-04-30")
    assert (second.train, second.test, second.number) == (slice(19, 61 - 3), slice(61, 82), 2)
    assert dates(third)[2:] == ("2010-05-03", "2010-05-28")


def test_anchored_trainings_begin_at_the_first_session():
    rolling, anchored = (cut("2000-01-03", "2005-12-30", anchored=each) for each in (False, True))
    assert [window.test for window in rolling] == [window.test for window in anchored]
    assert [window.train.stop for window in rolling] == [window.train.stop for window in anchored]
    assert {window.train.start for window in anchored} == {0}
    assert [str(window.train_from) for window in rolling] == ["2000-01-03", "2001-01-02", "2002-01-02"]


def test_boundaries_are_counted_from_the_origin_and_clipped_to_the_month_each_time():
    found = cut("2011-08-31", "2012-08-30", train=6, test=3)
    assert [str(window.test_from) for window in found] == ["2012-02-29", "2012-05-31"]
    assert [str(window.test_to) for window in found] == ["2012-05-30", "2012-08-30"]


def test_an_exchange_that_never_closes_has_every_day():
    (window,) = cut("2020-01-01", "2020-03-31", train=2, test=1, gap=1, code="24/7")
    assert dates(window) == ("2020-01-01", "2020-02-28", "2020-03-01", "2020-03-31")


def test_months_are_added_within_the_calendar():
    assert months_later(dt.date(2008, 2, 29), 12) == dt.date(2009, 2, 28)
    assert months_later(dt.date(2010, 1, 31), 1) == dt.date(2010, 2, 28)
    assert months_later(dt.date(2010, 12, 1), 1) == dt.date(2011, 1, 1)
    assert months_later(dt.date(2010, 5, 17), 0) == dt.date(2010, 5, 17)


@settings(max_examples=40)
@given(
    first=st.dates(dt.date(1995, 1, 1), dt.date(2015, 1, 1)),
    days=st.integers(30, 2500),
    train=st.integers(1, 40),
    test=st.integers(1, 14),
    gap=st.integers(0, 15),
    anchored=st.booleans(),
)
def test_what_holds_for_any_windows(first, days, train, test, gap, anchored):
    sessions = calendar.sessions(first, first + dt.timedelta(days=days))
    months = {"train_months": train, "test_months": test}
    try:
        found = windows(sessions, **months, anchored=anchored, gap=gap, calendar="XNYS")
    except NoWindowError as error:
        assert f"{train} + {test} = {train + test}" in str(error)  # noqa: PT017 - one of two outcomes
        assert (sessions[-1] - sessions[0]).astype(int) < 31 * (train + test) + 31
        return
    assert [window.number for window in found] == list(range(1, len(found) + 1))
    for window in found:
        assert 0 <= window.train.start < window.train.stop <= window.test.start < window.test.stop <= len(sessions)
        assert window.test.start - window.train.stop == gap
        assert dates(window) == tuple(
            str(sessions[i]) for i in (window.train.start, window.train.stop - 1, window.test.start, window.test.stop - 1)
        )
        # Between 28 and 31 days a month, and the days without a session at either end.
        assert 28 * test - 8 <= (window.test_to - window.test_from).astype(int) + 1 <= 31 * test
    for before, after in pairwise(found):
        assert before.test.stop == after.test.start
    longer = calendar.sessions(first, first + dt.timedelta(days=days + 40))
    more = windows(longer, **months, anchored=anchored, gap=gap, calendar="XNYS")
    assert more[: len(found)] == found


def test_purge_and_embargo_keep_labels_out_of_the_test():
    strategy = load_strategy()
    assert gap_sessions(strategy) == 1 + 21 + 5
    (window,) = cut("2010-01-04", "2013-12-31", gap=gap_sessions(strategy) - 5)
    # Score at the last session of the training; traded a session later; 21 sessions on, at the close before the test.
    assert (window.train.stop - 1) + 1 + 21 == window.test.start - 1


def test_too_short_a_history_says_what_is_there_and_what_is_needed():
    with pytest.raises(
        InputError, match=r"hold 23 whole months \(2010-01-04 to 2011-12-29\).* 36 \+ 12 = 48. Lower walk_forward.train_months"
    ):
        cut("2010-01-04", "2011-12-29")
    with pytest.raises(NoWindowError, match="no sessions, and one window needs 48 months"):
        cut("2010-01-02", "2010-01-03")


def test_a_training_that_the_gap_uses_up_is_refused():
    with pytest.raises(InputError, match=r"window 1 \(2010-01-01 to 2010-02-01\) has 19 sessions, and the last 19 are left out"):
        cut("2010-01-04", "2010-12-31", train=1, test=1, gap=19)
    assert cut("2010-01-04", "2010-12-31", train=1, test=1, gap=18)[0].train == slice(0, 1)


def test_prices_without_any_session_in_a_test_are_refused():
    days = calendar.sessions(dt.date(2010, 1, 4), dt.date(2010, 12, 31))
    days = days[(days < np.datetime64("2010-03-01")) | (days >= np.datetime64("2010-04-01"))]
    with pytest.raises(InputError, match=r"no session in the test of window 1 \(2010-03-01 to 2010-04-01\)"):
        windows(days, train_months=2, test_months=1, anchored=False, gap=0, calendar="XNYS")


def test_a_long_closure_is_looked_across():
    # After 11 September 2001 New York was closed until Monday the 17th.
    (window,) = cut("2001-07-11", "2001-09-10", train=1, test=1)
    assert (str(window.test_from), str(window.test_to)) == ("2001-08-13", "2001-09-10")
    assert cut("2001-09-17", "2001-11-09", train=1, test=1)[0].test_to == np.datetime64("2001-11-09")
    (window,) = cut("2001-07-17", "2001-09-10", train=1, test=1)
    assert str(window.test_to) == "2001-09-10"


def test_beyond_the_ends_of_a_calendar_the_sessions_themselves_count(monkeypatch):
    days = calendar.sessions(dt.date(2010, 1, 13), dt.date(2010, 3, 12))
    known = calendar.sessions

    def within(first, last, **_):
        return known(max(first, dt.date(2010, 1, 13)), min(last, dt.date(2010, 3, 12)))

    monkeypatch.setattr(calendar, "sessions", within)
    (window,) = windows(days, train_months=1, test_months=1, anchored=False, gap=0, calendar="XNYS")
    assert dates(window)[2:] == ("2010-02-16", "2010-03-12")
