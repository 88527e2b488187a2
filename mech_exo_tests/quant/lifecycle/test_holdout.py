"""Challenger and champion on what neither has seen, and the gates before that."""

from __future__ import annotations

import dataclasses
import datetime as dt

import polars as pl
import pytest

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.lifecycle.deployed import History, version_targets
from mech_exo_assets.quant.lifecycle.gates import no_look_ahead
from mech_exo_assets.quant.lifecycle.holdout import Trial, compared, unseen_from, validated
from mech_exo_assets.quant.lifecycle.version import StrategyVersion
from mech_exo_assets.schemas import EXPLANATIONS, OVERFITTING
from mech_exo_tests.quant.lifecycle.facts import version
from mech_exo_tests.quant.lifecycle.markets import chosen, history

GOOD, IDLE = version(good=1.0), version(idle=1.0)
PASSED = pl.DataFrame(
    [("deflated_sharpe", 0.99, 0.95, True, "0.99 is fine."), ("pbo", 0.1, 0.5, True, "0.1 is fine.")],
    schema=OVERFITTING.dtypes(),
    orient="row",
)
FAILED = PASSED.with_columns(passed=pl.col("measure") != "pbo")


def trial(challenger: StrategyVersion = GOOD, champion: StrategyVersion = IDLE, **validation: object) -> Trial:
    whole = history()
    return Trial(challenger, champion, History(whole.scores, whole.market, whole.sectors, chosen(**validation)), {})


def gates(overfitting: pl.DataFrame = PASSED, explanations: pl.DataFrame | None = None, **validation: object) -> dict[str, dict]:
    table = validated(trial(**validation), overfitting, EXPLANATIONS.empty() if explanations is None else explanations)
    return {row["gate"]: row for row in table.iter_rows(named=True)}


def importances(*values: list[float]) -> pl.DataFrame:
    rows = [
        ("ridge", fold, f"f{at}", value, value, at + 1, None, 100)
        for fold, row in enumerate(values, start=1)
        for at, value in enumerate(row)
    ]
    return pl.DataFrame(rows, schema=EXPLANATIONS.dtypes(), orient="row")


def test_a_good_challenger_passes_every_gate_that_is_judged():
    found = gates()
    assert {name for name, row in found.items() if row["passed"] is False} == set()
    assert {name for name, row in found.items() if row["passed"]} == {
        "search",
        "sharpe",
        "max_drawdown",
        "beta",
        "name_weight",
        "no_look_ahead",
    }


@pytest.mark.parametrize(
    ("gate", "limit"),
    [
        ("sharpe", 99.0),
        ("max_drawdown", 1e-4),
        ("turnover", 1e-4),
        ("capacity", 1e18),
        ("beta", 1e-9),
        ("name_weight", 1e-3),
        ("sector_weight", 1e-3),
    ],
)
def test_each_gate_can_fail_and_says_what_was_wanted(gate: str, limit: float):
    row = gates(**{gate: limit})[gate]
    assert row["passed"] is False
    assert row["threshold"] == limit
    assert "wanted is at " in row["meaning"]


def test_a_search_that_failed_its_own_gate_fails_here():
    assert gates(FAILED)["search"]["passed"] is False
    assert gates(FAILED, search=False)["search"]["passed"] is None


def test_the_stability_of_explanations_is_that_of_the_last_two_trainings():
    alike = importances([9, 1, 5, 3], [4, 3, 2, 1], [4.1, 2.9, 2, 1])
    assert gates(explanations=alike, explanation_stability=0.8)["explanation_stability"]["value"] == pytest.approx(1.0)
    other = importances([4, 3, 2, 1], [1, 2, 3, 4])
    assert gates(explanations=other, explanation_stability=0.8)["explanation_stability"]["passed"] is False
    assert gates(explanation_stability=0.8)["explanation_stability"]["passed"] is False, "what could not be measured does not pass"


def test_the_capacity_scales_trades_up_to_the_cap():
    strategy = trial()
    value = gates()["capacity"]["value"]
    assert value > strategy.strategy.backtest.initial_nav
    tight = dataclasses.replace(strategy.history, strategy=chosen())
    halved = tight.strategy.model_copy(update={"costs": tight.strategy.costs.model_copy(update={"participation": 0.05})})
    half = Trial(GOOD, IDLE, dataclasses.replace(tight, strategy=halved), {})
    found = {row["gate"]: row["value"] for row in validated(half, PASSED, EXPLANATIONS.empty()).iter_rows(named=True)}
    assert found["capacity"] == pytest.approx(value / 2, rel=0.05)


def test_no_look_ahead_finds_one_that_looks_ahead():
    whole = history()
    middle = dt.date(2020, 5, 1)
    honest = no_look_ahead(lambda each: version_targets(GOOD, each), whole, middle, seed=0)
    assert (honest.moved, honest.rows > 0) == (0, True)

    def peeks(each: History) -> pl.DataFrame:
        return version_targets(GOOD, each).with_columns(weight=pl.col("weight") * each.scores["good"].std())

    found = no_look_ahead(peeks, whole, middle, seed=0)
    assert found.moved == found.rows


def test_the_better_one_is_found_better_on_the_same_sessions():
    table, returns = compared(trial(), impaired=False)
    assert table["verdict"].to_list() == ["better"]
    counts = returns.group_by("role").len()["len"].to_list()
    assert len(set(counts)) == 1
    assert counts[0] == table["n_sessions"][0]


def test_a_challenger_that_holds_what_the_champion_holds_is_refused_also_in_a_breach():
    table, _ = compared(trial(GOOD, version(good=2.0)), impaired=True)
    assert table["verdict"].to_list() == ["worse"]
    assert "no better strategy was found" in table["reason"][0]


def test_sessions_that_the_champion_was_fitted_on_are_left_out():
    searched = {"holdout_from": "2020-02-01", "searched_to": "2020-01-10"}
    challenger = dataclasses.replace(GOOD, searched=searched)
    assert unseen_from(challenger, IDLE) == dt.date(2020, 2, 1)
    later = dataclasses.replace(IDLE, searched={"holdout_from": "2020-04-01", "searched_to": "2020-03-10"})
    assert unseen_from(challenger, later) == dt.date(2020, 3, 11)
    with pytest.raises(InputError, match="does not come from a search"):
        unseen_from(GOOD, IDLE)
