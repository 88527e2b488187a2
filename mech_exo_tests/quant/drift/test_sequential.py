"""The sequential alarm: it sounds when the mean has fallen, and by chance no oftener than stated."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.quant.calendar import sessions
from mech_exo_assets.quant.drift.sequential import alarm_table
from mech_exo_assets.settings import load_strategy

CHOICES = load_strategy().drift
YEARS = 20
AXIS = sessions(np.datetime64("1980-01-01"), np.datetime64("2025-12-31"))[: YEARS * 252]


def noise(kind: str, seed: int) -> np.ndarray:
    chance = np.random.default_rng(seed)
    if kind == "normal":
        return chance.standard_normal(len(AXIS))
    if kind == "fat tails":
        return chance.standard_t(4, len(AXIS))
    out = chance.standard_normal(len(AXIS))
    for t in range(1, len(out)):
        out[t] += 0.2 * out[t - 1]
    return out


def alarms(values: np.ndarray, *, rate: float = 0.5, versions: list[str] | None = None) -> pl.DataFrame:
    return alarm_table(AXIS[: len(values)], {"difference": values}, versions or ["v"] * len(values), CHOICES, false_alarms_per_year=rate)


@pytest.mark.parametrize("kind", ["normal", "fat tails", "autocorrelated"])
def test_false_alarms_are_no_more_than_stated(kind: str):
    # A hundred years at one alarm in two years: 50 are expected, with a standard error of about 7.
    found = sum(int(alarms(0.01 * noise(kind, seed))["alarm"].sum()) for seed in range(5))
    assert found <= 50 + 3 * np.sqrt(50)
    assert found > 0


def test_a_fall_is_found_soon():
    values = 0.001 * noise("normal", 3)
    values[1000:] -= 0.0006
    found = alarms(values).filter(pl.col("alarm") & (pl.col("date") >= AXIS[1000].item()))
    assert (found["date"][0] - AXIS[1000].item()).days < 90


def test_a_rise_is_no_alarm():
    values = 0.001 * noise("normal", 3)[:1500]
    values[750:] += 0.001
    assert not alarms(values).filter(pl.col("date") >= AXIS[800].item())["alarm"].any()


def test_nothing_is_judged_before_there_is_something_to_judge_by():
    table = alarms(0.001 * noise("normal", 1)[:100])
    assert table["z"].null_count() == CHOICES.min_sessions


def test_another_strategy_begins_anew():
    values = 0.001 * noise("normal", 4)[:400]
    values[300:] -= 0.001
    table = alarms(values, versions=["one"] * 310 + ["other"] * 90)
    assert table["statistic"][309] > 1.0
    assert table["statistic"][310] <= max(0.0, -table["z"][310] - CHOICES.shift / 2) + 1e-12


def test_nothing_looks_ahead():
    values = 0.001 * noise("normal", 5)[:600]
    changed = values.copy()
    changed[500:] *= -3
    assert alarms(values).head(500).equals(alarms(changed).head(500))
