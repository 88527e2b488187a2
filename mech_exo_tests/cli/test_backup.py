"""`mech-exo backup` and `mech-exo restore`: a home on an empty machine is the one that was backed up, and goes on there."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import SecretStr

from mech_exo_assets.quant.lifecycle.reigns import champion
from mech_exo_assets.schemas import TABLES
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.backup import lake_files
from mech_exo_assets.storage.dagster_home import URL_VARIABLE, open_instance
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Entry, Ledger
from mech_exo_tests.cli.conftest import Command
from mech_exo_tests.postgres import PASSWORD, PostgresServer


@pytest.fixture(autouse=True)
def _variable_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL_VARIABLE, "")
    monkeypatch.delenv(URL_VARIABLE)


def ledger_of(settings: Settings) -> Ledger:
    return Ledger(settings.ledger_url, settings.ledger_head_path)


def named_versions(payload: Any) -> Iterator[tuple[str, int]]:
    """Tables with their version, wherever in an event they stand."""
    if isinstance(payload, dict):
        for key, value in payload.items():
            if key in TABLES and isinstance(value, int):
                yield key, value
            else:
                yield from named_versions(value)
    elif isinstance(payload, list):
        for each in payload:
            yield from named_versions(each)


def assert_same_lake(here: Settings, there: Settings) -> int:
    """Every table is the same to the last bit, now and as each decision saw it; how many versions were compared."""
    old, new = Lake(here.lake_path), Lake(there.lake_path)
    assert new.tables() == old.tables()
    wanted = {(key, old.version(key)) for key in old.tables()}
    for event in ledger_of(here).events():
        wanted |= set(named_versions(event.payload))
    for key, version in wanted:
        assert new.version(key) == old.version(key)
        first, second = old.read(key, version=version), new.read(key, version=version)
        assert second.schema == first.schema
        assert second.hash_rows(seed=1).equals(first.hash_rows(seed=1)), (key, version)
    return len(wanted)


def assert_same_decisions(here: Settings, there: Settings) -> None:
    old, new = ledger_of(here), ledger_of(there)
    assert new.verify().ok
    assert new.events() == old.events()
    assert champion(new.events()) == champion(old.events())


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


def test_a_restored_home_is_the_one_that_was_backed_up_and_goes_on(mech_exo: Command, retrained_home: Path, tmp_path: Path):
    said = mech_exo("backup", "--home", retrained_home, "--out", tmp_path / "b.tar.zst", "--json")
    assert said.code == 0, said.err
    made = json.loads(said.out)
    assert (tmp_path / "b.tar.zst").stat().st_mode & 0o777 == 0o600
    home = tmp_path / "another machine's" / "home"
    said = mech_exo("restore", tmp_path / "b.tar.zst", "--home", home, "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    here, there = Settings(home=retrained_home), Settings(home=home)
    reign = champion(ledger_of(here).events())
    assert reign is not None
    assert reign.how == "promoted"
    assert (found["champion"], found["head_hash"], found["tables"]) == (reign.version, made["head_hash"], made["tables"])

    assert_same_decisions(here, there)
    assert assert_same_lake(here, there) > len(Lake(here.lake_path).tables())
    assert there.choices_path.read_bytes() == here.choices_path.read_bytes()
    assert mech_exo("ledger", "verify", "--home", home, "--head", made["head_hash"]).code == 0
    replayed = mech_exo("replay", "--all", "--home", home, "--json")
    assert replayed.code == 0
    assert {each["kind"] for each in json.loads(replayed.out)} >= {"challenger_built", "promoted"}
    assert mech_exo("db", "check", "--home", home).code == 0
    with sqlite3.connect(there.home / "ledger.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)

    # It knows its source, that nothing is to be done, and how to decide again.
    run = mech_exo("run", "--home", home, "--json")
    assert run.code == 0, run.err
    assert Lake(there.lake_path).version("market/prices") == Lake(here.lake_path).version("market/prices")
    assert mech_exo("retrain", "--home", home, "--reason", "after the restore").code == 0
    assert len(ledger_of(there).events()) > len(ledger_of(here).events())
    assert ledger_of(there).verify().ok


@pytest.mark.slow
def test_models_are_found_where_the_home_is_now(mech_exo: Command, learned_home: Path, tmp_path: Path):
    from mech_exo_assets.storage.models import ModelRegistry, reach

    # Copied by hand before: its addresses lead to neither place.
    home = Path(shutil.copytree(learned_home, tmp_path / "by hand"))
    assert mech_exo("backup", "--home", home, "--out", tmp_path / "b.tar.zst").code == 0
    there = Settings(home=tmp_path / "new home")
    assert mech_exo("restore", tmp_path / "b.tar.zst", "--home", there.home).code == 0
    with sqlite3.connect(there.home / "mlflow.db") as connection:
        for table, column in (("logged_models", "artifact_location"), ("model_versions", "storage_location"), ("runs", "artifact_uri")):
            found = [row[0] for row in connection.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")]  # noqa: S608
            assert found, table
            assert all(each.startswith(there.mlflow_artifacts.as_uri() + "/") for each in found), found
    reach.load_mlflow()
    import mlflow

    aliases = ModelRegistry(there.mlflow_url, there.mlflow_artifacts).aliases("lightgbm")
    assert "challenger" in aliases
    mlflow.set_tracking_uri(there.mlflow_url)
    mlflow.set_registry_uri(there.mlflow_url)
    model = mlflow.pyfunc.load_model("models:/mech-exo-lightgbm@challenger")
    assert model.metadata.run_id == aliases["challenger"]


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


@pytest.mark.slow
def test_a_backup_that_is_taken_while_a_run_writes_is_whole(mech_exo: Command, retrained_home: Path, tmp_path: Path):
    home = Path(shutil.copytree(retrained_home, tmp_path / "home"))
    command = [sys.executable, "-m", "mech_exo_assets.cli"]
    writer = subprocess.Popen([*command, "run", "--force", "--home", str(home)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    taken = []
    while writer.poll() is None:
        out = tmp_path / f"{len(taken)}.tar.zst"
        said = mech_exo("backup", "--home", home, "--out", out)
        assert said.code == 0, said.err
        taken.append(out)
    assert writer.returncode == 0
    versions = []
    for number, path in enumerate(taken):
        there = Settings(home=tmp_path / f"restored {number}")
        said = mech_exo("restore", path, "--home", there.home)
        assert said.code == 0, said.err
        assert_same_decisions(Settings(home=home), there)
        lake = Lake(there.lake_path)
        versions.append({key: lake.version(key) for key in lake.tables()})
    assert all(set(each) == set(versions[0]) for each in versions)
    torn = [number for number, each in enumerate(versions) if each not in (versions[0], versions[-1])]
    assert torn, "no backup was taken in the middle of the run; the machine is too fast for this test"

    # What was cut in its middle computes what is left, and is then what the run has made.
    middle = Settings(home=tmp_path / f"restored {torn[len(torn) // 2]}")
    assert mech_exo("replay", "--all", "--home", middle.home).code == 0
    assert mech_exo("run", "--home", middle.home).code == 0
    old, new = Lake(Settings(home=home).lake_path), Lake(middle.lake_path)
    for key in ("market/prices", "factors/scores", "decay/statistics", "strategy/backtest"):
        assert in_order(new.read(key)).equals(in_order(old.read(key))), key


def in_order(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.sort(pl.all())


@pytest.mark.slow
def test_a_home_on_a_server_is_restored_into_an_empty_database(
    mech_exo: Command, retrained_home: Path, tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    home = Path(shutil.copytree(retrained_home, tmp_path / "home"))
    url, empty = postgres.new_database(), postgres.new_database()
    monkeypatch.setenv("MECH_EXO_DB_URL", url)
    assert mech_exo("db", "copy", "--home", home).code == 0
    assert mech_exo("search", "--home", home).code == 0
    said = mech_exo("backup", "--home", home, "--out", tmp_path / "b.tar.gz")
    assert said.code == 0, said.err
    plain = subprocess.run(["tar", "xzOf", tmp_path / "b.tar.gz"], check=True, capture_output=True).stdout
    for secret in (PASSWORD, url):
        assert secret not in said.out + said.err
        assert secret.encode() not in plain

    # Not where something is, and not into another kind of databases.
    said = mech_exo("restore", tmp_path / "b.tar.gz", "--home", tmp_path / "new")
    assert said.code == 2
    assert "holds rows. Restore into an empty database" in said.err
    monkeypatch.setenv("MECH_EXO_DB_URL", "")
    said = mech_exo("restore", tmp_path / "b.tar.gz", "--home", tmp_path / "new")
    assert said.code == 2
    assert "set MECH_EXO_DB_URL to an empty database" in said.err

    # In a namespace, too: schemas have other names then.
    monkeypatch.setenv("MECH_EXO_DB_URL", empty)
    monkeypatch.setenv("MECH_EXO_NAMESPACE", "ann")
    said = mech_exo("restore", tmp_path / "b.tar.gz", "--home", tmp_path / "new")
    assert said.code == 0, said.err
    assert PASSWORD not in said.out + said.err
    here = Settings(home=home, db_url=SecretStr(url), namespace="")
    there = Settings(home=tmp_path / "new", db_url=SecretStr(empty), namespace="ann")
    assert_same_decisions(here, there)
    assert_same_lake(here, there)
    assert contents(postgres, url, here) == contents(postgres, empty, there)
    assert mech_exo("replay", "--all", "--home", there.home).code == 0
    assert mech_exo("db", "check", "--home", there.home).code == 0
    # Numbers that count by themselves go on.
    assert mech_exo("search", "--home", there.home).code == 0
    assert mech_exo("retrain", "--home", there.home, "--reason", "after the restore").code == 0
    assert len(ledger_of(there).events()) > len(ledger_of(here).events())
    assert ledger_of(there).verify().ok


@pytest.mark.slow
def test_what_fails_in_the_middle_leaves_an_empty_home_and_an_empty_database(
    mech_exo: Command, retrained_home: Path, tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    from mech_exo_assets.storage.backup import restoring

    home = Path(shutil.copytree(retrained_home, tmp_path / "home"))
    url, empty = postgres.new_database(), postgres.new_database()
    monkeypatch.setenv("MECH_EXO_DB_URL", url)
    assert mech_exo("db", "copy", "--home", home).code == 0
    assert mech_exo("backup", "--home", home, "--out", tmp_path / "b.tar.zst").code == 0
    monkeypatch.setenv("MECH_EXO_DB_URL", empty)

    def full(*_: object) -> None:
        raise restoring.MechExoError("no space")

    with monkeypatch.context() as broken:
        broken.setattr(restoring, "_put_in_place", full)
        assert mech_exo("restore", tmp_path / "b.tar.zst", "--home", tmp_path / "new").code == 1
    assert list((tmp_path / "new").iterdir()) == []
    said = mech_exo("restore", tmp_path / "b.tar.zst", "--home", tmp_path / "new")
    assert said.code == 0, said.err


def contents(server: PostgresServer, url: str, settings: Settings) -> dict[str, list[str]]:
    """The rows of all tables, as text, without addresses of artifacts."""
    from mech_exo_assets.storage.backup import rows

    found, database = {}, url.rsplit("/", maxsplit=1)[-1]
    with rows.one_state(settings) as connection:
        for part in rows.parts(settings):
            for table in part.found(connection):
                query = f'SELECT t::text FROM "{part.schema}"."{table.name}" t'  # noqa: S608
                text = [row[0].replace(settings.mlflow_artifacts.as_uri(), "") for row in server.execute(query, database=database)]
                found[f"{part.name}/{table.name}"] = sorted(text)
    return found
