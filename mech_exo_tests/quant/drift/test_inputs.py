"""Drift of inputs: a change is found, and what only depends on itself over time is not called one."""

from __future__ import annotations

import numpy as np
import pytest

from mech_exo_assets.quant.drift.inputs import input_drift_table
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.settings import load_strategy

CHOICES = load_strategy().drift.inputs
ROWS = CHOICES.sessions + CHOICES.reference


def panel(seed: int, *, names: int = 60, persistence: float = 0.95, common: float = 0.3, columns: int = 1) -> Panel:
    """Values that depend on their past, and have a part in common."""
    chance = np.random.default_rng(seed)
    fields = {}
    for column in range(columns):
        own = chance.standard_normal((ROWS, names))
        shared = chance.standard_normal((ROWS, 1))
        for t in range(1, ROWS):
            own[t] = persistence * own[t - 1] + np.sqrt(1 - persistence**2) * own[t]
            shared[t] = 0.9 * shared[t - 1] + np.sqrt(1 - 0.81) * shared[t]
        fields[f"f{column}"] = own + common * shared
    dates = np.datetime64("2020-01-01") + np.arange(ROWS)
    return Panel(dates, np.array([f"N{at:02d}" for at in range(names)]), fields)


def test_size_is_kept_on_values_that_depend_on_their_past():
    p = [input_drift_table({"score": panel(seed)}, CHOICES, seed=0)["p_value"][0] for seed in range(60)]
    # The reference has eight independent stretches, so that the test is rough: 5 % more than its size are allowed.
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60) + 0.05


def test_the_usual_rule_of_thumb_would_reject_far_too_often():
    found = [input_drift_table({"score": panel(seed)}, CHOICES, seed=0) for seed in range(30)]
    # PSI of independent values is χ² (bins − 1) (1/n + 1/m).
    n, m = CHOICES.sessions * 60, CHOICES.reference * 60
    critical = 16.9 * (1 / n + 1 / m)
    assert np.mean([table["psi"][0] > critical for table in found]) > 0.9


def test_a_shift_is_found():
    market = panel(1, columns=4)
    market.fields["f2"][-CHOICES.sessions :] += 1.5
    table = input_drift_table({"score": market}, CHOICES, seed=0)
    assert table.filter(name="f2")["status"].item() == "CHANGED"
    assert table.filter(name="f2")["p_value"].item() == pytest.approx(1 / (CHOICES.resamples + 1))
    assert (table["q_value"] >= table["p_value"]).all()


def test_a_short_history_has_no_rows():
    market = panel(1)
    short = Panel(market.sessions[:-1], market.symbols, {"f0": market["f0"][:-1]})
    assert input_drift_table({"score": short}, CHOICES, seed=0).is_empty()


def test_the_same_seed_gives_the_same_table():
    market = panel(2)
    assert input_drift_table({"score": market}, CHOICES, seed=4).equals(input_drift_table({"score": market}, CHOICES, seed=4))
