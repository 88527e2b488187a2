"""Old runs of Dagster: what the ledger names and what assets are stays, the rest goes with its files, and nothing is asked for anew."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import time
from collections.abc import Generator
from pathlib import Path

import dagster as dg
import pytest

from mech_exo_assets.defs.automation import ON_UPDATE, ON_YEAR_UPDATE
from mech_exo_assets.defs.partitions import YEARS
from mech_exo_assets.storage.event_log import kept_instance
from mech_exo_assets.storage.ledger import Entry, Ledger
from mech_exo_assets.storage.maintenance.runs import Forgotten, compact, forget_runs, named_runs, sqlite_files

LATER = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
THIS_YEAR = int(YEARS.get_last_partition_key())


@dg.asset(partitions_def=YEARS, backfill_policy=dg.BackfillPolicy.single_run())
def source() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"plot": "x" * 5000})


@dg.asset(
    deps=[source],
    partitions_def=YEARS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    automation_condition=ON_YEAR_UPDATE,
    check_specs=[dg.AssetCheckSpec("fine", asset="by_year")],
)
def by_year() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"plot": "x" * 5000}, check_results=[dg.AssetCheckResult(passed=True, check_name="fine")])


@dg.asset(deps=[by_year], automation_condition=ON_UPDATE)
def whole() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"plot": "x" * 5000})


DEFS = dg.Definitions(assets=[source, by_year, whole])


@pytest.fixture
def instance(tmp_path: Path) -> Generator[dg.DagsterInstance]:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with kept_instance(tmp_path) as opened:
        yield opened


def run(instance: dg.DagsterInstance, first: int, last: int, **tags: str) -> str:
    years = {"dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last)}
    done = DEFS.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance, tags=years | tags)
    assert done.success
    return done.run_id


def forget(instance: dg.DagsterInstance, *named: str, before: dt.datetime = LATER, dry_run: bool = False) -> Forgotten:
    return forget_runs(instance, before=before, named=named, dry_run=dry_run)


def runs_of(instance: dg.DagsterInstance) -> set[str]:
    return {each.run_id for each in instance.get_runs()}


def state(instance: dg.DagsterInstance) -> dict[str, object]:
    """What assets and checks are."""
    checks = [key for spec in (by_year,) for key in spec.check_keys]
    return {
        "materialised": {each.key: instance.get_materialized_partitions(each.key) for each in (source, by_year)},
        "latest": {
            each.key: instance.event_log_storage.get_latest_storage_id_by_partition(each.key, dg.DagsterEventType.ASSET_MATERIALIZATION)
            for each in (source, by_year, whole)
        },
        "records": [
            (each.asset_entry.asset_key, each.asset_entry.last_run_id, each.asset_entry.last_materialization_storage_id)
            for each in instance.get_asset_records()
        ],
        "checks": {key: each.run_id for key, each in instance.event_log_storage.get_latest_asset_check_execution_by_key(checks).items()},
    }


def test_a_run_whose_assets_were_all_made_anew_goes_and_what_assets_are_stays(instance: dg.DagsterInstance, tmp_path: Path):
    history = run(instance, THIS_YEAR - 5, THIS_YEAR)
    middle = [run(instance, THIS_YEAR - 1, THIS_YEAR) for _ in range(3)]
    newest = run(instance, THIS_YEAR - 1, THIS_YEAR)
    before = state(instance)
    assert forget(instance) == Forgotten(runs=3, kept_young=0, kept_by_ledger=0, kept_by_assets=2)
    assert runs_of(instance) == {history, newest}
    assert state(instance) == before
    assert {path.stem for path in (tmp_path / "history" / "runs").glob("*.db")} == {"index", history, newest}
    with sqlite3.connect(tmp_path / "history" / "runs" / "index.db") as index, sqlite3.connect(tmp_path / "history" / "runs.db") as kept:
        for table in ("event_logs", "asset_check_executions"):
            left = index.execute(f"SELECT DISTINCT run_id FROM {table}")  # noqa: S608
            assert {row[0] for row in left} <= {history, newest}
        assert {row[0] for row in kept.execute("SELECT DISTINCT run_id FROM run_tags")} == {history, newest}
    assert len(instance.all_logs(history)) > 0
    assert not any(instance.get_run_by_id(each) for each in middle)


def test_automation_asks_for_nothing_since_runs_went(instance: dg.DagsterInstance):
    for _ in range(3):
        run(instance, THIS_YEAR - 1, THIS_YEAR)
    seen = dg.evaluate_automation_conditions(defs=DEFS, instance=instance)
    forget(instance)
    after = dg.evaluate_automation_conditions(defs=DEFS, instance=instance, cursor=seen.cursor)
    assert after.total_requested == 0
    instance.report_runless_asset_event(dg.AssetMaterialization(source.key, partition=str(THIS_YEAR)))
    updated = dg.evaluate_automation_conditions(defs=DEFS, instance=instance, cursor=after.cursor)
    assert updated.get_requested_partitions(by_year.key) == {str(THIS_YEAR)}


def test_a_run_that_the_ledger_names_stays(instance: dg.DagsterInstance, tmp_path: Path):
    named, other, _ = (run(instance, THIS_YEAR - 1, THIS_YEAR) for _ in range(3))
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path / "ledger.head")
    ledger.append(Entry("challenger_built", "a job", {"run_id": named}))
    ledger.append(Entry("recovered", "a sensor", {"run_id": None}))
    done = forget(instance, *named_runs(ledger.events()))
    assert (done.runs, done.kept_by_ledger) == (1, 1)
    assert instance.get_run_by_id(named) is not None
    assert len(instance.all_logs(named)) > 0
    assert instance.get_run_by_id(other) is None


def test_a_young_run_and_one_that_has_not_ended_stay(instance: dg.DagsterInstance):
    for _ in range(2):
        run(instance, THIS_YEAR - 1, THIS_YEAR)
    assert forget(instance, before=dt.datetime.now(dt.UTC) - dt.timedelta(days=30)).runs == 0
    begun = instance.create_run_for_job(DEFS.resolve_implicit_global_asset_job_def(), status=dg.DagsterRunStatus.STARTED)
    forget(instance)
    assert instance.get_run_by_id(begun.run_id) is not None


def test_a_dry_run_removes_nothing_and_a_second_run_finds_nothing(instance: dg.DagsterInstance):
    for _ in range(3):
        run(instance, THIS_YEAR - 1, THIS_YEAR)
    said = forget(instance, dry_run=True)
    assert len(runs_of(instance)) == 3
    assert forget(instance) == said
    assert forget(instance).runs == 0


def test_the_log_of_a_run_that_a_killed_maintenance_has_left_goes(instance: dg.DagsterInstance, tmp_path: Path):
    left = run(instance, THIS_YEAR - 1, THIS_YEAR)
    run(instance, THIS_YEAR - 1, THIS_YEAR)
    instance.run_storage.delete_run(left)
    instance.event_log_storage.dispose()
    path = tmp_path / "history" / "runs" / f"{left}.db"
    os.utime(path, (time.time() - 60 * 86400,) * 2)
    forget(instance, before=dt.datetime.now(dt.UTC) - dt.timedelta(days=30))
    assert not path.exists()


def test_no_more_files_are_open_than_before(instance: dg.DagsterInstance):
    for _ in range(4):
        run(instance, THIS_YEAR - 1, THIS_YEAR)
    forget(instance)
    assert not [target for target in map(_target, Path("/proc/self/fd").iterdir()) if target.endswith("(deleted)") and ".db" in target]


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""


def test_the_room_of_what_went_is_given_back(instance: dg.DagsterInstance, tmp_path: Path):
    for _ in range(8):
        run(instance, THIS_YEAR - 5, THIS_YEAR)
    forget(instance)
    files = sqlite_files(instance, tmp_path)
    assert set(files) >= {"runs", "events"}
    before = files["events"].stat().st_size
    assert compact(files["events"])
    assert files["events"].stat().st_size < before / 2
    assert not compact(files["events"])
    assert not compact(tmp_path / "none.db")
    assert len(instance.get_materialized_partitions(source.key)) == 6


def test_a_file_that_another_process_writes_is_left(instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mech_exo_assets.storage.maintenance.runs.BUSY_SECONDS", 0.01)
    for _ in range(4):
        run(instance, THIS_YEAR - 5, THIS_YEAR)
    forget(instance)
    path = sqlite_files(instance, tmp_path)["events"]
    with sqlite3.connect(path) as other:
        other.execute("BEGIN IMMEDIATE")
        assert not compact(path)
        other.rollback()
    assert compact(path)
