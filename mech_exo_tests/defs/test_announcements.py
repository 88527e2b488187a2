"""Who is told what: each event once, in order, also when Slack is down for a while; and nothing waits for it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from mech_exo_assets.defs.announcements import announcement_sensor
from mech_exo_assets.reports.alerts import Alerts
from mech_exo_assets.reports.lifecycle_alerts import event_alert, is_told
from mech_exo_assets.storage.ledger import KINDS, Entry, Ledger
from mech_exo_tests.reports.slack import Slack, listening


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slack]:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with listening() as state:
        yield state


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(f"sqlite:///{tmp_path}/ledger.db", tmp_path / "ledger.head")
    made.append(Entry("strategy_registered", "test", {"summary": "first"}, version="a"))
    return made


def add(ledger: Ledger, kind: str, **payload: object) -> None:
    ledger.append(Entry(kind, "test", {"summary": f"{kind} happened.", "as_of": "2020-03-02", **payload}, version="v1"))


def tick(ledger: Ledger, alerts: Alerts, cursor: str | None) -> dg.SensorResult:
    with dg.build_sensor_context(cursor=cursor, resources={"ledger": ledger, "alerts": alerts}) as context:
        result = announcement_sensor(context)
    assert isinstance(result, dg.SensorResult)
    return result


def due(cursor: str | None) -> str:
    """The cursor when its pause is over."""
    state = json.loads(cursor or "{}")
    return json.dumps(state | {"waits": state["waits"] | {"not_before": 0}})


def test_what_was_before_is_not_told(ledger: Ledger, slack: Slack):
    add(ledger, "promoted")
    result = tick(ledger, slack.alerts, None)
    tick(ledger, slack.alerts, result.cursor)
    assert slack.messages == []


def test_each_event_that_matters_is_told_once_in_its_order(ledger: Ledger, slack: Slack):
    cursor = tick(ledger, slack.alerts, None).cursor
    add(ledger, "drift_detected", metric="t_hac", value=-5.25, threshold=-4.1, run_id="run-1")
    add(ledger, "challenger_built")
    add(ledger, "promoted", figures={"sharpe": 1.25, "p_value": None})
    cursor = tick(ledger, slack.alerts, cursor).cursor
    tick(ledger, slack.alerts, cursor)
    first, second = map(str, slack.messages)
    assert "Live trading has drifted from its backtest" in first
    assert "-5.25 (threshold -4.1)" in first
    assert "Strategy v1 promoted" in second
    assert "1.25" in second
    assert "p_value" not in second


def test_the_run_is_linked(ledger: Ledger, slack: Slack):
    alerts = Alerts(slack.alerts.webhook, "http://127.0.0.1:3000/")
    cursor = tick(ledger, alerts, None).cursor
    add(ledger, "refused", run_id="abc")
    tick(ledger, alerts, cursor)
    assert "http://127.0.0.1:3000/runs/abc" in str(slack.messages[0])


def test_a_message_that_does_not_arrive_is_tried_again_later_and_arrives_once(ledger: Ledger, slack: Slack):
    cursor = tick(ledger, slack.alerts, None).cursor
    add(ledger, "refused")
    add(ledger, "rolled_back")
    slack.answers = [(404, "no_service")]
    failed = tick(ledger, slack.alerts, cursor)
    attempts = len(slack.messages)
    assert "could not be told: Slack failed: HTTP 404" in str(failed.skip_reason)
    waiting = tick(ledger, slack.alerts, failed.cursor)
    assert "waits" in str(waiting.skip_reason)
    assert len(slack.messages) == attempts, "not before its pause is over"
    again = tick(ledger, slack.alerts, due(failed.cursor))
    assert json.loads(again.cursor or "{}")["waits"]["attempts"] == 2
    slack.answers = [(200, "ok")]
    before = len(slack.messages)
    done = tick(ledger, slack.alerts, due(again.cursor))
    told = [str(message) for message in slack.messages[before:]]
    assert ["refused" in told[0], "Rolled back" in told[1], len(told)] == [True, True, 2]
    assert json.loads(done.cursor or "{}") == {"after": 3}


def test_pauses_grow(ledger: Ledger, slack: Slack):
    cursor = tick(ledger, slack.alerts, None).cursor
    add(ledger, "refused")
    slack.answers = [(404, "no_service")]
    pauses = []
    for _ in range(9):
        begun = time.time()
        cursor = tick(ledger, slack.alerts, cursor).cursor
        pauses.append(round(json.loads(cursor or "{}")["waits"]["not_before"] - begun))
        cursor = due(cursor)
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_after_three_days_it_is_given_up_and_the_next_one_is_told(ledger: Ledger, slack: Slack):
    cursor = tick(ledger, slack.alerts, None).cursor
    add(ledger, "refused")
    slack.answers = [(404, "no_service")]
    state = json.loads(tick(ledger, slack.alerts, cursor).cursor or "{}")
    state["waits"] |= {"first": time.time() - 3 * 24 * 3600 - 1, "not_before": 0}
    assert json.loads(tick(ledger, slack.alerts, json.dumps(state)).cursor or "{}") == {"after": 2}


def test_without_slack_all_stands_in_the_log(ledger: Ledger, caplog: pytest.LogCaptureFixture):
    alerts = Alerts(None)
    cursor = tick(ledger, alerts, None).cursor
    add(ledger, "retrain_failed")
    with caplog.at_level("INFO", logger="mech_exo.alerts"):
        cursor = tick(ledger, alerts, cursor).cursor
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "Retraining failed: retrain_failed happened." in caplog.text
    assert json.loads(cursor or "{}") == {"after": 2}


@pytest.mark.parametrize(("stage", "said"), [("shadow", "in shadow"), ("canary", "a part of the capital"), ("holdout", None)])
def test_that_a_comparison_on_live_sessions_begins_is_told(ledger: Ledger, slack: Slack, stage: str, said: str | None):
    cursor = tick(ledger, slack.alerts, None).cursor
    add(ledger, "ab_test_started", stage=stage)
    tick(ledger, slack.alerts, cursor)
    told = [str(message) for message in slack.messages]
    assert len(told) == (said is not None)
    assert all(str(said) in each and "mech-exo refuse" in each for each in told)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if is_told(kind, {})])
def test_each_kind_that_is_told_has_its_words(kind: str):
    alert = event_alert(7, kind, "v1", {"summary": "Something happened."}, link=None)
    assert kind in KINDS
    assert alert.text.startswith("Something happened.")
    assert alert.facts == {"ledger event": "7"}
    assert "{" not in alert.title
