"""`mech-exo learn`: what it trains, prints and refuses."""

import json
import shutil
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import yaml

from mech_exo_assets.schemas import TABLES
from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.cli.conftest import Command
from mech_exo_tests.learned import TRAINED, quick_with
from mech_exo_tests.ports import free_port

KINDS = ("lightgbm", "xgboost", "ridge")


def test_everything_of_the_group_is_made(learned_home: Path):
    lake = Lake(learned_home / "lake")
    assert {key for key in lake.tables() if key.startswith("learning/")} == {key for key in TABLES if key.startswith("learning/")}
    for kind in KINDS:
        folds = lake.read(f"learning/{kind}")
        assert folds["fold"].to_list() == [1, 2]
        assert folds["mlflow_run"].n_unique() == 1
        assert folds["mlflow_run"].null_count() == 0
    assert lake.read("learning/models").height == 6
    assert set(lake.read("learning/registered")["model"]) == set(KINDS)
    assert (learned_home / "mlflow.db").is_file()


def test_predictions_begin_with_the_first_test_and_are_the_factor_ml_alpha(learned_home: Path):
    lake = Lake(learned_home / "lake")
    first = lake.read("learning/models")["test_from"].min()
    predictions, scores = lake.read("learning/predictions"), lake.read("learning/scores")
    assert predictions["date"].min() == first == scores["date"].min()
    assert scores.columns == ["date", "symbol", "ml_alpha"]


def test_ml_alpha_is_watched_as_a_factor_and_has_a_page(learned_home: Path):
    lake = Lake(learned_home / "lake")
    for key in ("decay/ic", "decay/residual_ic", "decay/quintile_returns", "decay/statistics", "decay/status", "decay/rotation"):
        assert "ml_alpha" in lake.read(key)["factor"].to_list(), key
    with dg.DagsterInstance.from_config(str(learned_home / "dagster")) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["decay", "ml_alpha"]))
    assert event.asset_materialization.metadata["status"].value == "unproven"


def test_where_the_blend_has_no_weight_the_composite_is_that_of_the_factors_alone(learned_home: Path):
    from mech_exo_assets.quant.composite import composite_score, composite_table, factor_weights
    from mech_exo_assets.quant.learning import blend_weights
    from mech_exo_assets.quant.panel import Panel
    from mech_exo_assets.schemas import factor_columns

    lake = Lake(learned_home / "lake")
    scores, blend, found = (lake.read(key) for key in ("factors/scores", "learning/blend", "strategy/composite"))
    factors = factor_columns(scores.columns)
    panel, weights = Panel.from_frame(scores, factors), factor_weights("equal", factors)
    alone = composite_table(composite_score(panel, weights, min_coverage=0.5), panel)
    shares = pl.DataFrame({"date": pl.Series(panel.sessions).cast(pl.Date), "share": blend_weights(blend, panel.sessions)})
    both = found.join(alone, on=["date", "symbol"], suffix="_alone").join(shares, on="date")
    without = both.filter(pl.col("share") == 0)
    assert without.height > 0
    assert without["score"].equals(without["score_alone"])
    with_it = both.filter((pl.col("share") > 0) & (pl.col("date") >= lake.read("learning/scores")["date"].min()))
    assert with_it.is_empty() or not with_it["score"].equals(with_it["score_alone"])


def test_the_result_can_be_shown_again_for_people_and_programs(mech_exo: Command, learned_home: Path):
    said = mech_exo("learn", "--show", "--home", learned_home, "--json")
    assert said.code == 0
    report = json.loads(said.out)
    assert [row["model"] for row in report["trainings"]] == ["lightgbm", "ridge", "xgboost"]
    assert [row["model"] for row in report["comparison"]] == ["lightgbm", "xgboost", "ridge", "ensemble", "composite", "blended"]
    table = Lake(learned_home / "lake").read("learning/comparison").filter(pl.col("fold") == 0)
    assert [row["ic"] for row in report["comparison"]] == table["ic"].to_list()
    assert 0 <= report["blend"]["weight"] <= 0.5
    printed = mech_exo("learn", "--show", "--home", learned_home)
    assert f"{report['comparison'][3]['ic']:+.4f}" in printed.out
    assert report["blend"]["reason"] in printed.out.replace("\n", " ")


def test_one_name_is_explained_from_the_same_home(mech_exo: Command, learned_home: Path):
    lake = Lake(learned_home / "lake")
    symbol = lake.read("learning/predictions")["symbol"][0]
    said = mech_exo("explain", symbol, "--home", learned_home, "--json")
    assert said.code == 0, said.err


