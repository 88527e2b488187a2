"""`mech-exo maintain`: what goes, what stays, and that every decision is computed again the same afterwards."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import time
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from mech_exo_assets.cli.options import dagster_instance
from mech_exo_assets.schemas import SCORES, SIZES
from mech_exo_assets.settings import load_settings
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Ledger
from mech_exo_assets.storage.maintenance import Upkeep, lost_versions
from mech_exo_tests.cli.conftest import Command


def age(home: Path, *, days: float) -> None:
    """Let all files of tables be of days ago."""
    then = time.time() - days * 86400
    for path in (home / "lake").rglob("*"):
        os.utime(path, (then, then))


def tree(home: Path) -> dict[str, int]:
    """Files and their sizes, but for what Dagster opens and closes as it is asked."""
    found = (path for path in home.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm", ".lock")))
    return {str(path.relative_to(home)): path.stat().st_size for path in found}


@pytest.fixture
def home(finished_home: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(finished_home, tmp_path / "home"))


def test_an_empty_home_has_nothing_to_maintain(mech_exo: Command, tmp_path: Path):
    said = mech_exo("maintain", "--home", tmp_path)
    assert said.code == 1
    assert "holds no market/prices yet. Run `mech-exo run` first." in said.err


@pytest.mark.parametrize("days", [0, -3])
def test_keeping_nothing_is_refused(mech_exo: Command, home: Path, days: int):
    assert mech_exo("maintain", "--home", home, "--keep-days", days).code == 2


def test_a_setting_of_no_days_is_refused(mech_exo: Command, home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MECH_EXO_KEEP_DAYS", "0")
    said = mech_exo("maintain", "--home", home)
    assert said.code == 2
    assert "MECH_EXO_KEEP_DAYS" in said.err


def test_a_dry_run_says_what_would_go_and_leaves_all_as_it_is(mech_exo: Command, home: Path):
    settings, lake = load_settings(home=home), Lake(home / "lake")
    universe = lake.read("market/universe")
    for _ in range(3):
        lake.write(SIZES, SIZES.empty())
    orphan = Path(lake.uri(SCORES.key)) / "year=2005" / "part-00000-killed.parquet"
    orphan.parent.mkdir(exist_ok=True)
    universe.write_parquet(orphan)
    age(home, days=60)
    before = tree(home)
    said = mech_exo("maintain", "--home", home, "--dry-run", "--json")
    report = json.loads(said.out)
    assert said.code == 0
    assert tree(home) == before
    assert report["dry_run"] is True
    assert report["files_removed"] == 3  # Two commits, and what the killed writer has left.
    assert report["bytes_removed"] > orphan.stat().st_size
    assert {row["store"] for row in report["sizes"]} >= {SCORES.key, "mart", "ledger", "dagster/runs", "dagster/events"}
    assert "would go" in mech_exo("maintain", "--home", home, "--dry-run").out
    assert settings.keep_days == 30


def test_it_goes_and_its_sizes_are_in_the_mart(mech_exo: Command, home: Path):
    lake = Lake(home / "lake")
    orphan = Path(lake.uri(SCORES.key)) / "part-00000-killed.parquet"
    lake.read("market/universe").write_parquet(orphan)
    age(home, days=60)
    said = mech_exo("maintain", "--home", home)
    assert said.code == 0
    assert not orphan.exists()
    assert "1 files of tables went" in said.out
    with duckdb.connect(str(home / "mech_exo.duckdb"), read_only=True) as mart:
        published = mart.sql("SELECT store, bytes, versions FROM operations.sizes WHERE kind = 'table' ORDER BY store").fetchall()
    assert len(published) == len(lake.tables()) - 1  # All but itself, which came after.
    assert all(size > 0 and versions == 1 for _, size, versions in published)
    again = json.loads(mech_exo("maintain", "--home", home, "--json").out)
    assert (again["files_removed"], again["runs_removed"]) == (0, 0)


@pytest.mark.slow
def test_every_decision_is_computed_again_the_same_after_maintenance(mech_exo: Command, retrained_home: Path, tmp_path: Path):
    home = Path(shutil.copytree(retrained_home, tmp_path / "home"))
    # Newer versions of all that was decided from, so that none of it is current.
    assert mech_exo("run", "--home", home, "--force").code == 0
    assert mech_exo("run", "--home", home, "--force").code == 0
    settings, lake = load_settings(home=home), Lake(home / "lake")
    ledger = Ledger(settings.ledger_url, settings.ledger_head_path)
    before = json.loads(mech_exo("replay", "--all", "--json", "--home", home).out)
    runs = {event.payload["run_id"] for event in ledger.events() if event.payload.get("run_id")}
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    with dagster_instance(settings) as instance:
        done = Upkeep(home, keep_days=1).maintain(lake, ledger, instance, before=tomorrow, grace=dt.timedelta(0))
        assert runs <= {run.run_id for run in instance.get_runs()}
        assert instance.get_latest_materialization_event(dg.AssetKey(SCORES.key.split("/"))) is not None
    of_scores = next(each for each in done.tables if each.key == SCORES.key)
    assert 1 <= of_scores.named <= of_scores.versions
    assert sum(each.removed_files for each in done.tables) > 0
    assert lost_versions(lake, ledger.events()) == []
    after = mech_exo("replay", "--all", "--json", "--home", home)
    assert after.code == 0
    assert json.loads(after.out) == before
    assert all(row["equal"] for row in before)
