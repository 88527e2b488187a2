"""What plots and small pictures show."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.dashboard import figures

DAYS = pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 1, 4), eager=True)


@given(st.lists(st.one_of(st.none(), st.floats(-1, 1), st.just(float("nan"))), max_size=40))
def test_a_sparkline_is_a_picture_with_a_point_for_each_known_value_inside_its_frame(values: list[float | None]):
    drawn = ET.fromstring(figures.sparkline(values))  # noqa: S314 (ours)
    points = re.findall(r"([\d.-]+),([\d.-]+)", drawn[1].attrib["points"])
    assert len(points) == sum(value is not None and np.isfinite(value) for value in values)
    for x, y in points:
        assert 0 <= float(x) <= 120
        assert 0 <= float(y) <= 26


def test_a_sparkline_rises_where_its_values_do():
    points = re.findall(r"([\d.]+),([\d.]+)", ET.fromstring(figures.sparkline([0.1, 0.2, 0.4]))[1].attrib["points"])  # noqa: S314
    heights = [float(y) for _, y in points]
    assert heights == sorted(heights, reverse=True)


def test_growth_is_the_running_product_and_leaves_out_members_without_rows():
    frame = pl.DataFrame({"date": [*DAYS, *DAYS], "who": ["a"] * 4 + ["b"] * 4, "r": [0.1, -0.1, 0.0, 0.2, 0.0, 0.0, 0.01, 0.0]})
    drawn = figures.growth(frame, "who", "r", {"a": "first", "b": "second", "c": "nobody"})
    assert [trace.name for trace in drawn.data] == ["first", "second"]
    np.testing.assert_allclose(drawn.data[0].y, np.cumprod([1.1, 0.9, 1.0, 1.2]), rtol=1e-6)


def test_a_loss_on_the_first_session_is_a_drawdown():
    drawn = figures.drawdown(pl.DataFrame({"date": DAYS, "net_return": [-0.1, 0.05, 0.2, -0.3]}))
    wealth = np.cumprod([0.9, 1.05, 1.2, 0.7])
    np.testing.assert_allclose(drawn.data[0].y, wealth / np.maximum(np.maximum.accumulate(wealth), 1.0) - 1, rtol=1e-5)


@pytest.mark.parametrize(("low", "high"), [(0.92, 1.05), (0.2, 300.0), (0.999, 1.001), (1.0, 1.0), (5.0, 5.5)])
def test_an_axis_of_growth_has_a_few_ticks_whatever_its_range(low: float, high: float):
    from mech_exo_assets.reports.web_page.drawing import growth_axis

    axis = growth_axis(pl.Series([low, high]))
    assert 3 <= len(axis["tickvals"]) <= 9
    assert all(low / 1.03 <= tick <= high * 1.03 for tick in axis["tickvals"])
    assert len(set(axis["ticktext"])) == len(axis["ticktext"])


def test_numbers_that_are_not_known_leave_a_gap():
    drawn = figures.lines(pl.DataFrame({"date": DAYS, "x": [1.0, None, 3.0, 4.0]}), {"x": "x"}, y="x")
    assert np.isnan(drawn.data[0].y[1])
