"""A search problem: what names it, and that the hold-out has no part in it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.walk_forward import NoWindowError
from mech_exo_assets.quant.weights.problem import Problem
from mech_exo_tests.quant.weights.builders import NAN, History, Searched, history, monitor, problem_of, strategy

PAST = history(length=420, missing=0.02)
CHOSEN = strategy()
PROBLEM = problem_of(PAST, CHOSEN)
STOP = PROBLEM.span.searched.stop


def fingerprint(past: History = PAST, **changes: Any) -> str:
    return problem_of(past, strategy(**changes)).fingerprint


def test_the_same_problem_made_anew_has_the_same_name():
    again = history(length=420, missing=0.02)
    assert again.market["close"] is not PAST.market["close"]
    assert fingerprint(again) == PROBLEM.fingerprint
    assert re.fullmatch(r"[0-9a-f]{16}", PROBLEM.fingerprint)
    assert PROBLEM.study_name == f"weights/{PROBLEM.span.searched_to}/{PROBLEM.fingerprint}"


def test_the_order_in_which_things_are_given_does_not_matter():
    def turned(panel: Panel) -> Panel:
        return Panel(panel.sessions, panel.symbols, dict(reversed(panel.fields.items())))

    assert fingerprint(History(turned(PAST.market), turned(PAST.scores))) == PROBLEM.fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"search": {"trials": 32}},
        {"search": {"workers": 1}},
        {"search": {"seconds": 60.0}},
        {"search": {"choice": "balanced"}},
        {"search": {"shrinkage": [0.5]}},
        {"gates": {"pbo": 0.2, "blocks": 6}},
        {"alerts": {"min_sharpe": 1.0}},
        {"ic": {"min_names": 5}},
    ],
    ids=str,
)
def test_what_does_not_change_a_trial_does_not_change_the_name(changes: dict[str, Any]):
    assert fingerprint(**changes) == PROBLEM.fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"search": {"bounds": {"f001": [0.0, 0.5]}}},
        {"search": {"low": -1.0}},
        {"search": {"limits": {"turnover": 0.5}}},
        {"search": {"batch": 8}},
        {"search": {"sampler": "nsga2"}},
        {"search": {"startup": 8}},
        {"search": {"construction": {"no_trade_band": [0.0, 0.01]}}},
        {"search": {"holdout_months": 7}},
        {"construction": {"gross": 0.8}},
        {"costs": {"commission_bps": 2.0}},
        {"execution_lag": 2},
        {"composite": {"weights": {"f000": 1.0}}},
        {"composite": {"min_coverage": 0.8}},
        {"walk_forward": {"test_months": 1}},
    ],
    ids=str,
)
def test_what_changes_a_trial_changes_the_name(changes: dict[str, Any]):
    assert fingerprint(**changes) != PROBLEM.fingerprint


def test_other_data_that_the_search_sees_change_the_name_and_data_of_the_hold_out_do_not():
    assert fingerprint(PAST.spoilt(STOP)) == PROBLEM.fingerprint
    for panel, name in ((PAST.market, "close"), (PAST.scores, "f001")):
        before = panel[name][STOP - 1, 3]
        panel[name][STOP - 1, 3] = before * (1 + 1e-15) + 1e-12
        try:
            assert fingerprint() != PROBLEM.fingerprint
        finally:
            panel[name][STOP - 1, 3] = before
    assert fingerprint() == PROBLEM.fingerprint


def test_the_name_stays_the_same_while_the_month_goes_on():
    sessions = PAST.market.sessions
    months = sessions.astype("datetime64[M]")
    last = np.flatnonzero(months == months[-1])
    assert len(last) > 1
    names = {problem_of(PAST.until(stop), CHOSEN).study_name for stop in (last[0] + 1, last[-1] + 1)}
    assert names == {PROBLEM.study_name}
    attributes = [problem_of(PAST.until(stop), CHOSEN).study_attributes for stop in (last[0] + 1, last[-1] + 1)]
    assert attributes[0] == attributes[1] == PROBLEM.study_attributes
    assert problem_of(PAST.until(last[0]), CHOSEN).study_name != PROBLEM.study_name


def test_a_study_says_what_it_is_of():
    span = PROBLEM.span
    assert PROBLEM.study_attributes == {
        "family": "weights",
        "searched_from": "2015-01-02",
        "searched_to": span.searched_to.isoformat(),
        "holdout_from": span.holdout_from.isoformat(),
        "holdout_to": "2016-08-31",
        "seed": "0",
        "sampler": "tpe",
    }


def test_a_decayed_factor_changes_the_space_and_the_name():
    decayed = problem_of(PAST, CHOSEN, states=monitor(PAST.market.sessions, f000="decayed"), residual_ic=PAST.ic(1))
    assert 0 < decayed.multipliers["f000"] <= 0.4
    assert decayed.space.bounds["f000"] == (0.0, decayed.multipliers["f000"])
    assert decayed.fingerprint != PROBLEM.fingerprint


def test_a_decay_inside_the_hold_out_is_not_known():
    late = monitor(PAST.market.sessions[STOP:], f000="decayed")
    found = problem_of(PAST, CHOSEN, states=late, residual_ic=PAST.ic(1))
    assert found.multipliers == {}
    assert found.fingerprint == PROBLEM.fingerprint


def everything(searched: Searched) -> list[pl.DataFrame | object]:
    """All that a search and its choice come to, but for when."""
    found = searched.choice()
    tables = searched.tables
    return [
        tables.trials.drop("completed_at"),
        tables.weights,
        tables.returns,
        (found.trial, found.picked, found.candidate, found.shrinkage, found.verdicts),
        (found.evaluation.net_return.tolist(), found.evaluation.sharpe),
        (searched.problem.starts, searched.problem.study_name, searched.problem.multipliers),
    ]


@pytest.mark.parametrize("construction", [{}, {"kind": "quantile", "quantile": 0.3, "volatility_target": 0.1}], ids=["linear", "full"])
def test_nothing_in_the_hold_out_changes_a_trial_or_the_choice(construction: dict[str, Any]):
    chosen = strategy(construction=construction)
    days = PAST.market.sessions
    plain = Searched.of(problem_of(PAST, chosen, states=monitor(days, f001="decayed"), residual_ic=PAST.ic(1)))
    spoilt = PAST.spoilt(STOP)
    other = Searched.of(
        problem_of(
            spoilt,
            chosen,
            ic=spoilt.ic(5),
            residual_ic=spoilt.ic(1),
            states=pl.concat([monitor(days[:STOP], f001="decayed"), monitor(days[STOP:], f000="decayed", f001="healthy")]),
        )
    )
    for one, two in zip(everything(plain), everything(other), strict=True):
        if isinstance(one, pl.DataFrame):
            assert_frame_equal(one, two, check_exact=True)  # ty: ignore
        else:
            assert one == two
    # The last session of the last test does count.
    last = int(np.searchsorted(days, plain.problem.objective.sessions[-1]))
    before = Searched.of(problem_of(PAST.spoilt(last), chosen, states=monitor(days, f001="decayed"), residual_ic=PAST.ic(1)))
    assert not before.tables.returns.equals(plain.tables.returns)


def test_what_is_held_out_is_judged_on_the_hold_out_and_nothing_else():
    judged = PROBLEM.held_out()
    np.testing.assert_array_equal(judged.sessions, PAST.market.sessions[PROBLEM.span.held_out])
    np.testing.assert_array_equal(PROBLEM.held_out_sessions, judged.sessions)
    assert PROBLEM.objective.sessions[-1] < judged.sessions[0] - np.timedelta64(PROBLEM.gap, "D")


def test_what_came_since_a_session_begins_after_it():
    days = PAST.market.sessions
    since = PROBLEM.since(days[400])
    assert since is not None
    np.testing.assert_array_equal(since.sessions, days[401:])
    # A day without a session counts as the session before it.
    friday = int(np.flatnonzero(np.diff(days) == np.timedelta64(3, "D"))[-1])
    over_the_weekend = PROBLEM.since(days[friday] + np.timedelta64(1, "D"))
    assert over_the_weekend is not None
    assert over_the_weekend.sessions[0] == days[friday + 1]
    assert PROBLEM.since(days[-1]) is None


def test_equal_weights_are_those_of_the_space():
    assert PROBLEM.equal == pytest.approx(dict.fromkeys(("f000", "f001", "f002"), 1 / 3))
    decayed = problem_of(PAST, CHOSEN, states=monitor(PAST.market.sessions, f000="decayed"))
    assert decayed.multipliers == {"f000": 0.0}
    assert decayed.equal == {"f001": 0.5, "f002": 0.5}


def test_the_configured_strategy_is_compared_as_it_stands_also_where_it_holds_a_decayed_factor():
    chosen = strategy(composite={"weights": {"f000": 3.0, "f001": 1.0}})
    found = problem_of(PAST, chosen, states=monitor(PAST.market.sessions, f000="decayed"))
    assert found.space.factors == ("f001", "f002")
    assert found.baselines["configured"].weights == {"f000": 0.75, "f001": 0.25}
    assert found.starts["configured"].weights == {"f001": 1.0, "f002": 0.0}
    assert list(found.baselines)[:2] == ["configured", "equal"]
    assert list(PROBLEM.baselines) == ["configured", "equal", "mean_ic"]


def test_a_history_without_scores_or_without_a_window_is_refused():
    bare = History(PAST.market, Panel(PAST.market.sessions, PAST.market.symbols, {}))
    with pytest.raises(InputError, match="no factor alive: factors/scores holds none"):
        problem_of(bare, CHOSEN)
    with pytest.raises(NoWindowError, match=r"Lower walk_forward.train_months or walk_forward.test_months, or give a longer history."):
        problem_of(PAST.until(240), CHOSEN)


def test_bounds_of_a_factor_that_is_not_there_are_refused():
    with pytest.raises(InputError, match=r"^search\.bounds: no factor 'momentum'"):
        problem_of(PAST, strategy(search={"bounds": {"momentum": [0, 1]}}))


def test_a_factor_without_any_score_before_the_hold_out_is_not_searched():
    late = np.where(np.arange(len(PAST.market.sessions))[:, None] < STOP, NAN, PAST.scores["f000"])
    plain, other = PROBLEM, problem_of(PAST.with_scores(late=late), CHOSEN)
    assert other.space.factors == plain.space.factors
    assert other.fingerprint == plain.fingerprint
    assert "late" in other.held_out().factors


def test_a_name_that_is_listed_in_the_hold_out_begins_no_new_search():
    def listed(panel: Panel) -> Panel:
        late = np.where(np.arange(len(panel.sessions)) < STOP, NAN, 50.0)
        fields = {name: np.column_stack([matrix, late]) for name, matrix in panel.fields.items()}
        return Panel(panel.sessions, np.append(panel.symbols, "ZZZ"), fields)

    more = History(listed(PAST.market), listed(PAST.scores))
    found = Problem.of(
        more.scores,
        more.market,
        CHOSEN,
        sectors={"ZZZ": "new"},
        ic=PAST.ic(5),
        residual_ic=PAST.ic(1),
        monitor=monitor(more.market.sessions),
    )
    assert found.study_name == PROBLEM.study_name
    each = PROBLEM.starts["equal"]
    np.testing.assert_allclose(found.objective.require(each).net_return, PROBLEM.objective.require(each).net_return, rtol=0, atol=1e-14)


def test_a_column_that_is_first_given_in_the_hold_out_begins_no_new_search():
    late = np.where(np.arange(len(PAST.market.sessions))[:, None] < STOP, NAN, PAST.market["close"])
    market = Panel(PAST.market.sessions, PAST.market.symbols, {**PAST.market.fields, "high": late})
    assert fingerprint(History(market, PAST.scores)) == PROBLEM.fingerprint


def test_warm_starts_have_not_seen_the_sessions_that_they_are_judged_on():
    first = PROBLEM.objective.windows[0]
    spoilt = PAST.spoilt(first.test.start)
    other = problem_of(spoilt, strategy(), ic=spoilt.ic(5))
    assert other.objective.windows[0].test.start == first.test.start
    assert PROBLEM.starts == other.starts
    assert PROBLEM.baselines["mean_ic"] != other.baselines["mean_ic"]
    assert list(PROBLEM.starts) == ["configured", "equal", "mean_ic", "inverse_variance"]
