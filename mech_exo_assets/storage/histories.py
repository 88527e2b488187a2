"""The history that strategy versions are traded on, as the lake has it now or had it at recorded versions.

What belongs here: which tables make a history, and reading them. What does not: what a version does with it (`quant.lifecycle.deployed`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.schemas import LEARNED_SCORES, PRICES, SCORES, UNIVERSE
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.lake import Lake

if TYPE_CHECKING:
    from mech_exo_assets.quant.lifecycle.deployed import History

TRADED = ("open", "high", "low", "close", "volume", "total_return_index")
"""Columns of the prices that trading and risk take."""
ACCOUNTED = (*TRADED, "dividend_amount", "split_coefficient")
"""Columns of the prices that the live account takes."""
RISK_DAYS = 3 * 366
"""Days of prices before the first score that risk may take: `construction.beta_window` is 500 sessions at most."""

_TABLES = (SCORES, LEARNED_SCORES, PRICES, UNIVERSE)


def versions_of(lake: Lake) -> dict[str, int]:
    """Versions of the tables that a history is made of, as they stand; one that was never written is not among them."""
    return {schema.key: lake.version(schema.key) for schema in _TABLES if lake.exists(schema.key)}


def history(lake: Lake, strategy: Strategy, *, first: dt.date, versions: Mapping[str, int] | None = None) -> History:
    """Scores from a session on, and prices from three years before it on.

    Parameters
    ----------
    lake : Lake
    strategy : Strategy
    first : date
    versions : mapping of str to int, optional
        Of the tables, as `versions_of` has given them; by default as they stand.

    Raises
    ------
    MechExoError
        If a table is not there, or not in that version.
    """
    from mech_exo_assets.quant.lifecycle.deployed import History

    wanted = versions_of(lake) if versions is None else versions
    scores, prices = (
        lake.scan(key, version=wanted[key]).filter(pl.col("date") >= since).collect()
        for key, since in ((SCORES.key, first), (PRICES.key, first - dt.timedelta(days=RISK_DAYS)))
    )
    learned = LEARNED_SCORES.empty()
    if LEARNED_SCORES.key in wanted:
        learned = lake.scan(LEARNED_SCORES.key, version=wanted[LEARNED_SCORES.key]).filter(pl.col("date") >= first).collect()
    universe = lake.read(UNIVERSE.key, version=wanted[UNIVERSE.key])
    return History.of(scores, learned, Panel.from_frame(prices, TRADED), universe, strategy)


def account_market(prices: pl.LazyFrame, first: dt.date) -> Panel:
    """The prices that an account trades on: from a year before its first session, for average volumes and volatilities."""
    return Panel.from_frame(prices.filter(pl.col("date") >= first - dt.timedelta(days=400)).collect(), ACCOUNTED)


def last_session(lake: Lake) -> dt.date:
    """The last session that the prices know."""
    return lake.scan(PRICES.key).select(pl.col("date").max()).collect().item()
