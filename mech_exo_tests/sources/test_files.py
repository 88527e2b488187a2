"""What a `files:` folder may hold, and what becomes of it."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mech_exo_assets.sources.protocol import MarketData
from mech_exo_assets.sources.uri import open_source
from mech_exo_tests.sources.builders import DAYS, SYMBOLS, prices, universe, write


def _load(folder: Path) -> MarketData:
    return open_source(f"files:{folder}").load()


@pytest.mark.parametrize("name", ["prices.csv", "prices.csv.gz", "prices.parquet"])
def test_a_file_is_read_as_it_was_written(name: str, tmp_path: Path) -> None:
    write(prices(), tmp_path / name)
    assert_frame_equal(_load(tmp_path).prices, prices())


def test_three_columns_are_enough_and_the_notes_say_what_is_missing(tmp_path: Path) -> None:
    write(prices().select("date", "symbol", "close"), tmp_path / "prices.csv")
    market = _load(tmp_path)
    assert_frame_equal(market.prices.select("date", "symbol", "close"), prices().select("date", "symbol", "close"))
    assert market.prices["adjusted_close"].to_list() == market.prices["close"].to_list()
    assert market.prices["volume"].null_count() == market.prices.height
    assert market.universe.select("symbol", "asset_class").rows() == [(symbol, "equity") for symbol in SYMBOLS]
    assert market.notes == (
        "adjusted_close is missing: close is used as adjusted.",
        "prices lack open, high, low, volume, dividend_amount, split_coefficient: factors and checks that need them are switched off.",
        "universe is missing: sectors are unknown, and every symbol is taken as equity.",
    )


def test_rows_in_any_order_come_out_sorted(tmp_path: Path) -> None:
    write(prices().sample(fraction=1.0, shuffle=True, seed=1), tmp_path / "prices.csv")
    assert_frame_equal(_load(tmp_path).prices, prices())
    write(prices().sort("symbol", "date"), tmp_path / "prices.csv")
    assert_frame_equal(_load(tmp_path).prices, prices())


def test_parts_of_any_kind_are_one_table_and_other_files_are_named(tmp_path: Path) -> None:
    write(prices()[:12].drop("volume"), tmp_path / "prices" / "2018.csv")
    write(prices()[12:20], tmp_path / "prices" / "2019.csv.gz")
    write(prices()[20:], tmp_path / "prices" / "2020.parquet")
    (tmp_path / "prices" / "readme.txt").write_text("x")
    (tmp_path / "prices" / ".hidden").write_text("x")
    (tmp_path / "prices" / "old").mkdir()
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "readme.txt").write_text("x")
    market = _load(tmp_path)
    assert_frame_equal(market.prices.drop("volume"), prices().drop("volume"))
    assert market.prices["volume"].null_count() == 12
    assert "Not read: features/readme.txt, prices/old/, prices/readme.txt." in market.notes


def test_unknown_columns_and_files_are_named_in_notes(tmp_path: Path) -> None:
    write(prices(vwap=1.0, exchange="N"), tmp_path / "prices.csv")
    write(universe().with_columns(isin=pl.lit("x")), tmp_path / "universe.csv")
    (tmp_path / "prices.txt").write_text("x")
    (tmp_path / "extra").mkdir()
    notes = _load(tmp_path).notes
    assert "prices has columns that are not read: vwap, exchange." in notes
    assert "universe has columns that are not read: isin." in notes
    assert "Not read: extra/, prices.txt." in notes


def test_a_column_without_a_name_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text("date,symbol,close,\n" + "".join(f"2020-01-02,{symbol},1,\n" for symbol in SYMBOLS))
    assert "prices has columns that are not read: (no name)." in _load(tmp_path).notes


@pytest.mark.parametrize(
    "dates",
    [
        pl.col("date").cast(pl.Datetime("ns")),
        pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("America/New_York"),
        pl.col("date").cast(pl.String),
        pl.col("date").cast(pl.String) + pl.lit("T16:00:00Z"),
        pl.lit("  ") + pl.col("date").cast(pl.String) + pl.lit(" 00:00:00.000"),
    ],
)
def test_dates_may_be_dates_timestamps_or_text(dates: pl.Expr, tmp_path: Path) -> None:
    write(prices().with_columns(dates), tmp_path / "prices.parquet")
    assert_frame_equal(_load(tmp_path).prices, prices())


def test_symbols_may_be_categories_or_numbers_and_figures_any_number(tmp_path: Path) -> None:
    frame = prices().with_columns(pl.col("symbol").cast(pl.Categorical), pl.col("volume").cast(pl.Int32), pl.col("low").cast(pl.String))
    write(frame.with_columns(pl.lit(None).alias("open"), pl.col("close").cast(pl.Decimal(12, 2))), tmp_path / "prices.parquet")
    assert_frame_equal(_load(tmp_path).prices.drop("open"), prices().drop("open"))
    write(prices().with_columns(pl.col("symbol").str.slice(1).cast(pl.Int64) + 1000), tmp_path / "prices.parquet")
    assert _load(tmp_path).universe["symbol"].to_list() == [str(1000 + number) for number in range(12)]


def test_spaces_around_text_and_numbers_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    lines = ["date,symbol,close,volume", *(f"2020-01-02, {symbol} , 1.5 , " for symbol in SYMBOLS)]
    (tmp_path / "prices.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    market = _load(tmp_path)
    assert market.prices["symbol"].to_list() == SYMBOLS
    assert market.prices["close"].unique().to_list() == [1.5]
    assert market.prices["volume"].null_count() == 12


def test_empty_cells_of_optional_columns_are_kept_empty(tmp_path: Path) -> None:
    some = pl.int_range(pl.len()) % 3 == 0
    frame = prices().with_columns(
        pl.when(~some).then(pl.col(name)).alias(name) for name in ("open", "high", "low", "volume", "split_coefficient")
    )
    write(frame, tmp_path / "prices.csv")
    assert_frame_equal(_load(tmp_path).prices, frame)


def test_the_universe_may_be_wider_than_the_prices(tmp_path: Path) -> None:
    write(prices(), tmp_path / "prices.csv")
    more = pl.DataFrame({"symbol": [f"Z{number}" for number in range(6)], "name": "z", "sector": "Energy", "asset_class": "bond"})
    write(pl.concat([universe(), more]), tmp_path / "universe.csv")
    market = _load(tmp_path)
    assert market.universe["symbol"].to_list() == SYMBOLS
    assert market.notes == ("universe lists 6 symbols (Z0, Z1, Z2, Z3, Z4, …) without prices: left out.",)


def test_what_the_universe_leaves_open_is_filled_in_with_the_least(tmp_path: Path) -> None:
    write(prices(), tmp_path / "prices.csv")
    write(universe().select("symbol", listed_from=pl.lit(DAYS[0])), tmp_path / "universe.csv")
    assert _load(tmp_path).universe.row(0, named=True) == {
        "symbol": "S00",
        "name": None,
        "sector": None,
        "asset_class": "equity",
        "listed_from": DAYS[0],
        "listed_to": None,
    }


def test_a_universe_of_symbols_alone_is_enough(tmp_path: Path) -> None:
    write(prices(), tmp_path / "prices.csv")
    write(universe().select("symbol"), tmp_path / "universe.csv")
    market = _load(tmp_path)
    assert market.universe["sector"].null_count() == 12
    assert set(market.universe["asset_class"]) == {"equity"}


def test_fundamentals_without_a_figure_are_empty(tmp_path: Path) -> None:
    write(prices(), tmp_path / "prices.csv")
    write(pl.DataFrame({"date": [DAYS[0]], "symbol": ["S00"]}), tmp_path / "fundamentals.csv")
    assert _load(tmp_path).fundamentals.is_empty()


def test_figures_may_be_called_item_and_value(tmp_path: Path) -> None:
    write(prices(), tmp_path / "prices.csv")
    write(pl.DataFrame({"date": [DAYS[0]], "symbol": ["S00"], "item": [1], "value": [2]}), tmp_path / "fundamentals.csv")
    assert _load(tmp_path).fundamentals.rows() == [(DAYS[0], "S00", "item", 1.0), (DAYS[0], "S00", "value", 2.0)]


def test_fundamentals_become_long_without_empty_cells(tmp_path: Path) -> None:
    write(prices(), tmp_path / "prices.csv")
    wide = pl.DataFrame({"date": [DAYS[0]] * 3, "symbol": ["S01", "S00", "ZZZ"], "sales": [3, 4, 5], "earnings_yield": [None, 0.1, 0.2]})
    write(wide, tmp_path / "fundamentals.parquet")
    market = _load(tmp_path)
    assert market.fundamentals.rows() == [
        (DAYS[0], "S00", "earnings_yield", 0.1),
        (DAYS[0], "S00", "sales", 4.0),
        (DAYS[0], "S01", "sales", 3.0),
    ]
    assert "fundamentals speaks of 1 symbol (ZZZ) without prices: left out." in market.notes


def test_a_feature_is_known_on_its_date_where_nothing_else_is_said(tmp_path: Path) -> None:
    write(prices(), tmp_path / "prices.csv")
    values = pl.DataFrame({"date": [DAYS[0]] * 2, "symbol": ["S01", "S00"], "value": [1, 2]})
    write(values, tmp_path / "features" / "mood.csv")
    write(
        values.with_columns(known_at=pl.Series([DAYS[2], None], dtype=pl.Date), source=pl.lit("x")),
        tmp_path / "features" / "buzz" / "2020.parquet",
    )
    market = _load(tmp_path)
    assert market.features.rows() == [
        (DAYS[0], "S00", "buzz", 2.0, DAYS[0]),
        (DAYS[0], "S01", "buzz", 1.0, DAYS[2]),
        (DAYS[0], "S00", "mood", 2.0, DAYS[0]),
        (DAYS[0], "S01", "mood", 1.0, DAYS[0]),
    ]
    assert "features/buzz has columns that are not read: source." in market.notes


def test_the_stamp_changes_with_every_part_and_with_what_is_not_read(tmp_path: Path) -> None:
    source = open_source(f"files:{tmp_path}")
    part = write(prices(), tmp_path / "prices" / "a.csv")
    first = source.stamp()
    assert set(first) == {"prices/a.csv"}
    os.utime(part, ns=(1, 1))
    second = source.stamp()
    assert second["prices/a.csv"] == f"{part.stat().st_size}:1"
    assert second != first
    write(universe(), tmp_path / "universe.csv")
    (tmp_path / "other.txt").write_text("x")
    assert set(source.stamp()) == {"prices/a.csv", "universe.csv", "other.txt"}


def test_a_home_folder_and_a_relative_path_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert open_source("files:~/market").uri == open_source("files:market").uri == f"files:{tmp_path / 'market'}"


def test_the_development_prices_load_without_refusal(sp500_folder: Path) -> None:
    market = _load(sp500_folder)
    assert market.prices.shape == (950_305, 10)
    assert market.universe.height == 250
    assert "universe lists 2 symbols (DOW, DXC) without prices: left out." in market.notes


SYMBOL = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ.-", min_size=1, max_size=6)
PRICE = st.floats(min_value=1e-4, max_value=1e6)
MAYBE = st.none() | st.floats(min_value=0, max_value=1e12)


@st.composite
def valid_prices(draw: st.DrawFn) -> pl.DataFrame:
    symbols = draw(st.lists(SYMBOL, min_size=10, max_size=14, unique=True))
    days = draw(st.lists(st.dates(dt.date(1962, 1, 1), dt.date(2024, 12, 31)), min_size=1, max_size=3, unique=True))
    rows = []
    for day in days:
        for symbol in symbols:
            low, high = sorted((draw(PRICE), draw(PRICE)))
            rows.append((day, symbol, draw(st.none() | PRICE), high, low, draw(PRICE), draw(PRICE), draw(MAYBE), draw(MAYBE), draw(PRICE)))
    return pl.DataFrame(rows, schema=prices().schema, orient="row")


@given(frame=valid_prices(), data=st.data())
def test_valid_prices_survive_any_way_of_writing_them(
    frame: pl.DataFrame, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("market")
    kinds = st.sampled_from(["csv", "csv.gz", "parquet"])
    if data.draw(st.booleans(), label="in parts"):
        cut = data.draw(st.integers(1, frame.height - 1), label="cut")
        write(frame[:cut], folder / "prices" / f"a.{data.draw(kinds)}")
        write(frame[cut:], folder / "prices" / f"b.{data.draw(kinds)}")
    else:
        write(frame, folder / f"prices.{data.draw(kinds)}")
    assert_frame_equal(_load(folder).prices, frame.sort("date", "symbol"), check_exact=True)


def test_feature_names_are_found_without_reading_data_and_never_raise(tmp_path: Path) -> None:
    source = open_source(f"files:{tmp_path / 'market'}")
    assert source.feature_names() == (), "there is no folder"
    write(prices(), tmp_path / "market" / "prices.csv")
    assert source.feature_names() == ()
    for name in ("mood.csv", "buzz.parquet"):
        (tmp_path / "market" / "features").mkdir(exist_ok=True)
        (tmp_path / "market" / "features" / name).write_text("neither one nor the other")
    assert source.feature_names() == ("buzz", "mood")
    (tmp_path / "market" / "features" / "My Mood.csv").write_text("x")
    assert source.feature_names() == (), "`load` says what is wrong"
