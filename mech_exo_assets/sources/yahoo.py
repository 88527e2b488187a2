"""`yahoo:TICKER,TICKER,…` or `yahoo:FILE`: live prices from Yahoo Finance, through `yfinance`.

What belongs here: asking for each ticker, and turning Yahoo's prices into prices as they were traded. What does not: storing them.

Yahoo's open, high, low, close, volume and dividends are already adjusted for every split up to today; only its "Adj Close" is also
adjusted for dividends. `market/prices` promises prices as traded, so the splits are undone here, with Yahoo's own list of splits:
on a day with later splits s1, s2, … the traded price is Yahoo's times s1 · s2 · …, and the volume is Yahoo's divided by it. "Adj
Close" stays as it is, so adjusted_close / close changes by the split on its day, as everywhere else. What Yahoo rounded stays
rounded. Where its list of splits is wrong, the traded price is wrong by that split; returns come from adjusted_close and are not.

A session that is not over yet has no close, and is left out. Zero in open, high or low is how Yahoo writes that it does not know.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mech_exo_assets import schemas
from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.panel import Dates
from mech_exo_assets.sources.protocol import MarketData
from mech_exo_assets.sources.tables import Table
from mech_exo_assets.sources.validation import MIN_SYMBOLS, check_prices, universe_of

if TYPE_CHECKING:
    import pandas as pd

_TICKER = re.compile(r"^[A-Z0-9.^=\-&]+$")
_AT_ONCE = 8
_SECONDS = 30
_SCHEMA = {name: dtype for name, dtype in schemas.PRICES.dtypes().items() if name != "total_return_index"}
_COLUMNS = {"open": "Open", "high": "High", "low": "Low", "close": "Close", "adjusted_close": "Adj Close", "volume": "Volume"}


class YahooSource:
    """Live prices; see `mech_exo_assets.sources.protocol.Source`.

    Parameters
    ----------
    tickers : tuple of str
        As Yahoo writes them; empty where they stand in `file`.
    file : Path, optional
        Tickers, one a line; anything after `#` is a remark.
    """

    def __init__(self, tickers: tuple[str, ...], file: Path | None = None) -> None:
        self._tickers = tickers
        self._file = file

    @classmethod
    def parse(cls, text: str) -> YahooSource:
        """From "AAPL,MSFT,…", or the path of a file with tickers."""
        path = Path(text).expanduser()
        if "/" in text or path.suffix.lower() in (".txt", ".csv") or ("," not in text and path.is_file()):
            return cls((), path.resolve())
        return cls(_tickers(text, where="yahoo"))

    @property
    def uri(self) -> str:
        """The tickers, or the absolute path of the file."""
        return f"yahoo:{self._file or ','.join(self._tickers)}"

    def stamp(self) -> Mapping[str, str]:
        """The hour (UTC), and the size and time of change of the file.

        Raises
        ------
        InputError
            If the file is missing.
        """
        stamps = {"hour": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H")}
        if self._file is not None:
            try:
                status = self._file.stat()
            except OSError as error:
                raise _unreadable(self._file, error) from error
            stamps[str(self._file)] = f"{status.st_size}:{status.st_mtime_ns}"
        return stamps

    def feature_names(self) -> tuple[str, ...]:
        """None: these are prices only."""
        return ()

    def load(self) -> MarketData:
        """Ask Yahoo for the whole history of every ticker.

        Raises
        ------
        InputError
            If the network or a ticker fails, or what comes is not valid.
        """
        tickers = self._listed()
        if len(tickers) < MIN_SYMBOLS:
            raise InputError(
                f"yahoo: {len(tickers)} tickers are given; ranking needs at least {MIN_SYMBOLS}. Add tickers; nothing was loaded."
            )
        histories = _histories(tickers)
        frame = pl.concat(_as_traded(ticker, history) for ticker, history in zip(tickers, histories, strict=True))
        splits = frame.filter(pl.col("split_coefficient") != 1)
        table = Table(frame, "yahoo", lambda row: f"yahoo, {frame['symbol'][row]} on {frame['date'][row]}")
        prices = check_prices(table, mend="Leave the ticker out, or bring corrected prices as files:PATH")
        notes = (
            f"Yahoo adjusts all prices for splits: {splits.height} splits of {splits['symbol'].n_unique()} symbols were undone.",
            "Yahoo lists the names of today: what was delisted is missing, so no claim on performance can be made from them.",
            "universe is missing: sectors are unknown, and every symbol is taken as equity.",
        )
        return MarketData(prices, universe_of(prices), schemas.FUNDAMENTALS.empty(), schemas.FEATURES.empty(), notes)

    def _listed(self) -> tuple[str, ...]:
        if self._file is None:
            return self._tickers
        try:
            lines = self._file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise _unreadable(self._file, error) from error
        return _tickers(",".join(line.partition("#")[0] for line in lines), where=str(self._file))


def _unreadable(file: Path, error: Exception) -> InputError:
    reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
    return InputError(
        f"{file}: the list of tickers cannot be read ({reason}). Give a text file with one ticker a line; nothing was loaded."
    )


def _tickers(text: str, *, where: str) -> tuple[str, ...]:
    tickers = tuple(dict.fromkeys(part.strip().upper() for part in text.split(",") if part.strip()))
    wrong = next((ticker for ticker in tickers if not _TICKER.match(ticker)), None)
    if wrong is not None:
        raise InputError(f"{where}: '{wrong}' is no ticker. Give tickers as Yahoo writes them, e.g. AAPL,BRK-B; nothing was loaded.")
    return tickers


def _histories(tickers: tuple[str, ...]) -> list[pd.DataFrame]:
    """The whole daily history of each ticker, as `yfinance` gives it; or one error that names every ticker that failed."""
    import yfinance as yf  # slow, and only needed here
    from yfinance.exceptions import YFException, YFRateLimitError

    # What a malformed answer makes yfinance raise, beside its own errors and those of the network.
    failures = (YFException, OSError, ValueError, KeyError, TypeError, IndexError)

    def history(ticker: str) -> pd.DataFrame | Exception:
        try:
            asked = yf.Ticker(ticker)
            prices = asked.history(period="max", interval="1d", auto_adjust=False, actions=True, timeout=_SECONDS)
            return prices[~_unfinished(prices, asked.history_metadata, dt.datetime.now(dt.UTC))]
        except failures as error:
            return error

    with _raising(yf.config.debug), ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(history, tickers))
    failed = {
        ticker: answer if isinstance(answer, Exception) else ValueError("no prices")
        for ticker, answer in zip(tickers, answers, strict=True)
        if isinstance(answer, Exception) or answer.empty
    }
    if failed:
        _refuse(failed, len(tickers), YFRateLimitError)
    return [answer for answer in answers if not isinstance(answer, Exception)]


def _refuse(failed: Mapping[str, Exception], asked: int, rate_limit: type[Exception]) -> None:
    first = next(iter(failed.values()))
    reason = " ".join(str(first).split())[:160].rstrip(". ")
    names = ", ".join(failed)
    if any(isinstance(error, rate_limit) for error in failed.values()):
        mend = "Yahoo limits how often it is asked: wait some minutes and run again"
    elif isinstance(first, OSError):
        mend = "Check the network connection and run again"
    else:
        mend = "Correct or remove these tickers"
    raise InputError(f"yahoo: no prices for {len(failed)} of {asked} tickers: {names} ({reason}). {mend}; nothing was loaded.") from first


@contextmanager
def _raising(debug: Any) -> Generator[None]:
    """Let `yfinance` raise what went wrong, where by default it writes it to its log and returns an empty frame."""
    logger = logging.getLogger("yfinance")
    hidden, level = debug.hide_exceptions, logger.level
    debug.hide_exceptions = False
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        debug.hide_exceptions = hidden
        logger.setLevel(level)


def _unfinished(prices: pd.DataFrame, metadata: Mapping[str, Any], now: dt.datetime) -> np.ndarray:
    """Which rows belong to a session that is still open at `now`."""
    period = metadata.get("currentTradingPeriod")
    end = period["regular"]["end"] if isinstance(period, Mapping) else None
    if end is None or end <= now:
        return np.zeros(len(prices), dtype=bool)
    return _days(prices) == np.datetime64(end.date())


def _days(history: pd.DataFrame) -> Dates:
    """The local day of each row, where Yahoo gives local midnight."""
    return np.array([stamp.date() for stamp in history.index], dtype="datetime64[D]")


def _as_traded(ticker: str, history: pd.DataFrame) -> pl.DataFrame:
    """Yahoo's history with its splits undone, in the columns of `schemas.PRICES`."""
    values = {name: history[column].to_numpy(dtype=np.float64) for name, column in _COLUMNS.items()}
    split = history["Stock Splits"].to_numpy(dtype=np.float64)
    split = np.where(split > 0, split, 1.0)
    later = np.cumprod(split[::-1])[::-1] / split
    dividend = history["Dividends"].to_numpy(dtype=np.float64)
    if "Capital Gains" in history.columns:
        dividend = dividend + history["Capital Gains"].to_numpy(dtype=np.float64)
    for name in ("open", "high", "low"):
        values[name] = np.where(values[name] == 0, np.nan, values[name]) * later
    values["close"] = values["close"] * later
    values["volume"] = values["volume"] / later
    frame = pl.DataFrame(
        {
            "date": _days(history),
            **values,
            "dividend_amount": dividend * later,
            "split_coefficient": split,
        }
    )
    return frame.with_columns(pl.lit(ticker).alias("symbol"), pl.col(pl.Float64).fill_nan(None)).select(
        pl.col(name).cast(dtype) for name, dtype in _SCHEMA.items()
    )
