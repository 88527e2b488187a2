"""Calendar years of a table, and spans of them that memory holds.

What belongs here: dividing a history by years and reading a part of it. What does not: what is computed from it, and Dagster's partitions
(`defs.partitions`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from itertools import pairwise

import polars as pl


def of_years(table: pl.LazyFrame, first: int, last: int) -> pl.DataFrame:
    """The rows of the calendar years from the first to the last, both included.

    Asked for by two ends, and not by the year of the date: by its statistics a file of another year is not read at all.
    """
    return table.filter(pl.col("date").is_between(dt.date(max(first, dt.MINYEAR), 1, 1), dt.date(last, 12, 31))).collect()


def by_year(table: pl.LazyFrame, years: Iterable[int]) -> Iterator[pl.DataFrame]:
    """The rows of a table with dates, a calendar year at a time."""
    for year in years:
        yield of_years(table, year, year)


def spans(first: int, last: int, count: int) -> list[tuple[int, int]]:
    """Consecutive spans that make up the years from the first to the last; `count` of them, or one for each year where that is less.

    Their lengths differ by one year at most, and the longer ones come first: what is begun last is done soon, and nobody waits for it.
    """
    years = last - first + 1
    count = max(1, min(count, years))
    length, longer = divmod(years, count)
    ends = [first + length * k + min(k, longer) for k in range(count + 1)]
    return [(start, stop - 1) for start, stop in pairwise(ends)]
