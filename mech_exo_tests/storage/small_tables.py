"""Small tables for tests of the lake, wherever it lies, and a reader that looks while they are written."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import polars as pl

from mech_exo_assets.schemas import SCORES, UNIVERSE
from mech_exo_assets.storage.lake import Lake


def scores(*years: int, value: float = 1.0, names: int = 2, **factors: float) -> pl.DataFrame:
    """Three sessions of each year, and the factor `size` beside those that are named."""
    days = pl.DataFrame({"date": [date(year, 1, day) for year in years for day in (3, 4, 5)]}, schema={"date": pl.Date})
    frame = days.join(pl.DataFrame({"symbol": [f"S{number}" for number in range(names)]}), how="cross")
    return frame.with_columns(pl.lit(each).alias(name) for name, each in {"size": value, **factors}.items())


def universe(*symbols: str) -> pl.DataFrame:
    return pl.DataFrame([{"symbol": symbol, "asset_class": "equity"} for symbol in symbols], schema=UNIVERSE.dtypes())


def assert_whole_while_written(lake: Lake, *, names: int, writes: int) -> None:
    """Write a table again and again, and read it meanwhile: each look is of one version, none of an earlier one than the look before."""
    lake.write(SCORES, scores(2019, 2020, value=0.0, names=names), years=[2019, 2020])

    def write_on() -> None:
        for number in range(1, writes + 1):
            lake.write(SCORES, scores(2019, 2020, value=float(number), names=names), years=[2019, 2020])

    seen = []
    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write_on)
        while not writer.done():
            table = lake.read(SCORES.key)
            assert len(table) == 6 * names
            (value,) = table["size"].unique()
            seen.append(value)
        writer.result()
    assert seen == sorted(seen)
    assert len(set(seen)) > 1
