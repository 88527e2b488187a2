"""The loop on several machines, as far as one has them: PostgreSQL, a server of the S3 protocol, a Dask scheduler and two workers, each a
process of its own.

The chain, a training, a search and a retraining give the tables of one machine, to the last bit; a worker that is killed costs time,
and nothing else.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from distributed import Client

from mech_exo_assets.quant.lifecycle.reigns import champion
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Ledger
from mech_exo_assets.storage.studies import StudyDatabase
from mech_exo_tests.conftest import SIMULATED
from mech_exo_tests.dask_cluster import DaskCluster, dask_cluster
from mech_exo_tests.e2e.market_folder import mech_exo
from mech_exo_tests.learned import SOURCE
from mech_exo_tests.postgres import PostgresServer

pytestmark = pytest.mark.slow

OF_A_TIME = {"time", "hash", "previous_hash", "payload", "summary", "run_id", "at", "mlflow_run", "logged_at"}
"""Columns that say when, or by which run, something was done."""


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory, retrained_home: Path) -> Path:
    """What one machine makes of the same: a run, a retraining and a search."""
    home = Path(shutil.copytree(retrained_home, tmp_path_factory.mktemp("single") / "home"))
    done = mech_exo("search", "--home", home)
    assert done.returncode == 0, done.stderr
    return home


DIVIDED = {
    "forward_returns_of",
    "exposures_of",
    "scores_of",
    "dataset_of",
    "learned_scores_of",
    "ic_of",
    "diagnostics_of",
    "composite_of",
    "contributions_of",
    "judged",
}
"""Functions that compute a part of a step, as the scheduler names them."""


def differing(left: Lake, right: Lake) -> list[str]:
    """Tables that are not the same to the last bit, and which columns."""
    found = [] if left.tables() == right.tables() else [str(set(left.tables()) ^ set(right.tables()))]
    for key in left.tables():
        frames = [lake.read(key) for lake in (left, right)]
        columns = [name for name in frames[0].columns if name not in OF_A_TIME and frames[0][name].dtype != pl.Datetime]
        first, second = (frame.select(columns).sort(columns) for frame in frames)
        if not first.equals(second):
            found.append(f"{key}: {[name for name in columns if not first[name].equals(second[name])]} {first.shape} {second.shape}")
    return found


def on(cluster: DaskCluster, url: str) -> dict[str, str]:
    return {**os.environ, "MECH_EXO_DASK": cluster.address, "MECH_EXO_DB_URL": url}


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "mech_exo_assets.cli", *map(str, words)]


def test_a_chain_a_search_and_a_retraining_on_a_cluster_are_those_of_one_machine(
    single: Path, tmp_path: Path, postgres: PostgresServer, bucket: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MECH_EXO_LAKE", f"{bucket}/lake")
    url = postgres.new_database()
    home = tmp_path / "home"
    with dask_cluster(workers=2, variables={"MECH_EXO_DB_URL": url}) as cluster:
        for words in (
            ("run", "--source", SIMULATED, "--config", single / "mine.yaml"),
            ("retrain", "--reason", "to see it done"),
            ("search",),
        ):
            done = subprocess.run(command(*words, "--home", home), env=on(cluster, url), capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{done.stderr}\n{cluster.said()}"
        with Client(cluster.address) as client:
            handed_out = client.run_on_scheduler(lambda dask_scheduler: set(dask_scheduler.task_prefixes))
        assert handed_out >= DIVIDED, f"not divided: {DIVIDED - handed_out}"
    assert differing(Lake(single / "lake"), Lake(f"{bucket}/lake")) == []
    assert not (home / "lake").exists()
    here, there = Ledger(f"sqlite:///{single}/ledger.db", single / "ledger.head"), Ledger(url, home / "ledger.head")
    assert [(event.kind, event.version) for event in there.events()] == [(event.kind, event.version) for event in here.events()]
    assert there.verify().ok
    studies = [StudyDatabase(f"sqlite:///{single}/studies.db"), StudyDatabase(url)]
    counts = [database.trial_count("weights") for database in studies]
    assert counts[0] == counts[1]
    assert list(home.rglob("*.db")) == []


def test_models_that_are_trained_on_a_cluster_are_those_of_one_machine(learned_home: Path, tmp_path: Path, postgres: PostgresServer):
    url, home = postgres.new_database(), tmp_path / "home"
    with dask_cluster(workers=2, variables={"MECH_EXO_DB_URL": url}) as cluster:
        for words in (("run", "--source", SOURCE, "--config", learned_home / "quick.yaml"), ("learn",)):
            done = subprocess.run(command(*words, "--home", home), env=on(cluster, url), capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{done.stderr}\n{cluster.said()}"
        with Client(cluster.address) as client:
            assert "models_of" in client.run_on_scheduler(lambda dask_scheduler: set(dask_scheduler.task_prefixes))
    assert Lake(home / "lake").read("learning/models").height > 3
    assert differing(Lake(learned_home / "lake"), Lake(home / "lake")) == []


def test_a_worker_that_is_killed_in_the_middle_costs_time_and_nothing_else(prepared_home: Path, tmp_path: Path, postgres: PostgresServer):
    url = postgres.new_database()
    home = tmp_path / "home"
    with dask_cluster(workers=2, variables={"MECH_EXO_DB_URL": url}) as cluster:
        words = command("run", "--source", SIMULATED, "--config", prepared_home / "mine.yaml", "--home", home)
        running = subprocess.Popen(words, env=on(cluster, url), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        wait_until_busy(cluster, 1)
        cluster.kill_worker(1)
        _, said = running.communicate(timeout=600)
        assert running.returncode == 0, f"{said}\n{cluster.said()}"
    assert differing(Lake(prepared_home / "lake"), Lake(home / "lake")) == []
    ledger = Ledger(url, home / "ledger.head")
    assert ledger.verify().ok
    assert champion(ledger.events()) is not None


def wait_until_busy(cluster: DaskCluster, number: int) -> None:
    """Until a worker computes a step, some seconds into the run."""
    from distributed import Client

    with Client(cluster.address) as client:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            names = client.run(lambda dask_worker: dask_worker.local_directory)
            addresses = [address for address, folder in names.items() if f"worker-{number}" in folder]
            steps = len(client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.tasks)))
            if steps > 5 and addresses and client.processing()[addresses[0]]:
                return
            time.sleep(0.2)
    raise AssertionError("the worker was never given a step")


def test_a_worker_of_another_home_refuses_and_the_run_says_why(tmp_path: Path, postgres: PostgresServer):
    url = postgres.new_database()
    with dask_cluster(workers=1, variables={"MECH_EXO_DB_URL": url}) as cluster:
        words = ("run", "--source", "simulator:names=12,sessions=420,seed=5", "--select", "key:market/universe")
        for name in ("one", "two"):
            said = subprocess.run(
                command(*words, "--home", tmp_path / name), env=on(cluster, url), capture_output=True, text=True, check=False
            )
            assert (said.returncode == 0) == (name == "one"), said.stderr
    assert "has loaded the asset graph with other settings (home)" in " ".join(said.stderr.split())
