"""`ml_alpha` is a factor like the others: scored as they are, and beside them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.composite import weights_without_learned
from mech_exo_assets.quant.factors.tables import largest_deviation, score_table
from mech_exo_assets.quant.learning import ML_ALPHA, learned_score_table, with_learned
from mech_exo_assets.schemas import LEARNED_SCORES
from mech_exo_tests.quant.learning.world import strategy, world

CHOSEN = strategy()
FOUND = world(sessions=90, missing=0.1)


def test_the_score_is_that_of_a_factor_whose_exposure_is_the_ensemble():
    exposures = FOUND.predictions.filter(model="ensemble").select("date", "symbol", pl.col("value").alias("own_idea"))
    choices = CHOSEN.scores
    expected = score_table(
        exposures,
        FOUND.universe,
        winsorise=choices.winsorise,
        min_sector_names=choices.min_sector_names,
        min_names=choices.min_names,
    )
    found = learned_score_table(FOUND.predictions, FOUND.universe, CHOSEN)
    assert_frame_equal(found, expected.rename({"own_idea": ML_ALPHA}), check_exact=True)
    assert largest_deviation(found) < 1e-9


def test_other_models_and_the_order_of_rows_do_not_matter():
    shuffled = FOUND.shuffled(3)
    alone = FOUND.predictions.filter(model="ensemble")
    expected = learned_score_table(FOUND.predictions, FOUND.universe, CHOSEN)
    assert_frame_equal(learned_score_table(alone, FOUND.universe, CHOSEN), expected, check_exact=True)
    assert_frame_equal(learned_score_table(shuffled.predictions, shuffled.universe, CHOSEN), expected, check_exact=True)


def test_without_predictions_there_is_an_empty_table_without_the_column():
    for none in (FOUND.predictions.clear(), FOUND.predictions.filter(model="ridge")):
        found = learned_score_table(none, FOUND.universe, CHOSEN)
        assert found.columns == list(LEARNED_SCORES.names)
        assert found.is_empty()


def test_the_column_is_put_beside_the_rows_of_the_scores_and_null_elsewhere():
    learned = learned_score_table(FOUND.predictions, FOUND.universe, CHOSEN)
    scores = FOUND.scores.sample(fraction=1, shuffle=True, seed=1)
    joined = with_learned(scores, learned)
    assert_frame_equal(joined.drop(ML_ALPHA), scores)
    by_key = {(date, symbol): value for date, symbol, value in learned.iter_rows()}
    expected = [by_key.get(key) for key in scores.select("date", "symbol").iter_rows()]
    assert joined[ML_ALPHA].to_list() == expected
    assert 0 < joined[ML_ALPHA].null_count() < len(expected)


def test_nothing_is_added_where_nothing_was_learned():
    assert with_learned(FOUND.scores, LEARNED_SCORES.empty()) is FOUND.scores


def test_the_existing_composite_has_no_ml_alpha_in_it_however_it_is_weighted():
    factors = ["a", "b", ML_ALPHA]
    assert weights_without_learned("equal", factors) == {"a": 0.5, "b": 0.5}
    assert weights_without_learned({"a": 3.0, ML_ALPHA: 1.0}, factors) == {"a": 3.0}
    assert weights_without_learned({ML_ALPHA: 1.0}, ["a"]) == {}
    with pytest.raises(InputError, match="no factor 'c'"):
        weights_without_learned({"c": 1.0}, factors)


def test_a_session_with_too_few_predictions_has_no_score():
    ensemble = FOUND.predictions.filter(model="ensemble")
    day = ensemble["date"].min()
    few = pl.concat([ensemble.filter(pl.col("date") == day).head(CHOSEN.scores.min_names - 1), ensemble.filter(pl.col("date") > day)])
    assert day not in learned_score_table(few, FOUND.universe, CHOSEN)["date"]
    assert np.isfinite(learned_score_table(few, FOUND.universe, CHOSEN)[ML_ALPHA].to_numpy()).all()
