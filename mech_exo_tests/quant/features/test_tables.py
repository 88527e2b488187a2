"""The dataset as a table: its rows, its columns, what is absent and why, and what changes nothing."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mech_exo_assets.quant.features.states import STATES
from mech_exo_assets.quant.features.tables import largest_label_mean
from mech_exo_assets.schemas import DATASET
from mech_exo_assets.settings.learning import KINDS
from mech_exo_tests.quant.features.worlds import FACTORS, SHORTEST_YEAR, UNKNOWN, World, dataset, within, world

EXACT = {"rel_tol": 0.0, "abs_tol": 0.0, "check_exact": True}
YEARS = (2013, 2016)


def features(table: pl.DataFrame) -> list[str]:
    return [name for name in table.columns if name not in DATASET.names]


def test_the_table_keeps_its_contract():
    table = dataset().table
    assert list(DATASET.names) == table.columns[: len(DATASET.names)]
    assert dict(list(table.schema.items())[: len(DATASET.names)]) == DATASET.dtypes()
    assert {table.schema[name] for name in features(table)} == {DATASET.factor_dtype}
    assert table.select("date", "symbol").equals(world()[0].select("date", "symbol").sort("date", "symbol"))
    assert not any(table[name].is_nan().any() for name in ("label", *features(table))), "what is unknown is null"


def test_every_feature_has_its_column_and_the_columns_that_it_comes_from():
    made = dataset()
    factors = sorted((*FACTORS, UNKNOWN))
    families = ("feature", "liquidity", "momentum", "reversal", "volatility")
    expected = [f"{prefix}_{factor}" for prefix in ("score", "change", "rank") for factor in factors]
    expected += [f"market_{state}" for state in STATES]
    expected += [f"interaction_{family}_{state}" for family in families for state in STATES]
    assert features(made.table) == [*expected, "liquidity_dollar_volume"]
    assert made.absent == {}
    assert set(made.lineage) == {"label", "sector", *features(made.table)}
    assert made.lineage["change_sentiment"] == ("factors/scores.sentiment",)
    assert made.lineage["interaction_momentum_trend"] == (
        "factors/scores.momentum_12_1",
        "factors/scores.momentum_6_1",
        "market/prices.total_return_index",
    )
    assert made.lineage["liquidity_dollar_volume"] == ("market/prices.close", "market/prices.volume")
    assert made.lineage["label"] == ("market/prices.total_return_index", "market/universe.sector")
    assert dataset(residual=("market",)).lineage["label"] == ("market/prices.total_return_index",)


def test_what_is_not_wanted_is_absent_with_its_reason():
    made = dataset(features=("ranks",))
    assert features(made.table) == [f"rank_{factor}" for factor in sorted((*FACTORS, UNKNOWN))]
    assert made.absent == {kind: f"{kind}: not among learning.features" for kind in KINDS if kind != "ranks"}


@pytest.mark.parametrize("how", ["no column", "all null"])
def test_without_volume_there_is_no_liquidity_and_all_else_is_as_before(how):
    scores, prices, universe = world()
    less = prices.drop("volume") if how == "no column" else prices.with_columns(volume=pl.lit(None, pl.Float64))
    made = dataset((scores, less, universe))
    assert made.absent == {"liquidity": "liquidity: needs volume, which the source does not have"}
    assert_frame_equal(made.table, dataset().table.drop("liquidity_dollar_volume"), **EXACT)


def test_without_sectors_the_column_is_null_and_the_label_is_residual_to_all_names():
    scores, prices, universe = world()
    made = dataset((scores, prices, universe.with_columns(sector=pl.lit(None, pl.String))))
    assert made.absent == {"sector": "sector: needs sector, which the source does not have"}
    assert made.table.schema["sector"] == pl.String
    assert made.table["sector"].null_count() == made.table.height
    market_only = dataset(residual=("market",)).table
    assert_frame_equal(made.table.drop("sector"), market_only.drop("sector"), **EXACT)


def test_a_symbol_that_the_universe_lacks_has_no_sector():
    scores, prices, universe = world()
    table = dataset((scores, prices, universe.filter(pl.col("symbol") != "S03"))).table
    sectors = dict(table.select("symbol", "sector").unique().iter_rows())
    assert sectors == {**dict(universe.iter_rows()), "S03": None}


def test_a_factor_that_nobody_knows_has_null_columns_and_does_not_touch_its_family():
    scores, prices, universe = world()
    table = dataset().table
    of_unknown = [name for name in features(table) if name.endswith(UNKNOWN) or name.startswith("interaction_liquidity")]
    assert len(of_unknown) == 3 + len(STATES)
    assert all(table[name].null_count() == table.height for name in of_unknown)
    assert_frame_equal(table.drop(of_unknown), dataset((scores.drop(UNKNOWN), prices, universe)).table, **EXACT)
    in_family = dataset((scores.rename({UNKNOWN: "momentum_3_1"}), prices, universe)).table
    assert_frame_equal(in_family.select("interaction_momentum_trend"), table.select("interaction_momentum_trend"), **EXACT)


def test_a_short_history_has_what_needs_none_and_null_for_the_rest():
    scores, prices, universe = (
        table.filter(pl.col("date") < pl.date(2013, 2, 25)) if "date" in table.columns else table for table in world()
    )
    assert prices["date"].n_unique() == 39
    table = dataset((scores, prices, universe), horizons=(5,)).table
    unknown = {name for name in features(table) if table[name].null_count() == table.height}
    of_states = {f"market_{state}" for state in STATES if state != "dispersion"}
    assert unknown == {name for name in features(table) if UNKNOWN in name or name.startswith("interaction")} | of_states
    assert table["label"].null_count() < table.height


def test_labels_that_are_not_known_yet_are_null_and_their_rows_are_there():
    table = dataset(world(2013, 2014, names=25), horizons=(5,), execution_lag=1).table
    days = table["date"].unique().sort()
    without = table.group_by("date").agg(pl.col("label").is_null().all()).sort("date")
    assert without.filter("label")["date"].to_list() == days[-6:].to_list()


def test_sessions_with_too_few_names_have_no_label():
    scores, prices, universe = world()
    few = days = scores["date"].unique().sort()[300:310]
    left = scores.filter(~pl.col("date").is_in(few.implode()) | pl.col("symbol").is_in(["S01", "S02", "S03", "S04", "S05"]))
    table = dataset((left, prices, universe), horizons=(5,)).table
    assert table.filter(pl.col("date").is_in(days.implode()))["label"].null_count() == table["date"].is_in(days.implode()).sum() > 30
    assert table.filter(pl.col("date") == scores["date"].unique().sort()[299])["label"].null_count() < 8


def test_nothing_in_the_years_gives_an_empty_table_with_all_columns():
    empty = dataset(years=(2030, 2031)).table
    assert empty.schema == dataset().table.schema
    assert empty.is_empty()


def test_no_scores_and_no_prices_at_all_give_an_empty_table():
    scores, prices, universe = world()
    made = dataset((scores.clear(), prices.clear(), universe))
    assert made.table.is_empty()
    assert made.table.schema.names()[:4] == list(DATASET.names)
    no_factor = dataset((scores.select("date", "symbol").clear(), prices, universe))
    assert {name: no_factor.absent[name] for name in ("scores", "interactions")} == {
        "scores": "scores: needs scores, which the source does not have",
        "interactions": "interactions: needs scores, which the source does not have",
    }


def test_a_session_that_prices_lack_knows_its_scores_and_no_more():
    scores, prices, universe = world()
    day = scores["date"].unique().sort()[500]
    table = dataset((scores, prices.filter(pl.col("date") != day), universe), horizons=(5,)).table.filter(pl.col("date") == day)
    assert table["score_sentiment"].equals(dataset().table.filter(pl.col("date") == day)["score_sentiment"])
    assert table["market_volatility"].null_count() == 0, "62 of 63 returns are enough"


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_and_columns_changes_nothing(seed):
    scores, prices, universe = world()
    order = np.random.default_rng(seed).permutation(scores.columns[2:]).tolist()
    mixed = (
        scores.select("symbol", "date", *order).sample(fraction=1.0, shuffle=True, seed=seed),
        prices.sample(fraction=1.0, shuffle=True, seed=seed),
    )
    assert_frame_equal(dataset((*mixed, universe.reverse())).table, dataset().table, **EXACT)


@settings(max_examples=5, deadline=None)
@given(order=st.permutations(range(14)), label=st.sampled_from(["rank", "standardised"]))
def test_permuting_symbols_permutes_rows(order, label):
    renamed = {f"S{i:02d}": f"S{order[i]:02d}" for i in range(14)}

    def permuted(table: pl.DataFrame) -> pl.DataFrame:
        return table.with_columns(pl.col("symbol").replace_strict(renamed))

    scores, prices, universe = world()
    mixed = dataset((permuted(scores), permuted(prices), permuted(universe)), label=label).table
    # Sums over names run in another order, which moves the last bits.
    assert_frame_equal(mixed, permuted(dataset(label=label).table).sort("date", "symbol"), rel_tol=1e-5, abs_tol=1e-5)


@settings(max_examples=5, deadline=None)
@given(exponents=st.lists(st.integers(-8, 8), min_size=14, max_size=14), common=st.integers(-8, 8))
def test_the_unit_of_a_price_changes_nothing(exponents, common):
    """By powers of two, so that no bit may change: each name's index by its own, all closes by the same."""
    scores, prices, universe = world()
    own = pl.col("symbol").replace_strict({f"S{i:02d}": 2.0**exponent for i, exponent in enumerate(exponents)}, return_dtype=pl.Float64)
    scaled = prices.with_columns(pl.col("total_return_index") * own, pl.col("close") * 2.0**common)
    assert_frame_equal(dataset((scores, scaled, universe)).table, dataset().table, **EXACT)


