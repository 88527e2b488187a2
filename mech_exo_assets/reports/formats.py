"""Numbers as a reader of a report sees them.

What belongs here: rounding, signs, percent, what stands where a number is not defined, and the heading. What does not: any number itself.
"""

from __future__ import annotations

import math

TITLE = "Backtest of the strategy"
"""What a report is headed with where nobody has chosen another heading."""

NOT_DEFINED = "\N{EN DASH}"
"""Stands where a figure has no value; every table that may show it says so."""


def percent(value: float | None, digits: int = 2) -> str:
    """A fraction as per cent: 0.0123 is 1.23%."""
    return number(None if value is None else 100 * value, digits, "%")


def number(value: float | None, digits: int = 2, unit: str = "") -> str:
    """A number with thousands separated, a true minus sign, and no sign on what rounds to zero."""
    if value is None or not math.isfinite(value):
        return NOT_DEFINED
    text = f"{abs(value):,.{digits}f}"
    negative = value < 0 and any(each in "123456789" for each in text)
    return f"{'−' if negative else ''}{text}{unit}"


def in_unit(value: float | None, unit: str) -> str:
    """A figure of `strategy/performance` in its unit: a fraction as per cent, sessions whole, all else with two decimals."""
    if unit.startswith("fraction"):
        return percent(value)
    return number(value, 0 if unit == "sessions" else 2)
