"""What every source promises, tested on each of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mech_exo_assets import schemas
from mech_exo_assets.sources.protocol import MarketData, Source
from mech_exo_assets.sources.uri import open_source
from mech_exo_assets.sources.validation import ASSET_CLASSES
from mech_exo_tests.sources.builders import DAYS, SYMBOLS, prices, universe, write
from mech_exo_tests.sources.recorded.replay import TICKERS, YFINANCE_AND_PANDAS, replayed

PRICES = {name: dtype for name, dtype in schemas.PRICES.dtypes().items() if name != "total_return_index"}


def _files(folder: Path) -> str:
    dated = pl.DataFrame({"date": [DAYS[1]] * 12, "symbol": SYMBOLS, "value": range(12)})
    write(prices(), folder / "prices" / "all.csv")
    write(universe(), folder / "universe.csv")
    write(dated, folder / "fundamentals.parquet")
    write(dated, folder / "features" / "mood.csv")
    return f"files:{folder}"


URIS: dict[str, Callable[[Path], str]] = {
    "sample": lambda _: "sample",
    "files": _files,
    "simulator": lambda _: "simulator:names=12,sessions=30,seed=3",
    "yahoo": lambda _: f"yahoo:{','.join(TICKERS)}",
}


YAHOO_MARKS = (pytest.mark.recorded, pytest.mark.filterwarnings(YFINANCE_AND_PANDAS))


@pytest.fixture(params=[pytest.param(name, marks=YAHOO_MARKS if name == "yahoo" else ()) for name in URIS])
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    if request.param == "yahoo":
        replayed(monkeypatch)
    return open_source(URIS[request.param](tmp_path / "market"))


@pytest.fixture
def market(source: Source) -> MarketData:
    return source.load()


def test_it_is_a_source(source: Source) -> None:
    assert isinstance(source, Source)


def test_its_feature_names_are_those_of_its_features(source: Source, market: MarketData) -> None:
    assert source.feature_names() == tuple(market.features["feature"].unique().sort())


def test_its_uri_opens_it_again(source: Source) -> None:
    again = open_source(source.uri)
    assert type(again) is type(source)
    assert again.uri == source.uri
    assert again.stamp() == source.stamp()


def test_its_stamp_is_text_and_stands_while_nothing_changes(source: Source) -> None:
    first = source.stamp()
    source.load()
    assert source.stamp() == first
    assert all(isinstance(key, str) and isinstance(value, str) for key, value in first.items())
    assert first


def test_loading_twice_gives_the_same(source: Source, market: MarketData) -> None:
    again = source.load()
    for name in ("prices", "universe", "fundamentals", "features"):
        assert_frame_equal(getattr(again, name), getattr(market, name), check_exact=True)
    assert again.notes == market.notes


def test_tables_have_the_columns_and_types_of_their_schema(market: MarketData) -> None:
    assert dict(market.prices.schema) == PRICES
    assert dict(market.universe.schema) == schemas.UNIVERSE.dtypes()
    assert dict(market.fundamentals.schema) == schemas.FUNDAMENTALS.dtypes()
    assert dict(market.features.schema) == schemas.FEATURES.dtypes()


@pytest.mark.parametrize(
    "schema", [schemas.PRICES, schemas.UNIVERSE, schemas.FUNDAMENTALS, schemas.FEATURES], ids=lambda schema: schema.key
)
def test_what_is_required_is_there_and_keys_are_unique(market: MarketData, schema: schemas.TableSchema) -> None:
    table = getattr(market, schema.key.removeprefix("market/"))
    required = [column.name for column in schema.columns if not column.nullable and column.name != "total_return_index"]
    assert table.select(required).null_count().sum_horizontal().sum() == 0
    assert table.select(schema.unique).is_duplicated().sum() == 0
    numbers = table.select(pl.col(pl.Float64))
    assert not any(column.is_nan().any() for column in numbers)


def test_prices_are_sorted_possible_and_not_in_the_future(market: MarketData) -> None:
    assert_frame_equal(market.prices, market.prices.sort("date", "symbol"))
    price = pl.col("open", "high", "low", "close", "adjusted_close")
    assert all(market.prices.select((price > 0).all()).row(0))
    assert market.prices.select((pl.col("high") >= pl.col("low")).all()).item()
    assert market.prices["date"][-1] <= dt.datetime.now(dt.UTC).date()


def test_the_universe_has_one_row_for_each_symbol_of_the_prices(market: MarketData) -> None:
    assert market.universe["symbol"].to_list() == market.prices["symbol"].unique().sort().to_list()
    assert len(market.universe) >= 10
    assert set(market.universe["asset_class"]) <= set(ASSET_CLASSES)


def test_nothing_is_known_before_the_day_that_it_describes(market: MarketData) -> None:
    assert market.features.filter(pl.col("known_at") < pl.col("date")).is_empty()


def test_notes_are_sentences(market: MarketData) -> None:
    assert isinstance(market.notes, tuple)
    assert all(note.endswith(".") and "\n" not in note for note in market.notes)
