"""Files that are written part by part, by whatever process, become one commit; until then nobody sees them."""

from __future__ import annotations

import datetime as dt
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mech_exo_assets.schemas import DATASET, PREDICTIONS, SCORES, TABLES, UNIVERSE
from mech_exo_assets.storage.contracts import ContractError
from mech_exo_assets.storage.data_files import Written
from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.storage.small_tables import scores, universe

YEARS = [2018, 2019, 2020, 2021]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def written(lake: Lake, *parts: pl.DataFrame) -> Written:
    return Written.joined(SCORES.key, [lake.writer(SCORES).write(part) for part in parts])


def test_parts_are_committed_at_once_as_the_table_would_be(tmp_path: Path):
    parts = [scores(2018, 2019), scores(2020, momentum=0.5), scores(2021)]
    one, other = Lake(tmp_path / "one"), Lake(tmp_path / "other")
    one.write(SCORES, pl.concat(parts, how="diagonal"), years=YEARS)
    files = written(other, *parts)
    assert not other.exists(SCORES.key), "nobody sees what no commit names"
    assert other.write(SCORES, files, years=YEARS, note={"run_id": "7"}) == 0
    assert_frame_equal(other.read(SCORES.key), one.read(SCORES.key), check_row_order=False, check_exact=True)
    assert {year: len(paths) for year, paths in other.files(SCORES.key).items()} == dict.fromkeys(YEARS, 1)
    assert other.note(SCORES.key, 0)["run_id"] == "7"
    assert other.rows(SCORES.key) == files.rows == 24


@given(st.lists(st.lists(st.sampled_from(["beta", "momentum", "quality"]), unique=True).map(sorted), max_size=4))
def test_a_table_has_each_column_that_any_part_has(tmp_path_factory: pytest.TempPathFactory, factors: list[list[str]]):
    lake = Lake(tmp_path_factory.mktemp("lake"))
    parts = [scores(2018 + number, **dict.fromkeys(names, float(number))) for number, names in enumerate(factors)]
    lake.write(SCORES, written(lake, *parts), years=YEARS)
    table = lake.read(SCORES.key)
    assert set(table.columns) == {"date", "symbol"}.union(*(part.columns for part in parts))
    for year, part in enumerate(parts, 2018):
        rows = table.filter(pl.col("date").dt.year() == year)
        assert_frame_equal(rows.select(part.columns), part, check_row_order=False)
        assert all(rows[name].null_count() == rows.height for name in table.columns if name not in part.columns)


def test_columns_stand_as_in_the_part_that_has_all_of_them(lake: Lake):
    whole = scores(2019, beta=1.0, momentum=1.0, quality=1.0)
    for parts in ((scores(2018, momentum=1.0), whole), (whole, scores(2020, quality=1.0))):
        assert list(written(lake, *parts).columns) == whole.columns
    # Where none has all, a column stands behind the one that it stood behind.
    found = written(lake, scores(2018, beta=1.0, quality=1.0), scores(2019, beta=1.0, momentum=1.0))
    assert found.columns == ("date", "symbol", "size", "beta", "momentum", "quality")


def test_what_is_said_of_parts_is_what_holds_of_the_table(lake: Lake):
    found = written(lake, scores(2018), scores(2020), pl.concat([scores(2021), scores(2021).head(1)]))
    assert (found.rows, found.duplicated) == (19, 2)
    assert (found.first, found.last) == (dt.date(2018, 1, 3), dt.date(2021, 1, 5))
    nothing = Written.joined(SCORES.key, [])
    assert (nothing.rows, nothing.first, nothing.last, nothing.columns) == (0, None, None, ("date", "symbol"))


def test_no_part_is_a_table_without_rows(lake: Lake):
    assert lake.write(SCORES, Written.joined(SCORES.key, []), years=[2019]) == 0
    assert lake.read(SCORES.key).schema == {"date": pl.Date, "symbol": pl.String}
    lake.write(SCORES, scores(2018, 2019), years=[2018, 2019])
    lake.write(SCORES, Written.joined(SCORES.key, []), years=[2019])
    assert lake.read(SCORES.key)["date"].dt.year().unique().to_list() == [2018]


def test_a_part_that_does_not_conform_is_refused_before_a_file_is_written(lake: Lake, tmp_path: Path):
    with pytest.raises(ContractError, match="symbol"):
        lake.writer(SCORES).write(scores(2019).drop("symbol"))
    assert not (tmp_path / "lake").exists()


def test_rows_of_a_year_that_was_not_named_are_refused(lake: Lake):
    with pytest.raises(ContractError, match=r"rows of 2020 in a write of \[2018, 2019\]"):
        lake.write(SCORES, written(lake, scores(2018), scores(2020)), years=[2018, 2019])
    assert not lake.exists(SCORES.key)


