"""Forward returns as a table, and back."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.quant.forward_returns import forward_return_matrices, forward_return_table
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.returns import forward_returns
from mech_exo_assets.schemas import FORWARD_RETURNS


def market(*, n_sessions: int = 40, first: str = "2019-12-12", seed: int = 5) -> Panel:
    random = np.random.default_rng(seed)
    index = np.exp(np.cumsum(random.normal(0, 0.02, (n_sessions, 4)), axis=0))
    index[random.random(index.shape) < 0.1] = np.nan
    return Panel(np.datetime64(first) + np.arange(n_sessions), np.array(["A", "B", "C", "D"]), {"total_return_index": index})


def test_a_return_by_hand_starts_at_the_execution_session():
    panel = Panel(
        np.datetime64("2020-01-01") + np.arange(4), np.array(["A"]), {"total_return_index": np.array([[1.0], [2.0], [3.0], [6.0]])}
    )
    table = forward_return_table(panel, horizons=[1, 2], execution_lag=1, years=(2020, 2020))
    assert table.rows() == [
        (date(2020, 1, 1), "A", 1, 0.5),
        (date(2020, 1, 2), "A", 1, 1.0),
        (date(2020, 1, 1), "A", 2, 2.0),
    ]


def test_the_table_conforms_to_its_schema_and_has_no_nulls():
    table = forward_return_table(market(), horizons=[1, 5], execution_lag=1, years=(2019, 2020))
    assert table.schema == FORWARD_RETURNS.empty().schema
    assert table.null_count().sum_horizontal().item() == 0


@pytest.mark.parametrize("year", [2019, 2020])
def test_a_year_alone_equals_the_same_year_among_others(year):
    whole = forward_return_table(market(), horizons=[1, 5, 10], execution_lag=1, years=(2019, 2020))
    alone = forward_return_table(market(), horizons=[1, 5, 10], execution_lag=1, years=(year, year))
    assert len(alone)
    assert alone.equals(whole.filter(pl.col("date").dt.year() == year))


def test_a_year_looks_into_the_next_one_but_has_no_rows_there():
    table = forward_return_table(market(), horizons=[10], execution_lag=1, years=(2019, 2019))
    assert table["date"].max() == date(2019, 12, 31)


@given(st.integers(0, 100), st.integers(0, 3))
def test_the_way_back_gives_the_same_matrices(seed, lag):
    panel = market(seed=seed)
    table = forward_return_table(panel, horizons=[1, 5], execution_lag=lag, years=(2019, 2020))
    matrices = forward_return_matrices(table.sample(fraction=1, shuffle=True, seed=seed), sessions=panel.sessions, symbols=panel.symbols)
    assert list(matrices) == [1, 5]
    for horizon, matrix in matrices.items():
        expected = forward_returns(panel["total_return_index"], horizon=horizon, execution_lag=lag)
        np.testing.assert_array_equal(matrix, expected)


def test_years_without_sessions_and_horizons_beyond_the_data_give_no_rows():
    assert forward_return_table(market(), horizons=[1], execution_lag=1, years=(2001, 2002)).is_empty()
    assert forward_return_table(market(), horizons=[40], execution_lag=1, years=(2019, 2020)).is_empty()
    assert forward_return_table(market(), horizons=[], execution_lag=1, years=(2019, 2020)).schema == FORWARD_RETURNS.empty().schema


def test_an_empty_table_gives_no_matrices():
    panel = market()
    assert forward_return_matrices(FORWARD_RETURNS.empty(), sessions=panel.sessions, symbols=panel.symbols) == {}


def test_a_horizon_whose_values_are_all_null_gives_nan():
    panel = market(n_sessions=3)
    table = pl.DataFrame({"date": [date(2019, 12, 12)], "symbol": ["A"], "horizon": [1], "value": [None]}, schema=FORWARD_RETURNS.dtypes())
    matrix = forward_return_matrices(table, sessions=panel.sessions, symbols=panel.symbols)[1]
    assert matrix.shape == (3, 4)
    assert np.isnan(matrix).all()
