import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.reports.formats import NOT_DEFINED, in_unit, number, percent


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (percent(0.0123), "1.23%"),
        (percent(-0.5, 1), "−50.0%"),
        (percent(None), NOT_DEFINED),
        (number(1234567.891, 1), "1,234,567.9"),
        (number(-0.001), "0.00"),
        (number(math.nan), NOT_DEFINED),
        (number(math.inf), NOT_DEFINED),
        (in_unit(0.05, "fraction per year"), "5.00%"),
        (in_unit(252.0, "sessions"), "252"),
        (in_unit(1.5, "ratio"), "1.50"),
        (in_unit(None, "number"), NOT_DEFINED),
    ],
)
def test_numbers_are_shown_in_their_unit(shown: str, expected: str):
    assert shown == expected


@given(st.floats(-1e12, 1e12), st.integers(0, 6))
def test_a_number_that_is_shown_reads_back_as_itself_rounded(value: float, digits: int):
    text = number(value, digits).replace(",", "").replace("−", "-")
    assert abs(float(text) - value) <= 0.5 * 10**-digits * (1 + 1e-9) + abs(value) * 1e-15
    assert not (text.startswith("-") and float(text) == 0)
