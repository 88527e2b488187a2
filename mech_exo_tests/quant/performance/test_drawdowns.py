"""Separate drawdowns, by hand and against the largest one."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.quant.performance import drawdowns
from mech_exo_tests.quant.performance.builders import days, of


def test_separate_drawdowns_by_hand():
    #           |---------- A ---------|  peak  |- B -|        |--- C, from the peak of session 7 on ---|
    returns = [-0.1, -0.1, 0.3, 0.1, -0.05, 0.1, 0.1, -0.2, -0.1, 0.1]
    table = drawdowns(np.array(returns), days(len(returns)))
    assert table.columns == ["from", "trough", "recovered", "depth", "sessions"]
    assert table["depth"].to_list() == pytest.approx([-0.28, -0.19, -0.05])
    assert table["from"].to_list() == [date(2020, 1, 7), None, date(2020, 1, 4)]
    assert table["trough"].to_list() == [date(2020, 1, 9), date(2020, 1, 2), date(2020, 1, 5)]
    assert table["recovered"].to_list() == [None, date(2020, 1, 3), date(2020, 1, 6)]
    assert table["sessions"].to_list() == [3, 2, 1]
    assert drawdowns(np.array(returns), days(len(returns)), count=1).equals(table.head(1))


def test_returns_without_a_loss_have_no_drawdowns():
    table = drawdowns(np.array([0.0, 0.1]), days(2))
    assert table.height == 0
    assert table.schema == drawdowns(np.array([-0.1]), days(1)).schema


@given(st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=60))
def test_the_first_of_the_drawdowns_is_the_largest(returns):
    figures, table = of(*returns), drawdowns(np.array(returns), days(len(returns)), count=99)
    if figures.drawdown_to is None:
        assert table.height == 0
        return
    first = table.row(0, named=True)
    assert first["depth"] == figures.max_drawdown
    assert first["trough"] == figures.drawdown_to.item()
    assert first["from"] == (figures.drawdown_from.item() if figures.drawdown_from is not None else None)
    assert first["recovered"] == (figures.drawdown_recovered.item() if figures.drawdown_recovered is not None else None)
    assert table["sessions"].sum() == round(figures.time_under_water * len(returns))
    assert table["depth"].is_sorted()
