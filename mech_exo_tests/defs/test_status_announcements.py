"""What is told of factors: one alert for each change of a status, none for what is as it was, none twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from mech_exo_assets.defs.announcements import status_sensor
from mech_exo_assets.defs.decay import STATUSES
from mech_exo_tests.reports.slack import Slack, listening

KEY = dg.AssetKey(["decay", "status"])


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slack]:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with listening() as state:
        yield state


def materialise(instance: dg.DagsterInstance, **statuses: str) -> None:
    """Say that `decay/status` was materialised with these statuses."""
    told = {name: [status, "2020-03-02", f"{name} is {status} by 12 sessions."] for name, status in statuses.items()}
    instance.report_runless_asset_event(dg.AssetMaterialization(KEY, metadata={STATUSES: dg.MetadataValue.json(told)}))


def tick(instance: dg.DagsterInstance, slack: Slack, cursor: str | None) -> str | None:
    """One look of the sensor; the cursor that it leaves."""
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources={"alerts": slack.alerts}) as context:
        result = status_sensor(context)
    assert isinstance(result, dg.SensorResult)
    return result.cursor or cursor


def test_a_new_installation_has_no_news(slack: Slack):
    with dg.DagsterInstance.ephemeral() as instance:
        assert tick(instance, slack, None) is None
        materialise(instance, momentum="decayed", value="healthy")
        assert tick(instance, slack, None) is not None
    assert slack.messages == []


def test_a_change_is_told_once_and_what_stays_is_not(slack: Slack):
    with dg.DagsterInstance.ephemeral() as instance:
        materialise(instance, momentum="healthy", value="unproven")
        cursor = tick(instance, slack, None)
        for status in ("healthy", "decayed", "decayed"):
            materialise(instance, momentum=status, value="unproven")
            cursor = tick(instance, slack, cursor)
        cursor = tick(instance, slack, cursor)
    (message,) = slack.messages
    text = str(message)
    assert "Decayed: momentum" in text
    assert "momentum: healthy to decayed on 2020-03-02. momentum is decayed by 12 sessions." in text
    assert "value" not in text


def test_nothing_is_told_again_after_a_restart(slack: Slack, tmp_path: Path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        materialise(instance, momentum="healthy")
        cursor = tick(instance, slack, None)
        materialise(instance, momentum="watch")
        cursor = tick(instance, slack, cursor)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        cursor = tick(instance, slack, cursor)
        assert len(slack.messages) == 1
        materialise(instance, momentum="healthy")
        tick(instance, slack, cursor)
    assert len(slack.messages) == 2
    assert "momentum: watch to healthy" in str(slack.messages[1])


def test_changes_between_two_looks_are_all_told_in_their_order(slack: Slack):
    with dg.DagsterInstance.ephemeral() as instance:
        materialise(instance, momentum="healthy")
        cursor = tick(instance, slack, None)
        for status in ("watch", "decayed", "recovered"):
            materialise(instance, momentum=status)
        tick(instance, slack, cursor)
    assert all(f"to {status} on" in str(each) for status, each in zip(("watch", "decayed", "recovered"), slack.messages, strict=True))


def test_a_factor_that_comes_or_goes_is_told(slack: Slack):
    with dg.DagsterInstance.ephemeral() as instance:
        materialise(instance, momentum="healthy", value="healthy")
        cursor = tick(instance, slack, None)
        materialise(instance, momentum="healthy", mood="unproven")
        tick(instance, slack, cursor)
    (message,) = slack.messages
    assert "mood: not there to unproven" in str(message)
    assert "value: healthy, and is not there any more" in str(message)


def test_ticks_without_a_new_materialisation_tell_nothing_and_keep_the_cursor(slack: Slack):
    with dg.DagsterInstance.ephemeral() as instance:
        materialise(instance, momentum="healthy")
        cursor = tick(instance, slack, None)
        materialise(instance, momentum="decayed")
        cursor = tick(instance, slack, cursor)
        assert [tick(instance, slack, cursor) for _ in range(5)] == [cursor] * 5
    assert len(slack.messages) == 1


def test_the_same_statuses_with_new_reasons_are_no_news(slack: Slack):
    with dg.DagsterInstance.ephemeral() as instance:
        materialise(instance, momentum="decayed")
        cursor = tick(instance, slack, None)
        for day in (3, 4):
            told = {"momentum": ["decayed", "2020-03-02", f"Of {day} sessions."]}
            instance.report_runless_asset_event(dg.AssetMaterialization(KEY, metadata={STATUSES: dg.MetadataValue.json(told)}))
            cursor = tick(instance, slack, cursor)
    assert slack.messages == []


def test_what_is_more_than_one_tick_reads_waits_for_the_next_and_nothing_is_lost(slack: Slack, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mech_exo_assets.defs.announcements.AT_A_TIME", 2)
    with dg.DagsterInstance.ephemeral() as instance:
        materialise(instance, momentum="healthy")
        cursor = tick(instance, slack, None)
        for status in ("watch", "decayed", "recovered"):
            materialise(instance, momentum=status)
        cursor = tick(instance, slack, cursor)
        assert len(slack.messages) == 2
        cursor = tick(instance, slack, cursor)
        tick(instance, slack, cursor)
    assert len(slack.messages) == 3
    assert "momentum: decayed to recovered" in str(slack.messages[2])


def test_a_change_that_cannot_be_told_is_tried_again_later_and_told_once(slack: Slack):
    with dg.DagsterInstance.ephemeral() as instance:
        materialise(instance, momentum="healthy")
        cursor = tick(instance, slack, None)
        materialise(instance, momentum="decayed")
        materialise(instance, momentum="recovered")
        slack.answers = [(404, "no_service")]
        failed = tick(instance, slack, cursor)
        attempts = len(slack.messages)
        assert tick(instance, slack, failed) == failed
        assert len(slack.messages) == attempts, "not before its pause is over"
        state = json.loads(failed or "{}")
        assert "HTTP 404" in state["waits"]["why"]
        slack.answers = [(200, "ok")]
        state["waits"]["not_before"] = 0
        tick(instance, slack, json.dumps(state))
    told = [str(message) for message in slack.messages[attempts:]]
    assert ["healthy to decayed" in told[0], "decayed to recovered" in told[1], len(told)] == [True, True, 2]
