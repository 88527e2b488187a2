"""Small folders and frames for the tests of sources."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl

SYMBOLS = [f"S{number:02d}" for number in range(12)]
DAYS = [dt.date(2020, 1, day) for day in (2, 3, 6)]


def prices(**columns: object) -> pl.DataFrame:
    """Three sessions of twelve symbols with every column; row 2 of a CSV (row 1 of Parquet) is S00 on 2020-01-02."""
    frame = pl.DataFrame({"date": [day for day in DAYS for _ in SYMBOLS], "symbol": SYMBOLS * len(DAYS)})
    row = pl.int_range(pl.len()).cast(pl.Float64)
    frame = frame.with_columns(
        open=10 + row,
        high=12 + row,
        low=9 + row,
        close=11 + row,
        adjusted_close=5.5 + row / 2,
        volume=1000 + row,
        dividend_amount=pl.lit(0.0),
        split_coefficient=pl.lit(1.0),
    )
    return frame.with_columns(pl.lit(value).alias(name) for name, value in columns.items())


def universe() -> pl.DataFrame:
    return pl.DataFrame({"symbol": SYMBOLS, "name": SYMBOLS, "sector": ["Energy", "Utilities"] * 6, "asset_class": ["equity"] * 12})


def write(frame: pl.DataFrame, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    elif path.suffix == ".gz":
        frame.write_csv(path, compression="gzip")
    else:
        frame.write_csv(path)
    return path


def with_cell(frame: pl.DataFrame, row: int, column: str, value: object) -> pl.DataFrame:
    """The frame as text, with one cell (`row` counts from 0) replaced."""
    text = frame.with_columns(pl.all().cast(pl.String))
    cells = text[column].to_list()
    cells[row] = value
    return text.with_columns(pl.Series(column, cells, dtype=pl.String))
