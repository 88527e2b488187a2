from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.quant.models.folds import inner_folds, planned_trainings, validation_of
from mech_exo_assets.quant.walk_forward import NoWindowError
from mech_exo_tests.quant.models.panels import business_days, strategy

DAYS = business_days(2000)


@given(st.integers(60, 1500), st.integers(2, 6), st.integers(0, 43))
def test_every_inner_training_ends_more_than_the_gap_before_what_it_is_judged_on(length, folds, gap):
    train = DAYS[:length]
    found = inner_folds(train, folds=folds, gap=gap)
    for span in found:
        between = np.searchsorted(train, span.judged_from) - np.searchsorted(train, span.fit_to) - 1
        assert between == gap
        assert span.fit_from == train[0]
    judged = [day for span in found for day in train[(train >= span.judged_from) & (train <= span.judged_to)]]
    assert judged == sorted(set(judged))
    if found:
        assert found[-1].judged_to == train[-1]


def test_the_validation_is_the_last_share_of_the_training_with_the_gap_before_it():
    span = validation_of(DAYS[:400], share=0.25, gap=43)
    assert (span.fit_to, span.judged_from, span.judged_to) == (DAYS[256], DAYS[300], DAYS[399])


def test_a_validation_that_leaves_nothing_is_refused():
    with pytest.raises(ValueError, match="nothing is left"):
        validation_of(DAYS[:100], share=0.6, gap=43)


@pytest.mark.parametrize("window", ["expanding", "rolling"])
def test_trainings_leave_out_purge_and_embargo_and_their_tests_cover_all_later_sessions_once(window):
    chosen = strategy(train_months=24, refit_months=6, window=window)
    trainings = planned_trainings(DAYS, chosen)
    tested = np.concatenate([DAYS[each.test] for each in trainings])
    np.testing.assert_array_equal(tested, DAYS[trainings[0].test.start :])
    for each in trainings:
        assert each.test.start - each.train.stop == chosen.learning_gap == 1 + 21 + 21
        assert (each.train.start == 0) == (window == "expanding" or each.number == 1)


def test_the_last_training_may_have_predicted_for_a_day_only():
    chosen = strategy(train_months=24, refit_months=12)
    first = planned_trainings(DAYS, chosen)[1].test.start
    assert len(planned_trainings(DAYS[: first + 1], chosen)) == 2
    assert len(planned_trainings(DAYS[:first], chosen)) == 1


@pytest.mark.parametrize("window", ["expanding", "rolling"])
def test_a_training_that_was_asked_for_takes_over_the_rest_of_the_test_that_it_falls_into(window):
    chosen = strategy(train_months=24, refit_months=6, window=window)
    plain = planned_trainings(DAYS, chosen)
    cut = plain[2].test.start + 40
    found = planned_trainings(DAYS, chosen, asked=[DAYS[cut - 1].item()])
    assert [each.number for each in found] == list(range(1, len(plain) + 2))
    tested = np.concatenate([DAYS[each.test] for each in found])
    np.testing.assert_array_equal(tested, DAYS[plain[0].test.start :])
    assert (found[2].test_to, found[3].test_from) == (DAYS[cut - 1], DAYS[cut])
    for each in found:
        assert each.test.start - each.train.stop == chosen.learning_gap
        assert (each.test_from, each.test_to) == (DAYS[each.test.start], DAYS[each.test.stop - 1])
        assert (each.train_from, each.train_to) == (DAYS[each.train.start], DAYS[each.train.stop - 1])
    assert [(each.train, each.test) for each in found[4:]] == [(each.train, each.test) for each in plain[3:]]


def test_a_training_on_all_data_up_to_now_predicts_from_the_next_session_on():
    chosen = strategy(train_months=24, refit_months=6)
    until = DAYS[:1000]
    found = planned_trainings(until, chosen, asked=[until[-1].item()])[-1]
    assert found.train.stop == 1000 - chosen.learning_gap
    assert found.test == slice(1000, 1000)
    assert found.test_from == found.test_to > until[-1]
    day_more = planned_trainings(DAYS[:1001], chosen, asked=[until[-1].item()])[-1]
    assert (day_more.train, day_more.test, day_more.test_from) == (found.train, slice(1000, 1001), DAYS[1000])


def test_days_on_which_a_training_is_planned_or_none_can_be_add_none():
    chosen = strategy(train_months=24, refit_months=6)
    plain = planned_trainings(DAYS, chosen)
    asked = [DAYS[plain[0].test.start - 1].item(), DAYS[plain[1].test.stop - 1].item(), dt.date(1999, 1, 4), dt.date(2099, 1, 5)]
    assert planned_trainings(DAYS, chosen, asked=asked) == plain


def test_too_short_a_history_names_the_key_to_change():
    with pytest.raises(NoWindowError, match=r"learning\.train_months"):
        planned_trainings(DAYS[:300], strategy(train_months=24))
