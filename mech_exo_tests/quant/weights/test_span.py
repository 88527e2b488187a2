"""Which sessions a search may see."""

from __future__ import annotations

import datetime as dt

import hypothesis
import numpy as np
import polars as pl
import pytest
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.calendar import sessions
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.walk_forward import gap_sessions
from mech_exo_assets.quant.weights.span import known_ic, span_of, until
from mech_exo_tests.quant.weights.builders import NAN, history, strategy

DAYS = sessions(np.datetime64("2014-01-02"), np.datetime64("2019-12-31"), calendar="XNYS")


@hypothesis.given(last=st.integers(800, len(DAYS) - 1), months=st.integers(1, 24), lag=st.integers(0, 3), embargo=st.integers(0, 30))
def test_the_hold_out_is_the_last_calendar_months_and_the_gap_is_kept(last: int, months: int, lag: int, embargo: int):
    chosen = strategy(search={"holdout_months": months}, execution_lag=lag, walk_forward={"embargo": embargo, "train_months": 6})
    days = DAYS[: last + 1]
    found = span_of(days, chosen)
    assert (found.searched.start, found.held_out.stop) == (0, len(days))
    assert found.held_out.start - found.searched.stop == gap_sessions(chosen) == lag + 5 + embargo
    first, before = days[found.held_out.start], days[found.held_out.start - 1]
    # It begins with the first session of a month, and holds so many different months.
    assert first.astype("datetime64[M]") != before.astype("datetime64[M]")
    assert len(np.unique(days[found.held_out].astype("datetime64[M]"))) == months
    assert (found.searched_from, found.searched_to) == (days[0].item(), days[found.searched][-1].item())
    assert (found.holdout_from, found.holdout_to) == (first.item(), days[-1].item())


def test_it_stays_the_same_through_a_month_and_moves_with_the_next():
    of_may = [at for at in range(len(DAYS)) if DAYS[at].astype("datetime64[M]") == np.datetime64("2018-05")]
    spans = [span_of(DAYS[: at + 1], strategy()) for at in of_may]
    assert {(span.searched_to, span.holdout_from) for span in spans} == {(spans[0].searched_to, dt.date(2017, 12, 1))}
    assert [span.holdout_to for span in spans] == DAYS[of_may].tolist()
    assert span_of(DAYS[: of_may[-1] + 2], strategy()).holdout_from == dt.date(2018, 1, 2)


def test_without_sessions_there_is_no_search():
    with pytest.raises(InputError, match=r"^the weight search has no sessions\. Run `mech-exo run` first\."):
        span_of(DAYS[:0], strategy())


@pytest.mark.parametrize("count", [1, 20, 110])
def test_a_history_that_is_shorter_than_hold_out_and_gap_is_refused(count: int):
    with pytest.raises(InputError) as refusal:
        span_of(DAYS[:count], strategy())
    assert str(refusal.value) == (
        f"the weight search has nothing to search: of the sessions from 2014-01-02 to {DAYS[count - 1]}, the last 6 months "
        "(search.holdout_months) are held out and 8 sessions before them are left out. Lower search.holdout_months, or give a longer "
        "history."
    )


def test_the_shortest_history_has_one_session_to_search():
    # The hold-out of 8 July is that since February, and 9 January sessions more than the gap leave just one.
    days = DAYS[np.searchsorted(DAYS, np.datetime64("2014-01-21")) :]
    last = int(np.searchsorted(days, np.datetime64("2014-07-08")))
    assert span_of(days[: last + 1], strategy()).searched == slice(0, 1)
    with pytest.raises(InputError, match="nothing to search"):
        span_of(days[1 : last + 1], strategy())


def test_until_takes_the_first_sessions_of_all_fields():
    past = history(length=60)
    found = until(past.market, 20)
    assert isinstance(found, Panel)
    assert found.shape == (20, 12)
    for name, matrix in past.market.fields.items():
        np.testing.assert_array_equal(found[name], matrix[:20])


def test_until_has_no_field_that_was_not_observed_yet():
    past = history(length=60)
    late = np.where(np.arange(60)[:, None] < 30, NAN, past.scores["f000"])
    panel = past.with_scores(f000=late).scores
    assert list(until(panel, 30).fields) == ["f001", "f002"]
    assert list(until(panel, 31).fields) == ["f000", "f001", "f002"]


@pytest.mark.parametrize(("horizon", "lag"), [(1, 0), (5, 1), (21, 2)])
def test_a_coefficient_is_known_once_its_return_has_ended(horizon: int, lag: int):
    table = pl.DataFrame({"date": DAYS[:100], "horizon": [horizon] * 100, "ic": np.arange(100.0)})
    table = pl.concat([table, table.with_columns(horizon=pl.lit(63, dtype=pl.Int64))])
    found = known_ic(table, DAYS[:80], horizon=horizon, execution_lag=lag)
    # Session t earns from the close of t + lag to that of t + lag + horizon, and 79 is the last.
    assert found["ic"].to_list() == np.arange(80.0 - horizon - lag).tolist()


def test_too_few_sessions_know_no_coefficient():
    table = pl.DataFrame({"date": DAYS[:100], "horizon": [21] * 100, "ic": np.arange(100.0)})
    assert_frame_equal(known_ic(table, DAYS[:22], horizon=21, execution_lag=1), table.clear())
    assert known_ic(table, DAYS[:23], horizon=21, execution_lag=1).height == 1
