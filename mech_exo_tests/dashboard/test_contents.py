"""Pages as they are sent: built once for a state, anew for another, and the same as those that are built for nobody else."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from mech_exo_assets.dashboard import router
from mech_exo_assets.dashboard.access.users import User
from mech_exo_assets.dashboard.contents import Contents
from mech_exo_assets.dashboard.watch import Watch
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.ledger import Entry, Ledger
from mech_exo_tests.dashboard.publishing import with_drift

GRIDS = "/grids.js"


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses of the pages that were built, in their order; time stands still."""
    found: list[str] = []
    whole = router.page_at

    def counted(view: Any, path: str) -> Any:
        found.append(path)
        return whole(view, path)

    monkeypatch.setattr(router, "page_at", counted)
    monkeypatch.setattr("mech_exo_assets.dashboard.contents.KEPT_SECONDS", 10**10)
    return found


def content(contents: Contents, path: str, user: User | None = None) -> dict[str, Any]:
    return json.loads(gzip.decompress(contents.packed(path, user)))


def test_a_page_is_built_once_for_all_who_look_at_the_same_state(watch: Watch, built: list[str]):
    contents = Contents(watch, grids=GRIDS)
    found: list[bytes] = []
    readers = [threading.Thread(target=lambda: found.append(contents.packed("/factors", None))) for _ in range(8)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert built == ["/factors"]
    contents.packed("/", None)
    assert built == ["/factors", "/"]


def test_a_new_event_and_a_new_mart_are_seen_at_the_next_look(home: Path, built: list[str]):
    watch = Watch(Settings(home=home))
    contents = Contents(watch, grids=GRIDS)
    before = content(contents, "/")
    assert content(contents, "/") == before
    ledger = Ledger(watch.settings.ledger_url, watch.settings.ledger_head_path)
    ledger.append(Entry("drift_detected", "test", {"summary": "Live has drifted.", "as_of": "2020-01-02"}, version="x"))
    watch.forget()
    told = content(contents, "/")
    assert told["state"] != before["state"]
    assert "Live has drifted." in json.dumps(told["page"])
    with_drift(home, "OK", "BREACH")
    drifted = content(contents, "/")
    assert drifted["state"] not in (before["state"], told["state"])
    assert "BREACH" in json.dumps(drifted["badges"])
    assert built == ["/"] * 3


def test_a_viewer_is_not_sent_what_an_operator_may_do(home: Path):
    watch = Watch(Settings(home=home))
    ledger = Ledger(watch.settings.ledger_url, watch.settings.ledger_head_path)
    ledger.append(Entry("drift_detected", "test", {"summary": "Live has drifted.", "as_of": "2020-01-02"}, version="x"))
    contents = Contents(watch, grids=GRIDS)
    operator, viewer = (json.dumps(content(contents, "/", User(name, name))) for name in ("operator", "viewer"))
    assert "/actions?event=" in operator
    assert "/actions?event=" not in viewer


def test_what_is_old_is_built_anew(watch: Watch, built: list[str], monkeypatch: pytest.MonkeyPatch):
    contents = Contents(watch, grids=GRIDS)
    contents.packed("/", None)
    monkeypatch.setattr("mech_exo_assets.dashboard.contents.KEPT_SECONDS", 1e-6)
    contents.packed("/", None)
    assert built == ["/", "/"]


def test_no_more_pages_are_kept_than_are_said(watch: Watch, built: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mech_exo_assets.dashboard.contents.KEPT", 2)
    contents = Contents(watch, grids=GRIDS)
    for path in ("/factors/a", "/factors/b", "/factors/a", "/factors/c", "/factors/a", "/factors/b"):
        contents.packed(path, None)
    assert built == ["/factors/a", "/factors/b", "/factors/c", "/factors/b"]


def test_the_script_of_grids_is_asked_for_by_pages_with_a_grid_only(watch: Watch):
    contents = Contents(watch, grids=GRIDS)
    assert content(contents, "/factors")["scripts"] == [GRIDS]
    assert content(contents, "/")["scripts"] == []


def test_it_is_sent_packed_only_to_who_can_unpack_it(retrained_home: Path, open_server: Callable[[Path], Flask]):
    client = open_server(retrained_home).test_client()
    host = {"Host": "127.0.0.1"}
    packed = client.get("/content?path=%2Ffactors", headers={**host, "Accept-Encoding": "gzip"})
    plain = client.get("/content?path=%2Ffactors", headers=host)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert json.loads(gzip.decompress(packed.data)) == plain.json
    assert plain.json["state"] == client.get("/state", headers=host).text
    assert plain.headers["Cache-Control"] == "no-store"


def test_a_page_without_a_grid_does_not_begin_with_its_script(retrained_home: Path, open_server: Callable[[Path], Flask]):
    client = open_server(retrained_home).test_client()
    document = client.get("/", headers={"Host": "127.0.0.1"}).text
    assert "pages.js" in document
    assert "_dash-component-suites/dash_ag_grid" not in document
    script = client.get("/content?path=%2Ffactors", headers={"Host": "127.0.0.1"}).json["scripts"][0]
    assert client.get(script, headers={"Host": "127.0.0.1"}).status_code == 200


def test_a_program_that_has_to_sign_in_first_is_told_so_and_not_sent_the_form(guarded: Flask):
    client = guarded.test_client()
    for address in ("/content?path=%2F", "/state"):
        answer = client.get(address, headers={"Host": "127.0.0.1", "Accept": "application/json, text/plain"})
        assert answer.status_code == 401, address
