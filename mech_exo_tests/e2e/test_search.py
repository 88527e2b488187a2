"""The weight search as a user runs it: killed and resumed, on two machines at once, and blind to its hold-out."""

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import optuna
import polars as pl
import pytest
import yaml

from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.e2e.market_folder import mech_exo, small_market, write_folder
from mech_exo_tests.learned import QUICK
from mech_exo_tests.postgres import PostgresServer

pytestmark = pytest.mark.slow

TRIALS = 300
CHOICES = yaml.safe_dump(
    {
        "factors": QUICK["factors"],
        "walk_forward": {"train_months": 12, "test_months": 6},
        "search": {"trials": TRIALS, "batch": 10, "holdout_months": 9},
    }
)
OF_THE_SEARCH = ("weights/trials", "weights/trial_weights", "weights/trial_returns", "weights/frontier", "weights/optimised")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with everything but a search."""
    folder, home = tmp_path_factory.mktemp("prices"), tmp_path_factory.mktemp("home")
    (folder / "choices.yaml").write_text(CHOICES)
    uri = write_folder(folder, small_market())
    done = mech_exo("run", "--source", uri, "--home", home, "--config", folder / "choices.yaml")
    assert done.returncode == 0, done.stderr
    return home


@pytest.fixture(scope="module")
def searched(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after a search that was left alone."""
    home = _copy(filled, tmp_path_factory.mktemp("searched") / "home")
    assert subprocess.run(_arguments(home), capture_output=True, check=False).returncode == 0
    return home


def _copy(home: Path, to: Path) -> Path:
    shutil.copytree(home, to)
    return to


def _arguments(home: Path) -> list[str]:
    return [sys.executable, "-m", "mech_exo_assets.cli", "search", "--home", str(home), "--json"]


def _tables(home: Path) -> dict[str, pl.DataFrame]:
    """What the search has left, without the times at which it was done."""
    lake = Lake(home / "lake")
    return {key: lake.read(key).select(pl.exclude("completed_at")) for key in OF_THE_SEARCH}


def _trials_done(home: Path) -> int:
    """Trials that stand in the home's database; 0 before it has its tables."""
    if not (home / "studies.db").exists():
        return 0
    with contextlib.closing(sqlite3.connect(f"file:{home}/studies.db?mode=ro", uri=True)) as connection:
        try:
            return connection.execute("SELECT count(*) FROM trials").fetchone()[0]
        except sqlite3.OperationalError:
            return 0


def _studies(home: Path) -> list[optuna.study.StudySummary]:
    return optuna.get_all_study_summaries(f"sqlite:///{home}/studies.db")


def test_killed_at_random_moments_a_search_goes_on_and_ends_as_one_that_was_left_alone(filled: Path, searched: Path, tmp_path: Path):
    home = _copy(filled, tmp_path / "killed")
    moments, seen = random.Random(5), [0]  # noqa: S311
    for _ in range(4):
        process = subprocess.Popen(_arguments(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Somewhere in the batch after the one that is waited for, wherever the process is then.
        while process.poll() is None and _trials_done(home) <= seen[-1]:
            time.sleep(0.002)
        time.sleep(moments.uniform(0.0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        seen.append(_trials_done(home))
    assert 0 < seen[1] < seen[-1] < TRIALS, f"no kill fell into the search: {seen}"
    done = subprocess.run(_arguments(home), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["search"]["trials_ever"] == TRIALS
    (study,) = _studies(home)
    assert study.n_trials == TRIALS
    trials = optuna.load_study(study_name=study.study_name, storage=f"sqlite:///{home}/studies.db").trials
    assert {trial.number for trial in trials} == set(range(TRIALS))
    assert len({(trial.user_attrs["batch"], trial.user_attrs["slot"]) for trial in trials}) == TRIALS
    assert len({json.dumps(trial.params) for trial in trials}) == TRIALS
    before, after = _tables(searched), _tables(home)
    for key, table in before.items():
        assert table.equals(after[key], null_equal=True), f"{key} differs after kills"


def test_two_processes_on_one_postgresql_study_share_its_trials(filled: Path, tmp_path: Path, postgres: PostgresServer):
    url = postgres.new_database()
    environment = os.environ | {"MECH_EXO_DB_URL": url}
    homes = [_copy(filled, tmp_path / name) for name in ("first", "second")]
    running = [subprocess.Popen(_arguments(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) for home in homes]
    ended = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [0, 0], ended
    tables = [_tables(home)["weights/trials"] for home in homes]
    assert tables[0].height == TRIALS
    assert tables[0].equals(tables[1], null_equal=True)
    assert (tables[0]["state"] == "complete").all()
    weights = Lake(homes[0] / "lake").read("weights/trial_weights").pivot("factor", index="trial", values="weight").drop("trial")
    assert weights.is_unique().all()
    told = [json.loads(out.decode())["search"] for out, _ in ended]
    assert {each["trials_ever"] for each in told} == {TRIALS}
    assert sorted(each["looks"] for each in told) == [1, 2]
    assert not (homes[0] / "studies.db").exists()


def test_what_happens_in_the_hold_out_does_not_reach_the_search(searched: Path, tmp_path: Path):
    held_out = Lake(searched / "lake").read("weights/history")["holdout_from"].item()
    market = small_market()
    later = pl.when(pl.col("date") >= held_out)
    wild = 1 + 0.5 * (pl.struct("date", "symbol").hash(seed=1) % 1000) / 1000
    prices = market["prices"].with_columns(
        later.then(pl.col(name) * wild).otherwise(pl.col(name)).alias(name) for name in ("open", "high", "low", "close", "adjusted_close")
    )
    features = {
        name: table.with_columns(later.then(-pl.col("value")).otherwise(pl.col("value")).alias("value"))
        for name, table in market.items()
        if name.startswith("features/")
    }
    folder, other = tmp_path / "prices", tmp_path / "other"
    folder.mkdir()
    (folder / "choices.yaml").write_text(CHOICES)
    uri = write_folder(folder, {**market, "prices": prices, **features})
    assert mech_exo("run", "--source", uri, "--home", other, "--config", folder / "choices.yaml").returncode == 0
    assert subprocess.run(_arguments(other), capture_output=True, check=False).returncode == 0
    before, after = _tables(searched), _tables(other)
    for key, table in before.items():
        assert table.equals(after[key], null_equal=True), f"{key} has seen the hold-out"
    compared = [Lake(each / "lake").read("weights/comparison") for each in (searched, other)]
    assert not compared[0].equals(compared[1], null_equal=True)
