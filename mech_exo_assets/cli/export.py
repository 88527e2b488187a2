"""`mech-exo export`: a table of the lake as a file.

What belongs here: which rows, in which format, to where. What does not: how the lake is read (`storage.lake`), and what the columns
mean (`schemas`).
"""

from __future__ import annotations

import datetime as dt
import difflib
import io
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import polars as pl
import typer

from mech_exo_assets.cli.options import Config, Home, Source, require_source, settings_from
from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.schemas import TABLES
from mech_exo_assets.storage.lake import Lake

EXAMPLES = """
\b
Examples:
  mech-exo export decay/ic --out ic.csv
  mech-exo export strategy/targets --out targets.parquet --from 2020-01-01
  mech-exo export strategy/trades --out trades.csv.gz --period ytd
  mech-exo export strategy/backtest --out - --from 2022-01-01 --to 2022-06-30
"""


class Format(StrEnum):
    """File formats of an export."""

    csv = "csv"
    parquet = "parquet"


class Period(StrEnum):
    """Calendar days back from the last date of the table, that date included."""

    last7d = "last7d"
    last30d = "last30d"
    last90d = "last90d"
    last365d = "last365d"
    ytd = "ytd"

    def first_day(self, last: dt.date) -> dt.date:
        """The first day of the period that ends with `last`; of `ytd`, 1 January of that year."""
        if self is Period.ytd:
            return dt.date(last.year, 1, 1)
        return last - dt.timedelta(days=int(self.removeprefix("last").removesuffix("d")) - 1)


def export(
    table: Annotated[str, typer.Argument(help="Key of the table, e.g. decay/ic; `mech-exo status` lists them.")],
    *,
    out: Annotated[Path, typer.Option(help="File to write; - is standard output.")],
    format: Annotated[  # noqa: A002
        Format | None, typer.Option(help="csv or parquet. Default: as the ending of --out says, or csv.")
    ] = None,
    gzip: Annotated[bool, typer.Option("--gzip", help="Compress: the whole CSV file, or the pages inside a Parquet file.")] = False,
    first: Annotated[str | None, typer.Option("--from", help="First date, as YYYY-MM-DD.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last date, as YYYY-MM-DD.")] = None,
    period: Annotated[
        Period | None, typer.Option(help="Calendar days back from the table's last date, or from 1 January of its year, instead of dates.")
    ] = None,
    home: Home = None,
    source: Source = None,
    config: Config = None,
) -> None:
    """Write a table to a file, ordered and in full precision: a number read back is the number in the lake."""
    settings = settings_from(home, source, config)
    require_source(settings)
    format, gzip = encoding(out, format, gzip=gzip)  # noqa: A001
    lake = Lake(settings.lake_uri)
    if period is None:
        wanted = (_day("--from", first), _day("--to", last))
    elif first is None and last is None:
        wanted = days_of_period(lake, table, period)
    else:
        raise InputError(f"--period {period} with --from or --to: both say which dates. Give one of them.")
    rows = select_rows(lake, table, first=wanted[0], last=wanted[1])
    if str(out) == "-":
        _to_standard_output(rows, format, gzip=gzip)
    else:
        _to_file(rows, out, format, gzip=gzip)
    sys.stderr.write(_said(lake, table, rows, wanted, period) + f" in {'standard output' if str(out) == '-' else out}\n")


def encoding(out: Path, format: Format | None, *, gzip: bool) -> tuple[Format, bool]:  # noqa: A002
    """The format, and whether it is compressed: as the options say, and where they are silent as the ending of the name says.

    Raises
    ------
    InputError
        If the name says another thing than the options.
    """
    name = out.name.lower()
    zipped = name.endswith(".gz")
    ending = Path(name.removesuffix(".gz")).suffix.removeprefix(".")
    named = Format(ending) if ending in set(Format) else None
    if zipped and Format.parquet in (format, named):
        raise InputError(
            f"--out {out}: a Parquet file is compressed inside, not around. Give a name that ends in .parquet, and --gzip for gzip pages."
        )
    if format is not None and named not in (None, format):
        raise InputError(f"--format {format} and --out {out} say different formats. Leave --format out, or change the ending to .{format}.")
    if gzip and named is Format.csv and not zipped:
        raise InputError(f"--gzip and --out {out}: a compressed file needs a name that says so. Give {out}.gz, or leave --gzip out.")
    return format or named or Format.csv, gzip or zipped


def days_of_period(lake: Lake, key: str, period: Period) -> tuple[dt.date | None, dt.date | None]:
    """First and last day of a period that ends with the last date of the table; None and None for a table without rows.

    Raises
    ------
    InputError
        If there is no such table, or it has no dates.
    MechExoError
        If the table was not computed yet.
    """
    _require_table(key)
    _require_dates(key, f"--period {period}")
    _, last = _dates(lake.scan(key))
    return (None, None) if last is None else (period.first_day(last), last)