@settings(max_examples=5, deadline=None)
@given(factor=st.floats(0.01, 100.0))
def test_the_unit_of_volume_changes_nothing(factor):
    scores, prices, universe = world()
    scaled: World = (scores, prices.with_columns(pl.col("volume") * factor), universe)
    assert_frame_equal(dataset(scaled, features=("scores", "liquidity")).table, dataset(features=("scores", "liquidity")).table, **EXACT)


def test_a_name_that_only_other_years_have_changes_no_bit():
    scores, prices, universe = world()
    assert within(scores, 2014, 2016).filter(symbol="S00").is_empty()
    less = within(scores, 2013, 2016).filter(pl.col("symbol") != "S00"), prices.filter(pl.col("symbol") != "S00"), universe
    # Its last price stands in the first year, beyond the reach of changes, and the market's states are compared where it is too.
    years = (2016, 2016)
    columns = ["date", "symbol", *(f"rank_{factor}" for factor in FACTORS), "liquidity_dollar_volume", "market_dispersion", "label"]
    assert SHORTEST_YEAR * 2 > 480
    assert_frame_equal(dataset(less, years=years).table.select(columns), dataset(years=years).table.select(columns), **EXACT)


def test_the_largest_label_mean_is_that_of_a_session_without_ties():
    table = pl.DataFrame({"date": [1, 1, 2, 2, 3, 3], "label": [-1.0, 1.5, 2.0, 2.0, None, 4.0]})
    assert largest_label_mean(table.filter(pl.col("date") < 3)) == 0.25
    assert largest_label_mean(table.filter(pl.col("date") == 2)) == 0.0
