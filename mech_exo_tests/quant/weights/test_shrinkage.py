"""The share of equal weights, chosen on windows that the pick has not seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR
from mech_exo_assets.quant.weights.candidate import Space
from mech_exo_assets.quant.weights.frontier import choose, objectives
from mech_exo_assets.quant.weights.objective import Evaluation
from mech_exo_assets.quant.weights.shrinkage import Shrinkage, _picks, random_candidates, shrinkage
from mech_exo_assets.settings import Strategy
from mech_exo_tests.quant.weights.builders import NAN, History, history, strategy

GAP = 8


def chosen_by(past: History, chosen: Strategy, *, seed: int = 0, gap: int = GAP) -> Shrinkage:
    space = Space.of(past.names, chosen.search, multipliers={})
    return shrinkage(past.objective(chosen), space, chosen.search, seed=seed, gap=gap)


def search(**changes: Any) -> Strategy:
    return strategy(
        search={"trials": 40, "limits": {"factor_share": None}, **changes}, costs={"commission_bps": 0, "half_spread_bps": 0, "impact": 0}
    )


def test_with_one_strong_factor_among_useless_ones_nothing_is_mixed_in():
    past = history([0.3, *[0.0] * 5], count=30, length=340)
    found = chosen_by(past, search())
    assert found.share == 0.0
    assert found.sharpe[0.0] > found.sharpe[1.0] + 1
    assert found.windows == 5


@pytest.mark.slow
def test_with_factors_of_one_strength_more_is_mixed_in_than_with_one_strong_factor():
    shares = {
        name: [chosen_by(history(strengths, count=20, length=340, seed=seed), search(), seed=seed).share for seed in range(30)]
        for name, strengths in {"equal": [0.06] * 6, "one": [0.2, *[0.0] * 5]}.items()
    }
    # The pick among equal factors is noise: of 30 markets more than 15 + 2.7 √7.5 have at least half of equal weights by chance in 0.3 %.
    assert sum(share >= 0.5 for share in shares["equal"]) >= 23
    assert np.mean(shares["one"]) < 0.25


def test_the_share_with_the_largest_sharpe_ratio_is_chosen_and_told():
    for seed in range(4):
        found = chosen_by(history(seed=seed), search(shrinkage=[0.0, 0.3, 1.0]))
        assert list(found.sharpe) == [0.0, 0.3, 1.0]
        assert found.sharpe[found.share] == max(found.sharpe.values())
        told = ", ".join(f"{share:g}: {value:.2f}" for share, value in found.sharpe.items())
        assert found.reason == f"the largest Sharpe ratio over {found.windows} inner tests ({told})."


def test_the_sharpe_ratios_are_those_of_each_windows_pick_in_its_test():
    past, chosen = history(), search(shrinkage=[0.0, 0.5])
    judged = past.objective(chosen)
    space = Space.of(past.names, chosen.search, multipliers={})
    pool = random_candidates(space, 40, seed=5)
    returns = np.column_stack([judged.require(each).net_return for each in pool])
    origin, equal = judged.windows[0].test.start, dict.fromkeys(past.names, 1 / 3)
    earned: dict[float, list[np.ndarray]] = {0.0: [], 0.5: []}
    for window in judged.windows[1:]:
        before = returns[: window.test.start - origin - GAP]
        pick = pool[int(np.argmax(before.mean(axis=0) / before.std(axis=0, ddof=1)))]
        for share, parts in earned.items():
            mixed = pick.mixed(equal, share)
            assert mixed is not None
            parts.append(judged.require(mixed).net_return[window.test.start - origin : window.test.stop - origin])
    found = chosen_by(past, chosen, seed=5)
    for share, parts in earned.items():
        joined = np.concatenate(parts)
        assert found.sharpe[share] == pytest.approx(joined.mean() / joined.std(ddof=1) * SESSIONS_PER_YEAR**0.5)


def test_a_pick_sees_nothing_of_its_test_nor_of_the_gap_before():
    past, chosen = history(), search()
    judged = past.objective(chosen)
    space = Space.of(past.names, chosen.search, multipliers={})
    pool = random_candidates(space, 40, seed=0)
    plain = _picks(judged, np.column_stack([judged.require(each).net_return for each in pool]), chosen.search, GAP)
    for number, window in enumerate(judged.windows[1:], start=1):
        spoilt = past.spoilt(window.test.start - GAP).objective(chosen)
        returns = np.column_stack([found.net_return for found in spoilt.evaluate(pool) if not isinstance(found, str)])
        assert _picks(spoilt, returns, chosen.search, GAP)[:number] == plain[:number]


def test_on_a_tie_the_larger_share_is_taken():
    # With one factor, equal weights are its own.
    found = chosen_by(history([0.1]), search(shrinkage=[0.0, 0.5, 1.0]))
    assert len(set(found.sharpe.values())) == 1
    assert found.share == 1.0


def test_one_share_needs_no_validation():
    found = chosen_by(history(), search(shrinkage=[0.3]))
    assert found == Shrinkage(0.3, {}, 0, "search.shrinkage leaves 0.3 only.")


def test_too_few_windows_say_so_and_take_the_middle():
    found = chosen_by(history(length=180), search())
    assert (found.share, found.sharpe, found.windows) == (0.5, {}, 0)
    assert found.reason == "2 windows are too few to validate a share on (3 are needed); the middle of search.shrinkage."


def test_windows_that_the_gap_leaves_nothing_before_are_too_few():
    # Three tests of one month, and a gap of more than two months.
    short = strategy(walk_forward={"train_months": 5, "test_months": 1, "embargo": 50}, search={"trials": 8})
    past = history(length=172)
    assert len(past.objective(short).windows) == 3
    found = chosen_by(past, short, gap=56)
    assert (found.share, found.sharpe, found.windows) == (0.5, {}, 0)
    assert found.reason == "no window has sessions to pick on more than the 56 of the gap before it; the middle of search.shrinkage."


def test_weights_that_cancel_out_with_the_equal_ones_are_no_share_to_take():
    # The one factor works the other way round: the pick is −1, and half of it and half of 1 is nothing.
    found = chosen_by(history([-0.3], count=30), search(low=-1.0, shrinkage=[0.0, 0.5, 1.0]))
    assert found.share == 0.0
    assert set(found.sharpe) == {0.0, 1.0}


def test_a_candidate_that_was_not_traded_before_a_window_is_not_picked_in_it():
    past = history([0.1, 0.1], count=20)
    late = past.scores["f001"].copy()
    late[:200] = NAN
    chosen = search(choice="drawdown", shrinkage=[0.0, 1.0])
    judged = past.with_scores(f001=late).objective(chosen)
    pool = random_candidates(Space.of(past.names, chosen.search, multipliers={}), 40, seed=0)
    found = judged.evaluate(pool)
    able = [each for each in found if isinstance(each, Evaluation)]
    assert len({each.start for each in able}) == 2
    returns = np.column_stack([each.net_return for each in able])
    for pick, test in _picks(judged, returns, chosen.search, GAP):
        assert able[pick].start < test.start


@pytest.mark.parametrize("choice", ["sharpe", "calmar", "drawdown", "balanced"])
def test_the_rule_of_the_search_makes_the_picks(choice: str):
    past, chosen = history(), search(choice=choice)
    judged = past.objective(chosen)
    pool = random_candidates(Space.of(past.names, chosen.search, multipliers={}), 40, seed=0)
    returns = np.column_stack([judged.require(each).net_return for each in pool])
    for pick, test in _picks(judged, returns, chosen.search, GAP):
        assert pick == choose(objectives(returns[: test.start - GAP]), choice)  # ty: ignore


def test_without_any_candidate_that_can_be_judged_it_is_as_equal_as_allowed():
    past = history([0.1])
    found = chosen_by(past.with_scores(f000=np.zeros(past.market.shape)), search(shrinkage=[0.0, 0.75]))
    assert (found.share, found.sharpe, found.windows) == (0.75, {}, 0)
    assert found.reason.startswith("no random candidate could be judged")


def test_random_candidates_lie_in_the_space_and_are_the_same_for_a_seed():
    chosen = search(
        bounds={"f001": [0.2, 0.4]}, construction={"no_trade_band": [0.0, 0.01], "top_n.names": [5, 9]}, limits={"factor_share": 0.6}
    )
    space = Space.of(("f000", "f001", "f002"), chosen.search, multipliers={})
    found = random_candidates(space, 60, seed=1)
    assert found == random_candidates(space, 60, seed=1)
    assert found != random_candidates(space, 60, seed=2)
    assert len(found) == 60
    for each in found:
        assert sum(abs(weight) for weight in each.weights.values()) == pytest.approx(1)
        assert each.factor_share <= 0.6
        assert 0 <= each.construction["no_trade_band"] <= 0.01
        assert each.construction["top_n.names"] in (5, 6, 7, 8, 9)
    assert {each.construction["top_n.names"] for each in found} == {5, 6, 7, 8, 9}


def test_where_no_candidate_keeps_the_limit_one_is_given_that_does_not():
    # Bounds so far apart that the first factor always has nearly all.
    chosen = search(bounds={"f000": [1.0, 1.0], "f001": [0.0, 0.1]}, limits={"factor_share": 0.5})
    found = random_candidates(Space.of(("f000", "f001"), chosen.search, multipliers={}), 5, seed=0)
    assert [each.factor_share > 0.5 for each in found] == [True] * 5
