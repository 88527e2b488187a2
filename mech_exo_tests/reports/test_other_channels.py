"""Channels beside Slack: a real server takes the message, and no address is seen."""

from __future__ import annotations

import json
import logging
import time

import pytest
from pydantic import SecretStr

from mech_exo_assets.reports.alerts import Alert, Alerts, Delivery
from mech_exo_assets.reports.other_channels import named
from mech_exo_tests.reports.slack import SECRET, Slack

LOSS = Alert(title="Strategy v1 rolled back", text="-4.29 % in 2 sessions; the limit is -0.41 %.", level="warning", facts={"run": "r1"})


pytestmark = pytest.mark.usefixtures("no_proxy")


def address(slack: Slack) -> str:
    return slack.address.replace("http://", "json://")


def test_a_message_arrives_with_title_text_facts_and_kind(slack: Slack):
    delivery = Alerts(None, urls=SecretStr(address(slack))).send(LOSS)
    assert delivery == Delivery(log=True, slack="not set up", others={"json 1": "sent"})
    assert str(delivery) == "log; Slack: not set up; json 1: sent"
    (message,) = slack.messages
    assert (message["title"], message["type"]) == (LOSS.title, "warning")
    assert message["message"] == f"{LOSS.text}\n\nrun: r1"


def test_each_channel_that_failed_is_told_and_only_it_is_tried_again(slack: Slack, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    alerts = Alerts(SecretStr(slack.address), urls=SecretStr(f"{address(slack)} json://127.0.0.1:9/{SECRET} nothing{SECRET}"))
    first = alerts.send(LOSS)
    assert first.failed
    assert first.done == ["Slack", "json 1"]
    assert first.why == (
        "json 2 failed: no answer, or a refusal; address 3 failed: it is no address that apprise knows; see MECH_EXO_ALERT_URLS"
    )
    assert len(slack.messages) == 2
    again = alerts.send(LOSS, log=False, without=first.done)
    assert len(slack.messages) == 2, "nobody is told twice"
    assert again.done == first.done
    assert SECRET not in caplog.text
    assert [each.levelname for each in caplog.records if each.name == "mech_exo.alerts"] == ["WARNING", *["ERROR"] * 4]
    assert SECRET not in f"{alerts!r} {first!r}"


def test_a_server_that_does_not_answer_is_given_up(slack: Slack):
    slack.delay = 8.0
    begun = time.perf_counter()
    assert Alerts(None, urls=SecretStr(f"{address(slack)}?rto=1&cto=1")).send(LOSS).failed
    assert time.perf_counter() - begun < 7


def test_names_show_no_address():
    assert list(named(f"mailto://me:{SECRET}@host json://x  {SECRET}")) == ["mailto 1", "json 2", "address 3"]
    assert SECRET not in json.dumps(list(named(f"{SECRET}://x")))
