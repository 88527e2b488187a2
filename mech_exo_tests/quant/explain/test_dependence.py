"""Dependence: means by bins of values, missing values apart, categories by name."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.quant.explain.dependence import BINS, dependence_of_category, dependence_of_number
from mech_exo_assets.schemas import DEPENDENCE


def test_a_number_has_ten_bins_of_equal_size_and_one_for_what_is_missing():
    values = np.r_[np.arange(100), np.nan, np.nan].astype(np.float32)
    found = dependence_of_number("m", "f", values, np.nan_to_num(values, nan=-7.0) * 2)
    assert found["bin"].to_list() == list(range(BINS + 1))
    assert found["rows"].to_list() == [2] + [10] * 10
    assert found.row(0, named=True) == {
        "model": "m", "feature": "f", "bin": 0, "low": None, "high": None, "category": None,
        "contribution": -14.0, "deviation": 0.0, "rows": 2,
    }  # fmt: skip
    assert found.select("low", "high", "contribution").row(1) == (0.0, 9.0, 9.0)
    assert found["deviation"][1] == pytest.approx(2 * np.arange(10).std())
    assert found.schema == pl.Schema(DEPENDENCE.dtypes())


@given(st.lists(st.one_of(st.integers(-3, 3).map(float), st.just(float("nan"))), min_size=1, max_size=60))
def test_bins_do_not_overlap_are_numbered_without_gaps_and_hold_every_row(values):
    array = np.array(values, np.float32)
    found = dependence_of_number("m", "f", array, np.ones(len(array)))
    assert found["rows"].sum() == len(array)
    known = found.filter(pl.col("bin") > 0)
    assert known["bin"].to_list() == list(range(1, known.height + 1))
    assert all(high < low for high, low in zip(known["high"][:-1], known["low"][1:], strict=True))
    assert (found.height > known.height) == bool(np.isnan(array).any())


def test_a_category_has_a_bin_for_each_that_occurs_in_alphabetical_order():
    found = dependence_of_category("m", "sector", ["Tech", None, "Energy", "Tech"], np.array([1.0, 5.0, 2.0, 3.0]))
    assert found.select("bin", "category", "contribution", "deviation", "rows").rows() == [
        (0, None, 5.0, 0.0, 1),
        (1, "Energy", 2.0, 0.0, 1),
        (2, "Tech", 2.0, 1.0, 2),
    ]
    assert found["low"].null_count() == found["high"].null_count() == 3
    assert found.schema == pl.Schema(DEPENDENCE.dtypes())
