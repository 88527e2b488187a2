"""Yahoo's prices become prices as traded; what goes wrong on the way is said in one line."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant import calendar, quality
from mech_exo_assets.sources import yahoo
from mech_exo_assets.sources.uri import open_source
from mech_exo_tests.sources.recorded.replay import ANSWERS, TICKERS, YFINANCE_AND_PANDAS, replayed

pytestmark = [pytest.mark.recorded, pytest.mark.filterwarnings(YFINANCE_AND_PANDAS)]
URI = f"yahoo:{','.join(TICKERS)}"
SPLIT_DAY = dt.date(2020, 8, 31)


def _answer(ticker: str) -> dict[str, Any]:
    return ANSWERS[ticker]["chart"]["result"][0]


def _loaded(ticker: str) -> pl.DataFrame:
    return open_source(URI).load().prices.filter(pl.col("symbol") == ticker)


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch) -> None:
    replayed(monkeypatch)


@pytest.mark.usefixtures("replay")
def test_splits_are_undone_in_prices_volume_and_dividends() -> None:
    recorded, traded = _answer("AAPL"), _loaded("AAPL")
    quote = recorded["indicators"]["quote"][0]
    factor = [4.0 if day < SPLIT_DAY else 1.0 for day in traded["date"]]
    for name in ("open", "high", "low", "close"):
        assert traded[name].to_list() == pytest.approx([price * f for price, f in zip(quote[name], factor, strict=True)])
    assert traded["volume"].to_list() == pytest.approx([shares / f for shares, f in zip(quote["volume"], factor, strict=True)])
    assert traded["adjusted_close"].to_list() == pytest.approx(recorded["indicators"]["adjclose"][0]["adjclose"])
    assert traded.filter(pl.col("dividend_amount") > 0).select("date", "dividend_amount").rows() == [
        (dt.date(2020, 8, 7), pytest.approx(0.82))
    ]
    assert traded.filter(pl.col("split_coefficient") != 1).select("date", "split_coefficient").rows() == [(SPLIT_DAY, 4.0)]


@pytest.mark.usefixtures("replay")
def test_undone_splits_agree_with_the_adjusted_close() -> None:
    prices = open_source(URI).load().prices
    sessions = calendar.sessions(prices["date"][0], prices["date"][-1])
    found = quality.findings(prices.filter(pl.col("symbol") != "7203.T"), sessions, jump_deviations=10, stale_sessions=10, gap_sessions=1)
    assert found.filter(pl.col("finding") == "unadjusted_split").is_empty()
    returns = pl.col("adjusted_close") / pl.col("adjusted_close").shift()
    traded = (pl.col("close") + pl.col("dividend_amount")) * pl.col("split_coefficient") / pl.col("close").shift()
    # Yahoo scales by 1 - dividend/close, and not by the return with the dividend: they differ by the product of dividend and return.
    assert prices.select(((returns / traded - 1).over("symbol").abs() < 1e-3).all()).item()


@pytest.mark.usefixtures("replay")
def test_distributions_of_a_fund_are_one_amount() -> None:
    assert _loaded("SPY").filter(pl.col("dividend_amount") > 0).select("date", "dividend_amount").rows() == [(dt.date(2020, 8, 20), 1.5)]


@pytest.mark.usefixtures("replay")
def test_a_zero_that_stands_for_not_known_is_empty_and_a_session_without_prices_is_left_out() -> None:
    cola = _loaded("KO")
    assert cola["open"].null_count() == 1
    assert cola["open"][0] is None
    assert _loaded("XOM").height == cola.height - 1


@pytest.mark.usefixtures("replay")
def test_days_are_those_of_the_exchange() -> None:
    assert _loaded("7203.T")["date"].to_list() == calendar.sessions(dt.date(2020, 8, 6), dt.date(2020, 9, 4), calendar="XTKS").tolist()


@pytest.mark.usefixtures("replay")
def test_the_notes_say_what_was_done() -> None:
    assert open_source(URI).load().notes[0] == "Yahoo adjusts all prices for splits: 2 splits of 2 symbols were undone."


@pytest.mark.parametrize(
    ("now", "open_rows"), [("2020-09-04T15:59:00-04:00", [False, True]), ("2020-09-04T16:00:00-04:00", [False, False])]
)
def test_a_session_that_is_still_open_has_no_close_yet(now: str, open_rows: list[bool]) -> None:
    rows = pd.DataFrame({"Close": [1.0, 2.0]}, index=pd.to_datetime(["2020-09-03", "2020-09-04"]).tz_localize("America/New_York"))
    end = pd.Timestamp("2020-09-04 16:00", tz="America/New_York")
    metadata = {"currentTradingPeriod": {"regular": {"end": end}}}
    assert yahoo._unfinished(rows, metadata, dt.datetime.fromisoformat(now)).tolist() == open_rows
    assert yahoo._unfinished(rows, {}, dt.datetime.fromisoformat(now)).tolist() == [False, False]


def test_tickers_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replayed(monkeypatch)
    path = tmp_path / "tickers.txt"
    path.write_text("# my list\n" + "\n".join(ticker.lower() for ticker in TICKERS) + "  # the last\n\n" + TICKERS[0])
    source = open_source(f"yahoo:{path}")
    assert source.uri == f"yahoo:{path}"
    assert source.load().universe["symbol"].to_list() == sorted(TICKERS)
    stamp = source.stamp()
    os.utime(path, ns=(5, 5))
    assert source.stamp() != stamp
    monkeypatch.chdir(tmp_path)
    assert open_source("yahoo:tickers.txt").uri == source.uri
    (tmp_path / "LIST").write_text("A")
    assert open_source("yahoo:LIST").uri == f"yahoo:{tmp_path / 'LIST'}"


def test_the_stamp_is_the_hour() -> None:
    assert dt.datetime.strptime(open_source(URI).stamp()["hour"], "%Y-%m-%dT%H").replace(tzinfo=dt.UTC) <= dt.datetime.now(dt.UTC)


def _refused(uri: str) -> str:
    with pytest.raises(InputError) as caught:
        open_source(uri).load()
    message = str(caught.value)
    assert message.endswith("; nothing was loaded.")
    assert "\n" not in message
    return message


def test_a_ticker_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import yfinance.base

    replayed(monkeypatch)
    monkeypatch.setattr(yfinance.base, "_tz_info_fetch_ctr", 2)
    message = _refused(f"{URI},NOSUCH")
    assert message.startswith("yahoo: no prices for 1 of 12 tickers: NOSUCH (")
    assert "Correct or remove these tickers" in message


def test_without_a_network_every_ticker_is_named_and_the_network_is_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = ConnectionError("Could not resolve host: query2.finance.yahoo.com")
    replayed(monkeypatch, lambda answers: answers.update(dict.fromkeys(answers, failure)))
    message = _refused(URI)
    assert f"no prices for 11 of 11 tickers: {', '.join(TICKERS)} (Could not resolve host" in message
    assert "Check the network connection and run again" in message


def test_a_limit_on_requests_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    from yfinance.exceptions import YFRateLimitError

    replayed(monkeypatch, lambda answers: answers.update(MSFT=YFRateLimitError()))
    message = _refused(URI)
    assert "1 of 11 tickers: MSFT (Too Many Requests" in message
    assert "wait some minutes and run again" in message


def test_an_empty_history_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_rows(answers: dict[str, Any]) -> None:
        quote = answers["PG"]["chart"]["result"][0]["indicators"]["quote"][0]
        adjusted = answers["PG"]["chart"]["result"][0]["indicators"]["adjclose"][0]
        for holder in (quote, adjusted):
            for name in holder:
                holder[name] = [None] * len(holder[name])

    replayed(monkeypatch, without_rows)
    assert "no prices for 1 of 11 tickers: PG (no prices)" in _refused(URI)


def test_a_wrong_price_of_yahoo_names_ticker_and_day(monkeypatch: pytest.MonkeyPatch) -> None:
    def negative(answers: dict[str, Any]) -> None:
        answers["WMT"]["chart"]["result"][0]["indicators"]["adjclose"][0]["adjclose"][1] = -0.5

    replayed(monkeypatch, negative)
    message = _refused(URI)
    assert "yahoo, WMT on 2020-08-07: adjusted_close is -0.5; a price must be above zero" in message
    assert "Leave the ticker out" in message


def test_yfinance_is_left_as_it_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    import yfinance as yf

    replayed(monkeypatch, lambda answers: answers.update(dict.fromkeys(answers, OSError("down"))))
    before = yf.config.debug.hide_exceptions
    _refused(URI)
    assert yf.config.debug.hide_exceptions == before


@pytest.mark.parametrize(
    ("uri", "part"),
    [
        ("yahoo:AAPL,MSFT", "yahoo: 2 tickers are given; ranking needs at least 10. Add tickers"),
        ("yahoo:A A,B", "yahoo: 'A A' is no ticker. Give tickers as Yahoo writes them"),
        ("yahoo:/gone/tickers.txt", "/gone/tickers.txt: the list of tickers cannot be read (No such file or directory). Give a text file"),
    ],
)
def test_a_bad_list_of_tickers_is_refused_before_anything_is_asked(uri: str, part: str) -> None:
    assert part in _refused(uri)


def test_a_list_that_is_gone_has_no_stamp_and_one_that_is_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        open_source("yahoo:/gone/tickers.txt").stamp()
    (tmp_path / "tickers.txt").write_bytes(b"\xff\xfe")
    assert "it is not UTF-8 text" in _refused(f"yahoo:{tmp_path / 'tickers.txt'}")
