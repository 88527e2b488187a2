"""A database server that goes away while the daemon sees a retraining through: the loop waits for it, and loses nothing."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mech_exo_assets.quant.lifecycle.reigns import champion
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Ledger
from mech_exo_tests.e2e.browser import wait_until_answered
from mech_exo_tests.e2e.test_faults import prepared
from mech_exo_tests.ports import free_port
from mech_exo_tests.postgres import PostgresServer

pytestmark = pytest.mark.slow

AWAY_SECONDS = 30


def wait_until(true: Callable[[], object], *, seconds: float, process: subprocess.Popen[str]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, "the servers ended"
        if true():
            return True
        time.sleep(0.1)
    return False


def test_thirty_seconds_without_the_server_in_the_middle_of_a_retraining_cost_time_only(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    from mech_exo_assets.defs import decisions

    url = postgres.new_database()
    monkeypatch.setenv("MECH_EXO_DB_URL", url)
    home = prepared(tmp_path)
    ledger, lake = Ledger(url, home / "ledger.head"), Lake(home / "lake")
    decisions.request_retraining(ledger, actor="test", reason="fault", as_of=decisions.last_session(lake))
    port = free_port()
    options = ["--port", str(port), "--mlflow-port", "0", "--dashboard-port", "0"]
    with tempfile.TemporaryFile("w+") as log:
        command = [sys.executable, "-m", "mech_exo_assets.cli", "up", "--home", str(home), *options]
        served = subprocess.Popen(command, start_new_session=True, stdout=log, stderr=log, text=True)
        try:
            wait_until_answered(f"http://127.0.0.1:{port}/server_info")
            assert wait_until(lambda: ledger.events(kinds=["challenger_built"]), seconds=240, process=served)
            before = ledger.events()
            postgres.kill()
            time.sleep(AWAY_SECONDS)
            postgres.start()
            decided = wait_until(lambda: ledger.events(kinds=["promoted", "refused"]), seconds=300, process=served)
        finally:
            served.terminate()
            served.wait(60)
        log.seek(0)
        assert decided, log.read()[-4000:]
    after = ledger.events()
    assert after[: len(before)] == before
    assert [event.kind for event in after if event.kind in ("promoted", "refused")] == ["promoted"]
    assert champion(after).version != before[0].version
    assert ledger.verify().ok
