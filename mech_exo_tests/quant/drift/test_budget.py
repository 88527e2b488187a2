"""What is acted on: all that triggers together is as rare as stated where nothing has changed."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.quant.calendar import sessions
from mech_exo_assets.quant.drift.budget import breach_limit, trigger
from mech_exo_assets.quant.drift.deployed import drift_of_account
from mech_exo_assets.quant.drift.promise import Promise
from mech_exo_assets.quant.drift.windows import rolling_t
from mech_exo_assets.settings import load_strategy

CHOICES = load_strategy().drift


def test_a_rarer_episode_has_a_farther_limit():
    assert breach_limit(63, 0.1) > breach_limit(63, 0.5) > breach_limit(63, 2.0) > 0


def test_the_limit_is_passed_as_often_as_stated_on_other_noise():
    limit = breach_limit(63, 0.5)
    t = rolling_t(np.random.default_rng(7).standard_normal(400 * 252), 63)[62:]
    begins = np.flatnonzero((t < 0) & (np.concatenate([[0.0], t[:-1]]) >= 0))
    depths = -np.minimum.reduceat(np.minimum(t, 0), begins)
    # 200 episodes are expected in 400 years; the limit itself comes from 1 000 years.
    assert int((depths > limit).sum()) == pytest.approx(200, abs=3 * np.sqrt(200 * (1 + 0.4)))


def _triggers(difference: np.ndarray, backtest: np.ndarray, axis: np.ndarray) -> int:
    """Episodes in which something triggers: a day that does, with none before it since the last day without a breach standing."""
    days = pl.Series(axis).cast(pl.Date)
    nav = pl.DataFrame({"date": days, "live_return": backtest + difference})
    table = pl.DataFrame({"date": days, "net_return": backtest, "version": ["v"] * len(axis)})
    promise = {"v": Promise(float(backtest.mean()), float(backtest.std()), 504)}
    found = drift_of_account(nav, table, promise, CHOICES, after=None)
    longest = found.drift.filter(window=63).sort("date")
    sounded = set(found.alarms.filter("alarm")["date"].to_list())
    episodes, open_ = 0, False
    for day, status, beyond in longest.select("date", "status", "beyond_chance").iter_rows():
        crossed = day in sounded or (status == "BREACH" and beyond)
        if crossed and not open_:
            episodes, open_ = episodes + 1, True
        elif open_ and status != "BREACH":
            open_ = False
    return episodes


@pytest.mark.parametrize("kind", ["normal", "fat tails"])
def test_fifty_years_without_a_break_trigger_no_oftener_than_stated(kind: str):
    axis = sessions(np.datetime64("1974-01-01"), np.datetime64("2025-12-31"))[: 50 * 252]
    chance = np.random.default_rng(11)
    difference = 5e-5 * (chance.standard_normal(len(axis)) if kind == "normal" else chance.standard_t(4, len(axis)))
    backtest = chance.normal(0.0004, 0.006, len(axis))
    stated = 50 * CHOICES.false_alarms_per_year
    assert _triggers(difference, backtest, axis) <= stated + 2 * np.sqrt(stated)


def test_what_was_there_before_the_strategy_was_deployed_is_not_acted_on():
    axis = sessions(np.datetime64("2020-01-01"), np.datetime64("2021-12-31"))
    chance = np.random.default_rng(3)
    backtest = chance.normal(0.0004, 0.006, len(axis))
    live = backtest + 1e-5 * chance.standard_normal(len(axis)) - 2e-5 * (np.arange(len(axis)) > 250)
    days = pl.Series(axis).cast(pl.Date)
    nav = pl.DataFrame({"date": days, "live_return": live})
    table = pl.DataFrame({"date": days, "net_return": backtest, "version": ["v"] * len(axis)})
    found = drift_of_account(nav, table, {}, CHOICES, after=None)
    assert found.trigger is not None
    assert found.standing
    assert found.trigger.value < found.trigger.threshold or found.trigger.metric.startswith("cusum")
    assert "false triggers a year" in found.trigger.summary or "limit" in found.trigger.summary
    assert trigger(found.drift, found.alarms, CHOICES, after=axis[-1].item()) is None


def test_each_strategy_is_judged_on_its_own_sessions():
    axis = sessions(np.datetime64("2020-01-01"), np.datetime64("2020-12-31"))
    live = np.full(len(axis), -0.01)
    days = pl.Series(axis).cast(pl.Date)
    versions = ["old"] * 200 + ["new"] * (len(axis) - 200)
    nav = pl.DataFrame({"date": days, "live_return": live})
    table = pl.DataFrame({"date": days, "net_return": np.full(len(axis), 0.001), "version": versions})
    found = drift_of_account(nav, table, {}, CHOICES, after=None)
    fresh = found.drift.filter(pl.col("date") == axis[203].item())
    assert fresh["status"].to_list() == ["NO DATA"] * 3
    assert found.drift.filter(pl.col("date") == axis[199].item())["status"].to_list() == ["BREACH"] * 3


def test_an_account_without_sessions_has_no_drift():
    nav = pl.DataFrame(schema={"date": pl.Date, "live_return": pl.Float64})
    table = pl.DataFrame(schema={"date": pl.Date, "net_return": pl.Float64, "version": pl.String})
    found = drift_of_account(nav, table, {}, CHOICES, after=dt.date(2020, 1, 1))
    assert (found.drift.height, found.alarms.height, found.trigger, found.standing) == (0, 0, None, False)
