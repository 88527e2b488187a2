"""Revisions of the ledger's tables: from any released one to the newest, never back, with every event as it was."""

from __future__ import annotations

import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mech_exo_assets.errors import InputError
from mech_exo_assets.storage import connection as way
from mech_exo_assets.storage.ledger import Entry, Ledger, anchor, migrations, tables

VERSIONS = Path(migrations.__file__).parent / "versions"


def at_revision(url: str, revision: str, *, stamped: bool = True) -> None:
    """A ledger of an older release, with one event; without its revision, as before revisions were counted."""
    parsed = way.parse(url)
    way.make_folder(parsed)
    engine, schema = way.create_engine(parsed), tables.schema_of(parsed)
    with way.writing(engine) as connection:
        way.make_schema(connection, schema)
        migrations.upgrade(connection, schema, to=revision)
    row = dict(zip(tables.events_table(schema).c.keys(), EVENT, strict=True))
    with way.writing(engine) as connection:
        connection.execute(sa.insert(tables.events_table(schema)).values(row))
        if not stamped:
            connection.exec_driver_sql(f"DROP TABLE {'' if schema is None else f'{schema}.'}alembic_version")
    engine.dispose()


def _an_event() -> tuple[Any, ...]:
    from mech_exo_assets.storage.ledger.event import GENESIS, canonical, digest

    time, payload = "2026-01-02T03:04:05.000006Z", canonical({"summary": "as of an older release"})
    own = digest(1, time, ("refused", "v1", "test", "k1", payload), GENESIS)
    return (1, time, "refused", "v1", "test", "k1", payload, GENESIS, own)


EVENT = _an_event()


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    return request.getfixturevalue("postgres").new_database()


on_both = pytest.mark.parametrize("url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], indirect=True)


def test_this_release_writes_the_newest_revision_and_revisions_follow_each_other():
    found = {path.stem.partition("_")[0]: path.read_text(encoding="utf-8") for path in VERSIONS.glob("[0-9]*.py")}
    assert max(found) == migrations.HEAD
    for number, text in found.items():
        before = re.search(r"^down_revision = (.+)$", text, re.MULTILINE)
        assert before is not None
        assert before[1] == ("None" if number == migrations.BASELINE else f'"{int(number) - 1:04d}"')


@on_both
def test_a_new_ledger_has_the_newest_revision(url: str, tmp_path: Path):
    ledger = Ledger(url, tmp_path / "ledger.head")
    assert ledger.revision() is None
    ledger.append(Entry("refused", "test", {}))
    assert Ledger(url, tmp_path / "ledger.head").revision() == migrations.HEAD
    assert ledger.verify().ok


@on_both
@pytest.mark.parametrize(("revision", "stamped"), [("0001", True), ("0001", False)])
def test_an_older_one_is_read_refused_for_writing_upgraded_and_goes_on(url: str, tmp_path: Path, revision: str, stamped: bool):
    at_revision(url, revision, stamped=stamped)
    anchor.advance(tmp_path / "ledger.head", anchor.Head(1, EVENT[-1]))
    ledger = Ledger(url, tmp_path / "ledger.head")
    assert ledger.events()[0].hash == EVENT[-1]
    assert ledger.verify().ok
    with pytest.raises(InputError, match=r"revision 0001, and this release writes .*`mech-exo db upgrade`"):
        ledger.append(Entry("refused", "test", {}))
    assert ledger.upgrade() == ("0001", migrations.HEAD)
    assert ledger.append(Entry("refused", "test", {})).previous_hash == EVENT[-1]
    again = Ledger(url, tmp_path / "ledger.head")
    assert again.upgrade() == (migrations.HEAD, migrations.HEAD)
    verified = again.verify()
    assert (verified.ok, verified.events) == (True, 2)


@on_both
def test_who_has_opened_it_before_an_upgrade_goes_on_after_it(url: str, tmp_path: Path):
    at_revision(url, "0001")
    anchor.advance(tmp_path / "ledger.head", anchor.Head(1, EVENT[-1]))
    opened = Ledger(url, tmp_path / "ledger.head")
    assert opened.revision() == "0001"
    Ledger(url, tmp_path / "ledger.head").upgrade()
    assert opened.revision() == migrations.HEAD
    assert opened.append(Entry("refused", "test", {})).id == 2


@on_both
def test_an_older_and_a_new_one_end_with_the_same_tables(url: str, tmp_path: Path, request: pytest.FixtureRequest):
    at_revision(url, "0001", stamped=False)
    Ledger(url, tmp_path / "ledger.head").upgrade()
    fresh = f"sqlite:///{tmp_path}/fresh.db" if url.startswith("sqlite") else request.getfixturevalue("postgres").new_database()
    Ledger(fresh, tmp_path / "fresh.head").append(Entry("refused", "test", {}))
    found = []
    for each in (url, fresh):
        parsed = way.parse(each)
        engine, schema = way.create_engine(parsed), tables.schema_of(parsed)
        with way.reading(engine) as connection:
            looked = sa.inspect(connection)
            columns = [(column["name"], str(column["type"]), column["nullable"]) for column in looked.get_columns("events", schema=schema)]
            found.append((columns, looked.get_indexes("events", schema=schema), tables.missing_guards(connection, schema)))
        engine.dispose()
    assert found[0] == found[1]
    assert found[0][2] == []


@on_both
def test_one_of_a_newer_release_is_neither_read_nor_written_nor_taken_back(url: str, tmp_path: Path):
    at_revision(url, migrations.HEAD)
    parsed = way.parse(url)
    engine, schema = way.create_engine(parsed), tables.schema_of(parsed)
    with way.writing(engine) as connection:
        versions = sa.Table("alembic_version", sa.MetaData(schema=schema), sa.Column("version_num", sa.Text))
        connection.execute(sa.update(versions).values(version_num="0999"))
    engine.dispose()
    ledger = Ledger(url, tmp_path / "ledger.head")
    for act in (ledger.events, ledger.verify, ledger.upgrade, lambda: ledger.append(Entry("refused", "test", {}))):
        with pytest.raises(InputError, match=r"revision 0999, and this release knows .* does not go back"):
            act()


def test_an_upgrade_that_fails_leaves_the_ledger_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    at_revision(f"sqlite:///{tmp_path}/ledger.db", "0001")
    faulty = Path(shutil.copytree(VERSIONS.parent, tmp_path / "migrations"))
    (faulty / "versions" / "0003_fault.py").write_text(
        "from alembic import op\nrevision, down_revision = '0003', '0002'\n"
        "def upgrade():\n    op.execute('CREATE TABLE half (a INTEGER)')\n    op.execute('SELECT nonsense FROM nowhere')\n"
    )
    monkeypatch.setattr(migrations, "__file__", str(faulty / "__init__.py"))
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db", tmp_path / "ledger.head")
    with pytest.raises((InputError, sa.exc.OperationalError), match="nowhere"):
        ledger.upgrade()
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'index')")}
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
    assert "half" not in names
    assert "events_by_kind" not in names
    assert ledger.events()[0].hash == EVENT[-1]
