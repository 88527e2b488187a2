"""The lake: whole years replaced in one commit, any version readable, and nothing half written in anybody's sight."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mech_exo_assets.errors import MechExoError
from mech_exo_assets.schemas import SCORES, TARGETS, UNIVERSE
from mech_exo_assets.storage.contracts import ContractError
from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.storage.small_tables import assert_whole_while_written, scores, universe

KEY = SCORES.key


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


def values_by_year(lake: Lake, **which) -> dict[int, float]:
    frame = lake.read(KEY, **which)
    return dict(frame.group_by(pl.col("date").dt.year()).agg(pl.col("size").unique().item()).sort("date").iter_rows())


def assert_same_rows(one: pl.DataFrame, other: pl.DataFrame) -> None:
    assert_frame_equal(one, other, check_row_order=False, check_exact=True)


def test_what_is_written_is_read_again(lake):
    table = scores(2019, 2020, momentum=-0.5)
    assert lake.write(SCORES, table, years=[2019, 2020]) == 0
    assert_same_rows(lake.read(KEY), table)


def test_a_table_without_a_time_axis_is_replaced_whole(lake):
    assert lake.write(UNIVERSE, universe("A", "B")) == 0
    assert lake.write(UNIVERSE, universe("C")) == 1
    assert lake.read(UNIVERSE.key)["symbol"].to_list() == ["C"]
    assert list(lake.files(UNIVERSE.key)) == [None]


WEIGHTS = st.dictionaries(
    st.tuples(st.dates(date(2018, 1, 1), date(2021, 12, 31)), st.text(min_size=1, max_size=5)),
    st.floats(allow_nan=False),
    max_size=12,
)


@settings(max_examples=25)
@given(WEIGHTS)
def test_any_rows_come_back_as_they_were(tmp_path_factory, rows):
    lake = Lake(tmp_path_factory.mktemp("lake"))
    table = pl.DataFrame([(*key, weight) for key, weight in rows.items()], schema=TARGETS.dtypes(), orient="row")
    lake.write(TARGETS, table, years=range(2018, 2022))
    assert_same_rows(lake.read(TARGETS.key), table)


@pytest.mark.parametrize("folder", ["with a blank", "Aktien-Größe", "a+b&c", "quo'te", "h#sh", "名前"])
def test_any_usual_folder_will_do(tmp_path, folder):
    lake = Lake(tmp_path / folder / "lake")
    lake.write(SCORES, scores(2019, 2020), years=[2019, 2020])
    lake.write(SCORES, scores(2020, value=2.0), years=[2020])
    assert values_by_year(lake) == {2019: 1.0, 2020: 2.0}
    assert all(Path(path).is_file() for paths in lake.files(KEY).values() for path in paths)


def test_only_the_named_years_are_replaced(lake):
    lake.write(SCORES, scores(2018, 2019, 2020), years=[2018, 2019, 2020])
    before = lake.files(KEY)
    lake.write(SCORES, scores(2019, value=7.0), years=[2019])
    assert values_by_year(lake) == {2018: 1.0, 2019: 7.0, 2020: 1.0}
    assert {year for year, paths in lake.files(KEY).items() if paths != before[year]} == {2019}


def test_years_that_are_not_neighbours_keep_those_between(lake):
    lake.write(SCORES, scores(2017, 2018, 2019, 2020), years=[2017, 2018, 2019, 2020])
    lake.write(SCORES, scores(2017, 2020, value=7.0), years=[2020, 2017])
    assert values_by_year(lake) == {2017: 7.0, 2018: 1.0, 2019: 1.0, 2020: 7.0}


def test_a_named_year_without_rows_becomes_empty(lake):
    lake.write(SCORES, scores(2019, 2020), years=[2019, 2020])
    lake.write(SCORES, scores(2020, value=7.0), years=[2019, 2020])
    assert values_by_year(lake) == {2020: 7.0}


def test_a_table_whose_years_are_all_empty_keeps_its_columns(lake):
    lake.write(SCORES, scores(2019, momentum=1.0), years=[2019])
    lake.write(SCORES, scores(momentum=1.0), years=[2019])
    table = lake.read(KEY)
    assert table.is_empty()
    assert table.columns == ["date", "symbol", "size", "momentum"]
    assert lake.files(KEY) == {}


def test_the_first_write_may_be_empty(lake):
    lake.write(UNIVERSE, UNIVERSE.empty())
    assert lake.read(UNIVERSE.key).equals(UNIVERSE.empty())


def test_only_these_years_lets_all_others_go_with_the_columns_that_only_they_had(lake):
    lake.write(SCORES, scores(2018, 2019, momentum=1.0), years=[2018, 2019])
    lake.write(SCORES, scores(2019, 2020, value=7.0), years=[2019, 2020], only_these_years=True)
    assert values_by_year(lake) == {2019: 7.0, 2020: 7.0}
    assert lake.read(KEY).columns == ["date", "symbol", "size"]


def test_a_new_factor_is_null_in_the_years_that_were_written_before_it(lake):
    lake.write(SCORES, scores(2019, 2020), years=[2019, 2020])
    lake.write(SCORES, scores(2020, momentum=0.3).select("date", "symbol", "momentum", "size"), years=[2020])
    table = lake.read(KEY)
    assert table.columns == ["date", "symbol", "size", "momentum"]
    old, new = (table.filter(pl.col("date").dt.year() == year) for year in (2019, 2020))
    assert old["momentum"].null_count() == len(old)
    assert (new["momentum"].unique().to_list(), new["size"].unique().to_list()) == ([0.3], [1.0])


def test_a_factor_that_is_left_out_of_a_year_is_null_there(lake):
    lake.write(SCORES, scores(2019, 2020, momentum=0.3), years=[2019, 2020])
    lake.write(SCORES, scores(2020), years=[2020])
    table = lake.read(KEY)
    assert table.filter(pl.col("date").dt.year() == 2020)["momentum"].null_count() == 6


def test_every_version_stays_readable_with_its_own_columns(lake):
    versions = [lake.write(SCORES, scores(2019, value=float(number)), years=[2019]) for number in range(3)]
    last = lake.write(SCORES, scores(2019, momentum=0.3), years=[2019])
    assert [*versions, last] == [0, 1, 2, 3]
    assert lake.version(KEY) == 3
    assert [values_by_year(lake, version=version) for version in versions] == [{2019: 0.0}, {2019: 1.0}, {2019: 2.0}]
    assert "momentum" not in lake.read(KEY, version=2).columns
    assert lake.files(KEY, version=0) != lake.files(KEY, version=1)


def test_old_versions_stay_readable_after_years_of_commits(lake, tmp_path):
    lake.write(UNIVERSE, universe("FIRST"))
    DeltaTable(lake.uri(UNIVERSE.key)).alter.set_table_properties({"delta.checkpointInterval": "3"})
    long_ago = time.time() - timedelta(days=1000).total_seconds()
    for number in range(8):
        for commit in Path(lake.uri(UNIVERSE.key)).glob("_delta_log/*"):
            os.utime(commit, (long_ago, long_ago))
        lake.write(UNIVERSE, universe(f"S{number}"))
    assert list(Path(lake.uri(UNIVERSE.key)).glob("_delta_log/*.checkpoint.parquet"))
    assert lake.read(UNIVERSE.key, version=0)["symbol"].to_list() == ["FIRST"]


def test_reading_some_years_and_columns(lake):
    lake.write(SCORES, scores(2018, 2019, 2020, momentum=0.3), years=[2018, 2019, 2020])
    table = lake.read(KEY, columns=["symbol", "momentum"], years=[2018, 2020, 1999])
    assert (table.columns, len(table)) == (["symbol", "momentum"], 12)
    assert values_by_year(lake, years=(year for year in (2018, 2020))) == {2018: 1.0, 2020: 1.0}
    assert lake.read(KEY, years=[]).is_empty()


def test_a_stray_year_is_refused_and_nothing_is_written(lake):
    lake.write(SCORES, scores(2019), years=[2019])
    with pytest.raises(ContractError) as refusal:
        lake.write(SCORES, scores(2019, 2020), years=[2019])
    assert str(refusal.value) == "factors/scores: rows of 2020 in a write of [2019]; nothing was committed."
    assert lake.version(KEY) == 0


@pytest.mark.parametrize("years", [None, []])
def test_a_write_by_years_has_to_name_them(lake, years):
    with pytest.raises(ContractError, match="no years were named for a write to a table with a time axis; nothing was written"):
        lake.write(SCORES, scores(), years=years)
    assert not lake.exists(KEY)


def test_a_frame_that_breaks_the_contract_leaves_the_table_as_it_was(lake):
    lake.write(SCORES, scores(2019), years=[2019])
    with pytest.raises(ContractError):
        lake.write(SCORES, scores(2019).drop("symbol"), years=[2019])
    assert lake.version(KEY) == 0


def test_a_missing_table_is_named_with_those_that_are_there(lake):
    with pytest.raises(MechExoError) as refusal:
        lake.read(KEY)
    assert str(refusal.value) == f"factors/scores is not in the lake at {lake.place}. The lake is empty. Run `mech-exo run` first."
    lake.write(UNIVERSE, universe("A"))
    with pytest.raises(MechExoError, match=r"It holds: market/universe\. Run `mech-exo run` first\."):
        lake.version(KEY)


@pytest.mark.parametrize("version", [-1, 1, 99])
def test_a_missing_version_is_named_with_those_that_are_there(lake, version):
    lake.write(UNIVERSE, universe("A"))
    with pytest.raises(MechExoError, match=f"market/universe has no version {version}; it has versions 0 to 0."):
        lake.read(UNIVERSE.key, version=version)


def test_tables_are_listed_in_the_order_of_the_schemas(lake):
    assert lake.tables() == []
    lake.write(SCORES, scores(2019), years=[2019])
    lake.write(UNIVERSE, universe("A"))
    assert lake.tables() == [UNIVERSE.key, SCORES.key]
    assert lake.exists(KEY)


def test_history_has_the_notes_newest_first(lake):
    lake.write(UNIVERSE, universe("A"), note={"run_id": "one", "read:market/prices": "4"})
    lake.write(UNIVERSE, universe("B"), note={"run_id": "two"})
    history = lake.history(UNIVERSE.key)
    assert [(commit["version"], commit["run_id"]) for commit in history] == [(1, "two"), (0, "one")]
    assert history[1]["read:market/prices"] == "4"
    assert len(lake.history(UNIVERSE.key, limit=1)) == 1


def test_written_at_is_the_time_of_the_latest_commit_in_utc(lake):
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    lake.write(UNIVERSE, universe("A"))
    assert before <= lake.written_at(UNIVERSE.key) <= datetime.now(UTC)


def test_files_that_no_commit_names_are_not_seen(lake):
    lake.write(SCORES, scores(2019), years=[2019])
    orphan = Path(lake.uri(KEY)) / "year=2019" / "part-00000-of-a-killed-writer.parquet"
    scores(2019, value=666.0).write_parquet(orphan)
    (Path(lake.uri(KEY)) / "year=2030").mkdir()
    scores(2030).write_parquet(Path(lake.uri(KEY)) / "year=2030" / "part-0.parquet")
    assert values_by_year(lake) == {2019: 1.0}
    lake.write(SCORES, scores(2019, value=2.0), years=[2019])
    assert values_by_year(lake) == {2019: 2.0}


def test_a_reader_during_writes_sees_whole_versions_only(lake):
    assert_whole_while_written(lake, names=500, writes=24)


KILLED_WRITER = """
import sys
from pathlib import Path
import polars as pl
from mech_exo_assets.schemas import SCORES
from mech_exo_assets.storage.lake import Lake
lake = Lake(Path(sys.argv[1]))
start = lake.read(SCORES.key, columns=["size"])["size"].max()
days = pl.date_range(pl.date(2019, 1, 1), pl.date(2020, 12, 31), eager=True)
frame = pl.DataFrame({"date": days}).join(pl.DataFrame({"symbol": [f"S{i}" for i in range(300)]}), how="cross")
number = start
Lake(lake.place.below("rehearsal")).write(SCORES, frame.with_columns(pl.lit(number).alias("size")), years=[2019, 2020])
print("writing", flush=True)
while True:
    number += 1
    lake.write(SCORES, frame.with_columns(pl.lit(number).alias("size")), years=[2019, 2020])
"""


@pytest.mark.slow
def test_a_writer_that_is_killed_leaves_a_whole_version(lake):
    lake.write(SCORES, scores(2019, 2020, value=0.0), years=[2019, 2020])

    def files() -> set[str]:
        return {str(path) for path in Path(lake.uri(KEY)).glob("year=*/*")}

    for number in range(8):
        writer = subprocess.Popen([sys.executable, "-c", KILLED_WRITER, str(lake.place)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        time.sleep(0.1 * number)
        before = files()
        while files() == before:  # until it has begun a file
            assert writer.poll() is None
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        table = lake.read(KEY)
        assert table["size"].n_unique() == 1
        assert len(table) in (12, 731 * 300)
    committed = {path for version in range(lake.version(KEY) + 1) for paths in lake.files(KEY, version=version).values() for path in paths}
    assert len(committed) > 2, "no writer came to a commit"
    assert files() > committed, "no writer was killed while it wrote"
    lake.write(SCORES, scores(2019, 2020, value=-1.0), years=[2019, 2020])
    assert values_by_year(lake) == {2019: -1.0, 2020: -1.0}
