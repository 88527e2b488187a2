"""A table on disk: one file or a folder of parts, CSV or Parquet, read into the types that are wanted.

What belongs here: finding the parts, reading them, turning cells into dates, numbers and text, and knowing for each row where it
came from. What does not: what the values must be (`validation`), or which tables there are (`files`).

Rows are counted as a person sees them: in CSV the header is row 1 and the first data row is row 2, as in an editor or a
spreadsheet (blank lines count); in Parquet, which has no header, the first row is row 1.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import polars as pl

from mech_exo_assets.errors import InputError

ENDINGS = (".csv", ".csv.gz", ".parquet")
"""Endings of files that are read."""

_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
_DUPLICATED = re.compile(r"^(.*)_duplicated_\d+$")
_TIMESTAMP = r"^(\d{4}-\d{1,2}-\d{1,2})[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?$"


@dataclass(frozen=True, eq=False)
class Table:
    """A table with the place of each of its rows.

    Attributes
    ----------
    frame : DataFrame
        In the types that were asked for.
    name : str
        What a person calls it: "prices.csv", or "prices/" for several parts.
    place : callable
        From the index of a row of `frame` to where a person finds it, e.g. "prices/nvda.csv, row 1 041".
    extra : tuple of str
        Names of columns that were there and not asked for.
    """

    frame: pl.DataFrame
    name: str
    place: Callable[[int], str]
    extra: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns a table may have.

    Attributes
    ----------
    required, optional : mapping of str to Polars type
        Date, Datetime (in UTC), String or Float64.
    rest : Polars type or None
        Type of any further columns; None leaves them out and names them in `Table.extra`.
    """

    required: Mapping[str, type[pl.DataType]]
    optional: Mapping[str, type[pl.DataType]]
    rest: type[pl.DataType] | None = None


def thousands(number: int) -> str:
    """A count with a space between thousands: "1 041"."""
    return f"{number:,}".replace(",", " ")


def refuse(where: str, what: str, *, mend: str) -> NoReturn:
    """Raise the one line that says where, what and how to mend it, and that nothing happened."""
    raise InputError(f"{where}: {what}. {mend}; nothing was loaded.")


def ending(path: Path) -> str | None:
    """The ending of a file that can be read, or None."""
    return next((candidate for candidate in sorted(ENDINGS, key=len, reverse=True) if path.name.endswith(candidate)), None)


def stem(path: Path) -> str:
    """The name of a table's file or folder without its ending."""
    return path.name.removesuffix(ending(path) or "")


def read_table(parts: Sequence[Path], root: Path, layout: Layout) -> Table:
    """Read the parts of one table, in the given order, into one frame.

    Parameters
    ----------
    parts : sequence of Path
        At least one file, each with one of `ENDINGS`.
    root : Path
        The folder against which the parts are named in messages.
    layout : Layout
        Columns and their types.

    Returns
    -------
    Table
        All columns of the layout that any part has, in the layout's order; a cell that a part does not have is null.

    Raises
    ------
    InputError
        If a file cannot be read as what its ending says, is empty, lacks a required column, or holds a cell that is no date or number.
    """
    frames: list[pl.DataFrame] = []
    names: list[str] = []
    rows: list[np.ndarray] = []
    extra: dict[str, None] = {}
    for part in parts:
        name = part.relative_to(root).as_posix()
        raw = _read_part(part, name)
        _check_header(raw.columns, layout, name)
        first_row = 1 if ending(part) == ".parquet" else 2
        if raw.is_empty():
            refuse(name, "holds no rows", mend="Add rows or delete the file")
        numbers = np.arange(first_row, first_row + raw.height)
        if first_row == 2:
            raw, numbers = _without_blank_lines(raw, numbers, name)
        wanted = _wanted(raw.columns, layout)
        extra.update(dict.fromkeys(column for column in raw.columns if column not in wanted))
        place = _placer([name], [numbers])
        frames.append(raw.select([_converted(raw[column], dtype, place) for column, dtype in wanted.items()]))
        names.append(name)
        rows.append(numbers)
    frame = frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal")
    order = [column for column in (*layout.required, *layout.optional) if column in frame.columns]
    order += [column for column in frame.columns if column not in order]
    name = names[0] if len(names) == 1 else names[0].rpartition("/")[0] + "/"
    return Table(frame.select(order), name, _placer(names, rows), tuple(extra))


