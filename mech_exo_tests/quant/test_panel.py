"""The panel: what goes in comes out, whatever the order of the rows, and nothing is invented."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.quant.panel import Panel, session_sums, unique_dates, unique_symbols

ROWS = st.dictionaries(
    st.tuples(st.dates(date(1990, 1, 1), date(2030, 1, 1)), st.sampled_from(["A", "B", "BRK.B", "Ä", "ZZ"])),
    st.one_of(st.none(), st.floats(-1e9, 1e9)),
    max_size=30,
)


def long_table(rows: dict[tuple[date, str], float | None], *, column: str = "close") -> pl.DataFrame:
    return pl.DataFrame(
        [(day, symbol, value) for (day, symbol), value in rows.items()],
        schema={"date": pl.Date, "symbol": pl.String, column: pl.Float64},
        orient="row",
    )


def days(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[D]")


@given(ROWS)
def test_scattering_and_gathering_gives_the_observed_rows_in_order(rows):
    table = long_table(rows)
    gathered = Panel.from_frame(table, ["close"]).to_frame()
    observed = table.drop_nulls().sort("date", "symbol")
    expected = observed if len(observed) else observed.select("date", "symbol")
    assert gathered.equals(expected)
    assert gathered.schema == expected.schema


@given(ROWS, st.randoms())
def test_the_order_of_the_rows_does_not_matter(rows, random):
    table = long_table(rows)
    order = list(range(len(table)))
    random.shuffle(order)
    straight, shuffled = Panel.from_frame(table, ["close"]), Panel.from_frame(table[order], ["close"])
    assert straight.shape == shuffled.shape
    assert straight.to_frame().equals(shuffled.to_frame())


@given(ROWS)
def test_axes_are_strictly_increasing(rows):
    panel = Panel.from_frame(long_table(rows), ["close"])
    assert (panel.sessions[1:] > panel.sessions[:-1]).all()
    assert (panel.symbols[1:] > panel.symbols[:-1]).all()
    assert panel.sessions.dtype == np.dtype("datetime64[D]")


def test_a_panel_is_dense_with_nan_where_nothing_was_observed():
    panel = Panel.from_frame(long_table({(date(2020, 1, 3), "A"): 1.0, (date(2020, 1, 2), "B"): 2.0}), ["close"])
    np.testing.assert_array_equal(panel["close"], [[np.nan, 2.0], [1.0, np.nan]])
    assert panel["close"].flags.c_contiguous


def test_rows_outside_the_given_axes_are_left_out():
    table = long_table(
        {
            (date(2020, 1, 1), "A"): 1.0,  # before the first session
            (date(2020, 1, 2), "A"): 2.0,
            (date(2020, 1, 3), "A"): 3.0,  # between two sessions
            (date(2020, 1, 6), "X"): 4.0,  # not one of the symbols
            (date(2020, 1, 9), "B"): 5.0,  # after the last session
        }
    )
    panel = Panel.from_frame(table, ["close"], sessions=days("2020-01-02", "2020-01-06"), symbols=np.array(["A", "B"]))
    np.testing.assert_array_equal(panel["close"], [[2.0, np.nan], [np.nan, np.nan]])


def test_given_axes_stay_even_where_the_table_has_nothing():
    table = long_table({(date(2020, 1, 2), "A"): 1.0})
    panel = Panel.from_frame(table, ["close"], sessions=days("2020-01-02", "2020-01-03"), symbols=np.array(["A", "B", "C"]))
    assert panel.shape == (2, 3)
    assert np.isnan(panel["close"]).sum() == 5


def test_one_given_axis_leaves_the_other_to_the_table():
    table = long_table({(date(2020, 1, 2), "A"): 1.0, (date(2020, 1, 3), "B"): 2.0})
    by_sessions = Panel.from_frame(table, ["close"], sessions=days("2020-01-03"))
    by_symbols = Panel.from_frame(table, ["close"], symbols=np.array(["B"]))
    np.testing.assert_array_equal(by_sessions["close"], [[np.nan, 2.0]])
    np.testing.assert_array_equal(by_symbols["close"], [[np.nan], [2.0]])


def test_a_table_that_lies_wholly_outside_gives_a_field_of_nan():
    table = long_table({(date(2020, 1, 2), "A"): 1.0})
    panel = Panel.from_frame(table, ["close"], sessions=days("2021-01-04"), symbols=np.array(["A"]))
    assert np.isnan(panel["close"]).all()


def test_a_wholly_null_column_is_no_field():
    table = long_table({(date(2020, 1, 2), "A"): 1.0}).with_columns(volume=pl.lit(None, dtype=pl.Float64))
    panel = Panel.from_frame(table, ["close", "volume"])
    assert "close" in panel
    assert "volume" not in panel


def test_integer_columns_become_float64():
    table = long_table({(date(2020, 1, 2), "A"): 1.0}).with_columns(n=pl.lit(3, dtype=pl.Int32))
    assert Panel.from_frame(table, ["n"])["n"].dtype == np.float64


@pytest.mark.parametrize("axes", [{}, {"sessions": days("2020-01-02")}, {"symbols": np.array(["A"])}])
def test_an_empty_table_gives_a_panel_without_fields(axes):
    panel = Panel.from_frame(long_table({}), ["close"], **axes)
    assert dict(panel.fields) == {}
    assert panel.to_frame().shape == (0, 2)
    assert panel.to_frame().schema == {"date": pl.Date, "symbol": pl.String}


def test_an_unknown_field_is_refused_with_the_names_that_are_there():
    panel = Panel.from_frame(long_table({(date(2020, 1, 2), "A"): 1.0}), ["close"])
    with pytest.raises(KeyError, match="no field 'open'; it has close"):
        panel["open"]
    with pytest.raises(KeyError, match="it has none"):
        Panel.from_frame(long_table({}), ["close"])["close"]


def test_to_frame_takes_the_rows_that_are_asked_for_and_writes_nan_as_null():
    panel = Panel.from_frame(long_table({(date(2020, 1, 2), "A"): 1.0, (date(2020, 1, 3), "B"): 2.0}), ["close"])
    rows = np.array([[False, True], [False, True]])
    table = panel.to_frame({"close": panel["close"], "twice": 2 * panel["close"]}, rows=rows)
    assert table.rows() == [(date(2020, 1, 2), "B", None, None), (date(2020, 1, 3), "B", 2.0, 4.0)]


def test_to_frame_takes_rows_where_any_column_is_known():
    panel = Panel(days("2020-01-02"), np.array(["A", "B"]))
    table = panel.to_frame({"x": np.array([[1.0, np.nan]]), "y": np.array([[np.nan, np.nan]])})
    assert table.rows() == [(date(2020, 1, 2), "A", 1.0, None)]


def test_to_frame_of_a_panel_without_symbols_is_empty():
    panel = Panel(days("2020-01-02"), np.array([], dtype=np.str_))
    assert panel.to_frame({"x": np.zeros((1, 0))}).schema == {"date": pl.Date, "symbol": pl.String, "x": pl.Float64}


def test_year_starts_are_the_first_sessions_of_the_calendar_years():
    axis = days("2019-12-30", "2019-12-31", "2020-01-02", "2022-06-01", "2022-06-02")
    assert Panel(axis, np.array(["A"])).year_starts().tolist() == [0, 2, 3]


def test_an_empty_panel_has_no_year_starts():
    starts = Panel(days(), np.array(["A"])).year_starts()
    assert starts.shape == (0,)
    assert starts.dtype == np.int64


def test_unique_dates_and_symbols_are_sorted_and_distinct():
    assert unique_dates(pl.Series([date(2020, 1, 3), date(2020, 1, 2), date(2020, 1, 3)])).tolist() == [date(2020, 1, 2), date(2020, 1, 3)]
    assert unique_symbols(pl.Series(["B", "A", "B"])).tolist() == ["A", "B"]


def test_session_sums_do_not_move_by_a_bit_when_unobserved_names_stand_between():
    values = np.random.default_rng(1).normal(size=(50, 37))
    wide = np.full((50, 111), np.nan)
    wide[:, 1::3] = values
    np.testing.assert_array_equal(session_sums(wide), session_sums(values))
    np.testing.assert_allclose(session_sums(values), values.sum(axis=1, keepdims=True), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(session_sums(wide[:1]), session_sums(values)[:1])


def test_session_sums_of_nothing_are_zero():
    assert session_sums(np.full((2, 3), np.nan)).tolist() == [[0.0], [0.0]]
    assert session_sums(np.zeros((2, 0))).tolist() == [[0.0], [0.0]]
    assert session_sums(np.zeros((0, 3))).shape == (0, 1)