@pytest.mark.slow
def test_learning_again_trains_nothing_and_records_nothing(mech_exo: Command, learned_home: Path, tmp_path: Path):
    home = tmp_path / "home"
    shutil.copytree(learned_home, home)
    said = mech_exo("learn", "--home", home)
    assert said.code == 0, said.err
    before, after = Lake(learned_home / "lake"), Lake(home / "lake")
    for key in ("learning/lightgbm", "learning/xgboost", "learning/ridge", "learning/models", "learning/predictions", "learning/blend"):
        assert after.version(key) == before.version(key) + 1
        order = TABLES[key].unique
        assert after.read(key).sort(order).equals(before.read(key).sort(order)), key
    assert sorted(path.name for path in (home / "mlflow").iterdir()) == sorted(path.name for path in (learned_home / "mlflow").iterdir())


def test_without_mlflow_nothing_is_trained_and_no_table_written(
    mech_exo: Command, finished_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    home = tmp_path / "home"
    shutil.copytree(finished_home, home)
    monkeypatch.setenv("MECH_EXO_DB_URL", f"postgresql://me:hush@127.0.0.1:{free_port()}/research")
    said = mech_exo("learn", "--home", home)
    assert said.code == 2
    told = said.err.strip().splitlines()[-1]
    # Dagster's runs are in the same database, so that the command ends before its first stage.
    assert "the database cannot be used" in told
    assert "Connection refused" in told
    assert "hush" not in said.err
    assert not TRAINED & set(Lake(home / "lake").tables())


def test_where_only_mlflow_is_away_the_training_says_so_before_anything_is_trained(
    mech_exo: Command, finished_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    home = tmp_path / "home"
    shutil.copytree(finished_home, home)
    # A folder where MLflow's file should be; Dagster's are in the home.
    (tmp_path / "base.mlflow.db").mkdir()
    monkeypatch.setenv("MECH_EXO_DB_URL", f"sqlite:///{tmp_path}/base.db")
    said = mech_exo("learn", "--home", home)
    assert said.code == 2
    told = said.err.strip().splitlines()[-1]
    assert "learning/training" in told
    assert "the database cannot be used" in told
    assert not TRAINED & set(Lake(home / "lake").tables())


def test_before_a_run_and_before_a_training_it_says_what_to_do(mech_exo: Command, finished_home: Path, tmp_path: Path):
    said = mech_exo("learn", "--home", tmp_path / "empty")
    assert said.code == 1
    assert "Run `mech-exo run` first" in said.err
    said = mech_exo("learn", "--show", "--home", finished_home)
    assert said.code == 1
    assert "Run `mech-exo learn` first" in said.err


def test_a_home_without_models_has_every_table_and_says_why_they_are_empty(finished_home: Path):
    lake = Lake(finished_home / "lake")
    for key in ("learning/predictions", "learning/scores", "learning/comparison", "learning/blend"):
        assert lake.read(key).is_empty()
    with dg.DagsterInstance.from_config(str(finished_home / "dagster")) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["learning", "predictions"]))
    assert "mech-exo learn" in event.asset_materialization.metadata["why"].value


@pytest.mark.parametrize(
    ("learning", "told"),
    [
        ({"features": []}, "learning.features"),
        ({"features": ["market", "sector"]}, "nothing else tells the names of a session apart"),
        ({"features": ["score"]}, "learning.features"),
        ({"horizon": 7}, "none of the horizons"),
        ({"train_months": 1}, "learning.train_months"),
        ({"blend": {"step": 0.6}}, "learning.blend.step"),
        ({"blend": {"step": 0.4, "maximum": 0.3}}, "lower the step"),
        ({"tuning": {"trial": 3}}, "did you mean 'learning.tuning.trials'"),
        ({"sample": 0}, "learning.sample"),
    ],
)
def test_a_wrong_choice_is_told_in_one_line(mech_exo: Command, tmp_path: Path, learning: dict[str, object], told: str):
    choices = tmp_path / "mine.yaml"
    choices.write_text(yaml.safe_dump({"learning": learning}), encoding="utf-8")
    said = mech_exo("run", "--home", tmp_path / "home", "--config", choices)
    assert said.code == 2
    assert told in said.err
    assert len(said.err.strip().splitlines()) == 1


@pytest.mark.slow
def test_a_history_too_short_for_a_training_gives_no_model_and_says_so(mech_exo: Command, finished_home: Path, tmp_path: Path):
    home = tmp_path / "home"
    shutil.copytree(finished_home, home)
    other = tmp_path / "other.yaml"
    other.write_text(quick_with(train_months=60), encoding="utf-8")
    said = mech_exo("learn", "--home", home, "--config", other)
    assert said.code == 0, said.err
    assert "No model: the history is too short" in said.out
    assert Lake(home / "lake").read("learning/models").is_empty()
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["learning", "models"]))
    assert "learning.train_months" in event.asset_materialization.metadata["why"].value


def test_help_has_examples(mech_exo: Command):
    said = mech_exo("learn", "--help")
    assert said.code == 0
    assert "mech-exo learn --show --json" in said.out
