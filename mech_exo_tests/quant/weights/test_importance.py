"""Which factors' weights made the difference."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.quant.weights.importance import FEWEST_TRIALS, importances
from mech_exo_assets.schemas import TRIAL_WEIGHTS


def tables(values: Any, *, count: int = 60, factors: int = 3, seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Trials of random weights, whose Sharpe ratios are a function of them."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(factors), count)
    trials = pl.DataFrame(
        {"trial": np.arange(count, dtype=np.int32), "state": "complete", "sharpe": values(weights), "calmar": weights[:, -1]},
    )
    rows = [(number, f"f{k:03}", float(each[k])) for number, each in enumerate(weights) for k in range(factors)]
    return trials, pl.DataFrame(rows, schema=TRIAL_WEIGHTS.dtypes(), orient="row")


def test_the_factor_that_makes_the_difference_comes_first_and_all_add_up_to_1():
    found = importances(*tables(lambda weights: 3 * weights[:, 1]), seed=0)
    assert next(iter(found)) == "f001"
    assert found["f001"] > 0.7
    assert sum(found.values()) == pytest.approx(1)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_another_objective_has_others():
    trials, weights = tables(lambda weights: 3 * weights[:, 1])
    assert next(iter(importances(trials, weights, seed=0, objective="calmar"))) == "f002"


def test_the_same_seed_gives_the_same_importances():
    given = tables(lambda weights: weights[:, 0] + weights[:, 1] ** 2)
    assert importances(*given, seed=1) == importances(*given, seed=1)


def test_failed_trials_and_the_order_of_rows_do_not_matter():
    trials, weights = tables(lambda weights: weights[:, 0])
    failed = pl.DataFrame({"trial": [99], "state": ["failed"], "sharpe": [None], "calmar": [None]}, schema=trials.schema)
    shuffled = weights.sample(fraction=1, shuffle=True, seed=3)
    plain = importances(trials, weights, seed=0)
    assert importances(pl.concat([failed, trials]), shuffled, seed=0) == pytest.approx(plain)


def test_fewer_trials_than_a_forest_needs_tell_nothing():
    assert importances(*tables(lambda weights: weights[:, 0], count=FEWEST_TRIALS - 1), seed=0) == {}
    assert set(importances(*tables(lambda weights: weights[:, 0], count=FEWEST_TRIALS), seed=0)) == {"f000", "f001", "f002"}


def test_an_objective_or_weights_that_do_not_vary_tell_nothing():
    assert importances(*tables(lambda weights: np.ones(len(weights))), seed=0) == {}
    trials, weights = tables(lambda weights: weights[:, 0])
    assert importances(trials, weights.with_columns(weight=pl.lit(1 / 3)), seed=0) == {}


def test_a_factor_of_a_fixed_weight_is_left_out():
    trials, weights = tables(lambda weights: weights[:, 0])
    fixed = weights.with_columns(weight=pl.when(pl.col("factor") == "f001").then(0.2).otherwise("weight"))
    assert set(importances(trials, fixed, seed=0)) == {"f000", "f002"}


def test_an_infinite_calmar_ratio_does_not_end_it():
    trials, weights = tables(lambda weights: weights[:, 0])
    lucky = trials.with_columns(calmar=pl.when(pl.col("trial") == 4).then(float("inf")).otherwise("calmar"))
    found = importances(lucky, weights, seed=0, objective="calmar")
    assert next(iter(found)) == "f002"
