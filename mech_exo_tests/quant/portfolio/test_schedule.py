"""The rebalance calendar: first sessions of the exchange in weeks and months."""

from __future__ import annotations

import numpy as np
import pytest

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.calendar import sessions
from mech_exo_assets.quant.portfolio.schedule import rebalanced
from mech_exo_tests.quant.portfolio.builders import score_panel, weights_of


def days(*dates: str) -> np.ndarray:
    return np.array(dates, dtype="datetime64[D]")


def test_every_session_is_a_rebalance_when_daily():
    assert rebalanced(days("2020-01-02", "2020-01-03"), rebalance="daily", calendar="XNYS").tolist() == [True, True]
    assert not rebalanced(days(), rebalance="monthly", calendar="XNYS").size


def test_weeks_begin_on_their_first_session_across_holidays_and_the_new_year():
    # Christmas 2019 was a Wednesday, so the ISO week from 30 December goes on into January; Martin Luther King's day is 20 January.
    there = sessions(np.datetime64("2019-12-23"), np.datetime64("2020-01-24"))
    first = there[rebalanced(there, rebalance="weekly", calendar="XNYS")]
    assert first.astype(str).tolist() == ["2019-12-23", "2019-12-30", "2020-01-06", "2020-01-13", "2020-01-21"]


def test_months_begin_on_their_first_session():
    there = sessions(np.datetime64("2021-01-01"), np.datetime64("2021-05-31"))
    first = there[rebalanced(there, rebalance="monthly", calendar="XNYS")]
    assert first.astype(str).tolist() == ["2021-01-04", "2021-02-01", "2021-03-01", "2021-04-01", "2021-05-03"]


@pytest.mark.parametrize("rebalance", ["weekly", "monthly"])
def test_a_panel_that_begins_within_a_period_waits_for_the_next(rebalance):
    every = sessions(np.datetime64("2020-01-01"), np.datetime64("2020-12-31"))
    whole = rebalanced(every, rebalance=rebalance, calendar="XNYS")
    for start in range(1, 60):
        np.testing.assert_array_equal(rebalanced(every[start:], rebalance=rebalance, calendar="XNYS"), whole[start:])


def test_a_period_whose_first_session_is_not_there_has_no_rebalance():
    assert rebalanced(days("2021-02-02", "2021-02-03", "2021-03-01"), rebalance="monthly", calendar="XNYS").tolist() == [False, False, True]


def test_days_of_a_calendar_without_holidays():
    there = np.arange("2021-01-30", "2021-02-10", dtype="datetime64[D]")
    assert there[rebalanced(there, rebalance="weekly", calendar="24/7")].astype(str).tolist() == ["2021-02-01", "2021-02-08"]


def test_an_unknown_calendar_is_refused():
    with pytest.raises(InputError, match="XNIS"):
        rebalanced(days("2021-02-02"), rebalance="monthly", calendar="XNIS")


def test_other_sessions_have_no_new_target():
    scores = np.random.default_rng(0).normal(size=(40, 6))
    panel = score_panel(scores)
    daily, monthly = weights_of(panel), weights_of(panel, rebalance="monthly")
    new = ~np.isnan(monthly[:, 0])
    assert panel.sessions[new].astype(str).tolist() == ["2020-01-02", "2020-02-03"]
    np.testing.assert_array_equal(monthly[new], daily[new])
