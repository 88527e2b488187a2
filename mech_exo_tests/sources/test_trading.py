"""Fills and cash of a folder: what is read, and what a mistake is told."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from mech_exo_assets.errors import InputError
from mech_exo_assets.sources.protocol import MarketData
from mech_exo_assets.sources.uri import open_source
from mech_exo_tests.sources.builders import prices, universe, write

CASH = "date,amount\n2020-01-02,100000\n"


def load(folder: Path, fills: str | None, cash: str | None = CASH) -> MarketData:
    write(prices(), folder / "prices.csv")
    write(universe(), folder / "universe.csv")
    for name, text in (("fills", fills), ("cash", cash)):
        if text is not None:
            (folder / f"{name}.csv").write_text(text)
    return open_source(f"files:{folder}").load()


def fills(*rows: str, header: str = "timestamp,symbol,quantity,price") -> str:
    return "\n".join([header, *rows]) + "\n"


@pytest.fixture
def symbol() -> str:
    return str(prices()["symbol"][0])


def test_a_folder_without_them_has_none(tmp_path: Path):
    data = load(tmp_path, None, None)
    assert (data.fills.height, data.cash.height) == (0, 0)
    assert data.fills.columns == ["timestamp", "symbol", "quantity", "price", "fee", "order_id"]


@pytest.mark.parametrize(
    "time", ["2020-01-03 21:00:00", "2020-01-03T21:00:00Z", "2020-01-03T16:00:00-05:00", "2020-01-03 22:00:00+0100", "2020-01-03 21:00"]
)
def test_times_are_utc_or_have_their_offset(tmp_path: Path, symbol: str, time: str):
    data = load(tmp_path, fills(f"{time},{symbol},10,5.5"))
    assert data.fills.rows() == [(dt.datetime.fromisoformat("2020-01-03 21:00"), symbol, 10.0, 5.5, 0.0, "")]


def test_fee_and_order_are_read_where_they_are_given(tmp_path: Path, symbol: str):
    text = fills(f"2020-01-03 21:00:00,{symbol},10,5.5,1.25,o1", header="timestamp,symbol,quantity,price,fee,order_id")
    assert load(tmp_path, text).fills.select("fee", "order_id").rows() == [(1.25, "o1")]


def test_cash_is_ordered_by_date(tmp_path: Path):
    data = load(tmp_path, None, "date,amount\n2020-02-03,-500\n2020-01-02,1000\n")
    assert data.cash.rows() == [(dt.date(2020, 1, 2), 1000.0), (dt.date(2020, 2, 3), -500.0)]


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (["2020-01-03 21:00:00,{0},0,5"], "fills.csv, row 2: quantity is 0; a fill buys"),
        (["2020-01-03 21:00:00,{0},1,-5"], "fills.csv, row 2: price is -5.0; a price must be above zero"),
        (["2020-01-03 21:00:00,{0},,5"], "fills.csv, row 2: quantity is empty; it is required"),
        (["yesterday,{0},1,5"], "fills.csv, row 2: timestamp is 'yesterday'; a time is written YYYY-MM-DD HH:MM:SS"),
        (["2020-01-03 21:00:00,NOSUCH,1,5"], "fills.csv, row 2: NOSUCH has no prices"),
        (
            ["2020-01-03 21:00:00,{0},1,5"] * 2,
            "fills.csv, row 3: the fill of {0} at 2020-01-03 21:00:00 stands in fills.csv, row 2 already",
        ),
        (
            ["2020-01-03 21:00:00,{0},1,5", "2020-01-03 21:00:00,{0},2,5"],
            "fills.csv, row 3: the fill of {0} at 2020-01-03 21:00:00 contradicts fills.csv, row 2: 2 at 5, there 1 at 5",
        ),
    ],
)
def test_a_wrong_fill_is_refused_with_its_row(tmp_path: Path, symbol: str, rows: list[str], complaint: str):
    with pytest.raises(InputError) as refused:
        load(tmp_path, fills(*(row.format(symbol) for row in rows)))
    assert complaint.format(symbol) in str(refused.value)
    assert str(refused.value).endswith("nothing was loaded.")


@pytest.mark.parametrize(
    ("cash", "complaint"),
    [
        ("date,amount\n2020-01-02,0\n", "cash.csv, row 2: amount is 0"),
        ("date,amount\n2020-01-02,\n", "cash.csv, row 2: amount is empty"),
        ("date,amount\n2999-01-02,5\n", "cash.csv, row 2: date is 2999-01-02, which is in the future"),
    ],
)
def test_wrong_cash_is_refused_with_its_row(tmp_path: Path, cash: str, complaint: str):
    with pytest.raises(InputError, match=complaint):
        load(tmp_path, None, cash)


def test_fills_without_cash_are_refused(tmp_path: Path, symbol: str):
    with pytest.raises(InputError, match="fills: were given without cash"):
        load(tmp_path, fills(f"2020-01-03 21:00:00,{symbol},10,5.5"), None)


def test_a_late_fill_changes_what_the_refresh_goes_by(tmp_path: Path, symbol: str):
    from mech_exo_assets.defs.refresh import fingerprint
    from mech_exo_assets.settings import load_strategy

    one = fingerprint("x", load(tmp_path, fills(f"2020-01-03 21:00:00,{symbol},10,5.5")), load_strategy())
    two = fingerprint(
        "x", load(tmp_path, fills(f"2020-01-03 21:00:00,{symbol},10,5.5", f"2020-01-04 21:00:00,{symbol},1,5.5")), load_strategy()
    )
    assert [year for year in one.years if one.years[year] != two.years[year]] == ["2020"]


def test_a_simulated_live_book_comes_with_its_fills():
    data = open_source("simulator:names=12,sessions=300,factors=2,fills=1,seed=3").load()
    assert data.fills.height > 20
    assert data.cash["amount"].sum() > 0
    assert data.fills.select(pl.struct("timestamp", "symbol", "order_id").is_duplicated().sum()).item() == 0
