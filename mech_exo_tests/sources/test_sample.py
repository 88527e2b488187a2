"""The sample: twenty US stocks that come with the installation."""

from __future__ import annotations

import datetime as dt
import importlib.util
import subprocess
import sys

import polars as pl
import pytest

from mech_exo_assets.errors import InputError
from mech_exo_assets.sources.sample import COMPANIES
from mech_exo_assets.sources.uri import open_source


def test_it_holds_twenty_names_over_thirty_three_years_without_a_hole() -> None:
    market = open_source("sample").load()
    assert market.prices.height == 20 * 8313
    assert market.prices["date"][0] == dt.date(1990, 1, 2)
    assert market.prices["date"][-1] == dt.date(2022, 12, 28)
    first = market.prices.row(0, named=True)
    assert (first["symbol"], first["close"], first["adjusted_close"]) == ("AAPL", 0.264, 0.264)
    assert "The file holds adjusted closes only: close is the adjusted close, not the price that was traded." in market.notes


def test_every_company_has_a_name_and_a_sector() -> None:
    universe = open_source("sample").load().universe
    assert universe["symbol"].to_list() == sorted(COMPANIES)
    assert universe.select("name", "sector").null_count().row(0) == (0, 0)
    assert universe.filter(pl.col("sector") == "Health Care")["symbol"].to_list() == ["JNJ", "LLY", "MRK", "PFE", "UNH"]


def test_without_skfolio_the_mend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"sample: skfolio's file .* is not installed\. Run 'make setup', .*nothing was loaded"):
        open_source("sample").load()


def test_opening_and_loading_import_nothing_heavy() -> None:
    code = (
        "import sys; from mech_exo_assets.sources.uri import open_source; open_source('sample').load(); "
        "assert not {'skfolio', 'yfinance', 'pandas', 'exchange_calendars', 'dagster'} & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
