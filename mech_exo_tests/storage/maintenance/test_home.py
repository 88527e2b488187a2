"""Maintenance of a whole home: everything on the disk is counted, once, and what the ledger names stays."""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator
from pathlib import Path

import dagster as dg
import pytest

from mech_exo_assets.schemas import SCORES, SIZES, UNIVERSE
from mech_exo_assets.storage.contracts import conform
from mech_exo_assets.storage.event_log import kept_instance
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Entry, Ledger
from mech_exo_assets.storage.maintenance import Done, Upkeep
from mech_exo_tests.storage.small_tables import scores, universe


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two tables of five versions each, a ledger that names one, and files of the other parts."""
    lake = Lake(tmp_path / "lake")
    for number in range(5):
        lake.write(SCORES, scores(2020, value=float(number)), years=[2020])
        lake.write(UNIVERSE, universe(f"S{number}"), note={f"read:{SCORES.key}": "1"})
    ledger_of(tmp_path).append(Entry("challenger_built", "a job", {"content": {"data": {SCORES.key: 3}}}))
    for name in ("mech_exo.duckdb", "studies.db", "mlflow.db", "mlflow/models/one/model.txt", "reports/tear_sheet.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * 1000)
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    return tmp_path


def ledger_of(home: Path) -> Ledger:
    return Ledger(f"sqlite:///{home / 'ledger.db'}", home / "ledger.head")


@pytest.fixture
def instance(home: Path) -> Generator[dg.DagsterInstance]:
    with kept_instance(home / "dagster") as opened:
        yield opened


def maintain(home: Path, instance: dg.DagsterInstance, **how) -> Done:
    how = {"before": dt.datetime.now(dt.UTC) + dt.timedelta(days=1), "grace": dt.timedelta(0)} | how
    return Upkeep(home, keep_days=30).maintain(Lake(home / "lake"), ledger_of(home), instance, **how)


def test_versions_that_the_ledger_or_a_current_table_names_stay(home: Path, instance: dg.DagsterInstance):
    of_scores, of_universe = sorted(maintain(home, instance).tables, key=lambda each: each.key)
    assert [commit["version"] for commit in Lake(home / "lake").history(SCORES.key)] == [4, 3, 1]
    assert (of_scores.versions, of_scores.named) == (3, 1)
    assert (of_universe.versions, of_universe.named) == (1, 0)


def test_every_file_is_counted_once(home: Path, instance: dg.DagsterInstance):
    table = maintain(home, instance).table()
    conform(SIZES, table)
    assert table["store"].is_unique().all()
    files = [path for path in home.rglob("*") if path.is_file() and path.name != "dagster.yaml"]
    assert table["bytes"].sum() == sum(path.stat().st_size for path in files)
    assert {"mart", "ledger", "searches", "models", "reports", "dagster/runs", "dagster/events"} <= set(table["store"])


def test_by_default_days_count_and_nothing_that_is_young_goes(home: Path, instance: dg.DagsterInstance):
    done = Upkeep(home, keep_days=1).maintain(Lake(home / "lake"), ledger_of(home), instance)
    assert done.figures()["files_removed"] == 0
    assert done.figures()["versions"] == 10


def test_the_figures_of_a_dry_run_are_those_of_what_is_done_then(home: Path, instance: dg.DagsterInstance):
    said, done = (maintain(home, instance, dry_run=dry_run).figures() for dry_run in (True, False))
    assert said["files_removed"] == done["files_removed"] > 0
    assert said["bytes_removed"] == done["bytes_removed"]
    assert done["lake_bytes_before"] - done["lake_bytes_after"] == done["bytes_removed"]
    assert said["lake_bytes_before"] - said["lake_bytes_after"] == said["bytes_removed"]