def _placer(names: list[str], rows: list[np.ndarray]) -> Callable[[int], str]:
    ends = np.cumsum([len(part) for part in rows])

    def place(index: int) -> str:
        part = int(np.searchsorted(ends, index, side="right"))
        start = int(ends[part - 1]) if part else 0
        return f"{names[part]}, row {thousands(int(rows[part][index - start]))}"

    return place


def _read_part(path: Path, name: str) -> pl.DataFrame:
    kind = ending(path)
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        refuse(name, f"cannot be read ({error.strerror})", mend="Make the file readable")
    if not head:
        refuse(name, "is empty", mend="Add a header and rows, or delete the file")
    expected = {".parquet": _PARQUET, ".csv.gz": _GZIP}.get(kind or "")
    if expected and not head.startswith(expected):
        refuse(
            name,
            f"is no {'Parquet' if kind == '.parquet' else 'gzip'} file, though its ending says so",
            mend="Give it the ending of what it is",
        )
    if kind == ".csv" and (b"\x00" in head or head.startswith((_GZIP, _PARQUET))):
        refuse(name, "is a binary file, though its ending says text", mend="Give it the ending of what it is (.parquet, .csv.gz)")
    try:
        return pl.read_parquet(path) if kind == ".parquet" else pl.read_csv(path, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        _explain(path, name, kind or "", error)


def _explain(path: Path, name: str, kind: str, error: Exception) -> NoReturn:
    text = " ".join(str(error).split()).lower()
    if isinstance(error, pl.exceptions.NoDataError):
        refuse(name, "is empty", mend="Add a header and rows, or delete the file")
    if "utf-8" in text:
        refuse(name, "is not UTF-8 text", mend="Save it as UTF-8")
    if "more fields" in text and kind == ".csv":
        # Polars does not say where; only a file that is refused anyway is read a second time.
        lines = path.read_text(encoding="utf-8").splitlines()
        width = lines[0].count(",")
        long = next((number for number, line in enumerate(lines, 1) if line.count(",") > width and '"' not in line), None)
        where = name if long is None else f"{name}, row {thousands(long)}"
        refuse(where, f"has more cells than the header ({width + 1})", mend="Correct the row (a number takes no thousands separator)")
    reason = text.split(" you might want")[0].split(". ")[0].removesuffix(".")
    refuse(name, f"cannot be read as {'Parquet' if kind == '.parquet' else 'CSV'} ({reason})", mend="Write the file again")


def _check_header(columns: Sequence[str], layout: Layout, name: str) -> None:
    known = [*layout.required, *layout.optional]
    for column in columns:
        match = _DUPLICATED.match(column)
        if match and match[1] in columns:
            refuse(name, f"has two columns called '{match[1]}'", mend="Keep one of them")
        wanted = next((candidate for candidate in known if candidate == column.strip().lower() and candidate not in columns), None)
        if wanted is not None:
            refuse(name, f"has '{column}'; the column must be called '{wanted}'", mend="Rename it")
    missing = [column for column in layout.required if column not in columns]
    if not missing:
        return
    if len(columns) == 1 and (separator := next((mark for mark in ";\t|" if mark in columns[0]), None)):
        refuse(name, f"separates its columns by {separator!r}", mend="Write it with commas")
    close = difflib.get_close_matches(missing[0], [column for column in columns if column not in known], n=1)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    listed = ", ".join(f"'{column}'" for column in missing)
    refuse(
        name,
        f"lacks the column{'s' if len(missing) > 1 else ''} {listed} (it has {', '.join(columns)}{hint})",
        mend="Add or rename the column",
    )


def _wanted(columns: Sequence[str], layout: Layout) -> dict[str, type[pl.DataType]]:
    known = {**layout.required, **layout.optional}
    if layout.rest is None:
        return {column: known[column] for column in columns if column in known}
    return {column: known.get(column, layout.rest) for column in columns}


def _without_blank_lines(raw: pl.DataFrame, numbers: np.ndarray, name: str) -> tuple[pl.DataFrame, np.ndarray]:
    # A blank line has no cell at all, so it is null in every column; looking at one column first keeps this free on clean files.
    if raw[:, 0].null_count() == 0:
        return raw, numbers
    blank = raw.select(pl.all_horizontal(pl.all().is_null())).to_series()
    if blank.all():
        refuse(name, "holds no rows", mend="Add rows or delete the file")
    return raw.filter(~blank), numbers[~blank.to_numpy()]


def _converted(series: pl.Series, dtype: type[pl.DataType], place: Callable[[int], str]) -> pl.Series:
    if isinstance(series.dtype, pl.Categorical | pl.Enum):
        series = series.cast(pl.String)
    if series.dtype == pl.Null:
        return series.cast(dtype)
    if dtype == pl.String:
        return _to_text(series, place)
    if dtype == pl.Datetime:
        return _to_timestamp(series, place)
    return _to_date(series, place) if dtype == pl.Date else _to_number(series, place)


def _to_text(series: pl.Series, place: Callable[[int], str]) -> pl.Series:
    if not (series.dtype == pl.String or series.dtype.is_integer()):
        _wrong_type(series, "text", place)
    text = series.cast(pl.String).str.strip_chars()
    return text.set(text == "", None)


def _to_date(series: pl.Series, place: Callable[[int], str]) -> pl.Series:
    if series.dtype == pl.Date:
        return series
    if isinstance(series.dtype, pl.Datetime):
        return series.dt.date()
    if series.dtype != pl.String:
        _wrong_type(series, "dates", place)
    parsed = series.str.to_date("%Y-%m-%d", strict=False)
    if parsed.null_count() > series.null_count():
        text = _to_text(series, place)
        parsed = parsed.fill_null(text.str.replace(_TIMESTAMP, "${1}").str.to_date("%Y-%m-%d", strict=False))
        _refuse_cells(text, parsed, "a date is written YYYY-MM-DD", place)
    return parsed


def _to_timestamp(series: pl.Series, place: Callable[[int], str]) -> pl.Series:
    """UTC without a zone; a text or a time without a zone counts as UTC."""
    if isinstance(series.dtype, pl.Datetime):
        zoned = series if series.dtype.time_zone is None else series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return zoned.cast(pl.Datetime("us"))
    if series.dtype != pl.String:
        _wrong_type(series, "times", place)
    text = _to_text(series, place)
    plain = text.str.replace("T", " ", literal=True).str.replace(r"Z$", "+00:00").str.replace(r"([+-]\d{2}):?(\d{2})$", "${1}${2}")
    parsed = plain.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us")
    parsed = parsed.fill_null(plain.str.to_datetime("%Y-%m-%d %H:%M", strict=False, time_unit="us"))
    zoned = plain.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%z", strict=False, time_unit="us").dt.convert_time_zone("UTC")
    parsed = parsed.fill_null(zoned.dt.replace_time_zone(None))
    _refuse_cells(text, parsed, "a time is written YYYY-MM-DD HH:MM:SS, in UTC or with its offset", place)
    return parsed


def _to_number(series: pl.Series, place: Callable[[int], str]) -> pl.Series:
    if series.dtype == pl.String:
        number = series.cast(pl.Float64, strict=False)
        if number.null_count() > series.null_count():
            text = _to_text(series, place)
            number = text.cast(pl.Float64, strict=False)
            _refuse_cells(text, number, "a number is needed, or an empty cell where it is not known", place)
    elif series.dtype.is_numeric():
        number = series.cast(pl.Float64)
    else:
        _wrong_type(series, "numbers", place)
    return number.fill_nan(None)


def _refuse_cells(text: pl.Series, converted: pl.Series, why: str, place: Callable[[int], str]) -> None:
    bad = (text.is_not_null() & converted.is_null()).arg_true()
    if len(bad):
        where = place(int(bad[0])) + and_more(len(bad) - 1)
        refuse(where, f"{text.name} is '{text[int(bad[0])]}'; {why}", mend="Correct or delete the row")


def and_more(others: int) -> str:
    """How many more rows are like the first: " (and 3 more rows)", or nothing."""
    if others == 0:
        return ""
    return f" (and {thousands(others)} more row{'s' if others > 1 else ''})"


def _wrong_type(series: pl.Series, wanted: str, place: Callable[[int], str]) -> NoReturn:
    name = place(0).rpartition(", row ")[0]
    refuse(name, f"the column '{series.name}' holds {series.dtype}; it must hold {wanted}", mend="Convert the column")
