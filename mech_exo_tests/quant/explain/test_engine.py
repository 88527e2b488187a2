"""All explanations of a walk-forward: what is read, what comes out, and that it comes out the same again."""

from __future__ import annotations

import datetime as dt
from functools import cache

import polars as pl
import pytest

from mech_exo_assets.quant.explain import engine as module
from mech_exo_assets.quant.explain import explain
from mech_exo_assets.schemas import DEPENDENCE, EXPLANATIONS, INTERACTIONS
from mech_exo_tests.quant.explain.planted import DRIVERS, FEATURES, SECTORS, dataset, models_table

DATA = dataset(80, seed=1)


@cache
def models() -> pl.DataFrame:
    return models_table(DATA)


def read(first: dt.date, last: dt.date | None) -> pl.LazyFrame:
    return DATA.lazy().filter(pl.col("date") >= first, pl.lit(True) if last is None else pl.col("date") <= last)


@cache
def explained():
    return explain(models(), read, rows=200, top=3, interaction_rows=150)


def test_each_model_and_training_has_an_importance_for_each_of_its_features():
    found = explained().importances
    assert found.schema == pl.Schema(EXPLANATIONS.dtypes())
    counts = found.group_by("model", "fold").agg(pl.len()).sort("model", "fold")
    assert counts.rows() == [
        (name, fold, n)
        for name, n in (("lightgbm", len(FEATURES.names)), ("ridge", len(FEATURES.numeric)), ("xgboost", len(FEATURES.names)))
        for fold in (1, 2, 3)
    ]
    assert set(found["rows"]) == {200}
    assert explained().rows == 600
    assert not found.select(EXPLANATIONS.unique).is_duplicated().any()


@pytest.mark.parametrize("model", ["lightgbm", "xgboost"])
def test_planted_drivers_and_their_interaction_come_first_in_the_walk_forward(model):
    found = explained()
    assert set(found.dependence.filter(model=model)["feature"]) == set(DRIVERS)
    assert found.interactions.filter(model=model).select("first", "second").row(0) == ("f04", "f07")
    assert found.stability[model].trainings == 3
    assert found.stability[model].top_overlap >= 0.3  # the drivers are in every training


def test_a_ridge_has_importances_and_no_interactions():
    found = explained()
    assert found.importances.filter(model="ridge", rank=1)["feature"].unique().to_list() == ["f01"]
    assert set(found.interactions["model"]) == {"lightgbm", "xgboost"}
    assert found.stability["ridge"].rank_correlation == pytest.approx(1.0)


def test_dependence_is_over_the_rows_of_all_trainings():
    found = explained().dependence
    assert found.schema == pl.Schema(DEPENDENCE.dtypes())
    assert set(found.group_by("model", "feature").agg(pl.col("rows").sum())["rows"]) == {600}
    rising = found.filter(pl.col("bin") > 0, model="ridge", feature="f01")["contribution"]
    assert rising.is_sorted()


def test_the_sector_has_its_categories_in_dependence():
    found = explain(models(), read, rows=100, top=len(FEATURES.names)).dependence.filter(feature="sector")
    assert set(found["category"].drop_nulls()) <= set(SECTORS)
    assert found.filter(pl.col("bin") > 0)["category"].null_count() == 0
    assert set(found["model"]) == {"lightgbm", "xgboost"}


def test_interactions_are_of_the_models_in_use_on_the_last_rows():
    found = explained().interactions
    assert found.schema == pl.Schema(INTERACTIONS.dtypes())
    assert set(found["rows"]) == {150}


def test_gaps_are_reported_by_model_and_within_the_tolerance():
    gaps = explained().largest_gap
    assert set(gaps) == {"lightgbm", "xgboost", "ridge"}
    assert all(0.0 <= gap <= 1e-5 for gap in gaps.values())
    assert gaps["xgboost"] > 0.0  # single precision


def test_two_runs_give_the_same_tables():
    again = explain(models(), read, rows=200, top=3, interaction_rows=150)
    for name in ("importances", "dependence", "interactions"):
        assert getattr(again, name).equals(getattr(explained(), name))


def test_tests_are_asked_for_one_at_a_time_and_once():
    asked = []

    def noted(first, last):
        asked.append((first, last))
        return read(first, last)

    explain(models(), noted, rows=50)
    tests = models().filter(model="ridge").sort("fold").select("test_from", "test_to").rows()
    assert asked == tests
    assert asked[-1][1] is None


def test_a_training_whose_test_has_no_rows_yet_is_left_out():
    def early(first, last):
        return read(first, last).filter(pl.lit(last is not None))

    found = explain(models(), early, rows=100)
    assert set(found.importances["fold"]) == {1, 2}
    assert set(found.interactions["model"]) == {"lightgbm", "xgboost"}


def test_no_models_and_no_rows_make_empty_tables():
    nothing = explain(models().head(0), read)
    assert (nothing.importances.height, nothing.dependence.height, nothing.interactions.height, nothing.rows) == (0, 0, 0, 0)
    unread = explain(models(), lambda first, last: read(first, last).head(0))
    assert (unread.importances.height, unread.dependence.height, unread.interactions.height) == (0, 0, 0)
    assert unread.stability["lightgbm"].trainings == 0


def test_a_model_whose_contributions_do_not_add_up_stops_it(monkeypatch):
    real = module.load

    def broken(*arguments, **options):
        model = real(*arguments, **options)
        return type(
            "Broken",
            (),
            {"features": model.features, "contributions": model.contributions, "predict": lambda _, rows: model.predict(rows) + 1},
        )()

    monkeypatch.setattr(module, "load", broken)
    with pytest.raises(ValueError, match="lightgbm, training 1, row 0"):
        explain(models(), read, rows=50)
    # The real gap is 1; predictions of up to 3 have it in proportion.
    assert 0.3 < explain(models(), read, rows=50, tolerance=float("inf")).largest_gap["ridge"] <= 1.0
