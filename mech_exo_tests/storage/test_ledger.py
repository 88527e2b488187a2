"""The ledger: nothing is lost, nothing forks, and no change goes unnoticed."""

from __future__ import annotations

import datetime as dt
import math
import multiprocessing
import os
import shutil
import signal
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mech_exo_assets.errors import InputError
from mech_exo_assets.storage.ledger import KINDS, ConflictError, Entry, Event, Ledger
from mech_exo_assets.storage.ledger import database as database_module
from mech_exo_assets.storage.ledger.event import GENESIS, canonical, digest
from mech_exo_tests.postgres import PostgresServer

COLUMNS = ("id", "time", "kind", "version", "actor", "key", "payload", "previous_hash", "hash")
TRIGGERS = ("events_refuse_update", "events_refuse_delete")


def ledger_in(folder: Path) -> Ledger:
    return Ledger(f"sqlite:///{folder}/ledger.db", folder / "ledger.head")


def entry(number: int, *, key: str | None = None) -> Entry:
    return Entry("refused", "test", {"summary": f"number {number}", "value": number / 7}, version=f"v{number}", key=key)


def filled(folder: Path, count: int) -> list[Event]:
    ledger = ledger_in(folder)
    return [ledger.append(entry(number)) for number in range(count)]


def tampered(folder: Path, *statements: tuple[str, tuple[object, ...]]) -> None:
    """Change the file as somebody could who owns it: triggers off, statements, triggers on again."""
    with sqlite3.connect(folder / "ledger.db") as connection:
        made = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall())
        for name in TRIGGERS:
            connection.execute(f"DROP TRIGGER {name}")
        for statement, values in statements:
            connection.execute(statement, values)
        for name in TRIGGERS:
            connection.execute(made[name])


def test_a_ledger_that_was_never_written_is_empty_and_verifies_and_leaves_no_file(tmp_path: Path):
    ledger = ledger_in(tmp_path)
    assert (ledger.events(), ledger.last(), ledger.find("k")) == ([], None, None)
    assert (ledger.verify().ok, ledger.verify().events) == (True, 0)
    assert list(tmp_path.iterdir()) == []


def test_events_are_numbered_from_one_and_each_has_the_hash_of_the_one_before(tmp_path: Path):
    events = filled(tmp_path, 5)
    assert [each.id for each in events] == [1, 2, 3, 4, 5]
    assert [each.previous_hash for each in events] == [GENESIS, *(each.hash for each in events[:-1])]
    assert ledger_in(tmp_path).events() == events


def test_the_hash_is_sha256_of_the_canonical_row(tmp_path: Path):
    event = ledger_in(tmp_path).append(entry(1, key="k"))
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        id_, time_, kind, version, actor, key, payload, previous, own = connection.execute("SELECT * FROM events").fetchone()
    assert digest(id_, time_, (kind, version, actor, key, payload), previous) == own == event.hash


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_comes_back_to_the_last_bit(value: float):
    import json

    assert json.loads(canonical({"value": value}))["value"] == value


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        ({"a": {"b": [1.0, math.nan]}}, r"payload\.a\.b\[1\] is nan"),
        ({"a": math.inf}, r"payload\.a is inf"),
        ({"a": {1, 2}}, r"payload\.a is a set"),
    ],
)
def test_what_json_does_not_have_is_refused_with_its_place(tmp_path: Path, payload: dict, complaint: str):
    ledger = ledger_in(tmp_path)
    with pytest.raises(ValueError, match=complaint):
        ledger.append(Entry("refused", "test", payload))
    assert ledger.events() == []


def test_dates_and_times_become_text(tmp_path: Path):
    at = dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC)
    event = ledger_in(tmp_path).append(Entry("refused", "test", {"day": dt.date(2026, 1, 2), "at": at}))
    assert event.payload == {"day": "2026-01-02", "at": "2026-01-02T03:04:05.000006Z"}


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="the kind of an event is 'party'; it must be one of strategy_registered"):
        Entry("party", "test", {})
    assert {"promoted", "refused", "rolled_back", "drift_detected", "manual_override"} <= set(KINDS)


def test_a_key_happens_once(tmp_path: Path):
    ledger = ledger_in(tmp_path)
    first = ledger.append(entry(1, key="once"))
    assert ledger.append(entry(2, key="once")) == first
    assert ledger.find("once") == first
    assert len(ledger.events()) == 1


