"""One name on one session: ranks, contributions, and the ensemble."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtri

from mech_exo_assets.quant.explain.session import explain_session, in_use, loaded
from mech_exo_tests.quant.explain.planted import DRIVERS, N_NAMES, dataset, learned, models_table, ridge

LIGHT, EXTREME, UNSEEN = learned()
DAY = UNSEEN["date"][0]
SESSION = UNSEEN.filter(pl.col("date") == DAY)
MODELS = {"lightgbm": LIGHT, "xgboost": EXTREME, "ridge": ridge()}
HALVES = {"lightgbm": 0.5, "xgboost": 0.5}


def test_ranks_count_from_the_highest_prediction():
    predicted = LIGHT.predict(LIGHT.features.matrix(SESSION))
    best = SESSION["symbol"][int(predicted.argmax())]
    worst = SESSION["symbol"][int(predicted.argmin())]
    first, last = (explain_session(SESSION, MODELS, name, weights=HALVES).of("lightgbm") for name in (best, worst))
    assert (first.rank, last.rank) == (1, N_NAMES)
    assert first.prediction == predicted.max()
    assert first.score == pytest.approx(ndtri((N_NAMES - 0.5) / N_NAMES))
    assert last.score == pytest.approx(-first.score)


@pytest.mark.parametrize("model", list(MODELS))
def test_contributions_lead_from_the_base_to_the_prediction_and_from_the_mean(model):
    found = explain_session(SESSION, MODELS, "S07", weights=HALVES).of(model)
    table = found.contributions
    assert found.base + table["contribution"].sum() == pytest.approx(found.prediction, abs=1e-6)
    assert found.mean + table["relative"].sum() == pytest.approx(found.prediction, abs=1e-6)
    assert table["share"].sum() == pytest.approx(1.0)
    assert table["contribution"].abs().is_sorted(descending=True)
    assert found.gap <= 1e-5


def test_values_are_those_of_the_name_and_the_sector_is_its_category():
    table = explain_session(SESSION, MODELS, "S03", weights=HALVES).of("xgboost").contributions
    row = SESSION.filter(symbol="S03").row(0, named=True)
    for feature, value, category in table.select("feature", "value", "category").iter_rows():
        if feature == "sector":
            assert (value, category) == (None, row["sector"])
        else:
            assert (value, category) == (row[feature], None)
    assert table["value"].null_count() == 1 + sum(row[name] is None for name in LIGHT.features.numeric)


def test_a_planted_driver_is_the_largest_contribution_of_most_names():
    largest = [
        explain_session(SESSION, {"lightgbm": LIGHT}, name, weights={}).models[0].contributions["feature"][0] for name in SESSION["symbol"]
    ]
    assert sum(name in DRIVERS for name in largest) > 0.8 * N_NAMES


def test_the_ensemble_ranks_the_weighted_normal_scores():
    weights = {"lightgbm": 0.7, "xgboost": 0.3, "ridge": 0.0}
    found = [explain_session(SESSION, MODELS, name, weights=weights) for name in SESSION["symbol"]]
    for each in found:
        assert each.score == pytest.approx(0.7 * each.of("lightgbm").score + 0.3 * each.of("xgboost").score)
        assert (each.date, each.n) == (DAY, N_NAMES)
        assert [part.weight for part in each.models] == [0.7, 0.3, 0.0]
    assert sorted(each.rank for each in found) == list(range(1, N_NAMES + 1))
    scores = np.array([each.score for each in sorted(found, key=lambda each: each.rank)])
    assert (np.diff(scores) <= 1e-12).all()


def test_equal_predictions_are_ranked_by_symbol():
    flat = SESSION.with_columns(f01=pl.lit(0.0, pl.Float32))
    found = [explain_session(flat, {"ridge": ridge()}, name, weights={"ridge": 1.0}) for name in flat["symbol"]]
    assert [each.of("ridge").rank for each in found] == list(range(1, N_NAMES + 1))
    assert [each.rank for each in found] == list(range(1, N_NAMES + 1))
    assert found[0].of("ridge").contributions["share"].null_count() == 12


def test_order_of_the_rows_does_not_matter():
    found, again = (explain_session(rows, MODELS, "S05", weights=HALVES) for rows in (SESSION, SESSION.reverse()))
    assert (found.rank, found.score) == (again.rank, again.score)
    assert found.of("lightgbm").contributions.equals(again.of("lightgbm").contributions)


def test_wrong_calls_are_refused():
    with pytest.raises(ValueError, match="S99 is not among the 30 names"):
        explain_session(SESSION, MODELS, "S99", weights=HALVES)
    with pytest.raises(ValueError, match="of 40 sessions"):
        explain_session(UNSEEN, MODELS, "S01", weights=HALVES)
    with pytest.raises(ValueError, match="a weight for xgboost"):
        explain_session(SESSION, {"lightgbm": LIGHT}, "S01", weights=HALVES)
    with pytest.raises(ValueError, match="catboost is not among the models; there are lightgbm, xgboost, ridge"):
        explain_session(SESSION, MODELS, "S01", weights=HALVES).of("catboost")


def test_the_models_of_a_session_are_those_whose_test_holds_it():
    table = models_table(dataset(40), folds=3)
    day = dt.timedelta(days=1)
    starts = table.filter(model="ridge").sort("fold")["test_from"].to_list()
    assert in_use(table, starts[0] - day).is_empty()
    assert set(in_use(table, starts[0])["fold"]) == {1}
    assert set(in_use(table, starts[1] - day)["fold"]) == {1}
    assert set(in_use(table, starts[1])["fold"]) == {2}
    assert set(in_use(table, starts[2] + 1000 * day)["fold"]) == {3}
    assert set(loaded(in_use(table, starts[1]))) == set(MODELS)
