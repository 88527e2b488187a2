"""Every bad input is refused with one line that names the place, the column, the mend, and that nothing was loaded."""

from __future__ import annotations

import datetime as dt
import gzip
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from mech_exo_assets.errors import InputError
from mech_exo_assets.sources.uri import open_source
from mech_exo_tests.sources.builders import DAYS, SYMBOLS, prices, universe, with_cell, write

Arrange = Callable[[Path], object]


def _bad_price(column: str, value: object, row: int = 3) -> Arrange:
    return lambda folder: write(with_cell(prices(), row, column, value), folder / "prices.csv")


def _with_prices(name: str, frame: pl.DataFrame) -> Arrange:
    def arrange(folder: Path) -> None:
        write(prices(), folder / "prices.csv")
        write(frame, folder / name)

    return arrange


def _raw(name: str, content: bytes) -> Arrange:
    def arrange(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)

    return arrange


def _all(*arranges: Arrange) -> Arrange:
    def arrange(folder: Path) -> None:
        for one in arranges:
            one(folder)

    return arrange


def _universe(column: str, value: object, row: int = 3) -> Arrange:
    return _with_prices("universe.csv", with_cell(universe(), row, column, value))


def _dated(**columns: object) -> pl.DataFrame:
    frame = pl.DataFrame({"date": [DAYS[0]] * 12, "symbol": SYMBOLS, "value": [float(number) for number in range(12)]})
    return frame.with_columns(pl.lit(value).alias(name) for name, value in columns.items())


FUTURE = str(dt.datetime.now(dt.UTC).date() + dt.timedelta(days=2))
HEADER = b"date,symbol,close\n"
CORRECT = "Correct or delete the row"
FIRST_DUPLICATE = pl.concat([prices(), prices()[3:5]])

