"""What is compared stands on the same sessions and names, and its information coefficients are those of SciPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from mech_exo_assets.quant.composite import blended_score, composite_score
from mech_exo_assets.quant.learning import ML_ALPHA, with_learned
from mech_exo_assets.quant.panel import Panel
from mech_exo_tests.quant.learning.world import MODELS, nothing, strategy, world

CHOSEN = strategy()
FOUND = world(sessions=120, missing=0.15)
JUDGED = FOUND.judge(CHOSEN)


def wide(frame: pl.DataFrame, column: str) -> dict:
    return {(date, symbol): value for date, symbol, value in frame.select("date", "symbol", column).iter_rows() if value is not None}


def by_hand() -> dict[str, dict]:
    """Scores of all that is compared, by date and symbol: the composite as the asset has it, over all names of its session."""
    joined = with_learned(FOUND.scores, FOUND.learned(CHOSEN))
    panel = Panel.from_frame(joined, ["a", "b", ML_ALPHA])
    composite = composite_score(panel, {"a": 0.5, "b": 0.5}, min_coverage=CHOSEN.composite.min_coverage)
    blended = blended_score(composite, panel[ML_ALPHA], np.full(len(composite), CHOSEN.learning.gate.weight))
    own = panel.to_frame({"composite": composite, "blended": blended})
    models = {model: wide(FOUND.predictions.filter(model=model), "value") for model in MODELS}
    return models | {name: wide(own, name) for name in ("composite", "blended")}


def test_the_common_rows_are_those_that_all_have_and_the_coefficients_are_scipys():
    scores, labels = by_hand(), wide(FOUND.labels, "label")
    common = set(labels).intersection(*map(set, scores.values()))
    assert int(JUDGED.names.sum()) == len(common)
    judged = 0
    for t, session in enumerate(JUDGED.sessions):
        keys = sorted(key for key in common if key[0] == session.astype(object))
        if len(keys) < CHOSEN.ic.min_names:
            assert all(np.isnan(ic[t]) for ic in JUDGED.ic.values())
            continue
        judged += 1
        for model, ic in JUDGED.ic.items():
            expected = spearmanr([scores[model][key] for key in keys], [labels[key] for key in keys]).statistic
            assert ic[t] == pytest.approx(expected, abs=1e-12)
    assert judged == np.count_nonzero(~np.isnan(JUDGED.ic["ensemble"])) == 120 - 60 - 6


def test_nothing_but_common_rows_is_left_in_any_matrix():
    known = ~np.isnan(JUDGED.labels)
    assert list(JUDGED.scores) == [*MODELS, "composite", "blended"]
    for matrix in JUDGED.scores.values():
        np.testing.assert_array_equal(~np.isnan(matrix), known)
    np.testing.assert_array_equal(~np.isnan(JUDGED.returns), known)


def test_the_axis_begins_with_the_first_prediction_and_reaches_beyond_the_known_labels():
    dates = FOUND.predictions["date"].unique().sort()
    assert (JUDGED.sessions[0], JUDGED.sessions[-1]) == (np.datetime64(dates[0]), np.datetime64(dates[-1]))
    assert len(JUDGED.sessions) == 60


def test_neither_the_order_of_rows_nor_that_of_symbols_matters():
    shuffled = FOUND.shuffled(5).judge(CHOSEN)
    names = FOUND.universe["symbol"].to_list()
    renamed = FOUND.renamed(dict(zip(names, names[::-1], strict=True))).judge(CHOSEN)
    for model, ic in JUDGED.ic.items():
        np.testing.assert_array_equal(shuffled.ic[model], ic)
        np.testing.assert_allclose(renamed.ic[model], ic, rtol=0, atol=1e-12)


def test_ml_alpha_among_the_scores_is_not_in_the_composite():
    beside = replace(FOUND, scores=with_learned(FOUND.scores, FOUND.learned(CHOSEN))).judge(CHOSEN)
    np.testing.assert_array_equal(beside.ic["composite"], JUDGED.ic["composite"])


def test_a_model_that_says_the_same_of_all_names_has_a_coefficient_of_zero_and_is_judged():
    value = pl.when(pl.col("model") == "lightgbm").then(0.25).otherwise("value").alias("value")
    constant = replace(FOUND, predictions=FOUND.predictions.with_columns(value)).judge(CHOSEN)
    known = ~np.isnan(JUDGED.ic["ridge"])
    np.testing.assert_array_equal(constant.ic["ridge"], JUDGED.ic["ridge"])
    np.testing.assert_array_equal(constant.ic["lightgbm"][known], 0.0)


def test_a_session_whose_labels_are_all_the_same_is_not_judged():
    day = JUDGED.sessions[10].astype(object)
    label = pl.when((pl.col("date") == day) & pl.col("label").is_not_null()).then(pl.lit(0.0, pl.Float32)).otherwise("label").alias("label")
    same = replace(FOUND, labels=FOUND.labels.with_columns(label)).judge(CHOSEN)
    assert all(np.isnan(ic[10]) for ic in same.ic.values())
    np.testing.assert_array_equal(np.delete(same.ic["ridge"], 10), np.delete(JUDGED.ic["ridge"], 10))


def test_without_predictions_there_are_no_sessions():
    found = nothing(FOUND).judge(CHOSEN)
    assert len(found.sessions) == 0
    assert found.ic_table().is_empty()


def test_predictions_without_the_ensemble_are_a_mistake():
    with pytest.raises(ValueError, match="none of the ensemble"):
        replace(FOUND, predictions=FOUND.predictions.filter(pl.col("model") != "ensemble")).judge(CHOSEN)


def test_the_long_table_has_each_models_coefficients_in_order():
    table = JUDGED.ic_table()
    assert table["model"].unique(maintain_order=True).to_list() == list(JUDGED.ic)
    rows = table.filter(model="blended")
    np.testing.assert_array_equal(rows["ic"], JUDGED.ic["blended"][~np.isnan(JUDGED.ic["blended"])])
    assert rows["date"].is_sorted()
