"""`mech-exo restore` of whole homes: what stands there is what was backed up, on SQLite and PostgreSQL, and it goes on."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from pydantic import SecretStr

from mech_exo_assets.quant.lifecycle.reigns import champion
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.dagster_home import URL_VARIABLE
from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.cli.conftest import Command
from mech_exo_tests.cli.two_homes import assert_same_decisions, assert_same_lake, ledger_of
from mech_exo_tests.postgres import PASSWORD, PostgresServer


@pytest.fixture(autouse=True)
def _variable_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL_VARIABLE, "")
    monkeypatch.delenv(URL_VARIABLE)


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
    assert assert_same_lake(here, there) > len(Lake(here.lake_uri).tables())
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
    assert Lake(there.lake_uri).version("market/prices") == Lake(here.lake_uri).version("market/prices")
    assert mech_exo("retrain", "--home", home, "--reason", "after the restore").code == 0
    assert len(ledger_of(there).events()) > len(ledger_of(here).events())
    assert ledger_of(there).verify().ok


@pytest.mark.slow
def test_models_are_found_where_the_home_is_now(mech_exo: Command, learned_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
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
    # Another worker may have trained the models: then this is the first import here.
    reach.load_pyfunc()
    import mlflow.pyfunc

    aliases = ModelRegistry(there.mlflow_url, there.mlflow_artifacts).aliases("lightgbm")
    assert "challenger" in aliases
    # Variables, since what MLflow's own setters set would stay for the tests that follow.
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.setenv(name, there.mlflow_url)
    model = mlflow.pyfunc.load_model("models:/mech-exo-lightgbm@challenger")
    assert model.metadata.run_id == aliases["challenger"]


@pytest.mark.slow
@pytest.mark.long
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
        lake = Lake(there.lake_uri)
        versions.append({key: lake.version(key) for key in lake.tables()})
    assert all(set(each) == set(versions[0]) for each in versions)
    torn = [number for number, each in enumerate(versions) if each not in (versions[0], versions[-1])]
    assert torn, "no backup was taken in the middle of the run; the machine is too fast for this test"

    # What was cut in its middle computes what is left, and is then what the run has made.
    middle = Settings(home=tmp_path / f"restored {torn[len(torn) // 2]}")
    assert mech_exo("replay", "--all", "--home", middle.home).code == 0
    assert mech_exo("run", "--home", middle.home).code == 0
    old, new = Lake(Settings(home=home).lake_uri), Lake(middle.lake_uri)
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
    from mech_exo_assets.storage.databases.parts import parts

    found, database = {}, url.rsplit("/", maxsplit=1)[-1]
    with rows.one_state(settings) as connection:
        for part in parts(settings):
            for table in part.found(connection):
                query = f'SELECT t::text FROM "{part.schema}"."{table.name}" t'  # noqa: S608
                text = [row[0].replace(settings.mlflow_artifacts.as_uri(), "") for row in server.execute(query, database=database)]
                found[f"{part.name}/{table.name}"] = sorted(text)
    return found