def test_a_decision_on_an_old_state_is_refused(tmp_path: Path):
    ledger = ledger_in(tmp_path)
    ledger.append(entry(1), expect=0)
    ledger.append(entry(2), expect=1)
    with pytest.raises(ConflictError, match="gone on to event 2 since event 1; nothing was appended"):
        ledger.append(entry(3), expect=1)
    assert len(ledger.events()) == 2


def test_the_clock_set_back_does_not_turn_events_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
            return dt.datetime(2001, 1, 1, tzinfo=tz)

    ledger = ledger_in(tmp_path)
    before = ledger.append(entry(1))
    monkeypatch.setattr(database_module.dt, "datetime", Clock)
    after = ledger.append(entry(2))
    assert after.time == before.time + dt.timedelta(microseconds=1)
    assert ledger.verify().ok


@pytest.mark.parametrize("statement", ["UPDATE events SET actor = 'me' WHERE id = 2", "DELETE FROM events WHERE id = 2"])
def test_the_database_itself_refuses_changes(tmp_path: Path, statement: str):
    filled(tmp_path, 3)
    with sqlite3.connect(tmp_path / "ledger.db") as connection, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    assert ledger_in(tmp_path).verify().events == 3


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=st.integers(1, 6), column=st.sampled_from(COLUMNS[1:]), place=st.integers(0, 63), other=st.integers(1, 255))
def test_a_changed_byte_is_found_in_its_row(tmp_path: Path, row: int, column: str, place: int, other: int):
    folder = tmp_path / "changed"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    ledger = ledger_in(folder)
    for number in range(6):
        ledger.append(entry(number, key=f"{number * 1111} is a key"))
    with sqlite3.connect(folder / "ledger.db") as connection:
        ((text,),) = connection.execute(f"SELECT {column} FROM events WHERE id = ?", (row,)).fetchall()  # noqa: S608
    at = place % len(text)
    changed = text[:at] + chr((ord(text[at]) + other) % 256 or 1) + text[at + 1 :]
    tampered(folder, (f"UPDATE events SET {column} = ? WHERE id = ?", (changed, row)))  # noqa: S608
    found = ledger.verify()
    assert (found.ok, found.first_broken) == (False, row), found.fault


def test_a_deleted_row_is_named(tmp_path: Path):
    filled(tmp_path, 5)
    tampered(tmp_path, ("DELETE FROM events WHERE id = 3", ()))
    found = ledger_in(tmp_path).verify()
    assert (found.ok, found.first_broken, found.fault) == (False, 3, "event 3 is missing: event 4 follows event 2.")


def test_swapped_rows_are_named(tmp_path: Path):
    filled(tmp_path, 5)
    tampered(
        tmp_path,
        ("UPDATE events SET id = 99 WHERE id = 2", ()),
        ("UPDATE events SET id = 2 WHERE id = 3", ()),
        ("UPDATE events SET id = 3 WHERE id = 99", ()),
    )
    found = ledger_in(tmp_path).verify()
    assert (found.ok, found.first_broken) == (False, 2)


def test_a_cut_end_is_found_by_the_anchored_head(tmp_path: Path):
    events = filled(tmp_path, 5)
    tampered(tmp_path, ("DELETE FROM events WHERE id > 3", ()))
    found = ledger_in(tmp_path).verify()
    assert (found.ok, found.first_broken) == (False, 4)
    assert found.fault == f"the end was cut: event 5 with hash {events[4].hash} was written, and is gone."


def test_a_whole_new_chain_is_found_by_a_head_from_elsewhere(tmp_path: Path):
    events = filled(tmp_path, 5)
    for path in tmp_path.iterdir():
        path.unlink()
    filled(tmp_path, 5)
    ledger = ledger_in(tmp_path)
    assert ledger.verify().ok
    assert not ledger.verify(head=events[4].hash).ok


def test_a_head_that_was_deleted_is_a_fault_until_another_one_is_given(tmp_path: Path):
    events = filled(tmp_path, 3)
    (tmp_path / "ledger.head").unlink()
    ledger = ledger_in(tmp_path)
    assert "the anchored head is missing" in str(ledger.verify().fault)
    assert ledger.verify(head=events[2].hash).ok


def test_triggers_that_were_dropped_are_a_fault(tmp_path: Path):
    filled(tmp_path, 3)
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("DROP TRIGGER events_refuse_delete")
    found = ledger_in(tmp_path).verify()
    assert (found.ok, found.first_broken) == (False, None)
    assert "events_refuse_delete" in str(found.fault)


