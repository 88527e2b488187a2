"""Targets of what is deployed: one version a session, decided once, and the same to the last bit when it comes back."""

from __future__ import annotations

import datetime as dt

import polars as pl

from mech_exo_assets.quant.lifecycle.canary import Deployed, canaries, deployments
from mech_exo_assets.quant.lifecycle.deployed import History, live_targets, version_book, version_targets
from mech_exo_assets.quant.lifecycle.reigns import reigns
from mech_exo_assets.schemas import LIVE_TARGETS
from mech_exo_tests.quant.lifecycle.facts import crowned, version
from mech_exo_tests.quant.lifecycle.facts import history as events_of
from mech_exo_tests.quant.lifecycle.markets import history

A, B = version(good=1.0), version(idle=1.0)
KNOWN = {A.id: A, B.id: B}
FIRST = crowned("strategy_registered", A.id, "2020-02-03")
PROMOTED = crowned("promoted", B.id, "2020-04-01")
BACK = crowned("rolled_back", A.id, "2020-05-01")


def who(*events: tuple) -> list[Deployed]:
    told = events_of(*events)
    return deployments(reigns(told), canaries(told))


def until(day: str) -> History:
    """The history as it was known after one session."""
    whole = history()
    last = dt.date.fromisoformat(day)
    return History(whole.scores.filter(pl.col("date") <= last), whole.market, whole.sectors, whole.strategy)


def decided(*steps: tuple[str, list]) -> pl.DataFrame:
    """The targets as they are published step by step: known up to a day, with the events of then."""
    table = LIVE_TARGETS.empty()
    for day, events in steps:
        table = live_targets(who(*events), KNOWN, until(day), table)
    return table


def test_each_session_has_the_targets_of_its_champion_and_of_no_other():
    table = decided(("2020-03-31", [FIRST]), ("2020-04-30", [FIRST, PROMOTED]), ("2020-06-30", [FIRST, PROMOTED, BACK]))
    pairs = table.select("date", "version").unique()
    assert pairs.height == pairs["date"].n_unique()
    of = pairs.sort("date").with_columns(month=pl.col("date").dt.month()).group_by("month").agg(pl.col("version").unique())
    assert dict(of.iter_rows()) == {2: [A.id], 3: [A.id], 4: [B.id], 5: [A.id], 6: [A.id]}


def test_a_rollback_restores_the_targets_to_the_last_bit():
    back = decided(("2020-03-31", [FIRST]), ("2020-04-30", [FIRST, PROMOTED]), ("2020-06-30", [FIRST, PROMOTED, BACK]))
    never = decided(("2020-06-30", [FIRST]))
    own = back.filter(version=A.id)
    assert own.equals(never.join(own.select("date").unique(), on="date", how="semi").sort("date", "symbol"))


def test_a_version_gives_the_same_targets_whoever_asks():
    whole = history()
    assert version_targets(A, whole).equals(version_targets(A, whole))


def test_what_was_decided_is_not_computed_again():
    table = decided(("2020-03-31", [FIRST]))
    whole = history()
    other = History(whole.scores.with_columns(pl.col("good") * -1), whole.market, whole.sectors, whole.strategy)
    later = live_targets(who(FIRST), KNOWN, other, table)
    assert later.filter(pl.col("date") <= dt.date(2020, 3, 31)).equals(table)
    assert later.height > table.height


def test_step_by_step_is_as_all_at_once():
    days = ["2020-02-10", "2020-02-28", "2020-04-02", "2020-06-30"]
    assert decided(*((day, [FIRST]) for day in days)).equals(decided((days[-1], [FIRST])))


def test_nothing_is_decided_before_the_first_reign():
    assert decided(("2020-03-31", [FIRST]))["date"].min() == dt.date(2020, 2, 3)


def test_a_factor_that_has_gone_counts_as_unknown():
    whole = history()
    gone = History(whole.scores.drop("idle"), whole.market, whole.sectors, whole.strategy)
    assert version_targets(version(good=0.6, idle=0.4), gone).height > 0
    assert version_targets(B, gone).is_empty()


def test_the_better_factor_earns_more():
    whole = history()
    good, idle = (version_book(each, whole).net_return for each in (A, B))
    assert good.mean() / good.std() > idle.mean() / idle.std() + 0.1
