"""The group `weights` as assets: metadata, checks, and what remains of a search that was cut off."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest
from dagster import AssetCheckSeverity, DagsterInstance

from mech_exo_assets.definitions import build_definitions
from mech_exo_assets.defs.jobs import WEIGHT_SEARCH
from mech_exo_assets.schemas import (
    COMPARISON,
    FRONTIER,
    HISTORY,
    HOLDOUT_RETURNS,
    LEARNED_SCORES,
    OPTIMISED,
    OVERFITTING,
    PRICES,
    SCORES,
    TABLES,
    TRIAL_RETURNS,
    TRIAL_WEIGHTS,
    TRIALS,
)
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.io_manager import LakeIOManager
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.mart import Mart
from mech_exo_assets.storage.studies.store import StudyStore
from mech_exo_tests.searchable import choices, searchable_lake, without_drawing
from mech_exo_tests.storage.marts import publish, versions

WEIGHTS = [key for key in TABLES if key.startswith("weights/")]
ALL_FAIL, ALL_PASS = {"deflated_sharpe": 0.999999, "pbo": None, "spa": None}, {"deflated_sharpe": None, "pbo": 1.0, "spa": None}


@dataclass
class Run:
    """One run of the job: whether it succeeded, metadata by asset, checks by asset and name."""

    lake: Lake
    success: bool
    metadata: dict[str, dict[str, Any]]
    checks: dict[tuple[str, str], dg.AssetCheckEvaluation]


def searched(home: Path, **sections: dict[str, object]) -> Run:
    config = choices(home / "strategy.yaml", **sections)
    definitions = build_definitions(Settings(home=home, source="sample", config=config))
    with DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def(WEIGHT_SEARCH.name).execute_in_process(instance=instance, raise_on_error=False)
    events = [event.materialization for event in result.get_asset_materialization_events()]
    return Run(
        Lake(home / "lake"),
        result.success,
        {event.asset_key.to_user_string(): {name: each.value for name, each in event.metadata.items()} for event in events},
        {(each.asset_key.to_user_string(), each.check_name): each for each in result.get_asset_check_evaluations()},
    )


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("ready")
    searchable_lake(home / "lake")
    return home


@pytest.fixture
def home(ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, in which nothing is drawn."""
    without_drawing(monkeypatch)
    return Path(shutil.copytree(ready, tmp_path / "home"))