def select_rows(lake: Lake, key: str, *, first: dt.date | None = None, last: dt.date | None = None) -> pl.DataFrame:
    """The rows of a table between two dates, both included, in the order of its unique columns.

    Raises
    ------
    InputError
        If there is no such table, or it has no dates and some are asked for, or the first is after the last.
    MechExoError
        If the table was not computed yet.
    """
    _require_table(key)
    if first is not None and last is not None and first > last:
        raise InputError(f"--from {first} is after --to {last}. Exchange them.")
    rows = lake.scan(key)
    if first is not None:
        _require_dates(key, "--from")
        rows = rows.filter(pl.col("date") >= first)
    if last is not None:
        _require_dates(key, "--to")
        rows = rows.filter(pl.col("date") <= last)
    return rows.sort(*TABLES[key].unique).collect()


def _require_table(key: str) -> None:
    if key not in TABLES:
        close = difflib.get_close_matches(key, TABLES, n=1)
        hint = f"Did you mean {close[0]}? " if close else ""
        raise InputError(f"no table is called {key}. {hint}There are: {', '.join(TABLES)}.")


def _require_dates(key: str, option: str) -> None:
    if "date" not in TABLES[key].names:
        raise InputError(f"{key} has no column date, so that {option} cannot be applied. Leave it out.")


def _day(option: str, text: str | None) -> dt.date | None:
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{option} {text}: not a date. Give it as YYYY-MM-DD, e.g. 2020-01-31.") from error


def _dates(rows: pl.LazyFrame) -> tuple[dt.date | None, dt.date | None]:
    """First and last date that is there."""
    return rows.select(first=pl.col("date").min(), last=pl.col("date").max()).collect().row(0)


def _said(lake: Lake, key: str, rows: pl.DataFrame, wanted: tuple[dt.date | None, dt.date | None], period: Period | None) -> str:
    """What was written, for standard error: how many rows, of which dates, and where there were none, of which dates there are any."""
    count = f"{len(rows):,} {'row' if len(rows) == 1 else 'rows'} of {key}"
    if "date" not in rows.columns:
        return count
    if len(rows):
        days = "{} to {}".format(*_dates(rows.lazy()))
        return f"{count}, {days}" if period is None else f"{count}, {days} ({period} is {wanted[0]} to {wanted[1]})"
    first, last = _dates(lake.scan(key))
    if first is None:
        return f"{key} has no rows: just the names of the columns"
    asked = f"from {wanted[0] or 'its first date'} to {wanted[1] or 'its last date'}"
    return f"{key} has no rows {asked}; it has them from {first} to {last}: just the names of the columns"


def _to_standard_output(rows: pl.DataFrame, format: Format, *, gzip: bool) -> None:  # noqa: A002
    # By way of memory: a reader that has seen enough (`| head`) is then a BrokenPipeError, which ends the command without a word.
    content = io.BytesIO()
    _write(rows, content, format, gzip=gzip)
    sys.stdout.buffer.write(content.getbuffer())
    sys.stdout.buffer.flush()


def _to_file(rows: pl.DataFrame, out: Path, format: Format, *, gzip: bool) -> None:  # noqa: A002
    """Write beside the file and then rename, so that a reader never sees half of it; a device or a pipe is written to as it is."""
    file = out.resolve()
    replaced = file.is_file() or not out.exists()
    staged = file.with_name(f".{file.name}.{os.getpid()}.building") if replaced else out
    try:
        with staged.open("wb") as target:
            _write(rows, target, format, gzip=gzip)
        if replaced:
            staged.replace(file)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise InputError(f"--out {out}: cannot be written ({error.strerror}). Give a file in a folder that exists.") from error
    except (OSError, pl.exceptions.ComputeError) as error:  # Polars wraps what its Parquet writer is told by the system.
        raise MechExoError(f"--out {out}: could not be written to its end ({error}). Make room, or give another place.") from error
    finally:
        if replaced and file.parent.is_dir():
            staged.unlink(missing_ok=True)


def _write(rows: pl.DataFrame, target: BinaryIO, format: Format, *, gzip: bool) -> None:  # noqa: A002
    if format is Format.parquet:
        rows.write_parquet(target, compression="gzip" if gzip else "zstd")
    elif gzip:
        from gzip import GzipFile

        # Neither name nor time of writing: the same table makes the same bytes. Level 9 would take twice as long for 0.4 %.
        with GzipFile(filename="", mode="wb", compresslevel=6, fileobj=target, mtime=0) as compressed:
            rows.write_csv(compressed)  # ty: ignore[no-matching-overload]
    else:
        # Polars writes the shortest digits that read back as the same float, a null as nothing and an empty string as "".
        rows.write_csv(target)
