"""What is stamped t knows nothing of what came later, and a year alone is the year in the whole history, to the last bit."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mech_exo_assets.quant.features import PRICE_YEARS_AFTER, PRICE_YEARS_BEFORE, SCORE_YEARS_BEFORE, kinds
from mech_exo_tests.quant.features.worlds import FACTORS, World, dataset, within, world

LONGEST = {"change_sessions": 120, "beta_window": 500, "horizons": (239,), "execution_lag": 1}
"""The furthest back and ahead that the settings accept."""
EXACT = {"rel_tol": 0.0, "abs_tol": 0.0, "check_exact": True}


def features_of(table: pl.DataFrame) -> pl.DataFrame:
    return table.drop("label")


def changed_after(tables: World, day: object) -> World:
    """Every price, volume and score after a session is another; some rows are gone, and so is a session."""
    scores, prices, universe = tables
    rng = np.random.default_rng(7)

    def changed(table: pl.DataFrame, columns: tuple[str, ...]) -> pl.DataFrame:
        later = pl.col("date") > day
        factors = {name: pl.Series(rng.uniform(0.3, 3.0, table.height)) for name in columns}
        moved = table.with_columns(pl.when(later).then(pl.col(name) * factor).otherwise(pl.col(name)) for name, factor in factors.items())
        gone = pl.Series(rng.random(table.height) < 0.1)
        return moved.filter(~(later & gone))

    return changed(scores, FACTORS), changed(prices, ("total_return_index", "close", "volume")), universe


@pytest.mark.parametrize("position", [300, 700, 734, 735, 900])
@pytest.mark.parametrize("label", ["rank", "standardised"])
def test_changing_all_that_comes_after_a_session_moves_no_feature_of_it_or_before(position, label):
    tables = world()
    days = tables[1]["date"].unique().sort()
    day, lag, horizon = days[position], 2, 5
    choices = {"execution_lag": lag, "horizons": (horizon,), "label": label}
    before, after = (dataset(each, **choices).table for each in (tables, changed_after(tables, day)))
    known = pl.col("date") <= day
    assert_frame_equal(features_of(before.filter(known)), features_of(after.filter(known)), **EXACT)
    assert not features_of(before).equals(features_of(after))
    over = pl.col("date") <= days[position - lag - horizon]
    assert_frame_equal(before.filter(over).select("label"), after.filter(over).select("label"), **EXACT)
    first_open = pl.col("date") == days[position - lag - horizon + 1]
    assert not before.filter(first_open)["label"].equals(after.filter(first_open)["label"]), "its return ends after the change"


@pytest.fixture(scope="module")
def whole() -> tuple[World, pl.DataFrame]:
    tables = world(2010, 2016)
    return tables, dataset(tables, years=(2010, 2016), **LONGEST).table


def alone(tables: World, year: int, *, scores: int, before: int, after: int) -> pl.DataFrame:
    given = within(tables[0], year - scores, year), within(tables[1], year - before, year + after), tables[2]
    return dataset(given, years=(year, year), **LONGEST).table


@pytest.mark.parametrize("year", [2010, 2013, 2014, 2016])
def test_a_year_alone_is_the_year_of_the_whole_history_to_the_last_bit(whole, year):
    tables, together = whole
    one = alone(tables, year, scores=SCORE_YEARS_BEFORE, before=PRICE_YEARS_BEFORE, after=PRICE_YEARS_AFTER)
    assert one.height > 2000
    assert_frame_equal(one, within(together, year, year), **EXACT)


@pytest.mark.parametrize(
    ("less", "column"),
    [({"scores": 0}, "change_sentiment"), ({"before": 2}, "interaction_momentum_trend"), ({"after": 0}, "label")],
    ids=str,
)
def test_with_a_year_less_it_would_not_be(whole, less, column):
    tables, together = whole
    given = {"scores": SCORE_YEARS_BEFORE, "before": PRICE_YEARS_BEFORE, "after": PRICE_YEARS_AFTER}
    one = alone(tables, 2014, **{**given, **less})
    assert not one[column].equals(within(together, 2014, 2014)[column])


def test_years_in_several_pieces_are_the_years_in_one(whole):
    tables, together = whole
    pieces = [dataset(tables, years=years, **LONGEST).table for years in ((2010, 2012), (2013, 2013), (2014, 2016))]
    assert_frame_equal(pl.concat(pieces), together, **EXACT)


@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind != "sector"])  # which has no figures
def test_no_kind_looks_back_further_than_it_declares(kind):
    """Everything before t - lookback is changed: the features of t stay, or move in the last bit only, where blocks begin elsewhere."""
    scores, prices, universe = world(2013, 2016)
    days = prices["date"].unique().sort()
    declared = kinds()[kind]
    last = days[-1]
    first = days[len(days) - 1 - declared.lookback]
    recent = scores.filter(pl.col("date") >= first), prices.filter(pl.col("date") >= first), universe
    choices = {"features": (kind,), "change_sessions": 120}
    long, short = (
        features_of(dataset(tables, **choices).table.filter(pl.col("date") == last)) for tables in ((scores, prices, universe), recent)
    )
    assert long.width > 3
    assert_frame_equal(long, short, rel_tol=1e-6, abs_tol=1e-6)
