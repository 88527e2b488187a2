"""The two ways in which the machine-learned factor enters the composite."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.composite import blended_score, composite_score, composite_weights
from mech_exo_assets.quant.learning.composite import composite_with_learned
from mech_exo_assets.schemas import BLEND, LEARNED_SCORES
from mech_exo_assets.settings.research import Composite

DAYS = [dt.date(2020, 1, 2) + dt.timedelta(days=number) for number in range(4)]
NAMES = [f"S{number}" for number in range(6)]


def tables():
    chance = np.random.default_rng(1)
    axes = {"date": [day for day in DAYS for _ in NAMES], "symbol": NAMES * len(DAYS)}
    scores = pl.DataFrame({**axes, "one": chance.normal(size=24), "two": chance.normal(size=24)})
    learned = pl.DataFrame({**axes, "ml_alpha": chance.normal(size=24)}).filter(pl.col("date") > DAYS[0])
    blend = pl.DataFrame(
        [{**dict.fromkeys(BLEND.names), "date": day, "weight": weight} for day, weight in ((DAYS[1], 0.0), (DAYS[2], 0.3))],
        schema=BLEND.dtypes(),
    )
    return scores, learned, blend


def choices(weights):
    return Composite(weights=weights, min_coverage=0.5)


def test_the_blend_gives_each_session_the_weight_of_its_last_decision():
    found = composite_with_learned(*tables(), choices("equal"))
    assert found.blend.tolist() == [0.0, 0.0, 0.3, 0.3]
    alone = composite_score(found.panel, {"one": 0.5, "two": 0.5}, min_coverage=0.5)
    np.testing.assert_array_equal(found.score[:2], alone[:2])
    np.testing.assert_array_equal(found.score, blended_score(alone, found.ml_alpha, found.blend))
    assert found.used == ["one", "two", "ml_alpha"]


def test_where_the_strategy_names_it_it_is_a_factor_and_there_is_no_blend():
    found = composite_with_learned(*tables(), choices({"one": 1.0, "ml_alpha": 2.0}))
    assert not found.blend.any()
    assert found.weights == {"one": 1.0, "ml_alpha": 2.0}
    # Before its first prediction it is unknown, and its share of the weight is too large for a composite without it.
    assert np.isnan(found.score[0]).all()
    np.testing.assert_array_equal(found.score, composite_score(found.panel, found.weights, min_coverage=0.5))


def test_before_anything_was_predicted_a_named_weight_waits():
    scores, _, _ = tables()
    found = composite_with_learned(scores, LEARNED_SCORES.empty(), BLEND.empty(), choices({"one": 1.0, "ml_alpha": 2.0}))
    assert found.weights == {"one": 1.0}
    assert not np.isnan(found.score).any()


def test_a_weight_for_a_factor_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="no factor 'three'"):
        composite_with_learned(*tables(), choices({"three": 1.0}))
    assert composite_weights("equal", ["one", "two"], learned=True) == {"one": 0.5, "two": 0.5}
