"""The tables of a weight search are shown together, once it is done; everything else is published meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from mech_exo_assets.schemas import (
    COMPARISON,
    FRONTIER,
    HISTORY,
    HOLDOUT_RETURNS,
    OPTIMISED,
    OVERFITTING,
    SHRINKAGE,
    TRIAL_RETURNS,
    TRIAL_WEIGHTS,
    TRIALS,
    UNIVERSE,
)
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.mart import Mart, Published
from mech_exo_assets.storage.one_search import SEARCH_TABLES, difference
from mech_exo_tests.storage.marts import publish, query, versions
from mech_exo_tests.storage.small_tables import universe


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def mart(tmp_path: Path) -> Mart:
    return Mart(tmp_path / "mech_exo.duckdb")


OF_STEPS = (
    (TRIALS, TRIAL_WEIGHTS, TRIAL_RETURNS),
    (FRONTIER, SHRINKAGE, OPTIMISED, OVERFITTING),
    (COMPARISON, HOLDOUT_RETURNS, HISTORY),
)
"""What each step of a search writes, one table after the other."""
OF_SEARCH = [schema for step in OF_STEPS for schema in step]


def search(lake: Lake, *, tables: int = len(OF_SEARCH)) -> None:
    """The first tables of a search; each notes the versions of those of the steps before, as the I/O manager does."""
    known: dict[str, str] = {}
    for step in OF_STEPS:
        written = [schema for schema in step if OF_SEARCH.index(schema) < tables]
        versions = {f"read:{schema.key}": str(lake.write(schema, schema.empty(), note=known)) for schema in written}
        known |= versions


def test_all_tables_of_a_search_are_known():
    assert sorted(schema.key for schema in OF_SEARCH) == sorted(SEARCH_TABLES)


@pytest.mark.parametrize("tables", [1, 3, 4, 7, len(OF_SEARCH) - 1])
def test_a_first_search_is_shown_when_it_is_done(mart: Mart, lake: Lake, tables: int):
    search(lake, tables=tables)
    lake.write(UNIVERSE, universe("A"))
    assert list(publish(mart, lake)) == [UNIVERSE.key]
    assert versions(mart) == {UNIVERSE.key: 0}
    assert query(mart, "SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'weights'") == [(0,)]
    search(lake)
    publish(mart, lake)
    assert set(versions(mart)) == {UNIVERSE.key, *SEARCH_TABLES}


@pytest.mark.parametrize("tables", [1, 3, 4, 7, len(OF_SEARCH) - 1])
def test_while_a_search_goes_on_the_one_before_stays_and_everything_else_is_published(mart: Mart, lake: Lake, tables: int):
    search(lake)
    lake.write(UNIVERSE, universe("A"))
    publish(mart, lake)
    search(lake, tables=tables)
    lake.write(UNIVERSE, universe("A", "B"))
    assert publish(mart, lake) == {UNIVERSE.key: Published(UNIVERSE.key, version=1, rows=2, replaced="all")}
    assert versions(mart) == dict.fromkeys(SEARCH_TABLES, 0) | {UNIVERSE.key: 1}
    # The next search goes on from what this one has left, and is shown.
    search(lake)
    publish(mart, lake)
    assert versions(mart) == {key: lake.version(key) for key in (UNIVERSE.key, *SEARCH_TABLES)}


def test_a_search_that_writes_while_the_mart_is_published_is_not_shown_by_half(mart: Mart, lake: Lake, monkeypatch: pytest.MonkeyPatch):
    search(lake)
    lake.write(UNIVERSE, universe("A"))
    files = Lake.files

    def then_written(self: Lake, key: str, **how: int) -> dict[int | None, list[str]]:
        monkeypatch.setattr(Lake, "files", files)
        search(self, tables=4)
        return self.files(key, **how)

    monkeypatch.setattr(Lake, "files", then_written)
    publish(mart, lake)
    assert lake.version(FRONTIER.key) == 1
    assert versions(mart) == dict.fromkeys((UNIVERSE.key, *SEARCH_TABLES), 0)


def test_the_difference_names_the_table_and_the_version_that_it_was_made_from(lake: Lake):
    search(lake)
    assert difference(lake, dict.fromkeys(SEARCH_TABLES, 0)) is None
    search(lake, tables=1)
    found = difference(lake, {key: lake.version(key) for key in SEARCH_TABLES})
    assert found is not None
    assert (found.other, found.read, found.there) == (TRIALS.key, 0, 1)
    assert lake.reads(found.key, 0)[TRIALS.key] == 0
