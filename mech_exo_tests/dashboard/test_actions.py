"""What an operator does: an event of the ledger with a reason and a name, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from mech_exo_assets.dashboard.server import build_server
from mech_exo_assets.quant.lifecycle.reigns import champion
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.ledger import Entry, Ledger
from mech_exo_tests.dashboard.asking import HERE, signed_in, token, with_users

HOST = {"Host": "127.0.0.1"}
REASON = "asked for by the risk committee"


@pytest.fixture
def guarded(home: Path, tmp_path: Path) -> Flask:
    """The application on a home that is written to."""
    return build_server(Settings(home=home, auth=with_users(tmp_path / "users.yaml", ann="viewer", bob="operator")))


@pytest.fixture
def ledger(home: Path) -> Ledger:
    settings = Settings(home=home)
    return Ledger(settings.ledger_url, settings.ledger_head_path)


@pytest.fixture
def operator(guarded: Flask) -> FlaskClient:
    return signed_in(guarded.test_client(), "bob")


def act(client: FlaskClient, name: str, fields: Mapping[str, str]) -> TestResponse:
    """Send a form of the page of actions."""
    return client.post(f"/actions/{name}", data={"csrf_token": token(client, "/actions"), **fields}, headers=HERE)


def test_a_retraining_is_asked_for_in_the_operators_name(operator: FlaskClient, ledger: Ledger):
    answer = act(operator, "retrain", {"reason": REASON})
    event = ledger.last()
    assert answer.status_code == 302
    assert (event.kind, event.actor, event.payload["reason"]) == ("retrain_requested", "bob (dashboard)", REASON)
    assert REASON in operator.get(answer.headers["Location"], headers=HOST).text


def test_promotion_and_rollback_change_the_champion_and_ask_to_be_deployed(operator: FlaskClient, ledger: Ledger):
    now = champion(ledger.events())
    other = next(event.version for event in ledger.events() if "content" in event.payload and event.version != now.version)
    act(operator, "promote", {"reason": REASON, "subject": str(other)})
    event = ledger.last()
    assert (event.kind, event.version, event.payload["deploy"]) == ("manual_override", other, True)
    act(operator, "rollback", {"reason": REASON})
    event = ledger.last()
    assert (event.kind, event.version, event.actor) == ("rolled_back", now.version, "bob (dashboard)")
    assert champion(ledger.events()).version == now.version
    assert ledger.verify().ok


def test_an_alert_is_acknowledged_once_and_waits_no_more(operator: FlaskClient, ledger: Ledger, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mech_exo_assets.dashboard.watch.FRESH_SECONDS", 0.0)
    alert = ledger.append(Entry("drift_detected", "test", {"summary": "Live has drifted.", "as_of": "2020-01-02"}, version="x"))
    assert "Live has drifted." in operator.get("/actions", headers=HOST).text
    act(operator, "acknowledge", {"reason": "a known outage of the broker", "subject": str(alert.id)})
    event = ledger.last()
    assert (event.kind, event.payload["event"], event.actor) == ("acknowledged", alert.id, "bob (dashboard)")
    again = act(operator, "acknowledge", {"reason": "a known outage of the broker", "subject": str(alert.id)})
    assert again.status_code == 400
    assert "is no open alert" in again.text
    assert ledger.last().id == event.id


@pytest.mark.parametrize(
    ("name", "fields", "told"),
    [
        ("retrain", {"reason": ""}, "give a reason of 5 to 500 characters"),
        ("retrain", {"reason": "x" * 501}, "give a reason of 5 to 500 characters"),
        ("retrain", {"reason": "    a    "}, "give a reason"),
        ("promote", {"reason": REASON, "subject": "no such version"}, "the ledger knows no version"),
        ("promote", {"reason": REASON, "subject": "'; DROP TABLE events; --"}, "the ledger knows no version"),
        ("rollback", {"reason": REASON, "subject": "nobody"}, "the ledger knows no version"),
        ("acknowledge", {"reason": REASON, "subject": "1"}, "is no open alert"),
        ("acknowledge", {"reason": REASON, "subject": "<script>alert(1)</script>"}, "is no open alert"),
    ],
)
def test_what_is_refused_says_why_and_changes_nothing(operator: FlaskClient, ledger: Ledger, name: str, fields: dict[str, str], told: str):
    before = ledger.last()
    answer = act(operator, name, fields)
    assert answer.status_code == 400
    assert told in answer.text
    assert "<script>alert" not in answer.text
    assert ledger.last() == before


def test_a_viewer_is_offered_nothing_and_refused_all(guarded: Flask, ledger: Ledger):
    client, before = signed_in(guarded.test_client(), "ann"), ledger.last()
    assert "<form" not in client.get("/actions", headers=HOST).text
    for name in ("retrain", "promote", "rollback", "acknowledge"):
        answer = client.post(f"/actions/{name}", data={"reason": REASON, "subject": "x"}, headers=HERE)
        assert answer.status_code == 403
    assert ledger.last() == before


def test_who_has_not_signed_in_and_a_home_without_users_act_not_at_all(guarded: Flask, home: Path, ledger: Ledger):
    before = ledger.last()
    assert guarded.test_client().post("/actions/retrain", data={"reason": REASON}, headers=HERE).status_code == 401
    alone = build_server(Settings(home=home)).test_client()
    assert "mech-exo user add" in alone.get("/actions", headers=HOST).text
    assert alone.post("/actions/retrain", data={"reason": REASON}, headers=HERE).status_code == 403
    assert ledger.last() == before


def test_a_form_without_its_token_or_from_another_page_is_refused(operator: FlaskClient, ledger: Ledger):
    before = ledger.last()
    assert operator.post("/actions/retrain", data={"reason": REASON}, headers=HERE).status_code == 400
    fields = {"reason": REASON, "csrf_token": token(operator, "/actions")}
    assert operator.post("/actions/retrain", data=fields, headers={**HERE, "Origin": "http://evil.example"}).status_code == 403
    assert operator.get("/actions/retrain", headers=HOST).status_code in (404, 405) or ledger.last() == before
    assert ledger.last() == before
