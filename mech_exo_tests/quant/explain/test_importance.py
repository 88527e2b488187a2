"""Importances: by hand, planted drivers first, and how stable they are."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from mech_exo_assets.quant.explain.importance import importance_table, overall, stability
from mech_exo_assets.quant.models.fitted import Features
from mech_exo_assets.schemas import EXPLANATIONS
from mech_exo_tests.quant.explain.planted import DRIVERS, FEATURES, learned, unseen_rows

TWO = Features(("a", "b"))


def table(importances: dict[str, float], *, fold: int) -> pl.DataFrame:
    rows = sorted(importances.items(), key=lambda item: -item[1])
    total = sum(importances.values())
    return pl.DataFrame(
        [("m", fold, name, value, value / total, rank, None, 5) for rank, (name, value) in enumerate(rows, start=1)],
        schema=EXPLANATIONS.dtypes(),
        orient="row",
    )


def test_importance_is_the_mean_absolute_contribution():
    rows = np.arange(24, dtype=np.float32).reshape(12, 2)
    contributions = np.column_stack([np.r_[-1.0, np.ones(11)], -0.5 * np.arange(12), np.full(12, 9.0)])
    found = importance_table("m", 2, TWO, rows, contributions)
    assert found.select("model", "fold", "feature", "rank", "rows").rows() == [("m", 2, "b", 1, 12), ("m", 2, "a", 2, 12)]
    assert found["importance"].to_list() == pytest.approx([2.75, 1.0])
    assert found["share"].to_list() == pytest.approx([2.75 / 3.75, 1.0 / 3.75])
    assert found["direction"][0] == pytest.approx(-1.0)
    assert found.schema == pl.Schema(EXPLANATIONS.dtypes())


@pytest.mark.parametrize("which", [0, 1])
def test_planted_drivers_are_the_most_important_and_the_linear_one_has_its_direction(which):
    model, rows = learned()[which], unseen_rows()
    contributions = model.contributions(rows)
    found = importance_table(model.kind, 1, FEATURES, rows, contributions)
    assert set(found["feature"].head(4)) == {*DRIVERS, "sector"}
    assert found["share"].sum() == pytest.approx(1.0)
    directions = dict(found.select("feature", "direction").iter_rows())
    assert directions["f01"] > 0.9
    # What acts only together with another one goes neither up nor down with its own value.
    assert abs(directions["f04"]) < 0.5
    assert directions["sector"] is None
    known = ~np.isnan(rows[:, 1])
    assert directions["f01"] == pytest.approx(spearmanr(rows[known, 1], contributions[known, 1]).statistic)


def test_constants_few_values_and_no_rows_have_no_direction():
    rows = np.full((20, 2), np.nan, np.float32)
    rows[:, 0] = 3.0
    rows[:9, 1] = np.arange(9)
    contributions = np.column_stack([np.arange(20.0), np.arange(20.0), np.zeros(20)])
    assert importance_table("m", 1, TWO, rows, contributions)["direction"].to_list() == [None, None]
    assert importance_table("m", 1, TWO, rows[:0], contributions[:0]).is_empty()
    assert importance_table("m", 1, TWO, rows, np.zeros((20, 3)))["share"].to_list() == [0.0, 0.0]


def test_equal_importances_are_perfectly_stable():
    same = {f"f{number}": float(number + 1) for number in range(15)}
    found = stability(pl.concat([table(same, fold=fold) for fold in (1, 2, 3)]))
    assert (found.rank_correlation, found.top_overlap, found.trainings) == (pytest.approx(1.0), 1.0, 3)


def test_stability_is_the_mean_over_neighbouring_trainings():
    up = {f"f{number:02d}": number + 1.0 for number in range(20)}
    down = {name: 21.0 - value for name, value in up.items()}
    found = stability(pl.concat([table(up, fold=3), table(up, fold=1), table(down, fold=7)]))
    assert found.rank_correlation == pytest.approx(0.0)
    assert found.top_overlap == pytest.approx(0.5)


def test_one_training_and_constant_importances_have_no_stability():
    one = stability(table({"a": 1.0, "b": 2.0}, fold=1))
    assert (one.rank_correlation, one.top_overlap, one.trainings) == (None, None, 1)
    flat = stability(pl.concat([table({"a": 1.0, "b": 1.0}, fold=fold) for fold in (1, 2)]))
    assert (flat.rank_correlation, flat.top_overlap) == (None, 1.0)


def test_overall_share_is_the_mean_over_trainings_with_0_where_the_feature_was_not_there():
    found = overall(pl.concat([table({"a": 1.0, "b": 3.0}, fold=1), table({"b": 1.0}, fold=2)]))
    assert found.rows() == [("m", "b", 0.875), ("m", "a", 0.125)]
