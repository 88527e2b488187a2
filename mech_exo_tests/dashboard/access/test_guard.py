"""What no request gets past, whoever sends it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from mech_exo_assets.dashboard.server import build_server
from mech_exo_assets.settings import Settings

Server = Callable[[Path], Flask]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8050", "localhost:8050", "[::1]:8050", "LOCALHOST"])
def test_loopback_is_asked_by_its_names(open_server: Server, tmp_path: Path, host: str):
    assert open_server(tmp_path).test_client().get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8050", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.1.1", "x]["]
)
def test_a_name_that_was_made_to_point_here_is_refused(open_server: Server, tmp_path: Path, host: str):
    client = open_server(tmp_path).test_client()
    for address in ("/", "/health", "/_dash-layout", "/static/dashboard.css"):
        assert client.get(address, headers={"Host": host}, buffered=True).status_code == 421, address


def test_a_name_that_is_allowed_is_answered(tmp_path: Path):
    server = build_server(Settings(home=tmp_path, dashboard_hosts="desk.example other.example"))
    assert server.test_client().get("/", headers={"Host": "desk.example"}).status_code == 200
    assert server.test_client().get("/", headers={"Host": "third.example"}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {},
    ],
)
@pytest.mark.parametrize("address", ["/_dash-update-component", "/actions/retrain"])
def test_a_request_that_another_page_sends_is_refused(open_server: Server, tmp_path: Path, headers: dict[str, str], address: str):
    client = open_server(tmp_path).test_client()
    assert client.post(address, json={}, headers={"Host": "127.0.0.1", **headers}).status_code == 403


def test_a_request_that_is_too_large_is_refused(open_server: Server, tmp_path: Path):
    client = open_server(tmp_path).test_client()
    headers = {"Host": "127.0.0.1", "Origin": "http://127.0.0.1", "Content-Type": "application/json"}
    assert client.post("/_dash-update-component", data=b"x" * 1_000_001, headers=headers).status_code == 413


def test_every_answer_has_the_headers_that_keep_a_browser_safe(open_server: Server, tmp_path: Path):
    client = open_server(tmp_path).test_client()
    for address in ("/", "/health", "/nowhere", "/static/dashboard.css", "/download/no/table.csv"):
        headers = client.get(address, headers={"Host": "127.0.0.1"}, buffered=True).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-eval" not in policy
        assert "'unsafe-inline'" not in policy.partition("style-src")[0]
        assert (headers["X-Content-Type-Options"], headers["X-Frame-Options"]) == ("nosniff", "DENY")
    assert client.get("/", headers={"Host": "127.0.0.1"}).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "address",
    [
        "/static/../server.py",
        "/static/..%2fserver.py",
        "/static/%2e%2e/server.py",
        "/static//etc/passwd",
        "/download/../../etc/passwd.csv",
        "/download/market/..%2f..%2fledger.csv",
        "/download/market/prices%00.csv",
        "/download/meta/tables.csv",
        '/download/market/prices";DROP TABLE x;--.csv',
        "/download/learning/models.csv",
        "/trends/..%2f..%2fx.svg",
        "/trends/' OR 1=1 --.svg",
        "/reports/../ledger.db",
    ],
)
def test_no_address_leads_out_of_what_is_served(open_server: Server, retrained_home: Path, address: str):
    answer = open_server(retrained_home).test_client().get(address, headers={"Host": "127.0.0.1"}, buffered=True)
    # What no rule matches is answered with the page's frame, which holds nothing of the home.
    assert answer.status_code in (404, 308) or b"react-entry-point" in answer.data
    assert b"root:" not in answer.data
    assert b"build_server" not in answer.data
