"""The composite: a weighted mean that a person can work out, the same for a year alone as for all years together."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.composite import composite_score, composite_table, factor_weights
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.schemas import COMPOSITE, factor_columns

NAN = np.nan


def panel(**fields: list[list[float]]) -> Panel:
    matrices = {name: np.array(values, dtype=float) for name, values in fields.items()}
    n_sessions, n_symbols = next(iter(matrices.values())).shape
    sessions = np.datetime64("2020-01-01") + np.arange(n_sessions)
    return Panel(sessions, np.array([f"S{number:02}" for number in range(n_symbols)]), matrices)


def standardised(row: list[float]) -> np.ndarray:
    values = np.array(row)
    return (values - np.nanmean(values)) / np.nanstd(values)


def random_scores(seed: int, *, years: tuple[int, ...] = (2019, 2020, 2021)) -> pl.DataFrame:
    """Scores as they lie in the lake: names come and go with the years, factor `c` is unknown in the middle year."""
    random = np.random.default_rng(seed)
    rows = [
        (date(year, 3, day), f"S{number:02}", *random.normal(size=3))
        for at, year in enumerate(years)
        for day in range(1, 6)
        for number in range(5 * at, 23 + 7 * at)
        if random.random() < 0.9
    ]
    table = pl.DataFrame(
        rows, schema={"date": pl.Date, "symbol": pl.String, "a": pl.Float64, "b": pl.Float64, "c": pl.Float64}, orient="row"
    )
    unknown = pl.col("date").dt.year() == years[1]
    return table.with_columns(
        pl.when(unknown).then(None).otherwise("c").alias("c"), pl.when(pl.col("a") > 1.5).then(None).otherwise("a").alias("a")
    )


def composite_of(table: pl.DataFrame, chosen: str | dict[str, float] = "equal") -> pl.DataFrame:
    factors = factor_columns(table.columns)
    scores = Panel.from_frame(table, factors)
    return composite_table(composite_score(scores, factor_weights(chosen, factors), min_coverage=0.5), scores)


def test_the_score_is_the_standardised_weighted_mean():
    scores = panel(a=[[1.0, 2.0, 6.0]], b=[[4.0, 0.0, 2.0]])
    result = composite_score(scores, {"a": 3.0, "b": 1.0}, min_coverage=1.0)
    np.testing.assert_allclose(result[0], standardised([7 / 4, 6 / 4, 20 / 4]), rtol=0, atol=1e-15)


def test_a_factor_that_a_name_lacks_is_left_out_of_its_mean():
    scores = panel(a=[[1.0, 2.0, NAN]], b=[[4.0, NAN, 2.0]])
    result = composite_score(scores, {"a": 1.0, "b": 1.0}, min_coverage=0.5)
    np.testing.assert_allclose(result[0], standardised([2.5, 2.0, 2.0]), rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("min_coverage", "known"), [(0.25, [1, 1, 1, 0]), (0.26, [1, 1, 0, 0]), (0.75, [1, 1, 0, 0]), (0.76, [1, 0, 0, 0])]
)
def test_a_name_needs_the_minimum_share_of_the_total_weight(min_coverage, known):
    scores = panel(a=[[1.0, 2.0, NAN, NAN], [3.0, 2.0, 1.0, 0.0]], b=[[1.0, NAN, 2.0, NAN], [3.0, 2.0, 1.0, 0.0]])
    result = composite_score(scores, {"a": 3.0, "b": 1.0}, min_coverage=min_coverage)
    dispersed = sum(known) > 1
    np.testing.assert_array_equal(~np.isnan(result[0]), np.array(known, dtype=bool) & dispersed)
    assert not np.isnan(result[1]).any()


def test_a_factor_with_weight_that_is_unknown_everywhere_counts_in_the_coverage():
    scores = panel(a=[[1.0, 2.0]])
    assert np.isnan(composite_score(scores, {"a": 1.0, "b": 2.0}, min_coverage=0.5)).all()
    assert not np.isnan(composite_score(scores, {"a": 2.0, "b": 1.0}, min_coverage=0.5)).any()


def test_a_negative_weight_turns_the_factor_round():
    scores = panel(a=[[1.0, 2.0, 6.0]])
    np.testing.assert_array_equal(
        composite_score(scores, {"a": -1.0}, min_coverage=1.0), -composite_score(scores, {"a": 1.0}, min_coverage=1.0)
    )


@given(st.floats(1e-15, 1e15))
def test_the_scale_of_the_weights_does_not_matter(scale):
    scores = Panel.from_frame(random_scores(7), ["a", "b", "c"])
    weights = {"a": 1.0, "b": -0.5, "c": 0.25}
    scaled = composite_score(scores, {name: weight * scale for name, weight in weights.items()}, min_coverage=0.6)
    np.testing.assert_allclose(scaled, composite_score(scores, weights, min_coverage=0.6), rtol=0, atol=1e-12)


def test_every_session_has_mean_zero_and_deviation_one():
    moments = (
        composite_of(random_scores(3)).group_by("date").agg(pl.col("score").mean().alias("mean"), pl.col("score").std(ddof=0).alias("std"))
    )
    assert moments["mean"].abs().max() < 1e-12
    assert (moments["std"] - 1).abs().max() < 1e-12


@pytest.mark.parametrize("chosen", ["equal", {"a": 1.0, "b": -2.0, "c": 0.5}, {"a": 1.0, "c": 0.4}])
@pytest.mark.parametrize("year", [2019, 2020, 2021])
def test_a_year_alone_equals_the_same_year_among_others_to_the_last_bit(chosen, year):
    table = random_scores(11)
    only_this_year = pl.col("date").dt.year() == year
    assert composite_of(table.filter(only_this_year), chosen).equals(composite_of(table, chosen).filter(only_this_year))


def test_the_order_of_the_weights_does_not_matter():
    table = random_scores(5)
    assert composite_of(table, {"a": 0.1, "b": 0.7, "c": 0.3}).equals(composite_of(table, {"c": 0.3, "a": 0.1, "b": 0.7}))


def test_a_session_of_equal_scores_has_no_composite():
    scores = panel(a=[[0.1, 0.1, 0.1], [1.0, 2.0, 3.0]], b=[[0.7, 0.7, 0.7], [1.0, 2.0, 3.0]])
    result = composite_score(scores, {"a": 0.3, "b": 0.1}, min_coverage=0.5)
    assert np.isnan(result[0]).all()
    assert not np.isnan(result[1]).any()
    assert composite_table(result, scores)["date"].n_unique() == 1


def test_one_name_alone_has_no_composite():
    assert np.isnan(composite_score(panel(a=[[3.0, NAN]]), {"a": 1.0}, min_coverage=0.5)).all()


def test_no_scores_at_all_give_an_empty_table():
    table = composite_of(pl.DataFrame(schema={"date": pl.Date, "symbol": pl.String, "a": pl.Float64}))
    assert table.is_empty()
    assert table.schema == COMPOSITE.empty().schema


def test_rank_one_is_the_best_and_ties_go_by_symbol():
    scores = panel(a=[[1.0, 3.0, NAN, 3.0, 2.0]])
    table = composite_table(composite_score(scores, {"a": 1.0}, min_coverage=0.5), scores)
    assert table.select("symbol", "rank").rows() == [("S00", 4), ("S01", 1), ("S03", 2), ("S04", 3)]


def test_ties_among_many_names_go_by_symbol_too():
    scores = panel(a=[[float(number % 3) for number in range(99)]])
    table = composite_table(composite_score(scores, {"a": 1.0}, min_coverage=0.5), scores)
    best_first = sorted(range(99), key=lambda number: (-(number % 3), number))
    assert table.sort("rank")["symbol"].to_list() == [f"S{number:02}" for number in best_first]


@given(st.integers(0, 1000))
def test_ranks_of_a_session_are_one_to_n_in_the_order_of_the_score(seed):
    for _, session in composite_of(random_scores(seed, years=(2019, 2020))).group_by("date"):
        by_rank = session.sort("rank")
        assert by_rank["rank"].to_list() == list(range(1, len(session) + 1))
        assert by_rank["score"].is_sorted(descending=True)


def test_the_table_conforms_to_its_schema():
    assert composite_of(random_scores(2)).schema == COMPOSITE.empty().schema


def test_equal_weights_go_to_all_factors_and_add_up_to_one():
    assert factor_weights("equal", ["a", "b", "c", "d"]) == {"a": 0.25, "b": 0.25, "c": 0.25, "d": 0.25}
    assert factor_weights("equal", []) == {}


def test_named_weights_are_kept_and_zeros_dropped():
    assert factor_weights({"a": 2.0, "b": 0.0, "c": -1.0}, ["a", "b", "c"]) == {"a": 2.0, "c": -1.0}


def test_a_weight_for_a_factor_that_is_not_there_is_refused_with_the_names_that_are():
    with pytest.raises(InputError) as refusal:
        factor_weights({"value": 1.0, "quality": 1.0}, ["size", "momentum"])
    assert str(refusal.value) == "composite.weights: no factor 'quality' in this source's data; there are: momentum, size."