def test_threads_neither_lose_nor_fork(tmp_path: Path):
    ledger = ledger_in(tmp_path)
    threads = [threading.Thread(target=lambda t=t: [ledger.append(entry(i, key=f"{t}-{i}")) for i in range(20)]) for t in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    events = ledger.events()
    assert [each.id for each in events] == list(range(1, 121))
    assert {each.key for each in events} == {f"{t}-{i}" for t in range(6) for i in range(20)}
    assert ledger.verify().ok


def _write(url: str, head: Path, name: str, count: int) -> None:
    ledger = Ledger(url, head)
    for number in range(count):
        ledger.append(entry(number, key=f"{name}-{number}"))
        ledger.append(entry(number, key=f"shared-{number}"))


def _two_processes(url: str, head: Path, count: int) -> list[Event]:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write, args=(url, head, name, count)) for name in ("one", "other")]
    for each in processes:
        each.start()
    for each in processes:
        each.join(120)
    assert [each.exitcode for each in processes] == [0, 0]
    ledger = Ledger(url, head)
    assert ledger.verify().ok, ledger.verify().fault
    return ledger.events()


def test_two_processes_neither_lose_nor_fork(tmp_path: Path):
    events = _two_processes(f"sqlite:///{tmp_path}/ledger.db", tmp_path / "ledger.head", 30)
    assert [each.id for each in events] == list(range(1, 91))
    assert len({each.key for each in events}) == 90


@pytest.mark.slow
def test_two_processes_neither_lose_nor_fork_on_postgresql(tmp_path: Path, postgres: PostgresServer):
    url = postgres.new_database()
    events = _two_processes(url, tmp_path / "ledger.head", 30)
    assert [each.id for each in events] == list(range(1, 91))
    assert len({each.key for each in events}) == 90


@pytest.mark.slow
@pytest.mark.parametrize("statement", ["UPDATE ledger.events SET actor = 'me'", "DELETE FROM ledger.events", "TRUNCATE ledger.events"])
def test_postgresql_itself_refuses_changes(tmp_path: Path, postgres: PostgresServer, statement: str):
    import sqlalchemy as sa

    from mech_exo_assets.storage.connection import with_driver

    url = postgres.new_database()
    ledger = Ledger(url, tmp_path / "ledger.head")
    ledger.append(entry(1))
    engine = sa.create_engine(with_driver(sa.make_url(url)))
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as connection:
        connection.exec_driver_sql(statement)
    assert (ledger.verify().ok, ledger.verify().events) == (True, 1)


def _write_and_tell(url: str, head: Path, told: Path) -> None:
    ledger = Ledger(url, head)
    with told.open("a") as out:
        for number in range(10_000):
            event = ledger.append(entry(number))
            out.write(f"{event.hash}\n")
            out.flush()


def test_a_killed_writer_loses_nothing_that_was_told(tmp_path: Path):
    url, head, told = f"sqlite:///{tmp_path}/ledger.db", tmp_path / "ledger.head", tmp_path / "told"
    context = multiprocessing.get_context("spawn")
    told.touch()
    for pause in (0.0, 0.03, 0.11):
        before = told.stat().st_size
        process = context.Process(target=_write_and_tell, args=(url, head, told))
        process.start()
        deadline = time.monotonic() + 60
        while told.stat().st_size == before and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(pause)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        ledger = Ledger(url, head)
        assert ledger.verify().ok, ledger.verify().fault
        lines = [line for line in told.read_text().splitlines() if len(line) == 64]
        assert set(lines) <= {each.hash for each in ledger.events()}
        assert lines


def test_a_full_disk_leaves_the_chain_as_it_was(tmp_path: Path):
    filled(tmp_path, 3)
    ledger = ledger_in(tmp_path)
    ledger.last()
    engine = ledger._open(make=True).engine

    from sqlalchemy import event

    @event.listens_for(engine, "connect")
    def small(connection: sqlite3.Connection, _record: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    engine.dispose()

    def fill() -> None:
        for _ in range(50):
            ledger.append(Entry("refused", "test", {"text": "x" * 2000}))

    with pytest.raises(InputError, match=r"full\); make room on the disk\. Nothing was left half-written"):
        fill()
    fresh = ledger_in(tmp_path)
    assert fresh.verify().ok
    assert fresh.append(entry(9)).id == len(fresh.events())


def test_an_event_that_is_not_there_is_named(tmp_path: Path):
    filled(tmp_path, 2)
    with pytest.raises(InputError, match="the ledger has no event 7; it has events 1 to 2"):
        ledger_in(tmp_path).get(7)
