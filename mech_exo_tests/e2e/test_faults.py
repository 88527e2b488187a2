"""Faults in the middle of the loop: one champion, a ledger that verifies, and the loop finishes later.

`python -m mech_exo_tests.e2e.test_faults` prints what happened at each of the ten kills.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mech_exo_assets.quant.lifecycle.reigns import champion, champion_table
from mech_exo_assets.schemas import TABLES
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Ledger
from mech_exo_tests.conftest import SIMULATED
from mech_exo_tests.e2e.browser import wait_until_answered
from mech_exo_tests.e2e.living_market import write_prepared_choices
from mech_exo_tests.e2e.market_folder import mech_exo
from mech_exo_tests.ports import free_port
from mech_exo_tests.postgres import PostgresServer

pytestmark = pytest.mark.slow

KILLS = 10


def prepared(folder: Path) -> Path:
    """What `prepared_home` is, made by a process of its own, which has the variables of the test."""
    home = folder / "prepared"
    path = write_prepared_choices(folder / "mine.yaml")
    done = mech_exo("run", "--home", home, "--source", SIMULATED, "--config", path)
    assert done.returncode == 0, done.stderr
    return home


@pytest.fixture
def home(prepared_home: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may break."""
    return Path(shutil.copytree(prepared_home, tmp_path / "home"))


def ledger_of(home: Path) -> Ledger:
    return Ledger(f"sqlite:///{home}/ledger.db", home / "ledger.head")


def assert_whole(home: Path) -> None:
    """The ledger verifies, one version is champion, and every table can be read as of some commit."""
    ledger = ledger_of(home)
    found = ledger.verify()
    assert found.ok, found.fault
    reigns = champion_table(ledger.events())
    assert reigns["until"].null_count() == 1
    lake = Lake(home / "lake")
    for key in lake.tables():
        assert lake.read(key).columns[: len(TABLES[key].names)] == list(TABLES[key].names)


def retraining(home: Path) -> list[str]:
    return [sys.executable, "-m", "mech_exo_assets.cli", "retrain", "--reason", "fault", "--home", str(home)]


def decisions_of(home: Path) -> list[str]:
    return [each.kind for each in ledger_of(home).events(kinds=["promoted", "refused", "retrain_failed"])]


def killed_at_random(home: Path, *, seed: int) -> Iterator[tuple[float, str]]:
    """Kill a retraining ten times, each time begun anew: after how many seconds, and what the ledger had then."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(KILLS):
        process = subprocess.Popen(retraining(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        pause = chance.uniform(1.0, 14.0)
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert_whole(home)
        yield pause, ledger_of(home).events()[-1].kind


@pytest.mark.long
def test_ten_kills_at_random_moments_leave_one_champion_and_the_loop_finishes(home: Path):
    told = list(killed_at_random(home, seed=1))
    assert len(told) == KILLS
    if not decisions_of(home):
        done = mech_exo("retrain", "--reason", "fault", "--home", home)
        assert done.returncode == 0, done.stderr
    assert decisions_of(home)[0] == "promoted"
    # Each request was decided once, however often its run was begun.
    requests = [each.payload["request"] for each in ledger_of(home).events(kinds=["promoted", "refused"])]
    assert len(requests) == len(set(requests))
    assert_whole(home)
    replayed = mech_exo("replay", "--all", "--json", "--home", home)
    assert all(row["equal"] for row in json.loads(replayed.stdout))


def test_everything_is_killed_in_the_middle_and_served_again(home: Path):
    from mech_exo_assets.defs import decisions

    ledger, lake = ledger_of(home), Lake(home / "lake")
    decisions.request_retraining(ledger, actor="test", reason="fault", as_of=decisions.last_session(lake))
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "mech_exo_assets.cli",
        "up",
        "--home",
        str(home),
        "--port",
        str(port),
        "--mlflow-port",
        "0",
        "--dashboard-port",
        "0",
    ]
    with tempfile.TemporaryFile("w+") as log:
        served = subprocess.Popen(command, start_new_session=True, stdout=log, stderr=log)
        wait_until_answered(f"http://127.0.0.1:{port}/server_info")
        deadline = time.monotonic() + 120
        while not ledger.events(kinds=["challenger_built"]) and time.monotonic() < deadline:
            time.sleep(0.05)
        # All at once: the server, the daemon, the code servers and the run.
        everything = subprocess.run(["pgrep", "-f", str(home)], capture_output=True, text=True, check=False).stdout.split()
        os.kill(served.pid, signal.SIGKILL)
        for process in everything:
            if int(process) != os.getpid():
                subprocess.run(["kill", "-9", process], stderr=subprocess.DEVNULL, check=False)
        served.wait()
    time.sleep(3)
    assert_whole(home)
    port = free_port()
    command[command.index("--port") + 1] = str(port)
    with tempfile.TemporaryFile("w+") as log:
        served = subprocess.Popen(command, start_new_session=True, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 240
            while not decisions_of(home) and time.monotonic() < deadline:
                time.sleep(1)
        finally:
            served.terminate()
            served.wait(60)
    assert decisions_of(home) == ["promoted"]
    assert_whole(home)


def test_a_disk_that_is_full_while_publishing_loses_nothing(home: Path):
    before = ledger_of(home).events()

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    done = subprocess.run(retraining(home), preexec_fn=small_files, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("mech-exo: ")
    assert_whole(home)
    assert ledger_of(home).events()[: len(before)] == before
    again = mech_exo("retrain", "--reason", "fault", "--home", home)
    assert again.returncode == 0, again.stderr
    assert decisions_of(home) == ["promoted"]
    assert_whole(home)


def test_a_database_that_is_away_is_told_and_the_loop_goes_on_when_it_is_back(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    url = postgres.new_database()
    monkeypatch.setenv("MECH_EXO_DB_URL", url)
    home = prepared(tmp_path)
    ledger = Ledger(url, home / "ledger.head")
    before = ledger.events()
    assert [each.kind for each in before] == ["strategy_registered"]
    postgres.kill()
    try:
        away = mech_exo("retrain", "--reason", "fault", "--home", home)
        assert away.returncode == 2
        assert "the database cannot be used" in away.stderr
    finally:
        postgres.start()
    done = mech_exo("retrain", "--reason", "fault", "--home", home)
    assert done.returncode == 0, done.stderr
    assert ledger.events()[: len(before)] == before
    assert champion(ledger.events()).version != before[0].version
    assert ledger.verify().ok


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        made = prepared(Path(folder))
        for number, (pause, kind) in enumerate(killed_at_random(made, seed=1), start=1):
            sys.stdout.write(f"{number:>2}  killed after {pause:4.1f} s  last event {kind}\n")
        sys.stdout.write(f"{decisions_of(made)} {ledger_of(made).verify()}\n")
