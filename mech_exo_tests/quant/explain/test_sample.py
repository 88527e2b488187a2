"""The sample of rows: the same every time, evenly over sessions and names, and no more than is asked for."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mech_exo_assets.quant.explain.sample import sample_rows
from mech_exo_tests.quant.explain.planted import N_NAMES, dataset


def test_a_sample_is_the_same_whatever_the_order_of_the_rows():
    frame = dataset(40)
    first = sample_rows(frame.lazy(), most=100)
    assert first.equals(sample_rows(frame.sample(fraction=1.0, shuffle=True, seed=3).lazy(), most=100))
    assert first.height == 100
    assert first.join(frame, on=frame.columns, how="anti", nulls_equal=True).is_empty()


def test_all_rows_are_taken_where_there_are_few():
    frame = dataset(3)
    assert sample_rows(frame.lazy(), most=3 * N_NAMES).equals(frame)
    assert sample_rows(frame.head(0).lazy()).is_empty()


@settings(max_examples=40, deadline=None)
@given(sessions=st.integers(1, 60), most=st.integers(1, 500))
def test_sessions_get_equally_many_rows_but_for_one(sessions, most):
    frame = dataset(60).select("date", "symbol").head(sessions * N_NAMES)
    taken = sample_rows(frame.lazy(), most=most)
    assert taken.height == min(most, frame.height)
    assert not taken.is_duplicated().any()
    counts = frame.select("date").unique().join(taken.group_by("date").agg(pl.len()), on="date", how="left")["len"].fill_null(0)
    assert int(counts.max()) - int(counts.min()) <= 1


@pytest.mark.parametrize("most", [60, 120, 300])
def test_names_get_about_equally_many_rows_even_where_their_number_divides_the_step(most):
    counts = sample_rows(dataset(60).lazy(), most=most).group_by("symbol").agg(pl.len())["len"]
    assert counts.len() == N_NAMES
    assert int(counts.max()) - int(counts.min()) <= 2


def test_sessions_with_few_names_give_what_they_have():
    frame = dataset(4)
    thin = pl.concat([frame.filter(pl.col("date") == frame["date"][0]).head(2), frame.filter(pl.col("date") > frame["date"][0])])
    taken = sample_rows(thin.lazy(), most=40)
    assert taken.group_by("date", maintain_order=True).agg(pl.len())["len"].to_list() == [2, 10, 10, 10]
