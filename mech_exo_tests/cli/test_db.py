"""`mech-exo db`: looking at the databases of a home, upgrading them, and moving them to PostgreSQL with everything in them."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from mech_exo_assets.settings import Settings
from mech_exo_assets.storage import connection as way
from mech_exo_assets.storage.dagster_home import open_instance
from mech_exo_assets.storage.ledger import Entry, Ledger, migrations
from mech_exo_tests.cli.conftest import Command
from mech_exo_tests.postgres import PASSWORD, PostgresServer


def states(said: str) -> dict[str, str]:
    return {each["name"]: each["state"] for each in json.loads(said)["databases"]}


def test_a_home_without_databases_is_looked_at_and_left_as_it_was(mech_exo: Command, tmp_path: Path):
    said = mech_exo("db", "check", "--home", tmp_path / "home", "--json")
    assert said.code == 0
    assert set(states(said.out).values()) == {"not there yet"}
    assert not (tmp_path / "home").exists()


def test_all_tables_are_made_and_then_nothing_is_to_be_done(mech_exo: Command, tmp_path: Path):
    made = mech_exo("db", "upgrade", "--home", tmp_path, "--json")
    assert [each["state"] for each in json.loads(made.out)] == ["ok"] * 4
    assert set(states(mech_exo("db", "check", "--home", tmp_path, "--json").out).values()) == {"ok"}
    again = mech_exo("db", "upgrade", "--home", tmp_path)
    assert again.code == 0
    assert "to be upgraded" not in again.out + again.err


def test_a_ledger_of_an_older_release_is_told_by_the_exit_code_and_upgraded(mech_exo: Command, tmp_path: Path):
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db", tmp_path / "ledger.head")
    ledger.append(Entry("refused", "test", {}))
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("DROP TABLE alembic_version")
        connection.execute("DROP INDEX events_by_kind")
    said = mech_exo("db", "check", "--home", tmp_path)
    assert said.code == 1
    assert "to be upgraded" in said.out
    assert "mech-exo db upgrade" in said.out
    assert mech_exo("db", "upgrade", "--home", tmp_path).code == 0
    assert mech_exo("db", "check", "--home", tmp_path).code == 0
    assert Ledger(f"sqlite:///{tmp_path}/ledger.db", tmp_path / "ledger.head").revision() == migrations.HEAD


@pytest.mark.parametrize(
    ("url", "options", "complaint"),
    [
        ("", (), "does not name a PostgreSQL database"),
        ("sqlite:////x/studies.db", (), "does not name a PostgreSQL database"),
        ("postgresql://me:hush@127.0.0.1:1/base", ("--from", "postgresql://me:hush@host/base"), "must be a SQLite file"),
        ("postgresql://me:hush@127.0.0.1:1/base", (), "the database cannot be used"),
    ],
)
def test_what_cannot_be_copied_is_told_in_one_line(
    mech_exo: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, options: tuple[str, ...], complaint: str
):
    monkeypatch.setenv("MECH_EXO_DB_URL", url)
    said = mech_exo("db", "copy", "--home", tmp_path, *options)
    assert said.code == 2
    assert complaint in said.err
    assert "hush" not in said.out + said.err


def rows(url: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The rows of each table, with the types of PostgreSQL's."""
    parsed = way.parse(url)
    engine, schema = way.create_engine(parsed), way.schema_of(parsed)
    with way.reading(engine) as connection:
        found = sa.MetaData()
        found.reflect(connection, schema=schema)
        for table in found.sorted_tables:
            yield table.name, [dict(row) for row in connection.execute(sa.select(table)).mappings()]
    engine.dispose()


def in_order(found: list[dict[str, Any]]) -> list[str]:
    return sorted(repr(sorted(row.items())) for row in found)


def runs_and_materialisations(settings: Settings) -> tuple[Any, Any, Any]:
    instance = open_instance(settings)
    assert instance is not None
    with instance:
        runs = [(run.run_id, run.status, run.tags) for run in instance.get_runs()]
        logs = {run_id: [entry.message for entry in instance.all_logs(run_id)] for run_id, *_ in runs}
        newest = {}
        for key in instance.all_asset_keys():
            event = instance.get_latest_materialization_event(key)
            newest[key] = None if event is None else (event.run_id, event.asset_materialization)
    return runs, logs, newest


