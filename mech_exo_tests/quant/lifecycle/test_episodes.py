"""What calls for a retraining, and what became of it: once for each episode, whatever is lost in between."""

from __future__ import annotations

import datetime as dt

import numpy as np

from mech_exo_assets.quant.lifecycle import episodes
from mech_exo_tests.quant.lifecycle.facts import crowned, history

BOTH = ("drift", "decay")
FIRST = crowned("strategy_registered", "a", "2020-01-02")
SESSIONS = np.arange("2020-01-01", "2020-03-01", dtype="datetime64[D]")


def test_a_detection_stands_until_it_is_over():
    events = history(FIRST, ("drift_detected", "a", {}))
    assert episodes.standing(events, "drift_detected").id == 2
    over = history(FIRST, ("drift_detected", "a", {}), ("recovered", "a", {"of": "drift_detected"}))
    assert episodes.standing(over, "drift_detected") is None
    again = history(FIRST, ("drift_detected", "a", {}), ("recovered", "a", {"of": "drift_detected"}), ("drift_detected", "a", {}))
    assert episodes.standing(again, "drift_detected").id == 4


def test_a_detection_of_a_strategy_that_was_replaced_does_not_stand():
    events = history(FIRST, ("drift_detected", "a", {}), crowned("promoted", "b", "2020-02-03"))
    assert episodes.standing(events, "drift_detected") is None
    assert episodes.unanswered(events, BOTH) == []


def test_factors_decay_and_recover_one_by_one():
    events = history(
        FIRST,
        ("decay_detected", "a", {"subject": "x"}),
        ("decay_detected", "a", {"subject": "y"}),
        ("recovered", "a", {"of": "decay_detected", "subject": "x"}),
    )
    assert episodes.standing(events, "decay_detected", "x") is None
    assert episodes.standing(events, "decay_detected", "y").id == 3
    assert episodes.standing(events, "drift_detected") is None


def test_what_no_request_has_named_is_unanswered():
    events = history(FIRST, ("drift_detected", "a", {}), ("decay_detected", "a", {"subject": "x"}))
    assert [each.id for each in episodes.unanswered(events, BOTH)] == [2, 3]
    assert [each.id for each in episodes.unanswered(events, ("decay",))] == [3]
    asked = history(
        FIRST, ("drift_detected", "a", {}), ("decay_detected", "a", {"subject": "x"}), ("retrain_requested", "a", {"detections": [2]})
    )
    assert [each.id for each in episodes.unanswered(asked, BOTH)] == [3]


def test_what_a_request_has_named_is_answered_also_when_the_challenger_was_refused():
    events = history(
        FIRST,
        ("drift_detected", "a", {}),
        ("retrain_requested", "a", {"detections": [2]}),
        ("refused", "b", {"request": 3, "as_of": "2020-01-10"}),
    )
    assert episodes.unanswered(events, BOTH) == []
    assert episodes.standing(events, "drift_detected").id == 2, "the level is still there, and fires no second time"


def test_a_request_is_open_until_it_is_decided():
    asked = [FIRST, ("retrain_requested", "a", {"detections": []})]
    assert episodes.open_request(history(*asked)).id == 2
    for kind in ("promoted", "refused", "retrain_failed"):
        assert episodes.open_request(history(*asked, (kind, "b", {"request": 2}))) is None
    assert episodes.open_request(history(*asked, ("refused", "b", {"request": 99}))).id == 2


def open_ids(*events: tuple) -> list[int]:
    return [event.id for event in episodes.open_alerts(history(FIRST, *events))]


def test_an_alert_is_open_until_it_is_over_or_a_person_has_seen_it():
    drift, decay = ("drift_detected", "a", {}), ("decay_detected", "a", {"subject": "x"})
    assert open_ids() == []
    assert open_ids(drift, decay) == [2, 3]
    assert open_ids(drift, ("recovered", "a", {"of": "drift_detected"})) == []
    assert open_ids(drift, decay, ("acknowledged", "a", {"event": 2})) == [3]
    assert open_ids(drift, crowned("promoted", "b", "2020-02-03")) == []


def test_a_failed_retraining_waits_until_the_next_and_a_rollback_by_itself_until_it_is_seen():
    failed = ("retrain_failed", "a", {"request": 2})
    asked = ("retrain_requested", "a", {"as_of": "2020-01-10"})
    assert open_ids(asked, failed) == [3]
    assert open_ids(asked, failed, asked) == []
    back = ("rolled_back", "a", {"promotion": 2, "since": "2020-02-05"})
    by_hand = ("rolled_back", "a", {"since": "2020-02-05"})
    assert open_ids(crowned("promoted", "b", "2020-02-03"), back) == [3]
    assert open_ids(crowned("promoted", "b", "2020-02-03"), back, ("acknowledged", "a", {"event": 3})) == []
    assert open_ids(crowned("promoted", "b", "2020-02-03"), by_hand) == []


def test_models_are_fitted_anew_on_the_days_of_the_requests_of_this_account():
    asked = [("retrain_requested", "a", {"as_of": day}) for day in ("2020-02-05", "2020-01-10", "2020-01-10")]
    assert episodes.asked_after(history(FIRST, *asked)) == [dt.date(2020, 1, 10), dt.date(2020, 2, 5)]
    other = history(FIRST, *asked, ("strategy_registered", "c", {"as_of": "2020-02-06"}))
    assert len(episodes.asked_after(other)) == 2
    assert episodes.asked_after(history(FIRST, *asked, crowned("strategy_registered", "b", "2020-03-02"))) == []


def test_the_champion_is_impaired_while_something_stands():
    assert not episodes.impaired(history(FIRST))
    assert episodes.impaired(history(FIRST, ("decay_detected", "a", {"subject": "x"})))
    assert not episodes.impaired(history(FIRST, ("decay_detected", "a", {"subject": "x"}), crowned("promoted", "b", "2020-02-03")))


def test_the_cool_down_is_counted_in_sessions():
    events = history(FIRST, ("retrain_requested", "a", {}), ("refused", "b", {"request": 2, "as_of": "2020-01-10"}))
    assert episodes.cooling_until(events, SESSIONS[:20], 5) is None
    assert episodes.cooling_until(events, SESSIONS[:12], 5) == dt.date(2020, 1, 12)
    assert episodes.cooling_until(events, SESSIONS[:15], 5) is None
    assert episodes.cooling_until(events, SESSIONS[:11], 0) is None
    assert episodes.cooling_until(history(FIRST), SESSIONS, 5) is None


def test_a_promotion_is_on_probation_until_that_is_over_or_something_comes_after_it():
    promoted = crowned("promoted", "b", "2020-02-03")
    assert episodes.promotion_under_probation(history(FIRST)) is None
    assert episodes.promotion_under_probation(history(FIRST, promoted)).id == 2
    assert episodes.promotion_under_probation(history(FIRST, promoted, ("probation_passed", "b", {"promotion": 2}))) is None
    assert episodes.promotion_under_probation(history(FIRST, promoted, crowned("rolled_back", "a", "2020-02-05"))) is None
    assert episodes.promotion_under_probation(history(FIRST, promoted, crowned("promoted", "c", "2020-02-10"))).id == 3