CASES: dict[str, tuple[Arrange, list[str]]] = {
    # values of prices
    "negative close": (_bad_price("close", "-3.2"), ["prices.csv, row 5: close is -3.2; a price must be above zero", CORRECT]),
    "zero open": (_bad_price("open", "0"), ["prices.csv, row 5: open is 0.0; a price must be above zero", CORRECT]),
    "zero low": (_bad_price("low", "0"), ["row 5: low is 0.0"]),
    "negative high": (_bad_price("high", "-1"), ["row 5: high is -1.0"]),
    "zero adjusted_close": (_bad_price("adjusted_close", "0"), ["row 5: adjusted_close is 0.0"]),
    "several negative": (
        lambda folder: write(with_cell(with_cell(prices(), 3, "close", "-3.2"), 9, "close", "-1"), folder / "prices.csv"),
        ["prices.csv, row 5 (and 1 more row): close is -3.2"],
    ),
    "all negative": (
        lambda folder: write(prices(close=-1.0), folder / "prices.csv"),
        ["prices.csv, row 2 (and 35 more rows): close is -1.0"],
    ),
    "high below low": (_bad_price("high", "2.5"), ["prices.csv, row 5: high is 2.5 and low is 12.0; high cannot be below low", CORRECT]),
    "infinite": (_bad_price("close", "inf"), ["row 5: close is inf; a number must be finite", CORRECT]),
    "infinite volume": (_bad_price("volume", "-inf"), ["row 5: volume is -inf; a number must be finite"]),
    "text in a number": (_bad_price("close", "n/a"), ["prices.csv, row 5: close is 'n/a'; a number is needed", CORRECT]),
    "text in an optional number": (_bad_price("volume", "many"), ["row 5: volume is 'many'; a number is needed, or an empty cell"]),
    "negative volume": (_bad_price("volume", "-1"), ["row 5: volume is -1.0; it cannot be negative", CORRECT]),
    "negative dividend": (_bad_price("dividend_amount", "-0.5"), ["row 5: dividend_amount is -0.5; it cannot be negative", CORRECT]),
    "zero split": (_bad_price("split_coefficient", "0"), ["row 5: split_coefficient is 0.0; it must be above zero", CORRECT]),
    "empty close": (_bad_price("close", None), ["prices.csv, row 5: close is empty; it is required", CORRECT]),
    "close not a number": (_bad_price("close", "NaN"), ["prices.csv, row 5: close is empty"]),
    "blank symbol": (_bad_price("symbol", "  "), ["prices.csv, row 5: symbol is empty; it is required", CORRECT]),
    "empty date": (_bad_price("date", None), ["prices.csv, row 5: date is empty; it is required", CORRECT]),
    "one adjusted_close missing": (_bad_price("adjusted_close", None), ["row 5: adjusted_close is empty; it must be there on every row"]),
    "no date": (_bad_price("date", "yesterday"), ["prices.csv, row 5: date is 'yesterday'; a date is written YYYY-MM-DD", CORRECT]),
    "american date": (_bad_price("date", "01/02/2020"), ["row 5: date is '01/02/2020'; a date is written YYYY-MM-DD"]),
    "a day that is not in the calendar": (_bad_price("date", "2020-02-30"), ["row 5: date is '2020-02-30'"]),
    "date with a slip": (_bad_price("date", "0202-01-02"), ["row 5: date is 0202-01-02, which is before 1900", CORRECT]),
    "future date": (_bad_price("date", FUTURE), [f"row 5: date is {FUTURE}, which is in the future", CORRECT]),
    "duplicate row": (
        lambda folder: write(FIRST_DUPLICATE, folder / "prices.csv"),
        ["prices.csv, row 38 (and 1 more row): date 2020-01-02 and symbol S03 stand in prices.csv, row 5 already", "Delete one of them"],
    ),
    "duplicate across parts": (
        lambda folder: (write(prices()[:30], folder / "prices" / "a.csv"), write(prices()[29:], folder / "prices" / "b.parquet")),
        ["prices/b.parquet, row 1: date 2020-01-06 and symbol S05 stand in prices/a.csv, row 31 already", "Delete one of them"],
    ),
    "bad row in a part": (
        lambda folder: (
            write(prices()[:12], folder / "prices" / "a.parquet"),
            write(with_cell(prices()[12:], 2, "close", "-3.2"), folder / "prices" / "b.csv"),
        ),
        ["prices/b.csv, row 4: close is -3.2", CORRECT],
    ),
    "bad row in parquet": (
        lambda folder: write(prices().with_columns(close=-pl.col("close")), folder / "prices.parquet"),
        ["prices.parquet, row 1 (and 35 more rows): close is -11.0"],
    ),
    "row beyond a thousand": (
        lambda folder: write(pl.concat([_many(1039), prices(close=-3.2)[:1]]), folder / "prices.csv"),
        ["prices.csv, row 1 041: close is -3.2; a price must be above zero. Correct or delete the row; nothing was loaded."],
    ),
    "after blank lines": (
        _raw("prices.csv", HEADER + b"2020-01-02,A,1\n\n\n2020-01-02,B,-3.2\n"),
        ["prices.csv, row 5: close is -3.2"],
    ),
    "nine symbols": (
        lambda folder: write(prices().filter(pl.col("symbol") < "S09"), folder / "prices.csv"),
        ["prices.csv: holds 9 symbols; ranking needs at least 10", "Add prices of more symbols"],
    ),
    "nine symbols in parts": (
        lambda folder: [write(prices()[number : number + 1], folder / "prices" / f"{number}.csv") for number in range(9)],
        ["prices/: holds 9 symbols"],
    ),
    # columns
    "missing column": (
        lambda folder: write(prices().drop("close"), folder / "prices.csv"),
        ["prices.csv: lacks the column 'close' (it has date, symbol, open", "Add or rename the column"],
    ),
    "missing column with a like one": (
        lambda folder: write(prices().rename({"close": "closing"}), folder / "prices.csv"),
        ["prices.csv: lacks the column 'close' (it has date", "; did you mean 'closing'?)", "Add or rename the column"],
    ),
    "missing columns": (
        lambda folder: write(prices().select(pl.col("date").alias("day"), "close"), folder / "prices.csv"),
        ["prices.csv: lacks the columns 'date', 'symbol' (it has day, close)"],
    ),
    "column in capitals": (
        lambda folder: write(prices().rename({"close": "Close"}), folder / "prices.csv"),
        ["prices.csv: has 'Close'; the column must be called 'close'", "Rename it"],
    ),
    "optional column in capitals": (
        lambda folder: write(prices().rename({"volume": "VOLUME"}), folder / "prices.parquet"),
        ["prices.parquet: has 'VOLUME'; the column must be called 'volume'", "Rename it"],
    ),
    "column twice": (
        _raw("prices.csv", b"date,symbol,close,close\n2020-01-02,A,1,2\n"),
        ["prices.csv: has two columns called 'close'", "Keep one"],
    ),
    "semicolons": (
        _raw("prices.csv", b"date;symbol;close\n2020-01-02;A;1\n"),
        ["prices.csv: separates its columns by ';'", "Write it with commas"],
    ),
    "column of the wrong type": (
        lambda folder: write(prices(close=dt.date(2020, 1, 1)), folder / "prices.parquet"),
        ["prices.parquet: the column 'close' holds Date; it must hold numbers", "Convert the column"],
    ),
    "dates as numbers": (
        lambda folder: write(prices(date=20200102), folder / "prices.parquet"),
        ["prices.parquet: the column 'date' holds Int32; it must hold dates", "Convert the column"],
    ),
    "symbols as numbers": (
        lambda folder: write(prices(symbol=1.5), folder / "prices.parquet"),
        ["prices.parquet: the column 'symbol' holds Float64; it must hold text"],
    ),
    # files
    "empty file": (_raw("prices.csv", b""), ["prices.csv: is empty", "Add a header and rows, or delete the file"]),
    "only line ends": (_raw("prices.csv", b"\n\n\n"), ["prices.csv: is empty"]),
    "only a header": (_raw("prices.csv", HEADER), ["prices.csv: holds no rows", "Add rows or delete the file"]),
    "only blank lines": (_raw("prices.csv", HEADER + b"\n\n"), ["prices.csv: holds no rows"]),
    "parquet without rows": (lambda folder: write(prices().clear(), folder / "prices.parquet"), ["prices.parquet: holds no rows"]),
    "text called parquet": (
        _raw("prices.parquet", HEADER),
        ["prices.parquet: is no Parquet file, though its ending says so", "Give it the ending"],
    ),
    "parquet cut short": (
        _raw("prices.parquet", b"PAR1" + b"\x00" * 40),
        ["prices.parquet: cannot be read as Parquet", "Write the file again"],
    ),
    "parquet called csv": (
        lambda folder: write(prices(), folder / "prices.parquet").rename(folder / "prices.csv"),
        ["prices.csv: is a binary file, though its ending says text", "Give it the ending of what it is"],
    ),
    "gzip called csv": (_raw("prices.csv", gzip.compress(HEADER)), ["prices.csv: is a binary file"]),
    "binary called csv": (_raw("prices.csv", b"a\x00b"), ["prices.csv: is a binary file"]),
    "text called gzip": (_raw("prices.csv.gz", HEADER), ["prices.csv.gz: is no gzip file, though its ending says so"]),
    "gzip cut short": (
        _raw("prices.csv.gz", gzip.compress(HEADER * 99)[:-9]),
        ["prices.csv.gz: cannot be read as CSV", "Write the file again"],
    ),
    "not utf-8": (_raw("prices.csv", HEADER + b"2020-01-02,Soci\xe9t\xe9,1\n"), ["prices.csv: is not UTF-8 text", "Save it as UTF-8"]),
    "too many cells": (
        _raw("prices.csv", HEADER + b"2020-01-02,A,1\n2020-01-02,B,1,041\n"),
        ["prices.csv, row 3: has more cells than the header (3)", "Correct the row"],
    ),
    "open quote": (
        _raw("prices.csv", HEADER + b'2020-01-02,"A,1\n2020-01-02,B,2\n'),
        ["prices.csv: cannot be read as CSV", "Write the file again"],
    ),
    # the folder
    "no prices": (_raw("notes.txt", b"x"), [": holds no prices. Add 'prices' as one file or a folder of parts (.csv, .csv.gz, .parquet)"]),
    "prices in capitals": (_raw("Prices.csv", HEADER), [": holds no prices (it has 'Prices.csv')"]),
    "prices misspelt": (_raw("price.csv", HEADER), [": holds no prices (it has 'price.csv')"]),
    "file and folder": (
        lambda folder: (write(prices(), folder / "prices.csv"), write(prices(), folder / "prices" / "a.csv")),
        ["prices: stands twice, as prices.csv and prices/", "Keep one of them"],
    ),
    "two files": (
        lambda folder: (write(prices(), folder / "prices.csv"), write(prices(), folder / "prices.parquet")),
        ["prices: stands twice, as prices.csv and prices.parquet", "Keep one of them"],
    ),
    "folder without parts": (
        _raw("prices/readme.txt", b"x"),
        ["prices/: holds no part that can be read", "Add a part or delete the folder"],
    ),
    # universe
    "misspelt symbol": (
        _universe("symbol", "S3"),
        [
            "universe.csv: no row for symbol 'S03', which has prices",
            "universe.csv, row 5 has 'S3', without prices",
            "Add the row, or correct the symbol",
        ],
    ),
    "symbols that the universe does not know": (
        _with_prices("universe.csv", universe()[2:]),
        ["universe.csv: no row for symbol 'S00', which has prices (nor have 1 more)", "Add the row"],
    ),
    "symbol twice": (
        _universe("symbol", "S00"),
        ["universe.csv, row 5: symbol S00 stands in universe.csv, row 2 already", "Delete one of them"],
    ),
    "blank symbol in universe": (_universe("symbol", ""), ["universe.csv, row 5: symbol is empty", CORRECT]),
    "asset class": (
        _universe("asset_class", "stock"),
        ["universe.csv, row 5: asset_class is 'stock'; accepted are equity, bond, commodity, fx, crypto", CORRECT],
    ),
    "delisted before listed": (
        _with_prices("universe.csv", universe().with_columns(listed_from=pl.lit("2020-01-02"), listed_to=pl.lit("2019-01-02"))),
        ["universe.csv, row 2 (and 11 more rows): listed_to 2019-01-02 is before listed_from 2020-01-02", CORRECT],
    ),
    "universe without symbol": (
        _with_prices("universe.csv", universe().drop("symbol")),
        ["universe.csv: lacks the column 'symbol' (it has name, sector, asset_class)"],
    ),
    # fundamentals
    "text in fundamentals": (
        _with_prices("fundamentals.csv", _dated(earnings_yield="high")),
        ["fundamentals.csv, row 2 (and 11 more rows): earnings_yield is 'high'; a number is needed", CORRECT],
    ),
    "fundamentals twice": (
        _with_prices("fundamentals.csv", pl.concat([_dated(), _dated()[:1]])),
        ["fundamentals.csv, row 14: date 2020-01-02 and symbol S00 stand in fundamentals.csv, row 2 already"],
    ),
    "infinite fundamentals": (
        _with_prices("fundamentals.parquet", _dated(value=float("inf"))),
        ["fundamentals.parquet, row 1 (and 11 more rows): value is inf"],
    ),
    "future fundamentals": (
        _with_prices("fundamentals.csv", _dated(date=FUTURE)),
        ["fundamentals.csv, row 2 (and 11 more rows): date is " + FUTURE],
    ),
    # features
    "feature without value": (
        _with_prices("features/mood.csv", _dated().drop("value")),
        ["features/mood.csv: lacks the column 'value'", "Add or rename the column"],
    ),
    "empty value of a feature": (
        _with_prices("features/mood.csv", with_cell(_dated(), 3, "value", None)),
        ["features/mood.csv, row 5: value is empty; it is required"],
    ),
    "known before": (
        _with_prices("features/mood.csv", _dated(known_at="2020-01-01")),
        ["features/mood.csv, row 2 (and 11 more rows): known_at 2020-01-01 is before date 2020-01-02", CORRECT],
    ),
    "feature twice": (
        _with_prices("features/mood.csv", pl.concat([_dated(), _dated()[5:6]])),
        ["features/mood.csv, row 14: date 2020-01-02 and symbol S05 stand in features/mood.csv, row 7 already"],
    ),
    "name of a feature": (
        _with_prices("features/My Mood.csv", _dated()),
        ["features/My Mood.csv: 'My Mood' cannot be the name of a factor", "Rename the file"],
    ),
    "name of a table of the decay monitor": (
        _with_prices("features/status.csv", _dated()),
        ["features/status.csv: 'status' is the name of a table of the decay monitor, beside which its page stands", "Rename the file"],
    ),
    "bad row in a part of a feature": (
        _with_prices("features/mood/2020.csv", with_cell(_dated(), 3, "value", "x")),
        ["features/mood/2020.csv, row 5: value is 'x'"],
    ),
    "feature in two forms": (
        _all(_with_prices("features/mood.csv", _dated()), _with_prices("features/mood.parquet", _dated())),
        ["features/mood: stands twice, as features/mood.csv and features/mood.parquet"],
    ),
}


