"""What retraining has brought: the paths that were not taken are what they are called."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.quant.lifecycle.benefit import benefit_figures, benefit_table, never_retrained, path_returns, retrained_by_calendar
from mech_exo_assets.schemas import IC
from mech_exo_tests.quant.lifecycle.facts import version
from mech_exo_tests.quant.lifecycle.markets import chosen, history

GOOD, IDLE = version(good=1.0), version(idle=1.0)
SINCE = dt.date(2020, 2, 3)
AXIS = history().market.sessions


def ic(good: float, idle: float) -> pl.DataFrame:
    """Coefficients that are always the same."""
    days = pl.Series("date", AXIS).cast(pl.Date)
    horizon = chosen().fit_horizon
    parts = [
        pl.DataFrame(
            {
                "date": days,
                "factor": [name] * len(days),
                "horizon": pl.Series([horizon] * len(days), dtype=pl.Int32),
                "ic": [value] * len(days),
                "n": pl.Series([30] * len(days), dtype=pl.Int32),
            }
        )
        for name, value in (("good", good), ("idle", idle))
    ]
    return pl.concat(parts).select(IC.names)


def monthly():
    strategy = chosen()
    return strategy.model_copy(update={"lifecycle": strategy.lifecycle.model_copy(update={"calendar_months": 2})})


def test_never_is_the_first_champion_for_ever():
    reigns, versions = never_retrained(GOOD, SINCE)
    assert [(each.version, each.since, each.until) for each in reigns] == [(GOOD.id, SINCE, None)]
    assert set(versions) == {GOOD.id}


def test_the_calendar_refits_every_so_many_months_by_what_was_known():
    reigns, versions = retrained_by_calendar(IDLE, SINCE, ic(0.1, 0.02), AXIS, monthly())
    assert [each.since for each in reigns[:3]] == [SINCE, dt.date(2020, 4, 1), dt.date(2020, 6, 1)]
    assert all(one.until == other.since for one, other in pairwise(reigns))
    weights = versions[reigns[1].version].weights
    assert weights["good"] / weights["idle"] == pytest.approx(5.0)


def test_where_nothing_works_the_version_before_goes_on():
    reigns, _ = retrained_by_calendar(GOOD, SINCE, ic(-0.1, -0.1), AXIS, monthly())
    assert [each.version for each in reigns] == [GOOD.id]


def test_what_came_after_a_refit_does_not_change_it():
    known = ic(0.1, 0.02)
    later = known.with_columns(ic=pl.when(pl.col("date") > dt.date(2020, 3, 31)).then(-1.0).otherwise(pl.col("ic")))
    first, second = (retrained_by_calendar(IDLE, SINCE, each, AXIS, monthly()) for each in (known, later))
    assert first[0][1].version == second[0][1].version


def test_the_path_of_the_better_factor_earns_more():
    never = path_returns(*never_retrained(IDLE, SINCE), history())
    calendar = path_returns(*retrained_by_calendar(IDLE, SINCE, ic(0.1, 0.0), AXIS, monthly()), history())
    assert never["date"].to_list() == calendar["date"].to_list()
    before = pl.col("date") <= dt.date(2020, 4, 1)
    assert never.filter(before).equals(calendar.filter(before))
    assert calendar.filter(~before)["net_return"].mean() > never.filter(~before)["net_return"].mean()


def test_figures_say_by_how_much_the_path_taken_is_ahead():
    chance = np.random.default_rng(1)
    common = chance.normal(0, 0.01, 250)
    days = AXIS[:250]
    table = benefit_table(days, {"taken": common + 0.001, "never": common, "calendar": np.zeros(250)})
    figures = {row["path"]: row for row in benefit_figures(table, seed=0).iter_rows(named=True)}
    assert list(figures) == ["taken", "never", "calendar"]
    assert figures["never"]["ahead"] == pytest.approx(figures["taken"]["sharpe"] - figures["never"]["sharpe"])
    assert figures["never"]["ahead_low"] > 0
    assert figures["taken"]["ahead"] is None
    assert figures["calendar"]["sharpe"] is None


def test_few_sessions_have_no_comparison():
    table = benefit_table(AXIS[:30], {"taken": np.full(30, 0.001) * np.arange(30), "never": np.arange(30) * 1e-4})
    assert benefit_figures(table, seed=0)["ahead"].to_list() == [None, None]
