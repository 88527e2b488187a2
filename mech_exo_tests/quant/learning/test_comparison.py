"""The table of comparison: every figure worked out again from the tables."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mech_exo_assets.quant.hac import mean_test
from mech_exo_assets.quant.learning import Judged, comparison_table, judge
from mech_exo_assets.quant.learning.inference import mean_intervals
from mech_exo_assets.schemas import LEARNED_SCORES, MODEL_COMPARISON
from mech_exo_tests.quant.learning.world import HORIZON, LAG, folds, nothing, strategy, world

CHOSEN = strategy()
FOUND = world(sessions=500, skill=0.15, missing=0.1)
FOLDS = folds(FOUND)
JUDGED = FOUND.judge(CHOSEN)
TABLE = comparison_table(JUDGED, FOLDS, CHOSEN)


def inside(fold: int, judged: Judged = JUDGED) -> np.ndarray:
    """Positions of the judged sessions of a fold, by its dates."""
    rows = np.flatnonzero(~np.isnan(judged.ic["composite"]))
    if fold == 0:
        return rows
    first, last = FOLDS.filter(pl.col("fold") == fold).select("test_from", "test_to").row(0)
    return rows[[first <= date <= (last or date) for date in judged.sessions[rows].astype(object)]]


def row(model: str, fold: int) -> dict:
    return TABLE.row(by_predicate=(pl.col("model") == model) & (pl.col("fold") == fold), named=True)


def test_the_table_is_in_its_schema_with_a_row_for_each_model_and_fold_in_order():
    assert TABLE.schema == MODEL_COMPARISON.empty().schema
    assert TABLE["fold"].unique(maintain_order=True).to_list() == [0, 1, 2, 3]
    for part in TABLE.partition_by("fold"):
        assert part["model"].to_list() == ["lightgbm", "xgboost", "ridge", "ensemble", "composite", "blended"]
    for column in MODEL_COMPARISON.columns:
        assert column.nullable or TABLE[column.name].null_count() == 0


@pytest.mark.parametrize("fold", [0, 1, 2, 3])
def test_coefficients_are_those_of_the_folds_sessions(fold):
    at = inside(fold)
    for model, ic in JUDGED.ic.items():
        values, found = ic[at], row(model, fold)
        assert (found["n_sessions"], found["n_rows"]) == (len(at), int((~np.isnan(JUDGED.labels[at])).sum()))
        assert (np.datetime64(found["first_date"]), np.datetime64(found["last_date"])) == (JUDGED.sessions[at[0]], JUDGED.sessions[at[-1]])
        assert found["ic"] == pytest.approx(values.mean(), rel=1e-12)
        assert found["icir"] == pytest.approx(values.mean() / values.std(ddof=1), rel=1e-12)
        assert found["t_hac"] == mean_test(values, horizon=HORIZON).t
        assert found["ic_low"] < found["ic"] < found["ic_high"]


def test_folds_share_out_the_total():
    total = TABLE.filter(fold=0).select("model", "n_sessions", "n_rows")
    parts = TABLE.filter(pl.col("fold") > 0).group_by("model", maintain_order=True).agg(pl.col("n_sessions", "n_rows").sum())
    assert_frame_equal(total, parts, check_dtypes=False)
    assert total["n_sessions"][0] == 500 - 60 - HORIZON - LAG


@pytest.mark.parametrize("fold", [0, 2])
def test_differences_and_diebold_mariano_are_against_the_composite_on_the_same_sessions(fold):
    at = inside(fold)
    for model in ("ridge", "blended"):
        gains = JUDGED.ic[model][at] - JUDGED.ic["composite"][at]
        test, found = mean_test(gains, horizon=HORIZON), row(model, fold)
        assert (found["ic_difference"], found["dm_t"]) == pytest.approx((test.mean, test.t), rel=1e-9)
        assert found["dm_p"] == pytest.approx(test.p_value, rel=1e-6)
        ((low, high),) = mean_intervals(gains[None], horizon=HORIZON, seed=CHOSEN.seed)
        assert (found["difference_low"], found["difference_high"]) == pytest.approx((low, high), rel=1e-9)
    nothing_to_compare = ("ic_difference", "difference_low", "difference_high", "dm_t", "dm_p")
    assert all(row("composite", fold)[name] is None for name in nothing_to_compare)


@pytest.mark.parametrize("fold", [0, 3])
def test_r2_is_against_zero_and_squared_errors_are_tested_against_ridge(fold):
    at = inside(fold)
    labels = JUDGED.labels[at]

    def errors(model: str) -> np.ndarray:
        return np.nanmean((labels - JUDGED.scores[model][at]) ** 2, axis=1)

    for model in ("lightgbm", "xgboost", "ridge"):
        predicted = JUDGED.scores[model][at]
        expected = 1 - np.nansum((labels - predicted) ** 2) / np.nansum(labels**2)
        assert row(model, fold)["r2"] == pytest.approx(expected, rel=1e-12)
    test = mean_test(errors("ridge") - errors("xgboost"), horizon=HORIZON)
    found = row("xgboost", fold)
    assert (found["squared_error_t"], found["squared_error_p"]) == pytest.approx((test.t, test.p_value), rel=1e-6)
    assert row("ridge", fold)["squared_error_t"] is None
    for model in ("ensemble", "composite", "blended"):
        assert all(row(model, fold)[name] is None for name in ("r2", "squared_error_t", "squared_error_p"))


def quintiles(model: str) -> tuple[np.ndarray, np.ndarray]:
    """Spread of the plain returns and turnover over the horizon, session by session, by sets of names."""
    scores, returns = JUDGED.scores[model], JUDGED.returns
    spread, turnover = np.full(len(scores), np.nan), np.full(len(scores), np.nan)
    members: list[tuple[set[int], set[int]]] = []
    for t, values in enumerate(scores):
        known = np.flatnonzero(~np.isnan(values))
        if not len(known):
            members.append((set(), set()))
            continue
        share = values[known].argsort().argsort() / (len(known) - 1)
        worst, best = set(known[share <= 0.2].tolist()), set(known[share > 0.8].tolist())
        members.append((worst, best))
        spread[t] = returns[t, sorted(best)].mean() - returns[t, sorted(worst)].mean()
        if t >= HORIZON and members[t - HORIZON][0]:
            turnover[t] = np.mean([len(now - before) / len(now) for now, before in zip(members[t], members[t - HORIZON], strict=True)])
    return spread, turnover


@pytest.mark.parametrize("model", ["lightgbm", "blended"])
def test_spreads_are_of_plain_returns_a_year_and_net_of_the_costs_of_their_turnover(model):
    spread, turnover = quintiles(model)
    for fold in (0, 2):
        at, found = inside(fold), row(model, fold)
        cost = (CHOSEN.costs.commission_bps + CHOSEN.costs.half_spread_bps) / 1e4
        mean, exchanged = np.nanmean(spread[at]), np.nanmean(turnover[at])
        assert found["spread"] == pytest.approx(252 / HORIZON * mean, rel=1e-9)
        assert found["turnover"] == pytest.approx(exchanged, rel=1e-9)
        assert found["net_spread"] == pytest.approx(252 / HORIZON * (mean - 4 * exchanged * cost), rel=1e-9)


def test_costs_only_take_away():
    dear = comparison_table(JUDGED, FOLDS, strategy(costs=CHOSEN.costs.model_dump() | {"half_spread_bps": 100.0}))
    assert (dear["net_spread"] < TABLE["net_spread"]).all()
    assert_frame_equal(dear.drop("net_spread"), TABLE.drop("net_spread"), check_exact=True)


def test_a_ranking_forecasts_no_size():
    ranking = comparison_table(JUDGED, FOLDS, strategy(learning={"objective": "ranking"}))
    assert ranking["r2"].null_count() == ranking["squared_error_t"].null_count() == ranking.height
    assert_frame_equal(ranking.drop("r2", "squared_error_t", "squared_error_p"), TABLE.drop("r2", "squared_error_t", "squared_error_p"))


def test_neither_the_order_of_rows_nor_that_of_symbols_matters():
    names = FOUND.universe["symbol"].to_list()
    renamed = FOUND.renamed(dict(zip(names, names[::-1], strict=True))).shuffled(2)
    found = comparison_table(renamed.judge(CHOSEN), FOLDS.sample(fraction=1, shuffle=True, seed=1), CHOSEN)
    assert_frame_equal(found, TABLE, rel_tol=1e-8, abs_tol=1e-11)


def test_without_predictions_or_known_labels_the_table_is_empty():
    unknown = replace(FOUND, labels=FOUND.labels.with_columns(pl.lit(None, pl.Float32).alias("label")))
    for found in (nothing(FOUND), unknown):
        table = comparison_table(found.judge(CHOSEN), FOLDS, CHOSEN)
        assert table.is_empty()
        assert table.schema == MODEL_COMPARISON.empty().schema


def test_a_fold_whose_labels_are_not_known_has_no_row_and_a_short_one_no_t():
    late = FOLDS.with_columns(pl.lit(None, pl.Date).alias("test_to")).filter(fold=3)
    dates = JUDGED.sessions.astype(object)
    ends = pl.DataFrame(
        {"fold": [1, 2, 3], "test_from": [dates[0], dates[15], dates[-6]], "test_to": [dates[14], dates[-7], None]},
        schema={name: late.schema[name] for name in ("fold", "test_from", "test_to")},
    )
    table = comparison_table(JUDGED, ends, CHOSEN)
    assert table["fold"].unique(maintain_order=True).to_list() == [0, 1, 2]
    short = table.filter(fold=1, model="blended").row(0, named=True)
    assert short["n_sessions"] == 15
    assert short["ic"] is not None
    assert all(short[name] is None for name in ("t_hac", "ic_low", "difference_low", "dm_t", "dm_p"))


def test_without_learned_scores_the_blend_is_the_composite():
    found = judge(FOUND.predictions, LEARNED_SCORES.empty(), FOUND.labels, FOUND.forward_returns.lazy(), FOUND.scores.lazy(), CHOSEN)
    table = comparison_table(found, FOLDS, CHOSEN).filter(fold=0)
    composite, blended = (table.filter(model=model).row(0, named=True) for model in ("composite", "blended"))
    assert all(blended[name] == composite[name] for name in ("ic", "icir", "t_hac", "spread", "turnover"))
    assert blended["ic_difference"] == 0.0
    assert blended["dm_t"] is None


def test_the_better_forecast_is_found():
    """Ridge sees the label, and the others see noise: t of their squared errors is below −10, and the composite is beaten."""
    value = pl.when(pl.col("model") == "ridge").then(0.1 * pl.col("label").cast(pl.Float64) + 0.01 * pl.col("value")).otherwise("value")
    seen = FOUND.predictions.join(FOUND.labels, on=["date", "symbol"]).with_columns(value.alias("value")).drop("label").drop_nulls()
    table = comparison_table(replace(FOUND, predictions=seen).judge(CHOSEN), FOLDS, CHOSEN).filter(fold=0)
    ridge, trees = (table.filter(model=model).row(0, named=True) for model in ("ridge", "lightgbm"))
    assert ridge["r2"] > 0 > trees["r2"]
    assert trees["squared_error_t"] < -10
    assert ridge["dm_t"] > 10
    assert ridge["difference_low"] > 0
    assert math.isclose(ridge["ic"], 0.99, abs_tol=0.02)
