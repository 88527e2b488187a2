"""Signing in: nobody reads without it, nobody acts without the role, and sessions end."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer

from mech_exo_assets.dashboard.access import sign_in
from mech_exo_assets.dashboard.access.users import write_user
from mech_exo_assets.dashboard.server import build_server
from mech_exo_assets.settings import Settings
from mech_exo_tests.dashboard.asking import HERE, PASSWORD, signed_in, token, with_users

HOST = {"Host": "127.0.0.1"}
ASKED = [
    "/",
    "/factors",
    "/reports/tear-sheet",
    "/download/market/prices.csv",
    "/actions",
    "/_dash-layout",
    "/_dash-dependencies",
    "/content?path=/",
    "/state",
    "/metrics",
    "/trends/x.svg",
    "/healthy",
    "/sign-in/x",
]


def cookie(client: FlaskClient) -> str:
    found = client.get_cookie("mech_exo", domain="127.0.0.1")
    assert found is not None
    return found.value


@pytest.mark.parametrize("address", ASKED)
def test_nothing_is_read_without_signing_in(guarded: Flask, address: str):
    answer = guarded.test_client().get(address, headers=HOST)
    assert answer.status_code in (302, 401)
    assert answer.status_code == 401 or answer.headers["Location"].startswith("/sign-in?next=")
    assert b"market" not in answer.data


def test_no_callback_is_answered_without_signing_in(guarded: Flask):
    asked = {"output": "x.children", "inputs": [], "changedPropIds": []}
    assert guarded.test_client().post("/_dash-update-component", json=asked, headers=HERE).status_code == 401


def test_health_says_no_more_than_a_load_balancer_needs(guarded: Flask):
    client = guarded.test_client()
    answer = client.get("/health", headers=HOST)
    assert answer.status_code == 200
    assert set(answer.json) == {"status"}
    assert {"champion", "ledger", "disk"} <= set(signed_in(client, "ann").get("/health", headers=HOST).json)


def test_who_has_signed_in_reads(guarded: Flask):
    client = signed_in(guarded.test_client(), "ann")
    for address in ("/", "/_dash-layout", "/download/decay/status.csv", "/actions"):
        assert client.get(address, headers=HOST, buffered=True).status_code == 200, address


def test_a_program_reads_metrics_with_a_name_and_a_password_and_nothing_else(guarded: Flask):
    client = guarded.test_client()
    assert client.get("/metrics", headers=HOST, auth=("ann", PASSWORD)).status_code == 200
    assert client.get("/metrics", headers=HOST, auth=("ann", "wrong wrong wrong")).status_code == 401
    assert client.get("/_dash-layout", headers=HOST, auth=("ann", PASSWORD)).status_code == 401


@pytest.mark.parametrize(
    ("name", "password"), [("ann", "wrong"), ("eve", PASSWORD), ("", ""), ("ann' OR '1'='1", "x"), ("ann\x00", PASSWORD)]
)
def test_a_wrong_name_or_password_is_refused_with_the_same_words(guarded: Flask, name: str, password: str):
    client = guarded.test_client()
    fields = {"name": name, "password": password, "csrf_token": token(client, "/sign-in")}
    answer = client.post("/sign-in", data=fields, headers=HERE)
    assert answer.status_code == 401
    assert "Name or password is wrong." in answer.text
    assert client.get("/_dash-layout", headers=HOST).status_code == 401


def test_without_the_forms_token_nobody_signs_in_or_out(guarded: Flask):
    client = guarded.test_client()
    assert client.post("/sign-in", data={"name": "ann", "password": PASSWORD}, headers=HERE).status_code == 400
    signed_in(client, "ann")
    assert client.post("/sign-out", data={}, headers=HERE).status_code == 400
    assert client.get("/_dash-layout", headers=HOST).status_code == 200


def test_attempts_are_limited(guarded: Flask):
    client = guarded.test_client()
    codes = []
    for _ in range(12):
        fields = {"name": "ann", "password": "wrong", "csrf_token": token(client, "/sign-in")}
        codes.append(client.post("/sign-in", data=fields, headers=HERE).status_code)
    assert codes == [401] * 10 + [429] * 2


def test_attempts_by_a_header_are_limited_and_right_ones_are_not_counted(guarded: Flask):
    client = guarded.test_client()
    right = [client.get("/metrics", headers=HOST, auth=("ann", PASSWORD)).status_code for _ in range(12)]
    wrong = [client.get("/metrics", headers=HOST, auth=("ann", "wrong wrong wrong")).status_code for _ in range(12)]
    assert right == [200] * 12
    assert wrong == [401] * 10 + [429] * 2
    assert client.get("/health", headers=HOST, auth=("ann", PASSWORD)).status_code == 429


def test_signing_out_ends_the_session(guarded: Flask):
    client = signed_in(guarded.test_client(), "bob")
    client.post("/sign-out", data={"csrf_token": token(client, "/actions")}, headers=HERE)
    assert client.get("/_dash-layout", headers=HOST).status_code == 401


def test_a_session_ends_with_its_time(guarded: Flask, monkeypatch: pytest.MonkeyPatch):
    client = signed_in(guarded.test_client(), "ann")
    real = sign_in.time.time
    monkeypatch.setattr(sign_in.time, "time", lambda: real() + sign_in.SESSION_SECONDS + 1)
    assert client.get("/_dash-layout", headers=HOST).status_code == 401


def test_a_session_ends_when_the_password_or_the_role_changes(retrained_home: Path, tmp_path: Path):
    path = with_users(tmp_path / "users.yaml", ann="viewer")
    client = signed_in(build_server(Settings(home=retrained_home, auth=path)).test_client(), "ann")
    write_user(path, "ann", "another password of hers", "viewer")
    assert client.get("/_dash-layout", headers=HOST).status_code == 401


def test_a_session_that_was_forged_or_changed_is_none(guarded: Flask):
    client = signed_in(guarded.test_client(), "ann")
    real = cookie(client)
    forged = URLSafeTimedSerializer("a guess", salt="cookie-session").dumps({"name": "bob", "until": 9e9, "mark": "x"})
    for value in (forged, real[:-2] + ("aa" if real[-2:] != "aa" else "bb"), "bob" + real, ""):
        other = guarded.test_client()
        other.set_cookie("mech_exo", value, domain="127.0.0.1")
        assert other.get("/_dash-layout", headers=HOST).status_code == 401


def test_a_session_of_before_is_not_taken_over(guarded: Flask):
    client = guarded.test_client()
    token(client, "/sign-in")
    before = cookie(client)
    signed_in(client, "ann")
    assert cookie(client) != before
    other = guarded.test_client()
    other.set_cookie("mech_exo", before, domain="127.0.0.1")
    assert other.get("/_dash-layout", headers=HOST).status_code == 401


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_pages(guarded: Flask, retrained_home: Path, tmp_path: Path):
    client = guarded.test_client()
    said = client.get("/sign-in", headers=HOST).headers["Set-Cookie"]
    assert "HttpOnly" in said
    assert "SameSite=Strict" in said
    assert "Secure" not in said
    beyond = build_server(Settings(home=retrained_home, auth=with_users(tmp_path / "u.yaml", ann="viewer")), loopback=False)
    assert "Secure" in beyond.test_client().get("/sign-in", headers=HOST).headers["Set-Cookie"]
    behind = build_server(Settings(home=retrained_home, auth=tmp_path / "u.yaml", dashboard_hosts="desk.example"))
    assert "Secure" in behind.test_client().get("/sign-in", headers={"Host": "desk.example"}).headers["Set-Cookie"]


@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "/a\nb"])
def test_after_signing_in_nobody_is_sent_elsewhere(guarded: Flask, address: str):
    client = guarded.test_client()
    fields = {"name": "ann", "password": PASSWORD, "next": address, "csrf_token": token(client, "/sign-in")}
    assert client.post("/sign-in", data=fields, headers=HERE).headers["Location"] == "/"


def test_in_read_only_an_operator_only_looks(retrained_home: Path, tmp_path: Path):
    server = build_server(Settings(home=retrained_home, auth=with_users(tmp_path / "users.yaml", bob="operator")), read_only=True)
    client = signed_in(server.test_client(), "bob")
    assert "who may read" in client.get("/actions", headers=HOST).text
    fields = {"reason": "long enough", "csrf_token": "x"}
    assert client.post("/actions/retrain", data=fields, headers=HERE).status_code == 403


@pytest.mark.parametrize(
    ("name", "role", "code"),
    [
        (None, None, 401),
        (None, "operator", 401),
        ("ann", None, 204),
        ("ann", "viewer", 204),
        ("ann", "operator", 403),
        ("bob", "viewer", 204),
        ("bob", "operator", 204),
        ("bob", "root", 403),
    ],
)
def test_a_proxy_is_told_whether_somebody_has_signed_in_with_a_role(guarded: Flask, name: str | None, role: str | None, code: int):
    client = guarded.test_client()
    if name is not None:
        signed_in(client, name)
    # As a browser asks for a page: a redirect would be no answer for a proxy.
    sent = {**HOST, "Accept": "text/html", "X-Mech-Exo-Role": "operator", "X-Mech-Exo-User": "bob", "Authorization": "Basic Ym9iOng="}
    answer = client.get(sign_in.SIGNED_IN, query_string={} if role is None else {"role": role}, headers=sent)
    assert answer.status_code == code
    assert answer.headers.get("X-Mech-Exo-User") == (name if code == 204 else None)
    assert answer.headers.get("X-Mech-Exo-Role") == ({"ann": "viewer", "bob": "operator"}[str(name)] if code == 204 else None)


def test_a_proxy_is_told_when_a_session_has_ended(guarded: Flask, tmp_path: Path):
    client = signed_in(guarded.test_client(), "bob")
    assert client.get("/signed-in?role=operator", headers=HOST).status_code == 204
    write_user(tmp_path / "users.yaml", "bob", PASSWORD, "viewer")
    assert client.get("/signed-in?role=operator", headers=HOST).status_code == 401


def test_nobody_is_let_through_where_nobody_signs_in(retrained_home: Path):
    client = build_server(Settings(home=retrained_home)).test_client()
    answer = client.get("/signed-in", headers=HOST)
    assert answer.status_code == 403
    assert "MECH_EXO_AUTH names no file of users" in answer.text


def test_an_operator_of_a_read_only_dashboard_is_a_viewer_for_a_proxy_too(retrained_home: Path, tmp_path: Path):
    settings = Settings(home=retrained_home, auth=with_users(tmp_path / "users.yaml", bob="operator"))
    client = signed_in(build_server(settings, read_only=True).test_client(), "bob")
    assert client.get("/signed-in?role=operator", headers=HOST).status_code == 403
    assert client.get("/signed-in", headers=HOST).headers["X-Mech-Exo-Role"] == "viewer"
