"""The tables of the group `learning` that are made when models are trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from mlflow import MlflowClient

from mech_exo_assets.defs.decisions import follow_in_mlflow
from mech_exo_assets.quant.models import folds, training
from mech_exo_assets.schemas import BLEND, TABLES
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.ledger import Entry, Ledger
from mech_exo_assets.storage.models import ModelRegistry
from mech_exo_tests.defs.learned import Home
from mech_exo_tests.learned import TRAINED
from mech_exo_tests.ports import free_port
from mech_exo_tests.quant.lifecycle.facts import version

KINDS = ("lightgbm", "xgboost", "ridge")
FITTED = tuple(f"learning/{name}" for name in (*KINDS, "models", "stacking"))
REGISTERED, SINCE_TRAINED = "learning/registered", [key for key in TABLES if key in TRAINED]


def mlflow_of(home: Home) -> MlflowClient:
    return MlflowClient(tracking_uri=Settings(home=home.path).mlflow_url)


def runs(home: Home) -> list[str]:
    """All runs on record in MLflow."""
    client = mlflow_of(home)
    return sorted(run.info.run_id for each in client.search_experiments() for run in client.search_runs([each.experiment_id]))


def test_a_second_training_fits_nothing_and_records_nothing(learned: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before, recorded = {key: learned.lake.read(key) for key in FITTED}, runs(learned)
    assert len(recorded) == len(KINDS)
    monkeypatch.setattr(ModelRegistry, "record", lambda *_: pytest.fail("nothing was fitted, and something is recorded"))
    run = learned.run(*FITTED)
    assert run.success, run.failure
    assert [run.metadata[key]["fitted_now"] for key in FITTED[:4]] == [0, 0, 0, 0]
    for key, table in before.items():
        assert run.lake.read(key).equals(table, null_equal=True) or key == "learning/stacking", key
    assert run.lake.read("learning/stacking").drop("reason").equals(before["learning/stacking"].drop("reason"))
    assert runs(learned) == recorded


def test_on_other_choices_models_are_fitted_anew_and_have_runs_of_their_own(learned: Home) -> None:
    before = learned.lake.read("learning/lightgbm")
    run = learned.run(*FITTED, rounds=2)
    after = run.lake.read("learning/lightgbm")
    assert run.metadata["learning/lightgbm"]["fitted_now"] == after.height
    assert not set(after["digest"]) & set(before["digest"])
    assert not set(after["mlflow_run"]) & set(before["mlflow_run"])
    assert after["rounds"].max() <= 2
    assert len(runs(learned)) == 2 * len(KINDS)


def test_a_registry_that_cannot_be_reached_fails_before_anything_is_trained(learned: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MECH_EXO_DB_URL", f"postgresql://me:hush@127.0.0.1:{free_port()}/research")
    monkeypatch.setattr(training, "train", lambda *_, **__: pytest.fail("trained without a registry"))
    versions = {key: learned.lake.version(key) for key in FITTED}
    run = learned.run(*FITTED)
    assert not run.success
    assert "Connection refused" in run.failure
    assert "trained without a registry" not in run.failure
    assert "hush" not in run.failure
    assert {key: learned.lake.version(key) for key in FITTED} == versions


def test_a_history_too_short_for_a_training_gives_empty_tables_that_say_why(learned: Home) -> None:
    learned.without(*TRAINED)
    run = learned.run(*SINCE_TRAINED, "learning/predictions", "learning/comparison", "learning/blend", train_months=60)
    assert run.success, run.failure
    assert run.errors == []
    assert all(run.lake.read(key).is_empty() for key in SINCE_TRAINED)
    for key in FITTED[:4]:
        assert "the first training takes 60 months and a session to predict. Lower learning.train_months" in run.metadata[key]["why"]
    for check in (("learning/models", "trained"), ("learning/dependence", "explained"), ("learning/predictions", "models_fit")):
        assert not run.checks[check].passed
    assert run.metadata["learning/lightgbm"]["picture"] == "No model has been trained: see `why`."


def test_pages_of_the_trainings_say_how_far_they_kept_from_their_tests(learned: Home) -> None:
    run = learned.run(*FITTED)
    for kind in KINDS:
        key = f"learning/{kind}"
        check, table = run.checks[key, "purged"], run.lake.read(key)
        assert check.passed
        # Execution lag 1, horizon 5, and an embargo as long as the horizon.
        assert check.metadata["wanted"].value == 11
        assert check.metadata["smallest_gap"].value >= 11
        assert run.metadata[key]["mean_train_ic"] == pytest.approx(table["train_ic"].mean())
        assert run.metadata[key]["picture"].startswith("![")


def test_a_training_that_reaches_into_its_test_fails_the_check(learned: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def unpurged(sessions, strategy, *, asked):
        kept = folds.planned_trainings(sessions, strategy, asked=asked)
        return [replace(each, train_to=each.train_to + 5) for each in kept]

    monkeypatch.setattr(training, "planned_trainings", unpurged)
    run = learned.run(*FITTED, rounds=1)
    for kind in KINDS:
        check = run.checks[f"learning/{kind}", "purged"]
        assert not check.passed
        assert check.metadata["smallest_gap"].value < 11


def test_the_record_names_the_data_the_choices_and_the_run(learned: Home) -> None:
    client = mlflow_of(learned)
    for kind in KINDS:
        (run_id,) = learned.lake.read(f"learning/{kind}")["mlflow_run"].unique()
        run = client.get_run(run_id)
        assert run.data.tags["table_version.learning/dataset"] == str(learned.lake.version("learning/dataset"))
        assert (run.data.tags["horizon"], run.data.tags["gap"], run.data.tags["seed"]) == ("5", "11", "0")
        assert len(run.data.tags["choices"]) == 16
        of_fold = learned.lake.read("learning/comparison").filter(model=kind).filter(pl.col("fold") > 0).sort("fold")
        measured = {each.step: each.value for each in client.get_metric_history(run_id, "out_of_sample_ic")}
        assert measured == dict(of_fold.select("fold", "ic").drop_nulls().iter_rows())


@pytest.mark.parametrize("passed", [False, True])
def test_a_new_model_is_challenger_whatever_the_gate_says(learned: Home, passed: bool) -> None:
    blend = learned.lake.read(BLEND.key)
    learned.lake.write(BLEND, blend.with_columns(gate_passed=pl.lit(passed)))
    run = learned.run(REGISTERED)
    assert run.success, run.failure
    table = run.lake.read(REGISTERED)
    assert set(table["alias"]) == {"challenger"}
    assert set(table["model"]) == set(KINDS)
    assert run.metadata[REGISTERED]["gate_passed"] is passed
    for kind in KINDS:
        (run_id,) = learned.lake.read(f"learning/{kind}")["mlflow_run"].unique()
        assert table.filter(model=kind)["mlflow_run"].to_list() == [run_id]


def test_the_models_of_the_deployed_strategy_are_champions(learned: Home, tmp_path: Path) -> None:
    runs = {kind: learned.lake.read(f"learning/{kind}")["mlflow_run"].unique().item() for kind in KINDS}
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db", tmp_path / "ledger.head")
    content = replace(version(ml_alpha=1.0), models=runs)
    payload = {"summary": "s", "since": "2020-01-02", "as_of": "2020-01-02", "content": content.as_json()}
    ledger.append(Entry("strategy_registered", "test", payload, version=content.id))
    settings = Settings(home=learned.path)
    registry = ModelRegistry(settings.mlflow_url, settings.mlflow_artifacts)
    assert follow_in_mlflow(registry, ledger) == []
    for kind in KINDS:
        named = mlflow_of(learned).get_model_version_by_alias(f"mech-exo-{kind}", "champion")
        assert named.run_id == runs[kind]
