"""The mart: equal to the lake, published whole, and never in a reader's way."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mech_exo_assets.errors import MechExoError
from mech_exo_assets.schemas import MODELS, SCORES, TABLES, TARGETS, UNIVERSE
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.mart import PUBLISHED, Mart, Published, update
from mech_exo_tests.storage.marts import publish, query
from mech_exo_tests.storage.small_tables import scores, universe


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def mart(tmp_path) -> Mart:
    return Mart(tmp_path / "mech_exo.duckdb")


def assert_equals_lake(mart: Mart, lake: Lake) -> None:
    with mart.connect() as connection:
        for key in lake.tables():
            published = connection.sql(f"FROM {key.replace('/', '.')}").pl()
            assert_frame_equal(published, lake.read(key), check_row_order=False, check_exact=True)


def test_publishing_is_bound_in_memory_by_threads_and_not_by_the_machine(mart, lake):
    lake.write(UNIVERSE, universe("A"))
    for threads, bound in ((1, "1.0 GiB"), (8, "2.0 GiB")):
        with mart.staged() as path, duckdb.connect(str(path), config={"threads": threads}) as connection:
            update(connection, lake)
            assert connection.execute("SELECT current_setting('memory_limit')").fetchone() == (bound,)


def test_what_is_published_equals_the_lake(mart, lake):
    lake.write(UNIVERSE, universe("A", "B"))
    lake.write(SCORES, scores(2019, 2020, momentum=-0.1), years=[2019, 2020])
    published = publish(mart, lake)
    assert published == {
        UNIVERSE.key: Published(UNIVERSE.key, version=0, rows=2, replaced="all"),
        SCORES.key: Published(SCORES.key, version=0, rows=12, replaced="all"),
    }
    assert_equals_lake(mart, lake)


def test_a_lake_in_a_bucket_is_published_as_one_in_a_folder_is(bucket, mart, tmp_path):
    lake = Lake(f"{bucket}/lake")
    lake.write(UNIVERSE, universe("A", "B"))
    lake.write(SCORES, scores(2018, 2019, 2020, momentum=-0.1), years=[2018, 2019, 2020])
    lake.write(TARGETS, TARGETS.empty(), years=[2020])
    assert {each.replaced for each in publish(mart, lake).values()} == {"all"}
    assert_equals_lake(mart, lake)
    assert {each.replaced for each in publish(mart, lake).values()} == {"none"}
    lake.write(SCORES, scores(2019, value=7.0, names=3, momentum=0.2), years=[2019])
    lake.write(SCORES, scores(), years=[2018])
    assert publish(mart, lake)[SCORES.key] == Published(SCORES.key, version=2, rows=15, replaced="2018, 2019")
    assert_equals_lake(mart, lake)
    lake.place.put(PUBLISHED, mart.path)
    elsewhere = Mart(tmp_path / "another machine" / "mech_exo.duckdb")
    lake.place.fetch(PUBLISHED, elsewhere.path)
    assert elsewhere.path.read_bytes() == mart.path.read_bytes()
    assert_equals_lake(elsewhere, lake)
    assert lake.tables() == [UNIVERSE.key, SCORES.key, TARGETS.key]


def test_tables_that_only_models_read_are_not_published(mart, lake):
    lake.write(UNIVERSE, universe("A"))
    lake.write(MODELS, MODELS.empty())
    assert list(publish(mart, lake)) == [UNIVERSE.key]
    assert query(mart, "SELECT table_name FROM meta.tables") == [(UNIVERSE.key,)]
    with pytest.raises(duckdb.CatalogException):
        query(mart, "FROM learning.models")
    assert {key for key, schema in TABLES.items() if not schema.published} == {"learning/dataset", MODELS.key}


def test_publishing_again_without_a_change_replaces_nothing(mart, lake):
    lake.write(UNIVERSE, universe("A"))
    lake.write(TARGETS, TARGETS.empty(), years=[2020])
    lake.write(SCORES, scores(2019, 2020), years=[2019, 2020])
    publish(mart, lake)
    since = query(mart, "SELECT * FROM meta.tables ORDER BY ALL")
    assert {each.replaced for each in publish(mart, lake).values()} == {"none"}
    assert query(mart, "SELECT * FROM meta.tables ORDER BY ALL") == since
    assert_equals_lake(mart, lake)


def test_only_the_years_that_changed_are_replaced(mart, lake):
    lake.write(UNIVERSE, universe("A"))
    lake.write(SCORES, scores(2018, 2019, 2020), years=[2018, 2019, 2020])
    publish(mart, lake)
    lake.write(SCORES, scores(2019, 2020, value=7.0, names=3), years=[2019, 2020])
    published = publish(mart, lake)
    assert published[SCORES.key] == Published(SCORES.key, version=1, rows=24, replaced="2019, 2020")
    assert published[UNIVERSE.key].replaced == "none"
    assert_equals_lake(mart, lake)


def test_years_that_came_and_went_since_the_last_time_are_replaced_together(mart, lake):
    lake.write(SCORES, scores(2018, 2019), years=[2018, 2019])
    publish(mart, lake)
    lake.write(SCORES, scores(2020), years=[2020])
    lake.write(SCORES, scores(), years=[2018])
    assert publish(mart, lake)[SCORES.key].replaced == "2018, 2020"
    assert_equals_lake(mart, lake)


def test_a_new_factor_replaces_the_whole_table(mart, lake):
    lake.write(SCORES, scores(2019, 2020), years=[2019, 2020])
    publish(mart, lake)
    lake.write(SCORES, scores(2020, momentum=0.5), years=[2020])
    assert publish(mart, lake)[SCORES.key].replaced == "all"
    assert_equals_lake(mart, lake)


def test_a_rebuilt_table_is_replaced_whole(mart, lake):
    lake.write(SCORES, scores(2019, 2020, momentum=1.0), years=[2019, 2020])
    publish(mart, lake)
    lake.write(SCORES, scores(2020), years=[2020], only_these_years=True)
    assert publish(mart, lake)[SCORES.key].replaced == "all"
    assert_equals_lake(mart, lake)


def test_a_table_that_has_become_empty_is_empty_in_the_mart(mart, lake):
    lake.write(SCORES, scores(2019), years=[2019])
    lake.write(UNIVERSE, universe("A"))
    publish(mart, lake)
    lake.write(SCORES, scores(), years=[2019])
    lake.write(UNIVERSE, universe())
    assert {each.rows for each in publish(mart, lake).values()} == {0}
    assert_equals_lake(mart, lake)


def test_an_empty_lake_gives_an_empty_mart(mart, lake):
    assert publish(mart, lake) == {}
    assert query(mart, "FROM meta.tables") == []


@pytest.mark.parametrize("folder", ["with a blank", "Aktien-Größe", "quo'te"])
def test_any_usual_folder_will_do(tmp_path, folder):
    mart, lake = Mart(tmp_path / folder / "mech_exo.duckdb"), Lake(tmp_path / folder / "lake")
    lake.write(SCORES, scores(2019, 2020), years=[2019, 2020])
    publish(mart, lake)
    assert_equals_lake(mart, lake)


def test_tables_and_columns_are_explained(mart, lake):
    lake.write(UNIVERSE, universe("A"))
    lake.write(TARGETS, TARGETS.empty(), years=[2020])
    publish(mart, lake)
    tables = dict(query(mart, "SELECT schema_name || '/' || table_name, comment FROM duckdb_tables()"))
    assert tables[TARGETS.key] == TARGETS.row
    assert all(tables.values())
    columns = dict(
        query(mart, "SELECT column_name, comment FROM duckdb_columns() WHERE schema_name = 'strategy' AND table_name = 'targets'")
    )
    weight = TARGETS.columns[-1]
    assert columns["weight"] == f"{weight.meaning} [{weight.unit}]"
    assert columns["symbol"] == TARGETS.columns[1].meaning


def test_the_mart_says_which_versions_it_holds_and_since_when_in_utc(mart, lake, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        lake.write(UNIVERSE, universe("A"))
        lake.write(SCORES, scores(2019), years=[2019])
        publish(mart, lake)
        lake.write(SCORES, scores(2019, value=2.0), years=[2019])
        publish(mart, lake)
        tables = query(mart, "SELECT table_name, version, row_count, published_at FROM meta.tables ORDER BY table_name")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert [row[:3] for row in tables] == [(SCORES.key, 1, 6), (UNIVERSE.key, 0, 1)]
    for row in tables:
        assert abs(datetime.now(UTC) - row[3].replace(tzinfo=UTC)) < timedelta(minutes=10)
    assert tables[0][3] > tables[1][3]


def test_before_the_first_publication_connecting_says_what_to_do(mart):
    with pytest.raises(MechExoError) as refusal:
        mart.connect()
    assert str(refusal.value) == f"{mart.path} is not there yet. Run `mech-exo run` first."


def test_a_reader_cannot_write(mart, lake):
    publish(mart, lake)
    with pytest.raises(duckdb.InvalidInputException, match="read-only"):
        query(mart, "CREATE TABLE meta.scribble AS SELECT 1")


class BuilderError(Exception):
    """What a builder fails with in these tests."""


def build_and_fail(mart: Mart, statement: str) -> None:
    with mart.staged() as path, duckdb.connect(str(path)) as connection:
        connection.execute(statement)
        raise BuilderError


def build_and_leave_open(mart: Mart) -> None:
    with mart.staged() as path:
        LEFT_OPEN.append(duckdb.connect(str(path)))
        LEFT_OPEN[0].execute("CREATE TABLE meta.scribble AS SELECT 1")


LEFT_OPEN: list[duckdb.DuckDBPyConnection] = []


def test_a_builder_that_fails_in_the_middle_leaves_the_published_file_as_it_was(mart, lake):
    lake.write(SCORES, scores(2019), years=[2019])
    publish(mart, lake)
    before = mart.path.read_bytes()
    with pytest.raises(BuilderError):
        build_and_fail(mart, "DELETE FROM factors.scores")
    assert mart.path.read_bytes() == before
    lake.write(SCORES, scores(2019, value=2.0), years=[2019])
    publish(mart, lake)
    assert_equals_lake(mart, lake)


def test_a_first_builder_that_fails_publishes_nothing(mart, lake):
    with pytest.raises(BuilderError):
        build_and_fail(mart, "CREATE SCHEMA factors")
    assert not mart.path.exists()
    publish(mart, lake)
    assert mart.path.exists()


def test_a_file_that_was_not_closed_is_not_published(mart, lake):
    publish(mart, lake)
    before = mart.path.read_bytes()
    with pytest.raises(MechExoError, match=r"was not closed before it was to be published; the mart is unchanged"):
        build_and_leave_open(mart)
    LEFT_OPEN.pop().close()
    assert mart.path.read_bytes() == before


KILLED_BUILDER = """
import os, signal, sys
from pathlib import Path
import duckdb
from mech_exo_assets.storage.mart import Mart
with Mart(Path(sys.argv[1])).staged() as path:
    connection = duckdb.connect(str(path))
    connection.execute("CREATE TABLE scribble AS SELECT range AS i FROM range(100000)")
    connection.execute("CREATE TABLE another AS SELECT 1 AS i")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_builder_leaves_does_not_disturb_the_next_one(mart, lake):
    lake.write(SCORES, scores(2019), years=[2019])
    publish(mart, lake)
    before = mart.path.read_bytes()
    killed = subprocess.run([sys.executable, "-c", KILLED_BUILDER, str(mart.path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert mart.staging_path.exists()
    assert mart.staging_path.with_name(f"{mart.staging_path.name}.wal").exists()
    assert mart.path.read_bytes() == before
    publish(mart, lake)
    assert query(mart, "SELECT count(*) FROM duckdb_tables() WHERE table_name IN ('scribble', 'another')") == [(0,)]
    assert_equals_lake(mart, lake)


def test_rubbish_beside_the_file_does_not_disturb_the_first_publication(mart, lake):
    mart.staging_path.write_bytes(b"half a file")
    mart.staging_path.with_name(f"{mart.staging_path.name}.wal").write_bytes(b"half a log")
    publish(mart, lake)
    assert query(mart, "FROM meta.tables") == []


def test_two_builders_take_turns(mart, lake):
    lake.write(SCORES, scores(2019), years=[2019])
    inside: list[str] = []

    def second() -> None:
        with mart.staged() as path, duckdb.connect(str(path)) as connection:
            inside.append("second in")
            update(connection, lake)

    thread = threading.Thread(target=second)
    with mart.staged() as path, duckdb.connect(str(path)) as connection:
        inside.append("first in")
        thread.start()
        thread.join(timeout=0.3)
        assert thread.is_alive()
        update(connection, lake)
        inside.append("first out")
    thread.join(timeout=30)
    assert inside == ["first in", "first out", "second in"]
    assert_equals_lake(mart, lake)


READER = """
import sys
import duckdb
reopen = sys.argv[2] == "reopen"
seen = []
held = duckdb.connect(sys.argv[1], read_only=True)
print("reading", flush=True)
while True:
    try:
        sizes = held.execute("SELECT DISTINCT size FROM factors.scores").fetchall()
        (weights,) = held.execute("SELECT count(*), min(weight), max(weight) FROM strategy.targets").fetchall()
        (count,) = held.execute("SELECT count(*) FROM factors.scores").fetchone()
    except duckdb.Error as error:
        print("ERROR", repr(error), flush=True)
        break
    state = (sizes[0][0] if len(sizes) == 1 else sizes, *weights, count)
    if not seen or seen[-1] != state:
        seen.append(state)
        print(state, flush=True)
    if reopen:
        held.close()
        held = duckdb.connect(sys.argv[1], read_only=True)
"""


def publish_generation(mart: Mart, lake: Lake, generation: int) -> None:
    """Two tables that belong together: all scores and all weights are the generation."""
    targets = scores(2020, names=1).select("date", "symbol", pl.lit(float(generation)).alias("weight"))
    lake.write(SCORES, scores(2019, 2020, value=float(generation), names=200), years=[2019, 2020])
    lake.write(TARGETS, targets, years=[2020])
    publish(mart, lake)


@pytest.mark.parametrize("habit", ["hold", "reopen"])
def test_a_reader_in_another_process_neither_errs_nor_blocks_while_the_mart_is_published_ten_times(mart, lake, habit):
    publish_generation(mart, lake, 0)
    reader = subprocess.Popen([sys.executable, "-c", READER, str(mart.path), habit], stdout=subprocess.PIPE, text=True)
    try:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
        assert reader.stdout.readline() == "(0.0, 3, 0.0, 0.0, 1200)\n"
        started = time.perf_counter()
        for generation in range(1, 11):
            publish_generation(mart, lake, generation)
        assert time.perf_counter() - started < 30
        if habit == "reopen":
            while reader.stdout.readline() != "(10.0, 3, 10.0, 10.0, 1200)\n":
                assert reader.poll() is None
        assert reader.poll() is None
    finally:
        reader.terminate()
        rest, _ = reader.communicate()
    # Every state that was seen is of one generation; who holds the file open sees the one it was opened on, for ever.
    states = [f"({generation}.0, 3, {generation}.0, {generation}.0, 1200)" for generation in range(11)]
    assert set(rest.splitlines()) <= (set(states) if habit == "reopen" else set())
    assert_equals_lake(mart, lake)


def test_the_file_does_not_grow_with_the_number_of_publications(mart, lake):
    lake.write(SCORES, scores(*range(2010, 2020), names=300), years=range(2010, 2020))
    sizes = []
    for number in range(12):
        lake.write(SCORES, scores(2019, names=300, value=float(number)), years=[2019])
        publish(mart, lake)
        sizes.append(mart.path.stat().st_size)
    assert sizes[-1] <= 1.5 * sizes[1]


def test_the_published_file_is_all_a_reader_needs(mart, lake):
    lake.write(SCORES, scores(2019), years=[2019])
    publish(mart, lake)
    assert {path.name for path in mart.path.parent.iterdir()} == {"lake", "mech_exo.duckdb", ".mech_exo.duckdb.lock"}
    elsewhere = mart.path.rename(mart.path.parent / "copy.duckdb")
    assert query(Mart(elsewhere), "SELECT count(*) FROM factors.scores") == [(6,)]