def test_a_column_of_another_type_is_refused_for_some_years_and_replaces_all(lake: Lake):
    lake.write(SCORES, scores(2018, 2019), years=[2018, 2019])
    # A release whose factors are in single precision.
    object.__setattr__(SCORES, "factor_dtype", pl.Float32)
    try:
        single = scores(2019).with_columns(pl.col("size").cast(pl.Float32))
        with pytest.raises(ContractError, match=r"column 'size' has the type .*double.* in the lake, and .*float"):
            lake.write(SCORES, single, years=[2019])
        lake.write(SCORES, single, years=[2019], only_these_years=True)
        assert lake.read(SCORES.key).schema["size"] == pl.Float32
    finally:
        object.__setattr__(SCORES, "factor_dtype", pl.Float64)


def test_another_process_writes_and_this_one_commits(lake: Lake):
    script = (
        "import pickle, sys\n"
        "from mech_exo_tests.storage.small_tables import scores\n"
        "writer, year = pickle.load(sys.stdin.buffer)\n"
        "sys.stdout.buffer.write(pickle.dumps(writer.write(scores(year))))\n"
    )

    def elsewhere(year: int) -> Written:
        sent = pickle.dumps((lake.writer(SCORES), year))
        done = subprocess.run([sys.executable, "-c", script], input=sent, capture_output=True, check=True, cwd=Path(__file__).parents[2])
        return pickle.loads(done.stdout)  # noqa: S301 (of the process that this test has started)

    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(elsewhere, (2018, 2019)))
    lake.write(SCORES, Written.joined(SCORES.key, parts), years=[2018, 2019])
    assert_frame_equal(lake.read(SCORES.key), scores(2018, 2019), check_row_order=False)


def test_a_table_without_a_time_axis_is_written_from_parts_too(lake: Lake):
    writer = lake.writer(UNIVERSE)
    lake.write(UNIVERSE, Written.joined(UNIVERSE.key, [writer.write(universe("A")), writer.write(universe("B"))]))
    assert sorted(lake.read(UNIVERSE.key)["symbol"]) == ["A", "B"]


def test_every_type_of_every_table_comes_back(lake: Lake):
    for schema in TABLES.values():
        row = {column.name: [EXAMPLES[column.dtype]] for column in schema.columns}
        frame = pl.DataFrame(row, schema=schema.dtypes())
        years = None if schema.time_column is None else [int(frame[schema.time_column].dt.year().item())]
        lake.write(schema, frame, years=years)
        assert_frame_equal(lake.read(schema.key), frame, check_exact=True)


EXAMPLES = {
    pl.Date: dt.date(2019, 3, 1),
    pl.String: "a b/ü",
    pl.Float64: 0.1,
    pl.Float32: 0.5,
    pl.Int64: 2**40,
    pl.Int32: -7,
    pl.Boolean: True,
    pl.Datetime("us", "UTC"): dt.datetime(2019, 3, 1, 4, 5, 6, 7, tzinfo=dt.UTC),
    pl.Datetime("us"): dt.datetime(2019, 3, 1, 4, 5, 6, 7),  # noqa: DTZ001 (as the tables have them)
}


def test_single_precision_stays_and_other_readers_of_delta_see_the_same(lake: Lake):
    row = {"date": [dt.date(2019, 1, 2)], "symbol": ["A"], "label": [0.1], "sector": [None], "score_size": [0.2]}
    part = pl.DataFrame(row, schema=DATASET.dtypes() | {"score_size": pl.Float32()})
    other = part.with_columns(date=pl.lit(dt.date(2020, 1, 2))).drop("score_size")
    writer = lake.writer(DATASET)
    lake.write(DATASET, Written.joined(DATASET.key, [writer.write(part), writer.write(other)]), years=[2019, 2020])
    table = lake.read(DATASET.key).sort("date")
    assert table.schema["score_size"] == pl.Float32
    assert table["score_size"].to_list() == [pytest.approx(0.2), None]
    theirs = pl.DataFrame(DeltaTable(lake.uri(DATASET.key)).to_pyarrow_table()).drop("year").sort("date")
    assert_frame_equal(theirs, table, check_column_order=False)


def test_predictions_of_a_year_are_one_file(lake: Lake):
    rows = {"date": [dt.date(2019, 1, 2)] * 2, "symbol": ["A"] * 2, "model": ["ridge", "ensemble"], "value": [0.1, 0.2]}
    assert len(lake.writer(PREDICTIONS).write(pl.DataFrame(rows, schema=PREDICTIONS.dtypes())).files) == 1
