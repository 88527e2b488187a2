"""Trainings in MLflow, on a SQLite file: what is recorded is read back, aliases move, and a failure leaves no half of it."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.storage.models import ModelRegistry, Training, registry, saving
from mech_exo_tests.storage.trainings import FEATURES, METRICS, PARAMETERS, PNG, model, rows, training

KINDS = ("lightgbm", "xgboost", "ridge")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables and nothing in them, which take seconds to make."""
    folder = tmp_path_factory.mktemp("empty")
    ModelRegistry(f"sqlite:///{folder}/mlflow.db", folder / "mlflow").require()
    return folder / "mlflow.db"


@pytest.fixture
def models(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelRegistry:
    """A registry without models; the working directory is a folder without files."""
    shutil.copy(empty, tmp_path / "mlflow.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return ModelRegistry(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "artefacts ä" / "mlflow")


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_is_read_back_as_it_was_recorded(models: ModelRegistry, kind: str):
    run = models.record(training(kind))
    client = models._client()
    found = client.get_run(run)
    assert (found.info.status, found.info.run_name) == ("FINISHED", f"{kind} folds 3-7")
    assert client.get_experiment(found.info.experiment_id).name == "mech-exo"
    assert found.data.params == {name: str(value) for name, value in PARAMETERS.items()}
    assert found.data.tags["table_version.learning/dataset"] == "12"
    history = {each.step: each.value for each in client.get_metric_history(run, "test_ic")}
    assert history == pytest.approx({fold: metrics["test_ic"] for fold, metrics in METRICS.items()}, nan_ok=True)
    assert found.data.metrics["train_ic_mean"] == pytest.approx(0.3)
    assert found.data.metrics["test_ic_mean"] == pytest.approx(0.035)
    assert Path(client.download_artifacts(run, "figures/trainings.png")).read_bytes() == PNG


@pytest.mark.parametrize("kind", KINDS)
def test_the_recorded_model_predicts_what_the_model_in_memory_predicts(models: ModelRegistry, kind: str):
    models.record(training(kind))
    # After the record, which imports it without the warnings that it has of itself.
    import mlflow.lightgbm
    import mlflow.pyfunc
    import mlflow.xgboost
    import pandas as pd

    version = models._client().get_model_version_by_alias(f"mech-exo-{kind}", "challenger")
    loaded = mlflow.pyfunc.load_model(version.source)
    frame = pd.DataFrame(rows(), columns=list(FEATURES.names))
    expected = model(kind).predict(rows())
    np.testing.assert_array_equal(np.asarray(loaded.predict(frame), float), expected)
    assert loaded.metadata.signature.inputs.input_names() == list(FEATURES.names)
    with pytest.raises(mlflow.MlflowException, match=r"missing inputs \['sector'\]"):
        loaded.predict(frame.drop(columns="sector"))
    if kind == "lightgbm":
        np.testing.assert_array_equal(mlflow.lightgbm.load_model(version.source).predict(rows()), expected)
    if kind == "xgboost":
        booster = mlflow.xgboost.load_model(version.source)
        np.testing.assert_array_equal(booster.predict(model(kind).matrix(rows())), expected.astype(np.float32))
    assert not list(Path(version.source.removeprefix("file://")).glob("*.pkl"))


def test_the_newest_is_the_challenger_and_the_champion_stays_until_another_is_promoted(models: ModelRegistry):
    assert models.aliases("ridge") == {}
    first, second = models.record(training()), models.record(training())
    assert models.aliases("ridge") == {"challenger": second}
    models.promote("ridge", first)
    models.promote("ridge", first)
    assert models.aliases("ridge") == {"challenger": second, "champion": first}
    third = models.record(training())
    models.promote("ridge", second)
    assert models.aliases("ridge") == {"challenger": third, "champion": second}
    with pytest.raises(InputError, match="run 'nobody' has made no version of mech-exo-ridge in sqlite:"):
        models.promote("ridge", "nobody")
    with pytest.raises(ValueError, match="kind is 'ensemble'; there are lightgbm, xgboost, ridge"):
        models.promote("ensemble", first)


def test_a_figure_that_a_run_has_already_is_not_added_again(models: ModelRegistry):
    run = models.record(training())
    for value in (0.1, 0.1, math.nan, math.nan, 0.2, 0.2):
        models.log_metrics(run, {"out_of_sample_ic": value}, step=7)
    models.log_metrics(run, {"out_of_sample_ic": 0.3}, step=4)
    history = [(each.step, each.value) for each in models._client().get_metric_history(run, "out_of_sample_ic")]
    assert sorted(history, key=str) == sorted([(7, 0.1), (7, pytest.approx(math.nan, nan_ok=True)), (7, 0.2), (4, 0.3)], key=str)
    with pytest.raises(MechExoError, match=r"MLflow refused figures of the run 'nobody' \(.*not found"):
        models.log_metrics("nobody", {"out_of_sample_ic": 0.1}, step=1)


def test_more_parameters_and_figures_than_mlflow_takes_at_once_are_recorded_all(models: ModelRegistry):
    parameters = {f"parameter_{number}": number for number in range(230)}
    metrics = {fold: {f"metric_{number}": float(number) for number in range(60)} for fold in range(20)}
    run = models.record(training(parameters=parameters, metrics_by_fold=metrics))
    found = models._client().get_run(run)
    assert len(found.data.params) == 230
    assert len(models._client().get_metric_history(run, "metric_59")) == 20


def test_a_failure_in_the_middle_marks_the_run_and_registers_nothing(models: ModelRegistry, monkeypatch: pytest.MonkeyPatch):
    before = models.record(training())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saving, "save", full)
    with pytest.raises(MechExoError, match=r"not recorded \(\[Errno 28\] No space left on device\); the run is marked FAILED"):
        models.record(training())
    assert _statuses(models) == ["FAILED", "FINISHED"]
    assert models.aliases("ridge") == {"challenger": before}
    assert len(models._client().search_model_versions()) == 1


def test_a_version_that_cannot_be_made_the_challenger_is_taken_back(models: ModelRegistry, monkeypatch: pytest.MonkeyPatch):
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    def refused(*_: object, **__: object) -> None:
        raise MlflowException("(sqlite3.OperationalError) database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_registered_model_alias", refused)
        with pytest.raises(MechExoError, match="database is locked"):
            models.record(training())
        assert _statuses(models) == ["FAILED"]
        assert list(models._client().search_model_versions()) == []
        patch.setattr(MlflowClient, "set_terminated", refused)
        with pytest.raises(MechExoError, match="the run stays unfinished, since that was refused too"):
            models.record(training())
    run = models.record(training())
    assert models.aliases("ridge") == {"challenger": run}


def test_the_process_and_its_folder_stay_as_they_were(models: ModelRegistry, capfd: pytest.CaptureFixture[str]):
    import mlflow

    before = mlflow.get_tracking_uri()
    models.record(training())
    assert mlflow.get_tracking_uri() == before
    assert "MLFLOW_TRACKING_URI" not in os.environ
    assert mlflow.active_run() is None
    assert list(Path.cwd().iterdir()) == []
    assert "".join(capfd.readouterr()) == ""
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_the_experiment_that_was_deleted_is_told(models: ModelRegistry):
    run = models.record(training())
    models._client().delete_experiment(models._client().get_run(run).info.experiment_id)
    with pytest.raises(InputError, match=r"the experiment 'mech-exo' was deleted; restore it"):
        models.record(training())


def test_a_training_of_no_known_kind_or_another_ones_model_is_a_mistake():
    with pytest.raises(ValueError, match="kind is 'forest'"):
        Training("forest", model("ridge"))
    with pytest.raises(ValueError, match="kind is 'xgboost', the model's 'ridge'"):
        Training("xgboost", model("ridge"))
    with pytest.raises(TypeError, match="a model of the class SimpleNamespace has no form in MLflow"):
        saving.save(SimpleNamespace(features=FEATURES), Path("nowhere"), None)  # ty: ignore[invalid-argument-type]


def test_names_and_sums_of_a_training_without_folds():
    assert (Training("ridge", model("ridge")).name, Training("ridge", model("ridge")).summary()) == ("ridge", {})
    assert training(metrics_by_fold={2: {"ic": math.nan}}).name == "ridge fold 2"
    assert training(metrics_by_fold={2: {"ic": math.nan}}).summary() == {}


def test_the_registry_is_loaded_without_mlflow():
    program = "import sys, mech_exo_assets.storage.models; print({'mlflow', 'sqlalchemy', 'pandas', 'lightgbm'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"


def _statuses(models: ModelRegistry) -> list[str]:
    client = models._client()
    experiment = client.get_experiment_by_name(registry.EXPERIMENT)
    assert experiment is not None
    return sorted(each.info.status for each in client.search_runs([experiment.experiment_id]))