def _many(rows: int) -> pl.DataFrame:
    days = pl.date_range(dt.date(2019, 1, 1), dt.date(2019, 12, 31), eager=True).to_list()
    frame = pl.DataFrame([(day, symbol) for day in days for symbol in SYMBOLS][:rows], schema=["date", "symbol"], orient="row")
    blank = {name: pl.lit(11.0) for name in prices().columns if name not in ("date", "symbol")}
    return frame.with_columns(**blank).with_columns(split_coefficient=pl.lit(1.0)).select(prices().columns)


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_refused_with_place_reason_and_mend(case: str, tmp_path: Path) -> None:
    arrange, parts = CASES[case]
    arrange(tmp_path)
    with pytest.raises(InputError) as caught:
        open_source(f"files:{tmp_path}").load()
    message = str(caught.value)
    for part in parts:
        assert part in message
    assert message.endswith("; nothing was loaded.")
    assert "\n" not in message
    assert message.count(". ") <= 2


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    for act in (lambda source: source.load(), lambda source: source.stamp()):
        with pytest.raises(InputError, match=r"gone: the folder does not exist\. Give an existing folder.*nothing was loaded"):
            act(open_source(f"files:{tmp_path / 'gone'}"))


def test_a_file_given_as_the_folder_is_named(tmp_path: Path) -> None:
    path = write(prices(), tmp_path / "prices.csv")
    with pytest.raises(InputError, match=r"prices\.csv: is a file\. Give the folder that holds it.*nothing was loaded"):
        open_source(f"files:{path}").load()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(prices(), tmp_path / "prices.csv")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(InputError, match=r"prices\.csv: cannot be read \(Permission denied\)\. Make the file readable; nothing was loaded"):
        open_source(f"files:{tmp_path}").load()
    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)\. Make the folder readable; nothing was loaded"):
        open_source(f"files:{tmp_path}").load()
