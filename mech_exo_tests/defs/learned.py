"""A copy of the home with trained models, and some of its assets materialised once more in this process."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterInstance

from mech_exo_assets.definitions import build_definitions
from mech_exo_assets.defs.runs import year_range_tags
from mech_exo_assets.schemas import PRICES
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.learned import SOURCE, quick_with


@dataclass(frozen=True)
class Run:
    """What a run left: metadata by asset, checks by asset and name, and the message of the step that failed."""

    lake: Lake
    success: bool
    metadata: Mapping[str, Mapping[str, Any]]
    checks: Mapping[tuple[str, str], dg.AssetCheckEvaluation]
    failure: str

    @property
    def errors(self) -> list[tuple[str, str]]:
        """Checks that failed and are no warnings."""
        failed = [key for key, check in self.checks.items() if not check.passed]
        return [key for key in failed if self.checks[key].severity == dg.AssetCheckSeverity.ERROR]


@dataclass(frozen=True)
class Home:
    """A home that a test may write to.

    Attributes
    ----------
    path : Path
    years : tuple of int
        First and last year of its prices.
    """

    path: Path
    years: tuple[int, int]

    @property
    def lake(self) -> Lake:
        return Lake(self.path / "lake")

    def without(self, *keys: str) -> None:
        """Let tables go, as if they had never been written."""
        for key in keys:
            shutil.rmtree(self.path / "lake" / key)

    def definitions(self, **learning: object) -> dg.Definitions:
        """The graph, with some choices of the section `learning` changed."""
        config = self.path / "mine.yaml"
        config.write_text(quick_with(**learning), encoding="utf-8")
        return build_definitions(Settings(home=self.path, source=SOURCE, config=config))

    def run(self, *keys: str, years: tuple[int, int] | None = None, **learning: object) -> Run:
        """Materialise assets, for all years (a rebuild) or for some, with some choices changed."""
        asked = frozenset(dg.AssetKey(key.split("/")) for key in keys)
        job = self.definitions(**learning).resolve_implicit_global_asset_job_def().get_subset(asset_selection=asked)
        tags = year_range_tags(*(years or self.years), rebuild=years is None)
        with DagsterInstance.ephemeral() as instance:
            result = job.execute_in_process(instance=instance, raise_on_error=False, tags=tags)
        events = [event.materialization for event in result.get_asset_materialization_events()]
        failed = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
        return Run(
            self.lake,
            result.success,
            {event.asset_key.to_user_string(): {name: each.value for name, each in event.metadata.items()} for event in events},
            {(each.asset_key.to_user_string(), each.check_name): each for each in result.get_asset_check_evaluations()},
            "\n".join(str(error) for error in failed),
        )


def copy_of(home: Path, to: Path) -> Home:
    """A copy of a home, whose MLflow writes into the copy: it keeps the folder of its experiment as an absolute path."""
    shutil.copytree(home, to)
    with contextlib.closing(sqlite3.connect(to / "mlflow.db")) as database, database:
        database.execute("UPDATE experiments SET artifact_location = ? WHERE name = 'mech-exo'", [(to / "mlflow").as_uri()])
    years = [year for year in Lake(to / "lake").files(PRICES.key) if year is not None]
    return Home(to, (min(years), max(years)))
