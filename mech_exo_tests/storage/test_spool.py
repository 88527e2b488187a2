"""A table that is made part by part is the table that is made at once."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mech_exo_assets.schemas import DATASET, SCORES, UNIVERSE
from mech_exo_assets.storage import lake as lake_module
from mech_exo_assets.storage.contracts import ContractError
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.spool import Spool
from mech_exo_tests.storage.small_tables import scores, universe


def spooled(*parts: pl.DataFrame) -> Spool:
    spool = Spool(SCORES)
    for part in parts:
        spool.add(part)
    return spool


@given(st.lists(st.lists(st.sampled_from(["beta", "momentum", "quality"]), unique=True).map(sorted), max_size=4))
def test_parts_come_back_in_their_order_with_all_columns(factors: list[list[str]]):
    tables = [scores(2018 + number, **dict.fromkeys(names, float(number))) for number, names in enumerate(factors)]
    with spooled(*tables) as spool:
        columns, found = spool.columns, list(spool.parts())
    assert columns[:2] == ["date", "symbol"]
    assert set(columns) == {"date", "symbol"}.union(*(table.columns for table in tables))
    assert len(found) == len(tables)
    for part, table in zip(found, tables, strict=True):
        assert part.columns == columns
        assert_frame_equal(part.select(table.columns), table)
        assert all(part[name].null_count() == part.height for name in columns if name not in table.columns)


def test_columns_stand_as_in_the_part_that_has_all_of_them():
    whole = scores(2019, beta=1.0, momentum=1.0, quality=1.0)
    for parts in ((scores(2018, momentum=1.0), whole), (whole, scores(2020, quality=1.0))):
        with spooled(*parts) as spool:
            assert spool.columns == whole.columns


def test_where_no_part_has_all_columns_one_stands_behind_that_which_it_stood_behind():
    with spooled(scores(2018, beta=1.0, quality=1.0), scores(2019, beta=1.0, momentum=1.0)) as spool:
        assert spool.columns == ["date", "symbol", "size", "beta", "momentum", "quality"]


def test_just_the_named_columns_are_read():
    with spooled(scores(2018, momentum=1.0), scores(2019)) as spool:
        assert [part.columns for part in spool.parts(["momentum", "date"])] == [["momentum", "date"]] * 2


def test_a_part_that_does_not_conform_is_refused_and_the_others_stay():
    with spooled(scores(2018)) as spool:
        with pytest.raises(ContractError, match="symbol"):
            spool.add(scores(2019).drop("symbol"))
        assert len(list(spool.parts())) == 1


def test_no_part_is_a_table_without_rows(tmp_path: Path):
    lake = Lake(tmp_path / "lake")
    with Spool(SCORES) as spool:
        lake.write(SCORES, spool, years=[2019])
    assert lake.read(SCORES.key).is_empty()
    assert lake.read(SCORES.key).columns == ["date", "symbol"]


def test_parts_are_committed_at_once_as_the_table_would_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lake_module, "_ROWS_AT_ONCE", 3)
    parts = [scores(2018, 2019), scores(2020, momentum=0.5), scores(2021)]
    whole = pl.concat(parts, how="diagonal")
    one, other = Lake(tmp_path / "one"), Lake(tmp_path / "other")
    years = [2018, 2019, 2020, 2021]
    one.write(SCORES, whole, years=years)
    with spooled(*parts) as spool:
        assert other.write(SCORES, spool, years=years, note={"run_id": "7"}) == 0
    assert_frame_equal(other.read(SCORES.key), one.read(SCORES.key), check_row_order=False, check_column_order=False, check_exact=True)
    assert {year: len(files) for year, files in other.files(SCORES.key).items()} == dict.fromkeys(years, 1)
    assert other.note(SCORES.key, 0)["run_id"] == "7"
    assert other.rows(SCORES.key) == whole.height


def test_rows_of_a_year_that_was_not_named_are_refused_whatever_part_they_are_in(tmp_path: Path):
    lake = Lake(tmp_path / "lake")
    with spooled(scores(2018), scores(2020)) as spool, pytest.raises(ContractError, match=r"rows of 2020 in a write of \[2018, 2019\]"):
        lake.write(SCORES, spool, years=[2018, 2019])
    assert not lake.exists(SCORES.key)


def test_a_commit_that_others_were_faster_than_is_tried_again_with_all_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lake = Lake(tmp_path / "lake")
    lake.write(SCORES, scores(2018, 2019, value=0.0), years=[2018, 2019])
    once = Lake._commit_once
    tried = []

    def late(self: Lake, *arguments: object, **how: object) -> int:
        # The first time the rows have been read, and somebody else has committed.
        tried.append(1)
        if len(tried) == 1:
            list(arguments[1].parts())  # ty: ignore[unresolved-attribute]
            raise lake_module.CommitFailedError("others were faster")
        return once(self, *arguments, **how)  # ty: ignore[invalid-argument-type]

    monkeypatch.setattr(Lake, "_commit_once", late)
    with spooled(scores(2018, value=7.0), scores(2019, value=7.0)) as spool:
        lake.write(SCORES, spool, years=[2018, 2019])
    assert len(tried) == 2
    assert lake.read(SCORES.key)["size"].unique().to_list() == [7.0]


def test_a_table_without_a_time_axis_is_written_from_parts_too(tmp_path: Path):
    lake = Lake(tmp_path / "lake")
    with Spool(UNIVERSE) as spool:
        spool.add(universe("A"))
        spool.add(universe("B"))
        lake.write(UNIVERSE, spool)
    assert sorted(lake.read(UNIVERSE.key)["symbol"]) == ["A", "B"]


def test_single_precision_stays(tmp_path: Path):
    lake = Lake(tmp_path / "lake")
    row = {"date": [dt.date(2019, 1, 2)], "symbol": ["A"], "label": [0.1], "sector": [None], "score_size": [0.2]}
    part = pl.DataFrame(row, schema=DATASET.dtypes() | {"score_size": pl.Float32()})
    with Spool(DATASET) as spool:
        spool.add(part)
        spool.add(part.with_columns(date=pl.lit(dt.date(2020, 1, 2))).drop("score_size"))
        lake.write(DATASET, spool, years=[2019, 2020])
    table = lake.read(DATASET.key).sort("date")
    assert table.schema["score_size"] == pl.Float32
    assert table["score_size"].to_list() == [pytest.approx(0.2), None]


def test_the_end_frees_the_disk():
    with spooled(scores(2018), scores(2019)) as spool:
        files = list(spool._files)
        assert len(files) == 2
    assert all(file.closed for file in files)
    assert list(spool.parts()) == []
