"""What a window's drift is called."""

from __future__ import annotations

import pytest

from mech_exo_assets.quant.drift.status import status
from mech_exo_assets.settings import load_strategy

CHOICES = load_strategy().drift


@pytest.mark.parametrize(
    ("drift", "ratio", "called"),
    [
        (5, 1.5, "OK"),
        (15, 1, "WARN"),
        (5, 0.1, "WARN"),
        (25, 1, "BREACH"),
        (5, -0.5, "BREACH"),
        (-15, 1, "WARN"),
        (-25, 1, "BREACH"),
        (10, 1, "WARN"),
        (20, 1, "BREACH"),
        (9.999, 0.2, "OK"),
        (0, 0.0, "WARN"),
        (None, 1, "NO DATA"),
        (5, None, "NO DATA"),
    ],
)
def test_the_peers_cases_and_the_edges(drift: float | None, ratio: float | None, called: str):
    assert status(drift, ratio, CHOICES) == called
