"""A challenger with a share of the capital: when it has it, what the account then wants, and what follows it."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from mech_exo_assets.quant.lifecycle.canary import Canary, blended, canaries, deployments
from mech_exo_assets.quant.lifecycle.deployed import live_targets, version_targets
from mech_exo_assets.quant.lifecycle.reigns import reigns
from mech_exo_assets.schemas import LIVE_TARGETS, TARGETS
from mech_exo_tests.quant.lifecycle.facts import crowned, history, version
from mech_exo_tests.quant.lifecycle.markets import history as market_history

A, B = version(good=1.0), version(idle=1.0)
FIRST = crowned("strategy_registered", A.id, "2020-02-03")


def began(since: str = "2020-03-02", share: float = 0.1) -> tuple:
    return "ab_test_started", B.id, {"stage": "canary", "since": since, "share": share}


def ended(since: str) -> tuple:
    return "ab_test_concluded", B.id, {"stage": "canary", "since": since}


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def test_a_canary_ends_with_its_verdict():
    assert canaries(history(FIRST, began(), ended("2020-06-01"))) == [Canary(B.id, 0.1, day("2020-03-02"), day("2020-06-01"))]


def test_a_canary_ends_with_the_next_champion_whatever_is_said_later():
    told = history(FIRST, began(), crowned("manual_override", B.id, "2020-05-01"), ended("2020-06-01"))
    assert canaries(told) == [Canary(B.id, 0.1, day("2020-03-02"), day("2020-05-01"))]


def test_one_that_was_ended_before_its_first_session_was_none():
    assert canaries(history(FIRST, began(), ended("2020-03-02"))) == []


def test_a_comparison_in_shadow_or_on_the_holdout_is_no_canary():
    assert canaries(history(FIRST, ("ab_test_started", B.id, {"stage": "shadow", "since": "2020-03-02", "share": 0.0}))) == []


def test_the_reign_is_cut_where_the_canary_begins_and_ends():
    told = history(FIRST, began(), ended("2020-06-01"))
    found = deployments(reigns(told), canaries(told))
    assert [(each.since, each.until, each.canary is not None) for each in found] == [
        (day("2020-02-03"), day("2020-03-02"), False),
        (day("2020-03-02"), day("2020-06-01"), True),
        (day("2020-06-01"), None, False),
    ]


def table(*rows: tuple[str, str, float]) -> pl.DataFrame:
    return pl.DataFrame([(day(when), name, weight) for when, name, weight in rows], schema=TARGETS.dtypes(), orient="row")


def test_targets_are_added_up_and_one_without_new_ones_keeps_its_own():
    champion = table(("2020-03-02", "A", 1.0), ("2020-03-04", "B", 1.0))
    found = blended(champion, table(("2020-03-03", "A", 0.5), ("2020-03-03", "C", -0.5)), 0.2)
    assert found.rows() == [
        (day("2020-03-02"), "A", pytest.approx(0.8)),
        (day("2020-03-03"), "A", pytest.approx(0.9)),
        (day("2020-03-03"), "C", pytest.approx(-0.1)),
        (day("2020-03-04"), "A", pytest.approx(0.1)),
        (day("2020-03-04"), "B", pytest.approx(0.8)),
        (day("2020-03-04"), "C", pytest.approx(-0.1)),
    ]


def test_the_account_wants_both_while_it_lasts_and_the_champion_alone_afterwards():
    past = market_history()
    told = history(FIRST, began(share=0.25), ended("2020-06-01"))
    found = live_targets(deployments(reigns(told), canaries(told)), {A.id: A, B.id: B}, past, LIVE_TARGETS.empty())
    own, other = version_targets(A, past), version_targets(B, past)
    for when, share in (("2020-02-28", 0.0), ("2020-03-02", 0.25), ("2020-05-29", 0.25), ("2020-06-01", 0.0)):
        want: dict[str, float] = {}
        for targets, portion in ((own, 1 - share), (other, share)):
            for symbol, weight in targets.filter(date=day(when)).select("symbol", "weight").iter_rows():
                want[symbol] = want.get(symbol, 0.0) + portion * weight
        want = {name: weight for name, weight in want.items() if weight}
        assert dict(found.filter(date=day(when)).select("symbol", "weight").iter_rows()) == pytest.approx(want)
    assert set(found["version"]) == {A.id}


def test_a_champion_that_trades_monthly_is_followed_from_its_first_session_on():
    """On 13 March its targets are those of 2 March; it does not wait for April."""
    monthly = version(idle=1.0)
    monthly = type(monthly)(monthly.weights, monthly.blend, monthly.min_coverage, {**monthly.construction, "rebalance": "monthly"})
    past = market_history()
    told = history(FIRST, crowned("promoted", monthly.id, "2020-03-13"))
    found = live_targets(deployments(reigns(told), ()), {A.id: A, monthly.id: monthly}, past, LIVE_TARGETS.empty())
    own = found.filter(version=monthly.id)
    assert own["date"].unique().sort().to_list()[:2] == [day("2020-03-13"), day("2020-04-01")]
    standing = version_targets(monthly, past).filter(date=day("2020-03-02")).select("symbol", "weight")
    assert own.filter(date=day("2020-03-13")).select("symbol", "weight").equals(standing)