@pytest.mark.slow
def test_a_home_moves_to_a_server_with_everything_in_it_and_goes_on_there(
    mech_exo: Command, retrained_home: Path, tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    home = Path(shutil.copytree(retrained_home, tmp_path / "home"))
    here = Settings(home=home)
    before = runs_and_materialisations(here)
    events = Ledger(here.ledger_url, here.ledger_head_path).events()
    url = postgres.new_database()
    there = Settings(home=home, db_url=SecretStr(url))
    monkeypatch.setenv("MECH_EXO_DB_URL", url)
    # Somebody else's table beside Optuna's: it is not looked at.
    postgres.execute("CREATE TABLE public.others AS SELECT 1 AS value", database=url.rpartition("/")[2])

    said = mech_exo("db", "copy", "--home", home, "--json")
    assert said.code == 0, said.err
    assert PASSWORD not in said.out + said.err
    assert all(each["rows"] > 0 for each in json.loads(said.out))

    ledger = Ledger(there.ledger_url, there.ledger_head_path)
    assert ledger.events() == events
    assert ledger.verify().ok
    assert runs_and_materialisations(there) == before
    for old, new in ((here.studies_url, there.studies_url), (here.mlflow_url, there.mlflow_url)):
        copied, held = dict(rows(new)), dict(rows(old))
        for name, found in copied.items():
            if name not in ("version_info", "others"):
                assert len(found) == len(held[name]), name
    for name in ("trial_values", "trial_params", "study_user_attributes"):
        assert in_order(dict(rows(there.studies_url))[name]) == in_order(dict(rows(here.studies_url))[name])
    for name in ("metrics", "params", "model_versions"):
        assert in_order(dict(rows(there.mlflow_url))[name]) == in_order(dict(rows(here.mlflow_url))[name])

    # Numbers that count by themselves go on after those that were copied: the next search, run and event are new ones.
    assert mech_exo("search", "--home", home).code == 0
    assert mech_exo("retrain", "--home", home, "--reason", "on the server").code == 0
    assert len(Ledger(there.ledger_url, there.ledger_head_path).events()) > len(events)
    assert Ledger(here.ledger_url, here.ledger_head_path).last() == events[-1]

    # A second copy would mix two homes.
    refused = mech_exo("db", "copy", "--home", home)
    assert refused.code == 2
    assert "holds rows already; nothing was copied" in refused.err


@pytest.mark.slow
def test_a_broken_ledger_is_not_copied(mech_exo: Command, tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch):
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db", tmp_path / "ledger.head")
    for number in range(3):
        ledger.append(Entry("refused", "test", {"number": number}))
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("DROP TRIGGER events_refuse_update")
        connection.execute("UPDATE events SET actor = 'somebody else' WHERE id = 2")
    url = postgres.new_database()
    monkeypatch.setenv("MECH_EXO_DB_URL", url)
    said = mech_exo("db", "copy", "--home", tmp_path)
    assert said.code == 1
    assert "is not whole" in said.err
    assert (
        postgres.execute("SELECT schema_name FROM information_schema.schemata WHERE schema_name = 'ledger'", database=url.rsplit("/", 1)[1])
        == []
    )


@pytest.mark.slow
def test_a_copy_that_breaks_off_leaves_the_home_on_its_files_and_can_be_repeated(
    mech_exo: Command, retrained_home: Path, tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    from mech_exo_assets.storage.databases import copying

    home = Path(shutil.copytree(retrained_home, tmp_path / "home"))
    url = postgres.new_database()
    whole = copying._copy_part

    def broken(connection: sa.Connection, part: Any, file: str) -> int:
        if part.name == "dagster":
            raise KeyboardInterrupt
        return whole(connection, part, file)

    source, target = Settings(home=home), Settings(home=home, db_url=SecretStr(url))
    with monkeypatch.context() as broken_off:
        broken_off.setattr(copying, "_copy_part", broken)
        with pytest.raises(KeyboardInterrupt):
            copying.copy(source, target)
    assert Ledger(target.ledger_url, tmp_path / "no.head").events() == []
    before = runs_and_materialisations(source)
    copying.copy(source, target)
    assert runs_and_materialisations(target) == before
