"""`mech-exo backup` and `mech-exo restore`: files, what is refused, and what changes in the middle."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from mech_exo_assets.schemas import SCORES, UNIVERSE
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.backup import lake_files
from mech_exo_assets.storage.dagster_home import open_instance
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Entry, Ledger
from mech_exo_assets.storage.maintenance.tables import maintain_table
from mech_exo_tests.cli.conftest import Command
from mech_exo_tests.cli.two_homes import assert_same_decisions, ledger_of


@pytest.fixture
def small(tmp_path: Path) -> Settings:
    """A home with little in it: two decisions, no run."""
    settings = Settings(home=tmp_path / "small")
    (settings.dagster_home / "history").mkdir(parents=True)
    ledger = ledger_of(settings)
    for number in range(2):
        ledger.append(Entry("refused", "test", {"number": number}))
    done = {"source": "sample", "choices": "", "universe": "", "years": {"2019": "x"}, "code": ""}
    record = {"completed_at": "2020-01-01T00:00:00+00:00", "run_id": "a", "fingerprint": done}
    (settings.home / "refresh.json").write_text(json.dumps(record))
    return settings


def test_a_file_named_by_the_time_and_old_ones_that_go(mech_exo: Command, small: Settings, tmp_path: Path):
    folder = tmp_path / "backups"
    folder.mkdir()
    for name in ("mech-exo-20200101T000000Z.tar.zst", "mech-exo-20200102T000000Z.tar.zst", "mine.tar.zst"):
        (folder / name).touch()
    said = mech_exo("backup", "--home", small.home, "--out", folder, "--keep", "2")
    assert said.code == 0, said.err
    assert "mech-exo-20200101T000000Z.tar.zst was removed" in said.out
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 3
    assert names[0] == "mech-exo-20200102T000000Z.tar.zst"
    assert mech_exo("backup", "--home", small.home, "--out", tmp_path / "x.tar.gz", "--keep", "2").code == 2


@pytest.mark.parametrize(
    ("out", "complaint"),
    [
        ("b.zip", "must end in .tar.zst or .tar.gz"),
        ("small/b.tar.zst", "is in the home itself"),
        ("no folder/b.tar.zst", "cannot be written"),
        ("there.tar.gz", "is there already"),
    ],
)
def test_where_no_backup_can_be_written_is_told_in_one_line(mech_exo: Command, small: Settings, tmp_path: Path, out: str, complaint: str):
    (tmp_path / "there.tar.gz").touch()
    said = mech_exo("backup", "--home", small.home, "--out", tmp_path / out)
    assert said.code == 2
    assert complaint in said.err
    assert said.err.count("\n") == 1
    assert not list(tmp_path.glob("**/.*building"))


def test_a_home_whose_first_run_was_broken_off_is_backed_up_as_it_is(mech_exo: Command, tmp_path: Path):
    (tmp_path / "home" / "dagster").mkdir(parents=True)
    said = mech_exo("backup", "--home", tmp_path / "home", "--out", tmp_path / "b.tar.zst", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["events"] == 0
    said = mech_exo("restore", tmp_path / "b.tar.zst", "--home", tmp_path / "new")
    assert said.code == 0, said.err
    assert "Champion: none" in said.out


def test_a_file_that_cannot_be_read_is_told_in_one_line(
    mech_exo: Command, small: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from mech_exo_assets.storage.backup import taking

    def refused(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(taking, "_content", refused)
    said = mech_exo("backup", "--home", small.home, "--out", tmp_path / "b.tar.zst")
    assert said.code == 1
    assert "refresh.json: cannot be read (Permission denied). Nothing was backed up." in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small"]


def test_an_empty_home_is_not_backed_up(mech_exo: Command, tmp_path: Path):
    said = mech_exo("backup", "--home", tmp_path / "home", "--out", tmp_path / "b.tar.zst")
    assert said.code == 1
    assert "holds nothing yet" in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_that_is_not_whole_is_not_backed_up(mech_exo: Command, small: Settings, tmp_path: Path):
    with sqlite3.connect(small.home / "ledger.db") as connection:
        connection.execute("DROP TRIGGER events_refuse_update")
        connection.execute("UPDATE events SET actor = 'somebody else' WHERE id = 1")
    said = mech_exo("backup", "--home", small.home, "--out", tmp_path / "b.tar.zst")
    assert said.code == 1
    assert "is not whole" in said.err
    assert "nothing was backed up" in said.err
    assert not (tmp_path / "b.tar.zst").exists()


def test_a_decision_that_is_made_meanwhile_is_in_the_backup_with_the_tables_that_it_names(
    mech_exo: Command, small: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pin, ledger = lake_files.pin, ledger_of(small)

    def disturbed(root: Path) -> list[lake_files.Pinned]:
        if ledger.events()[-1].id == 2:
            ledger.append(Entry("refused", "test", {"number": 3}))
        return pin(root)

    monkeypatch.setattr(lake_files, "pin", disturbed)
    said = mech_exo("backup", "--home", small.home, "--out", tmp_path / "b.tar.zst", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["events"] == 3

    def always(root: Path) -> list[lake_files.Pinned]:
        ledger.append(Entry("refused", "test", {}))
        return pin(root)

    monkeypatch.setattr(lake_files, "pin", always)
    said = mech_exo("backup", "--home", small.home, "--out", tmp_path / "c.tar.zst")
    assert said.code == 1
    assert "Take the backup again later" in said.err


def test_a_refresh_that_begins_meanwhile_counts_as_not_done(
    mech_exo: Command, small: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pin, record = lake_files.pin, small.home / "refresh.json"

    def disturbed(root: Path) -> list[lake_files.Pinned]:
        record.write_text(record.read_text().replace("2020-01-01", "2020-01-02"))
        return pin(root)

    monkeypatch.setattr(lake_files, "pin", disturbed)
    assert mech_exo("backup", "--home", small.home, "--out", tmp_path / "b.tar.zst").code == 0
    monkeypatch.undo()
    subprocess.run(["tar", "xf", tmp_path / "b.tar.zst", "-C", tmp_path, "home/refresh.json"], check=True)
    found = json.loads((tmp_path / "home" / "refresh.json").read_text())
    assert (found["completed_at"], found["fingerprint"]["source"]) == (None, "sample")
    assert found["fingerprint"]["years"] == {"2019": "not done"}


def test_a_backup_goes_only_where_nothing_is(mech_exo: Command, small: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert mech_exo("backup", "--home", small.home, "--out", tmp_path / "b.tar.zst").code == 0
    home = tmp_path / "home"
    home.mkdir()
    (home / "mine.yaml").touch()
    said = mech_exo("restore", tmp_path / "b.tar.zst", "--home", home)
    assert said.code == 2
    assert "holds mine.yaml. Restore into an empty --home; nothing was restored." in said.err
    assert [path.name for path in home.iterdir()] == ["mine.yaml"]
    monkeypatch.setenv("MECH_EXO_DB_URL", f"sqlite:///{tmp_path}/there.db")
    (tmp_path / "there.ledger.db").touch()
    said = mech_exo("restore", tmp_path / "b.tar.zst", "--home", tmp_path / "other")
    assert said.code == 2
    assert "there.ledger.db is there already" in said.err
    assert mech_exo("restore", tmp_path / "b.tar.zst", "--home", tmp_path / "b.tar.zst").code == 2


def test_files_that_stand_elsewhere_go_elsewhere(mech_exo: Command, small: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert mech_exo("backup", "--home", small.home, "--out", tmp_path / "b.tar.gz").code == 0
    monkeypatch.setenv("MECH_EXO_DB_URL", f"sqlite:///{tmp_path}/data bases/s.db")
    (tmp_path / "new" / "lost+found").mkdir(parents=True)
    said = mech_exo("restore", tmp_path / "b.tar.gz", "--home", tmp_path / "new")
    assert said.code == 0, said.err
    assert not (tmp_path / "new" / "ledger.db").exists()
    there = Ledger(f"sqlite:///{tmp_path}/data bases/s.ledger.db", tmp_path / "new" / "ledger.head")
    assert there.verify().ok
    assert there.events() == ledger_of(small).events()
    # And from there.
    assert mech_exo("backup", "--home", tmp_path / "new", "--out", tmp_path / "c.tar.gz").code == 0
    monkeypatch.delenv("MECH_EXO_DB_URL")
    assert mech_exo("restore", tmp_path / "c.tar.gz", "--home", tmp_path / "newest").code == 0
    assert_same_decisions(small, Settings(home=tmp_path / "newest"))


def test_a_ledger_that_does_not_verify_is_not_restored(mech_exo: Command, small: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from mech_exo_assets.storage.backup import restoring

    assert mech_exo("backup", "--home", small.home, "--out", tmp_path / "b.tar.zst").code == 0
    unpack = restoring.archive.unpack

    def other(path: Path, folder: Path) -> dict[str, Any]:
        facts = unpack(path, folder)
        with sqlite3.connect(folder / "databases" / "ledger.db") as connection:
            connection.execute("DROP TRIGGER events_refuse_delete")
            connection.execute("DELETE FROM events WHERE id = 2")
        return facts

    monkeypatch.setattr(restoring.archive, "unpack", other)
    said = mech_exo("restore", tmp_path / "b.tar.zst", "--home", tmp_path / "home")
    assert said.code == 1
    assert "the end was cut" in said.err
    assert list((tmp_path / "home").iterdir()) == []


def test_runs_that_went_on_are_marked_as_failed(mech_exo: Command, small: Settings, tmp_path: Path):
    import dagster as dg

    from mech_exo_assets.storage.dagster_home import run_instance

    with run_instance(small) as instance:
        run = instance.create_run_for_job(dg.GraphDefinition(name="nothing").to_job(), status=dg.DagsterRunStatus.STARTED)
    assert mech_exo("backup", "--home", small.home, "--out", tmp_path / "b.tar.zst").code == 0
    said = mech_exo("restore", tmp_path / "b.tar.zst", "--home", tmp_path / "home")
    assert said.code == 0, said.err
    assert "1 runs that went on then are marked as failed" in said.out
    opened = open_instance(Settings(home=tmp_path / "home"))
    assert opened is not None
    with opened as instance:
        assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE


def test_a_lake_in_an_object_store_stays_there_and_is_asked_for_at_the_restore(
    mech_exo: Command, small: Settings, tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
):
    uri = f"{bucket}/lake"
    Lake(uri).write(UNIVERSE, pl.DataFrame([{"symbol": "A", "asset_class": "equity"}], schema=UNIVERSE.dtypes()))
    record = json.loads((small.home / "refresh.json").read_text())
    record["fingerprint"]["lake"] = uri
    (small.home / "refresh.json").write_text(json.dumps(record))
    monkeypatch.setenv("MECH_EXO_LAKE", uri)
    file = tmp_path / "backup.tar.gz"
    said = mech_exo("backup", "--home", small.home, "--out", file, "--json")
    assert json.loads(said.out)["tables"] == 0
    monkeypatch.setenv("MECH_EXO_LAKE", "")
    refused = mech_exo("restore", file, "--home", tmp_path / "new")
    assert refused.code == 2
    assert "set MECH_EXO_LAKE to that" in refused.err
    monkeypatch.setenv("MECH_EXO_LAKE", uri)
    restored = mech_exo("restore", file, "--home", tmp_path / "new")
    assert restored.code == 0, restored.err
    with duckdb.connect(str(tmp_path / "new" / "mech_exo.duckdb"), read_only=True) as mart:
        assert mart.execute("SELECT symbol FROM market.universe").fetchall() == [("A",)]
    assert not (tmp_path / "new" / "lake").exists()


def test_tables_of_a_backup_are_not_put_into_an_object_store(
    mech_exo: Command, small: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "backup.tar.gz"
    assert mech_exo("backup", "--home", small.home, "--out", file).code == 0
    monkeypatch.setenv("MECH_EXO_LAKE", "s3://nowhere/lake")
    refused = mech_exo("restore", file, "--home", tmp_path / "new")
    assert refused.code == 2
    assert "restore without MECH_EXO_LAKE" in refused.err


def test_versions_that_maintenance_has_kept_are_in_a_backup_with_all_their_files(mech_exo: Command, small: Settings, tmp_path: Path):
    lake = Lake(small.lake_uri)
    for number in range(12):
        # The year 2014 is written by version 5, whose commit goes, and is there until version 10, which comes after one that is kept.
        year = 2014 if number in (5, 10) else 2020
        frame = pl.DataFrame({"date": [date(year, 1, 3)], "symbol": ["A"], "size": [float(number)]})
        lake.write(SCORES, frame, years=[year])
    kept = {version: lake.read(SCORES.key, version=version) for version in (3, 8, 11)}
    late = datetime.max.replace(tzinfo=UTC)
    maintain_table(lake, SCORES.key, before=late, named={3, 8}, read=(), grace=timedelta(0), dry_run=False)
    file, new = tmp_path / "backup.tar.gz", tmp_path / "elsewhere"
    assert mech_exo("backup", "--home", small.home, "--out", file).code == 0
    restored = mech_exo("restore", file, "--home", new)
    assert restored.code == 0, restored.err
    there = Lake(Settings(home=new).lake_uri)
    for version, frame in kept.items():
        assert there.read(SCORES.key, version=version).sort("date").equals(frame.sort("date")), version


def test_a_lake_is_restored_into_an_empty_folder_that_is_there_and_not_into_one_that_holds_something(
    mech_exo: Command, small: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    Lake(small.lake_uri).write(UNIVERSE, pl.DataFrame([{"symbol": "A", "asset_class": "equity"}], schema=UNIVERSE.dtypes()))
    file, folder = tmp_path / "backup.tar.gz", tmp_path / "tables"
    assert mech_exo("backup", "--home", small.home, "--out", file).code == 0
    folder.mkdir()
    monkeypatch.setenv("MECH_EXO_LAKE", str(folder))
    assert mech_exo("restore", file, "--home", tmp_path / "new").code == 0
    assert Lake(folder).tables() == [UNIVERSE.key]
    refused = mech_exo("restore", file, "--home", tmp_path / "another")
    assert refused.code == 2
    assert "holds tables already" in refused.err
    assert Lake(folder).tables() == [UNIVERSE.key]
