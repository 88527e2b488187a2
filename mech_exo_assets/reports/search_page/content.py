"""What the page of a weight search is made of, and where it comes from.

What belongs here: the tables of one search, each in one version. What does not: what is drawn of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl

from mech_exo_assets.errors import MechExoError
from mech_exo_assets.quant.weights.importance import importances
from mech_exo_assets.schemas import (
    COMPARISON,
    FRONTIER,
    HISTORY,
    HOLDOUT_RETURNS,
    OPTIMISED,
    OVERFITTING,
    SHRINKAGE,
    TRIAL_WEIGHTS,
    TRIALS,
)
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.one_search import difference

_TABLES = (TRIALS, TRIAL_WEIGHTS, FRONTIER, SHRINKAGE, OPTIMISED, OVERFITTING, COMPARISON, HOLDOUT_RETURNS, HISTORY)


@dataclass(frozen=True, slots=True)
class SearchContent:
    """The content of one page.

    Attributes
    ----------
    source, database : str
        URI of the market data; URL of the database of studies, as `optuna-dashboard` takes it, without its password.
    written : datetime
        When the page is made, UTC.
    record : mapping
        The row of `schemas.HISTORY` of the search.
    trials, trial_weights, frontier, shrinkage, optimised, overfitting, comparison, returns, history : DataFrame
        `schemas.TRIALS`, `TRIAL_WEIGHTS`, `FRONTIER`, `SHRINKAGE`, `OPTIMISED`, `OVERFITTING`, `COMPARISON`, `HOLDOUT_RETURNS`, `HISTORY`.
    importances : mapping of str to float
        As `quant.weights.importance.importances` gives them.
    versions : mapping of str to int
        Version in the lake of each table.
    """

    source: str
    database: str
    written: datetime
    record: Mapping[str, Any]
    trials: pl.DataFrame
    trial_weights: pl.DataFrame
    frontier: pl.DataFrame
    shrinkage: pl.DataFrame
    optimised: pl.DataFrame
    overfitting: pl.DataFrame
    comparison: pl.DataFrame
    returns: pl.DataFrame
    history: pl.DataFrame
    importances: Mapping[str, float]
    versions: Mapping[str, int]

    @property
    def chosen(self) -> int:
        """Number of the chosen trial."""
        return int(self.frontier.filter("chosen")["trial"].item())


def gather(lake: Lake, *, source: str, database: str, written: datetime) -> SearchContent:
    """Read the newest search from a lake.

    Raises
    ------
    MechExoError
        If a table of the search is not in the lake, or not of the same search as the others.
    """
    versions = versions_of_one_search(lake)
    content = search_content(lambda key: lake.read(key, version=versions[key]), versions, source=source, written=written)
    found = importances(content.trials, content.trial_weights, seed=content.record["seed"])
    return replace(content, database=database, importances=found)


def search_content(read: Callable[[str], pl.DataFrame], versions: Mapping[str, int], *, source: str, written: datetime) -> SearchContent:
    """The content of the newest search, from wherever its tables are read; without importances, which take seconds.

    Parameters
    ----------
    read : callable
        Gives a table by its key.
    versions : mapping of str to int
    source, written
        As in `SearchContent`.
    """
    tables = {schema.key: read(schema.key) for schema in _TABLES}
    history = tables[HISTORY.key].sort("searched_at", "study")
    record = history.tail(1).to_dicts()[0]
    return SearchContent(
        source=source,
        database="",
        written=written,
        record=record,
        trials=tables[TRIALS.key],
        trial_weights=tables[TRIAL_WEIGHTS.key],
        frontier=tables[FRONTIER.key],
        shrinkage=tables[SHRINKAGE.key],
        optimised=tables[OPTIMISED.key],
        overfitting=tables[OVERFITTING.key],
        comparison=tables[COMPARISON.key],
        returns=tables[HOLDOUT_RETURNS.key],
        history=history,
        importances={},
        versions=versions,
    )


def versions_of_one_search(lake: Lake) -> dict[str, int]:
    """The version in the lake of each table of the newest search.

    Raises
    ------
    MechExoError
        If a table is not there, or was computed from another version of a table than the one that is there: a search has ended between
        the two.
    """
    missing = [schema.key for schema in _TABLES if not lake.exists(schema.key)]
    if missing:
        raise MechExoError(f"{missing[0]} is not in the lake {lake.place}. Run `mech-exo search` first.")
    versions = {schema.key: lake.version(schema.key) for schema in _TABLES}
    found = difference(lake, versions)
    if found is not None:
        raise MechExoError(
            f"{found.key} in {lake.place} was computed from version {found.read} of {found.other}, now at {found.there}: the last search "
            "was not completed. Wait for it, or run `mech-exo search`, which goes on with it."
        )
    return versions
