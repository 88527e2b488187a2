"""`sample`: twenty large US stocks, 1990 to 2022, daily, real; the file that the `skfolio` package ships.

What belongs here: where that file is, and who the twenty companies are. What does not: any other data.

The file holds closes that are adjusted for splits and dividends, and nothing else: no open, high, low or volume. It is read from the
installed package without importing it, which would take seconds.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import polars as pl

from mech_exo_assets import schemas
from mech_exo_assets.errors import InputError
from mech_exo_assets.sources.protocol import MarketData
from mech_exo_assets.sources.tables import Table
from mech_exo_assets.sources.validation import check_prices, universe_of

COMPANIES: dict[str, tuple[str, str]] = {
    "AAPL": ("Apple", "Information Technology"),
    "AMD": ("Advanced Micro Devices", "Information Technology"),
    "BAC": ("Bank of America", "Financials"),
    "BBY": ("Best Buy", "Consumer Discretionary"),
    "CVX": ("Chevron", "Energy"),
    "GE": ("General Electric", "Industrials"),
    "HD": ("Home Depot", "Consumer Discretionary"),
    "JNJ": ("Johnson & Johnson", "Health Care"),
    "JPM": ("JPMorgan Chase", "Financials"),
    "KO": ("Coca-Cola", "Consumer Staples"),
    "LLY": ("Eli Lilly", "Health Care"),
    "MRK": ("Merck", "Health Care"),
    "MSFT": ("Microsoft", "Information Technology"),
    "PEP": ("PepsiCo", "Consumer Staples"),
    "PFE": ("Pfizer", "Health Care"),
    "PG": ("Procter & Gamble", "Consumer Staples"),
    "RRC": ("Range Resources", "Energy"),
    "UNH": ("UnitedHealth", "Health Care"),
    "WMT": ("Walmart", "Consumer Staples"),
    "XOM": ("Exxon Mobil", "Energy"),
}
"""Name and GICS sector of each symbol of the sample, as of 2022."""


class SampleSource:
    """Prices that come with the installation; see `mech_exo_assets.sources.protocol.Source`."""

    uri = "sample"

    def stamp(self) -> Mapping[str, str]:
        """The version of `skfolio` and the size of the file."""
        return {"skfolio": metadata.version("skfolio"), "bytes": str(_path().stat().st_size)}

    def feature_names(self) -> tuple[str, ...]:
        """None: these are prices only."""
        return ()

    def load(self) -> MarketData:
        """Read the file.

        Raises
        ------
        InputError
            If `skfolio` is not installed, or ships another file.
        """
        path = _path()
        wide = pl.read_csv(path, schema_overrides={"Date": pl.Date, **dict.fromkeys(COMPANIES, pl.Float64)})
        long = wide.rename({"Date": "date"}).unpivot(index="date", variable_name="symbol", value_name="close").drop_nulls("close")
        table = Table(long, path.name, lambda _: path.name)
        prices = check_prices(table, mend="Install the version of skfolio that the lock file names")
        companies = pl.DataFrame([(symbol, *who) for symbol, who in COMPANIES.items()], schema=["symbol", "name", "sector"], orient="row")
        notes = (
            "Sample prices: twenty large US stocks chosen with hindsight, so no claim on performance can be made from them.",
            "The file holds adjusted closes only: close is the adjusted close, not the price that was traded.",
            "prices lack open, high, low, volume, dividend_amount, split_coefficient: factors and checks that need them are switched off.",
        )
        return MarketData(prices, universe_of(prices, companies), schemas.FUNDAMENTALS.empty(), schemas.FEATURES.empty(), notes)


def _path() -> Path:
    package = importlib.util.find_spec("skfolio")
    folder = Path(package.origin).parent if package and package.origin else Path()
    path = folder / "datasets" / "data" / "sp500_dataset.csv.gz"
    if not path.is_file():
        raise InputError(
            "sample: skfolio's file sp500_dataset.csv.gz is not installed. Run 'make setup', or give another source; nothing was loaded."
        )
    return path
