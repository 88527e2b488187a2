"""`mech-exo export`: a table of the lake as a file."""

from __future__ import annotations

import datetime as dt
import difflib
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import polars as pl
import typer

from mech_exo_assets.cli.options import Config, Home, Source, require_source, settings_from
from mech_exo_assets.errors import InputError
from mech_exo_assets.schemas import TABLES
from mech_exo_assets.storage.lake import Lake

EXAMPLES = """
\b
Examples:
  mech-exo export decay/ic --format csv --out ic.csv
  mech-exo export strategy/targets --format parquet --out targets.parquet --from 2020-01-01
  mech-exo export strategy/backtest --format csv --out - --from 2022-01-01 --to 2022-06-30
"""


class Format(StrEnum):
    """File formats of an export."""

    csv = "csv"
    parquet = "parquet"


def export(
    table: Annotated[str, typer.Argument(help="Key of the table, e.g. decay/ic; `mech-exo status` lists them.")],
    *,
    out: Annotated[Path, typer.Option(help="File to write; - is standard output.")],
    format: Annotated[Format, typer.Option(help="csv or parquet.")] = Format.csv,  # noqa: A002
    first: Annotated[str | None, typer.Option("--from", help="First date, as YYYY-MM-DD.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last date, as YYYY-MM-DD.")] = None,
    home: Home = None,
    source: Source = None,
    config: Config = None,
) -> None:
    """Write a table to a file, ordered and in full precision: a number read back is the number in the lake."""
    settings = settings_from(home, source, config)
    require_source(settings)
    frame = select_rows(Lake(settings.lake_path), table, first=first, last=last)
    if str(out) == "-":
        _write(frame, format, sys.stdout.buffer)
        return
    try:
        # Beside the file and then renamed, so that a reader never sees half of it.
        staged = out.with_name(f".{out.name}.building")
        with staged.open("wb") as target:
            _write(frame, format, target)
        staged.replace(out)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written ({error.strerror}). Give a file in a folder that exists.") from error
    sys.stderr.write(f"{len(frame):,} rows of {table} in {out}\n")


def select_rows(lake: Lake, key: str, *, first: str | None = None, last: str | None = None) -> pl.DataFrame:
    """The rows of a table between two dates, both included, in the order of its unique columns.

    Raises
    ------
    InputError
        If there is no such table, or it has no dates and some are asked for, or a date is not one.
    MechExoError
        If the table was not computed yet.
    """
    if key not in TABLES:
        close = difflib.get_close_matches(key, TABLES, n=1)
        hint = f"Did you mean {close[0]}?" if close else f"There are: {', '.join(TABLES)}."
        raise InputError(f"no table is called {key}. {hint}")
    schema = TABLES[key]
    rows = lake.scan(key)
    for option, text in (("--from", first), ("--to", last)):
        if text is None:
            continue
        if "date" not in schema.names:
            raise InputError(f"{key} has no column date, so that {option} cannot be applied. Leave it out.")
        day = _day(option, text)
        rows = rows.filter(pl.col("date") >= day if option == "--from" else pl.col("date") <= day)
    return rows.sort(*schema.unique).collect()


def _day(option: str, text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{option} {text}: not a date. Give it as YYYY-MM-DD, e.g. 2020-01-31.") from error


def _write(frame: pl.DataFrame, format: Format, target: BinaryIO) -> None:  # noqa: A002
    if format is Format.csv:
        # Polars writes the shortest digits that read back as the same float.
        frame.write_csv(target)
    else:
        frame.write_parquet(target)
