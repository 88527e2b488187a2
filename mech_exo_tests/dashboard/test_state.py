"""/health and /metrics: what a load balancer and Prometheus are told is what stands in the tables and in the ledger."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from mech_exo_assets.dashboard import health as module
from mech_exo_assets.dashboard import watch as watching
from mech_exo_assets.dashboard.server import build_server
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Entry, Ledger
from mech_exo_tests.dashboard.publishing import mart_of, with_drift

HOST = {"Host": "127.0.0.1"}
Server = Callable[[Path], Flask]


def asked(server: Flask) -> tuple[int, dict[str, Any]]:
    answer = server.test_client().get("/health", headers=HOST)
    return answer.status_code, answer.json


def metrics(server: Flask) -> dict[tuple[str, ...], float]:
    """Every sample, by its name and the values of its labels, by the names of these."""
    text = server.test_client().get("/metrics", headers=HOST).text
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def ledger_of(home: Path) -> Ledger:
    settings = Settings(home=home)
    return Ledger(settings.ledger_url, settings.ledger_head_path)


def test_a_home_that_works_is_healthy_and_says_what_stands_in_its_tables(open_server: Server, retrained_home: Path):
    code, said = asked(open_server(retrained_home))
    connection, ledger = mart_of(retrained_home), ledger_of(retrained_home)
    assert (code, said["status"] in ("ok", "warn")) == (200, True)
    deployed = Lake(Settings(home=retrained_home).lake_uri).read("lifecycle/champion").filter(pl.col("until").is_null())
    assert said["champion"]["version"] == deployed["version"].item()
    assert said["factors"] == dict(connection.execute("SELECT status, count(*) FROM decay.status GROUP BY status").fetchall())
    assert said["last_session"] == str(connection.execute("SELECT max(date) FROM market.prices").fetchone()[0])
    newest = connection.execute('SELECT "window", status FROM live.drift WHERE date = (SELECT max(date) FROM live.drift)').fetchall()
    assert said["drift"]["windows"] == {str(window): status for window, status in newest}
    assert said["ledger"]["events"] == len(ledger.events())
    assert said["ledger"]["verified"]
    assert set(said["groups"]) >= {"market", "factors", "decay", "strategy", "live", "lifecycle", "weights"}
    assert {"retrain", "refresh"} <= {run["job"] for run in said["last_runs"]}
    assert said["disk"]["total_bytes"] == shutil.disk_usage(retrained_home).total


def test_a_breach_is_a_warning_and_no_reason_to_send_nobody(open_server: Server, home: Path):
    with_drift(home, "OK", "WARN", "BREACH")
    code, said = asked(open_server(home))
    assert (code, said["status"], said["drift"]["status"]) == (200, "warn", "BREACH")
    assert "drift: BREACH" in said["reasons"]


def test_an_empty_home_is_unhealthy_and_says_what_to_do(open_server: Server, tmp_path: Path):
    code, said = asked(open_server(tmp_path / "none"))
    assert (code, said["status"], said["drift"]["status"]) == (503, "fail", "NO DATA")
    assert said["reasons"] == ["nothing was published yet; run `mech-exo run`"]


def test_a_ledger_with_one_byte_changed_is_unhealthy(open_server: Server, home: Path):
    with sqlite3.connect(home / "ledger.db") as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute("UPDATE events SET actor = 'eve' WHERE id = 2")
    code, said = asked(open_server(home))
    assert code == 503
    assert not said["ledger"]["verified"]
    assert "event 2" in said["ledger"]["fault"]


def test_a_database_that_does_not_answer_is_told_and_what_was_known_stays(home: Path, monkeypatch: pytest.MonkeyPatch):
    server = build_server(Settings(home=home))
    before = asked(server)[1]["champion"]

    def gone(*_: object, **__: object) -> None:
        raise OSError("connection refused")

    monkeypatch.setattr(Ledger, "events", gone)
    monkeypatch.setattr(watching, "FRESH_SECONDS", 0.0)
    code, said = asked(server)
    assert (code, said["database"]["reachable"], said["champion"]) == (503, False, before)
    assert "database: connection refused" in said["reasons"]
    monkeypatch.undo()
    monkeypatch.setattr(watching, "FRESH_SECONDS", 0.0)
    assert asked(server)[0] == 200


def test_a_ledger_that_was_never_read_is_not_called_verified(retrained_home: Path, monkeypatch: pytest.MonkeyPatch):
    def gone(*_: object, **__: object) -> None:
        raise OSError("connection refused")

    monkeypatch.setattr(Ledger, "events", gone)
    server = build_server(Settings(home=retrained_home))
    code, said = asked(server)
    assert (code, said["ledger"]["verified"], said["ledger"]["verified_at"]) == (503, False, None)
    assert "ledger: it could not be verified yet" in said["reasons"]
    assert metrics(server)["mech_exo_ledger_verified",] == 0.0


def test_a_disk_that_is_nearly_full_is_unhealthy(open_server: Server, retrained_home: Path, monkeypatch: pytest.MonkeyPatch):
    usage = SimpleNamespace(total=100e9, used=97e9, free=3e9)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage)
    code, said = asked(open_server(retrained_home))
    assert code == 503
    assert "disk: 3.0 GB free of 100.0 GB" in said["reasons"]


def test_new_events_and_new_tables_are_seen(home: Path, monkeypatch: pytest.MonkeyPatch):
    server = build_server(Settings(home=home))
    before = asked(server)[1]
    ledger_of(home).append(Entry("drift_detected", "test", {"summary": "Live has drifted.", "as_of": "2020-01-02"}, version="x"))
    with_drift(home, "BREACH")
    monkeypatch.setattr(watching, "FRESH_SECONDS", 0.0)
    after = asked(server)[1]
    assert after["ledger"]["events"] == before["ledger"]["events"] + 1
    assert after["open_alerts"] == before["open_alerts"] + 1
    assert after["drift"]["status"] == "BREACH"


def test_metrics_are_those_of_health_and_parse(open_server: Server, home: Path):
    with_drift(home, "OK", "WARN", "BREACH")
    server = open_server(home)
    said, found = asked(server)[1], metrics(server)
    assert found["mech_exo_healthy",] == 1.0
    assert found["mech_exo_ledger_events",] == said["ledger"]["events"]
    assert found["mech_exo_ledger_verified",] == 1.0
    assert found["mech_exo_open_alerts",] == said["open_alerts"]
    assert {name[1]: value for name, value in found.items() if name[0] == "mech_exo_factors"} == said["factors"]
    statuses = {name[2]: name[1] for name, value in found.items() if name[0] == "mech_exo_drift_status" and value == 1.0}
    assert statuses == said["drift"]["windows"]
    assert any(name[0] == "mech_exo_champion_info" and said["champion"]["version"] in name for name in found)
    rows = mart_of(home).execute('SELECT "window", drift_pct FROM live.drift WHERE date = (SELECT max(date) FROM live.drift)').fetchall()
    for window, percent in rows:
        if percent is not None:
            assert found["mech_exo_drift_percent", str(window)] == pytest.approx(percent)


def test_metrics_of_an_empty_home_say_that_it_is_not_healthy(open_server: Server, tmp_path: Path):
    found = metrics(open_server(tmp_path))
    assert found["mech_exo_healthy",] == 0.0
    assert found["mech_exo_ledger_events",] == 0.0
