"""A history is divided into consecutive years, none twice and none left out."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.quant.years import by_year, of_years, spans

YEARS = pl.DataFrame({"date": [dt.date(year, 7, 1) for year in range(2000, 2006)], "value": range(6)})


@given(st.integers(1900, 2100), st.integers(0, 40), st.integers(0, 60))
def test_spans_are_consecutive_and_of_about_the_same_length(first: int, more: int, count: int):
    found = spans(first, first + more, count)
    assert [year for start, end in found for year in range(start, end + 1)] == list(range(first, first + more + 1))
    assert len(found) == max(1, min(count, more + 1))
    lengths = [end - start for start, end in found]
    assert lengths == sorted(lengths, reverse=True)
    assert max(lengths) - min(lengths) <= 1


def test_both_ends_belong_to_the_years():
    ends = pl.DataFrame({"date": [dt.date(2000, 12, 31), dt.date(2001, 1, 1), dt.date(2003, 12, 31), dt.date(2004, 1, 1)]})
    assert of_years(ends.lazy(), 2001, 2003)["date"].dt.year().to_list() == [2001, 2003]
    assert of_years(YEARS.lazy(), -5, 2001)["value"].to_list() == [0, 1]


def test_one_year_after_the_other(tmp_path: Path):
    YEARS.write_parquet(tmp_path / "years.parquet")
    parts = list(by_year(pl.scan_parquet(tmp_path / "years.parquet"), range(2002, 2008)))
    assert [part["value"].to_list() for part in parts] == [[2], [3], [4], [5], [], []]