@pytest.fixture(scope="module")
def run(ready: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One search whose gate fails, with its pictures."""
    return searched(Path(shutil.copytree(ready, tmp_path_factory.mktemp("run") / "home")), gates=ALL_FAIL)


def test_every_table_is_made_and_no_check_fails_with_an_error(run: Run) -> None:
    assert run.success
    assert [key for key in run.lake.tables() if key in WEIGHTS] == WEIGHTS
    assert {key for key, _ in run.checks} == set(WEIGHTS)
    assert [each for each, check in run.checks.items() if not check.passed and check.severity == AssetCheckSeverity.ERROR] == []


def test_pages_answer_the_first_questions(run: Run) -> None:
    trials, frontier, optimised, comparison = (run.metadata[schema.key] for schema in (TRIALS, FRONTIER, OPTIMISED, COMPARISON))
    assert (trials["new_trials"], trials["trials_ever"]) == (12, 12)
    assert frontier["chosen_trial"] == run.lake.read(FRONTIER.key).filter("chosen")["trial"].item()
    for page, name in (
        (frontier, "pareto"),
        (frontier, "search_history"),
        (frontier, "parallel_coordinates"),
        (optimised, "picture"),
        (comparison, "growth"),
    ):
        assert page[name].startswith("![")
    assert frontier["importances"].startswith("Too few trials")
    assert comparison["sharpe"] == run.lake.read(COMPARISON.key).filter(weights="optimised")["sharpe"].item()
    for page in (trials, frontier, comparison):
        assert page["open_with"] == f"optuna-dashboard {page['database']}"
        assert page["study"] == run.lake.read(HISTORY.key)["study"].item()
        assert page["held_out"].endswith(" to 2019-05-09")


def test_a_failure_of_the_gate_is_a_warning_and_no_candidate_but_the_weights_are_kept(run: Run) -> None:
    check = run.checks[OVERFITTING.key, "gate"]
    assert not check.passed
    assert check.severity == AssetCheckSeverity.WARN
    assert check.metadata["failed"].value == "deflated_sharpe"
    assert run.metadata[OPTIMISED.key]["candidate"] is False
    assert run.lake.read(HISTORY.key)["passed"].to_list() == [False]
    assert run.lake.read(OPTIMISED.key)["weight"].abs().sum() == pytest.approx(1)


def test_weights_that_pass_the_gate_are_a_candidate(home: Path) -> None:
    run = searched(home, gates=ALL_PASS)
    assert run.checks[OVERFITTING.key, "gate"].passed
    assert run.metadata[OPTIMISED.key]["candidate"] is True
    assert run.lake.read(HISTORY.key)["passed"].to_list() == [True]


def test_returns_on_the_holdout_give_what_the_comparison_says(run: Run) -> None:
    returns, comparison = run.lake.read(HOLDOUT_RETURNS.key), run.lake.read(COMPARISON.key)
    assert run.checks[HOLDOUT_RETURNS.key, "same_sessions"].passed
    grown = returns.group_by("weights").agg((pl.col("net_return") + 1).product() - 1, pl.len(), pl.col("date").min())
    for name, total, sessions, first in grown.iter_rows():
        row = comparison.filter(weights=name)
        assert total == pytest.approx(row["total_return"].item(), rel=1e-9)
        assert (sessions, first) == (row["n_sessions"].item(), row["first_date"].item())
    span = run.metadata[COMPARISON.key]["held_out"].split(" to ")
    assert returns["date"].is_between(*(np.datetime64(day).item() for day in span)).all()
    assert run.lake.read(TRIAL_RETURNS.key)["date"].max() < np.datetime64(span[0]).item()


def test_another_run_finds_the_trials_done_and_more_trials_go_on_from_them(run: Run, home: Path) -> None:
    shutil.copytree(Path(run.lake.place.uri).parent, home, dirs_exist_ok=True)
    second = searched(home)
    assert (second.metadata[TRIALS.key]["new_trials"], second.metadata[TRIALS.key]["trials_ever"]) == (0, 12)
    before = run.lake.read(TRIALS.key)
    assert second.lake.read(TRIALS.key).equals(before)
    third = searched(home, search={"trials": 20})
    assert (third.metadata[TRIALS.key]["new_trials"], third.metadata[TRIALS.key]["trials_ever"]) == (8, 20)
    # Whether a trial is on the front depends on the others.
    assert third.lake.read(TRIALS.key).head(12).drop("on_front").equals(before.drop("on_front"))
    assert third.lake.read(TRIAL_WEIGHTS.key).filter(pl.col("trial") < 12).equals(run.lake.read(TRIAL_WEIGHTS.key))
    assert [each.metadata[COMPARISON.key]["looks"] for each in (run, second, third)] == [1, 2, 3]
    assert third.lake.read(HISTORY.key)["trials"].to_list() == [20], "one search, one row"


def test_a_search_that_is_cut_off_leaves_no_table_and_the_next_one_goes_on_with_its_trials(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = StudyStore.complete

    def cut_off(store: StudyStore, batch: int, trials: Any) -> bool:
        if batch == 2:
            raise OSError("the machine is switched off")
        return complete(store, batch, trials)

    monkeypatch.setattr(StudyStore, "complete", cut_off)
    cut = searched(home)
    assert not cut.success
    assert [key for key in cut.lake.tables() if key in WEIGHTS] == []
    monkeypatch.setattr(StudyStore, "complete", complete)
    again = searched(home)
    assert again.success
    assert (again.metadata[TRIALS.key]["new_trials"], again.metadata[TRIALS.key]["trials_ever"]) == (4, 12)
    assert again.lake.read(TRIALS.key).drop("completed_at").equals(run.lake.read(TRIALS.key).drop("completed_at"))
    assert again.lake.read(OPTIMISED.key).equals(run.lake.read(OPTIMISED.key))


def test_what_happens_in_the_holdout_changes_no_trial_and_no_choice(home: Path, run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other"
    searchable_lake(other / "lake", after=np.datetime64("2019-01-31"))
    perturbed = searched(other, gates=ALL_FAIL)
    assert perturbed.success
    assert perturbed.metadata[TRIALS.key]["study"] == run.metadata[TRIALS.key]["study"]
    for schema in (TRIALS, TRIAL_WEIGHTS, TRIAL_RETURNS, FRONTIER, OPTIMISED, OVERFITTING):
        one, same = (each.lake.read(schema.key) for each in (run, perturbed))
        dropped = [name for name in ("completed_at",) if name in one.columns]
        assert same.drop(dropped).equals(one.drop(dropped)), schema.key
    assert not perturbed.lake.read(HOLDOUT_RETURNS.key).equals(run.lake.read(HOLDOUT_RETURNS.key)), "or nothing was perturbed"


def test_a_refresh_between_the_steps_of_a_search_changes_none_of_its_results(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step of a search reads the versions that its first step has read; the refreshes write other numbers of everything."""
    handle_output, lake = LakeIOManager.handle_output, Lake(home / "lake")
    mart, refreshes, shown = Mart(home / "mech_exo.duckdb"), [], []

    def then_refreshed(self: LakeIOManager, context: dg.OutputContext, frame: Any) -> None:
        handle_output(self, context, frame)
        # The last table of the first step, and that of the second.
        if context.asset_key.to_user_string() in (TRIAL_RETURNS.key, OVERFITTING.key):
            refreshes.append(searchable_lake(home / "lake", seed=1 + len(refreshes)))
            scores = lake.read(SCORES.key)
            learned = scores.select("date", "symbol", pl.col("alpha").alias("ml_alpha"))
            lake.write(LEARNED_SCORES, learned, years=learned["date"].dt.year().unique().to_list())
            shown.append(published(mart, lake))

    monkeypatch.setattr(LakeIOManager, "handle_output", then_refreshed)
    disturbed = searched(home, gates=ALL_FAIL)
    assert disturbed.success
    assert (len(refreshes), lake.version(SCORES.key), lake.version(LEARNED_SCORES.key)) == (2, 2, 1)
    for key in WEIGHTS:
        dropped = [name for name in ("completed_at", "searched_at") if name in TABLES[key].names]
        assert lake.read(key).drop(dropped).equals(run.lake.read(key).drop(dropped)), key
    history = lake.read(HISTORY.key)
    assert (history["scores_version"].item(), history["prices_version"].item()) == (0, 0)
    for key in (TRIALS.key, OPTIMISED.key, COMPARISON.key):
        read = lake.reads(key, 0)
        assert {read[each] for each in (SCORES.key, PRICES.key)} == {0}
        assert LEARNED_SCORES.key not in read
    # Whoever looked meanwhile saw the refreshed tables, and nothing of the search.
    assert [(tables[SCORES.key], set(tables) & set(WEIGHTS)) for tables in shown] == [(1, set()), (2, set())]
    assert set(published(mart, lake)) >= set(WEIGHTS)


def published(mart: Mart, lake: Lake) -> dict[str, int]:
    """What the mart holds once it was published: the version of each table."""
    publish(mart, lake)
    return versions(mart)


def test_what_models_have_learned_is_searched_beside_the_factors(home: Path, run: Run) -> None:
    lake = Lake(home / "lake")
    scores = lake.read(SCORES.key)
    factors = [name for name in scores.columns if name not in ("date", "symbol")]
    learned = scores.select("date", "symbol", pl.mean_horizontal(factors).alias("ml_alpha"))
    lake.write(LEARNED_SCORES, learned, years=learned["date"].dt.year().unique().to_list())
    found = searched(home)
    assert found.success
    assert found.metadata[COMPARISON.key]["factors"] == run.metadata[COMPARISON.key]["factors"] + 1
    assert set(found.lake.read(TRIAL_WEIGHTS.key)["factor"]) == {*factors, "ml_alpha"}
    assert "ml_alpha" in found.lake.read(OPTIMISED.key)["factor"].to_list()
