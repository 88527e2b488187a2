"""The search: the same trials for the same seed, wherever it was interrupted and however many threads it had."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import optuna
import pytest

from mech_exo_assets.quant.weights.candidate import Candidate, Space
from mech_exo_assets.quant.weights.objective import Evaluation
from mech_exo_assets.quant.weights.search import START, WHY, constraint_values, distributions, run, search, values_of
from mech_exo_assets.quant.weights.store import MemoryStore
from mech_exo_assets.settings.search import Search
from mech_exo_tests.quant.weights.builders import candidate, cheap_judge, evaluation, history, strategy

FACTORS = ("f000", "f001", "f002")
OPENED = {"no_trade_band": [0.0, 0.01], "top_n.names": [5, 9]}

Trial = optuna.trial.FrozenTrial


def choices(**changes: Any) -> Search:
    return strategy(search=changes).search


def space(chosen: Search, **multipliers: float) -> Space:
    return Space.of(FACTORS, chosen, multipliers=multipliers)


def tried(store: MemoryStore | None = None, *, judge: Any = cheap_judge, seed: int = 3, **changes: Any) -> list[Trial]:
    """A search by a cheap judge."""
    starts, progress = changes.pop("starts", None), changes.pop("progress", None)
    chosen = choices(**changes)
    return run(judge, space(chosen), chosen, MemoryStore() if store is None else store, seed=seed, starts=starts, progress=progress)


def content(trials: Sequence[Trial]) -> list[tuple[Any, ...]]:
    """All that a trial is, but for when it was done."""
    return [(each.number, each.state, each.params, each.values, each.user_attrs, each.constraints) for each in trials]


class Interrupted:
    """A judge that raises on one of its calls."""

    def __init__(self, at: int, error: type[BaseException], judge: Any = cheap_judge) -> None:
        self.calls, self._at, self._error, self._judge = 0, at, error, judge

    def __call__(self, candidates: Sequence[Candidate]) -> list[Evaluation | str]:
        self.calls += 1
        if self.calls == self._at:
            raise self._error
        return self._judge(candidates)


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_the_same_seed_gives_the_same_trials_and_another_others(sampler: str):
    plain = content(tried(sampler=sampler))
    assert content(tried(sampler=sampler)) == plain
    other = content(tried(sampler=sampler, seed=4))
    assert [row[2] for row in other] != [row[2] for row in plain]


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_trials_are_numbered_by_batch_and_slot_and_hold_every_weight(sampler: str):
    trials = tried(sampler=sampler, trials=24)
    assert [(each.user_attrs["batch"], each.user_attrs["slot"]) for each in trials] == [divmod(number, 4) for number in range(24)]
    assert [each.number for each in trials] == list(range(24))
    # Crossover of a small population may give a child that is its parent.
    assert len({tuple(each.params.values()) for each in trials}) == 24 or sampler == "nsga2"
    assert all(set(each.params) == {f"weight.{name}" for name in FACTORS} for each in trials)
    assert all(0 <= value <= 1 for each in trials for value in each.params.values())


def test_the_sampler_learns_from_what_it_has_seen():
    # The factor in the middle serves no objective.
    wasted = [space(choices()).candidate(each.params).weights["f001"] for each in tried(trials=80, startup=20)]  # ty: ignore
    assert sum(wasted[40:]) / 40 < 0.6 * sum(wasted[:20]) / 20


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("at", [1, 2, 4])
@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_interrupted_and_resumed_is_the_same_search(at: int, error: type[BaseException], sampler: str):
    starts = {"equal": candidate(1, 1, 1), "configured": candidate(1, 0, 0), "third": candidate(1, 2, 3)}
    settings: dict[str, Any] = {"sampler": sampler, "starts": starts, "limits": {"turnover": 0.4}}
    store = MemoryStore()
    with pytest.raises(error):
        tried(store, judge=Interrupted(at, error), **settings)
    assert len(store.trials()) == 4 * (at - 1), "a batch is kept as a whole or not at all"
    assert store.claim(4) == at - 1, "the claim was not given back"
    store.release(at - 1)
    assert content(tried(store, **settings)) == content(tried(**settings))


def test_interrupted_again_and_again_is_the_same_search():
    store = MemoryStore()
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            tried(store, judge=Interrupted(2, KeyboardInterrupt))
    assert content(tried(store)) == content(tried())


def test_more_trials_go_on_from_those_that_are_there():
    store = MemoryStore()
    first = content(tried(store, trials=8))
    more = content(tried(store, trials=16))
    assert more[:8] == first
    assert more == content(tried(trials=16))
    assert content(tried(store, trials=8)) == more, "what is there is not taken away"


def test_no_batch_is_begun_after_the_time_is_up_and_a_later_search_goes_on():
    store = MemoryStore()

    def slow(candidates: Sequence[Candidate]) -> list[Evaluation | str]:
        time.sleep(0.3)
        return cheap_judge(candidates)

    begun = time.monotonic()
    first = content(tried(store, judge=slow, seconds=0.1))
    assert len(first) == 4
    assert time.monotonic() - begun < 5
    assert content(tried(store)) == content(tried())
    assert content(tried(store))[:4] == first


def test_a_search_waits_for_a_batch_that_another_holds():
    store = MemoryStore()
    assert store.claim(4) == 0
    told: list[int] = []

    def finish(done: int, wanted: int) -> None:
        told.append(done)
        if done == 12:  # All that are free are done: the other gives up.
            store.release(0)

    trials = tried(store, progress=finish)
    assert told == [0, 4, 8, 12, 16]
    assert [each.user_attrs["batch"] for each in trials] == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4


def test_progress_counts_the_trials():
    told: list[tuple[int, int]] = []
    store = MemoryStore()
    tried(store, trials=8, progress=lambda done, wanted: told.append((done, wanted)))
    assert told == [(0, 8), (4, 8), (8, 8)]
    told.clear()
    tried(store, progress=lambda done, wanted: told.append((done, wanted)))
    assert told == [(8, 16), (12, 16), (16, 16)]


def test_warm_starts_are_the_first_trials_and_keep_to_the_bounds():
    starts = {
        "configured": candidate(3, 1, 0),
        "equal": candidate(1, 1, 1),
        "short": candidate(-1, 1, 0),
        **{f"more {n}": candidate(1, n, 1) for n in (2, 3)},
    }
    trials = tried(starts=starts, bounds={"f002": [0.2, 1.0]}, limits={"factor_share": None})
    assert [each.user_attrs.get(START) for each in trials] == [*starts, *[None] * 11]
    params = [list(each.params.values()) for each in trials[:3]]
    assert params == [[1.0, pytest.approx(1 / 3), 0.2], [1.0, 1.0, 1.0], [0.0, 1.0, 0.2]]
    # The starts do not change what is drawn after them in other batches of the startup.
    assert [list(each.params.values()) for each in trials[4:5]] == [[pytest.approx(1 / 3), 1.0, pytest.approx(1 / 3)]]


def test_warm_starts_that_the_bounds_make_the_same_are_tried_once():
    starts = {"configured": candidate(1, 1, 1), "equal": candidate(2, 2, 2), "other": candidate(1, 2, 1)}
    trials = tried(starts=starts)
    assert [each.user_attrs.get(START) for each in trials[:3]] == ["configured", "other", None]


def test_constraints_are_what_is_exceeded_and_mark_a_trial():
    chosen = choices(limits={"turnover": 0.3, "drawdown": 0.2, "factor_share": 0.5})
    trials = run(cheap_judge, space(chosen), chosen, MemoryStore(), seed=0, starts={"all": candidate(1, 0, 0), "mixed": candidate(1, 1, 2)})
    alone, mixed = trials[:2]
    assert alone.constraints == {"factor_share": 0.5, "turnover": pytest.approx(0.7), "drawdown": pytest.approx(0.1)}
    assert mixed.constraints == {"factor_share": 0.0, "turnover": pytest.approx(-0.05), "drawdown": pytest.approx(0.0, abs=1e-12)}
    assert (alone.user_attrs["turnover"], alone.user_attrs["factor_share"]) == (1.0, 1.0)


def test_only_limits_that_are_given_constrain():
    found = evaluation(max_drawdown=0.4, turnover=0.9)
    chosen = choices(limits={"turnover": None, "drawdown": None, "factor_share": None})
    assert constraint_values(found, candidate(1, 0, 0), space(chosen), chosen.limits) == {"factor_share": 0.0}


def test_the_share_limit_of_a_decayed_factor_is_a_constraint():
    chosen = choices(limits={"factor_share": 0.6})
    values = constraint_values(evaluation(), candidate(0.5, 0.3, 0.2), space(chosen, f000=0.5), chosen.limits)
    assert values == {"factor_share": pytest.approx(0.2)}


def test_the_sampler_looks_for_what_is_feasible():
    trials = tried(trials=80, startup=20, limits={"turnover": 0.2})
    kept = [all(value <= 0 for value in each.constraints.values()) for each in trials]
    assert sum(kept[40:]) / 40 > sum(kept[:20]) / 20


def refuse(candidates: Sequence[Candidate]) -> list[Evaluation | str]:
    """As the cheap judge, but half of them cannot be judged."""
    found = cheap_judge(candidates)
    return ["no luck" if each.weights["f000"] > 0.4 else outcome for each, outcome in zip(candidates, found, strict=True)]


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_a_trial_that_cannot_be_judged_says_why_and_the_search_goes_on(sampler: str):
    trials = tried(judge=refuse, sampler=sampler, trials=40, startup=8)
    failed = [each for each in trials if each.state == optuna.trial.TrialState.FAIL]
    assert len(trials) == 40
    assert 0 < len(failed) < 40
    assert {each.user_attrs[WHY] for each in failed} == {"no luck"}
    for each in trials:
        assert (each.values is None) == (each in failed)
        assert (WHY in each.user_attrs) == (each in failed)


def test_a_search_that_can_judge_nothing_ends_with_all_trials_failed():
    trials = tried(judge=lambda candidates: ["never"] * len(candidates))
    assert [each.state.name for each in trials] == ["FAIL"] * 16


def test_weights_that_are_all_0_fail_without_being_judged():
    judged: list[int] = []

    def count(candidates: Sequence[Candidate]) -> list[Evaluation | str]:
        judged.append(len(candidates))
        return cheap_judge(candidates)

    # No weight of this start is within the bounds: the nearest is 0 for all.
    trials = tried(judge=count, starts={"short": candidate(-1, -1, 0)})
    assert (trials[0].user_attrs[WHY], trials[0].state.name) == ("all weights are 0", "FAIL")
    assert judged == [3, 4, 4, 4]


def test_a_batch_of_which_none_can_be_judged_does_not_end_the_search():
    past, chosen = history(length=160), choices(trials=3, batch=1)
    trials = search(
        past.objective(strategy(walk_forward={"train_months": 2})),
        space(chosen),
        chosen,
        MemoryStore(),
        seed=0,
        starts={"a": candidate(-1, -1, 0)},
    )
    assert [each.state.name for each in trials] == ["FAIL", "COMPLETE", "COMPLETE"]


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_one_that_never_lost_does_not_end_the_search(sampler: str):
    def lucky(candidates: Sequence[Candidate]) -> list[Evaluation | str]:
        found = [each for each in cheap_judge(candidates) if not isinstance(each, str)]
        return [evaluation(each.sharpe, 0.0, math.inf) if each.sharpe > 0.4 else each for each in found]

    trials = tried(judge=lucky, sampler=sampler, trials=40, startup=8)
    assert sum(each.values[2] == math.inf for each in trials) > 1


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_opened_parameters_are_searched_and_given_to_the_judge(sampler: str):
    seen: list[Candidate] = []

    def look(candidates: Sequence[Candidate]) -> list[Evaluation | str]:
        seen.extend(candidates)
        return cheap_judge(candidates)

    trials = tried(judge=look, construction=OPENED, sampler=sampler, trials=40, startup=40)
    bands = [each.params["construction.no_trade_band"] for each in trials]
    names = [each.params["construction.top_n.names"] for each in trials]
    assert [each.construction for each in seen] == [
        {"no_trade_band": band, "top_n.names": count} for band, count in zip(bands, names, strict=True)
    ]
    assert all(isinstance(count, int) and 5 <= count <= 9 for count in names)
    assert len(set(names)) > 2
    assert all(0 <= band <= 0.01 for band in bands)
    assert len(set(bands)) > 30


def test_bounds_of_one_value_fix_a_parameter():
    trials = tried(bounds={"f001": [0.5, 0.5]}, construction={"no_trade_band": [0.002, 0.002], "top_n.names": [7, 7]})
    assert {each.params["weight.f001"] for each in trials} == {0.5}
    assert {each.params["construction.no_trade_band"] for each in trials} == {0.002}
    assert {each.params["construction.top_n.names"] for each in trials} == {7}
    assert len({each.params["weight.f000"] for each in trials}) == 16


def test_a_space_without_anything_to_search_still_fills_its_trials():
    trials = tried(bounds={name: [0.5, 0.5] for name in FACTORS}, trials=8)
    assert [each.state.name for each in trials] == ["COMPLETE"] * 8


def test_negative_weights_are_searched_where_the_bounds_allow_them():
    values = [value for each in tried(low=-1.0, trials=40) for value in each.params.values()]
    assert -1 <= min(values) < 0 < max(values) <= 1


def test_the_distributions_have_the_bounds_and_types_of_the_space():
    found = distributions(space(choices(construction=OPENED, bounds={"f001": [0.25, 0.5]})))
    assert found == {
        "weight.f000": optuna.distributions.FloatDistribution(0, 1),
        "weight.f001": optuna.distributions.FloatDistribution(0.25, 0.5),
        "weight.f002": optuna.distributions.FloatDistribution(0, 1),
        "construction.no_trade_band": optuna.distributions.FloatDistribution(0, 0.01),
        "construction.top_n.names": optuna.distributions.IntDistribution(5, 9),
    }


def test_values_are_in_the_order_of_the_objectives():
    assert values_of(evaluation(1.5, 0.2, 3.0)) == [1.5, 0.2, 3.0]


@pytest.fixture(scope="module")
def on_a_market() -> Callable[..., list[Trial]]:
    past = history(length=160, missing=0.05)
    judged = past.objective(strategy(walk_forward={"train_months": 2}))

    def search_with(store: MemoryStore | None = None, **changes: Any) -> list[Trial]:
        chosen = choices(limits={"factor_share": 0.7}, **changes)
        return search(judged, space(chosen), chosen, store or MemoryStore(), seed=0, starts={"equal": candidate(1, 1, 1)})

    return search_with


def test_threads_do_not_change_a_search(on_a_market: Callable[..., list[Trial]]):
    plain = content(on_a_market(workers=1))
    assert content(on_a_market(workers=2)) == plain
    assert content(on_a_market(workers=3)) == plain


def test_values_of_trials_are_those_of_the_objective(on_a_market: Callable[..., list[Trial]]):
    past = history(length=160, missing=0.05)
    judged = past.objective(strategy(walk_forward={"train_months": 2}))
    chosen = choices()
    for trial in on_a_market():
        each = space(chosen).candidate(trial.params)
        assert each is not None
        found = judged.require(each)
        assert trial.values == [found.sharpe, found.max_drawdown, found.calmar]
        assert trial.user_attrs["turnover"] == found.turnover


def test_trials_keep_no_notes_of_the_sampler():
    assert not any(key.startswith("tpe:") for trial in tried(trials=40) for key in trial.system_attrs)


def test_searching_leaves_the_verbosity_of_optuna_as_it_was():
    before = optuna.logging.get_verbosity()
    tried(trials=4)
    assert optuna.logging.get_verbosity() == before
