"""The objective against the full backtest, in every way of trading that the fast path knows."""

from __future__ import annotations

import math
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.performance import performance
from mech_exo_assets.quant.walk_forward import NoWindowError, configured, walk_forward
from mech_exo_assets.quant.weights.candidate import Candidate
from mech_exo_assets.quant.weights.objective import Evaluation, Objective, is_linear
from mech_exo_assets.settings import Strategy
from mech_exo_tests.quant.weights.builders import NAN, History, candidate, history, standardised, strategy

TOLERANCE = 1e-9


def full(judged: Objective, each: Candidate) -> Evaluation | str:
    """The same through `portfolio` and `backtest`, step by step."""
    return judged._by_the_full_backtest(each)


def assert_same(found: Evaluation | str, wanted: Evaluation | str) -> None:
    assert not isinstance(found, str), found
    assert not isinstance(wanted, str), wanted
    assert found.start == wanted.start
    np.testing.assert_allclose(found.net_return, wanted.net_return, rtol=0, atol=TOLERANCE)
    assert found.turnover == pytest.approx(wanted.turnover, abs=TOLERANCE)


def assert_is_the_walk_forward(past: History, chosen: Strategy, each: Candidate) -> Evaluation:
    """Fast path, full path and `walk_forward` agree; what it earned."""
    judged = past.objective(chosen)
    found = judged.require(each)
    assert_same(found, full(judged, each))
    try:
        days = walk_forward(past.scores, past.market, chosen, fits={"x": configured(each.weights)}, sectors={}).days()
    except InputError as refusal:
        # A walk-forward wants trades in every one of its tests, and a search in any.
        assert "nothing is traded in the test of window" in str(refusal)  # noqa: PT017
        return found
    assert days["date"][0] == judged.sessions[found.start].item()
    np.testing.assert_allclose(found.net_return[found.start :], days["net_return"], rtol=0, atol=TOLERANCE)
    assert not found.net_return[: found.start].any()
    return found


@st.composite
def ways_of_trading(draw: st.DrawFn) -> dict[str, Any]:
    """Sections of a strategy whose construction is linear."""
    lag = draw(st.sampled_from([0, 1, 2]))
    return {
        "execution_lag": lag,
        "composite": {"min_coverage": draw(st.sampled_from([0.01, 0.5, 0.8, 1.0]))},
        "construction": {
            "rebalance": draw(st.sampled_from(["daily", "weekly", "monthly"])),
            "no_trade_band": draw(st.sampled_from([0.0, 0.003, 0.03])),
            "gross": draw(st.sampled_from([0.5, 1.0, 2.0])),
            "limits": draw(st.sampled_from([{}, {"gross": 2.0, "net": 0.0}])),
        },
        "costs": {
            "commission_bps": draw(st.sampled_from([0.0, 3.0])),
            "commission_per_share": draw(st.sampled_from([0.0, 0.02])),
            "commission_minimum": draw(st.sampled_from([0.0, 1.5])),
            "impact": draw(st.sampled_from([0.0, 1.0])),
            "participation": draw(st.sampled_from([None, 0.5, 0.02])),
            "cash_interest_bps": draw(st.sampled_from([0.0, 80.0])),
        },
        "backtest": {
            "execute_at": draw(st.sampled_from(["open", "close"] if lag else ["close"])),
            "integer_shares": draw(st.booleans()),
            "initial_nav": draw(st.sampled_from([50_000.0, 1e6])),
            "flows": draw(st.sampled_from([{}, {"2015-09-01": -20_000.0}])),
        },
    }


@st.composite
def histories(draw: st.DrawFn) -> History:
    return history(
        seed=draw(st.integers(0, 10_000)),
        missing=draw(st.sampled_from([0.0, 0.05, 0.3])),
        delisted=draw(st.integers(0, 3)),
        volume=draw(st.booleans()),
    )


WEIGHTS = st.lists(st.sampled_from([-1.0, -0.4, 0.0, 0.15, 0.5, 1.0]), min_size=3, max_size=3).filter(any)


@hypothesis.settings(max_examples=40)
@hypothesis.given(past=histories(), ways=ways_of_trading(), weights=WEIGHTS)
def test_the_fast_path_is_the_full_backtest_to_1e9(past: History, ways: dict[str, Any], weights: list[float]):
    chosen = strategy(**ways)
    assert is_linear(chosen.construction)
    assert_is_the_walk_forward(past, chosen, candidate(*weights))


@pytest.mark.slow
@hypothesis.settings(max_examples=500)
@hypothesis.given(past=histories(), ways=ways_of_trading(), weights=WEIGHTS)
def test_the_fast_path_is_the_full_backtest_to_1e9_in_many_ways(past: History, ways: dict[str, Any], weights: list[float]):
    assert_is_the_walk_forward(past, strategy(**ways), candidate(*weights))


@hypothesis.settings(max_examples=15)
@hypothesis.given(
    seed=st.integers(0, 10_000),
    first=st.integers(0, 280),
    length=st.integers(1, 200),
    name=st.integers(0, 11),
    coverage=st.sampled_from([0.3, 0.6, 1.0]),
)
def test_factors_that_are_silent_for_a_while_or_for_a_name_change_nothing_between_the_paths(seed, first, length, name, coverage):
    past = history(seed=seed, missing=0.05)
    silent, never = (past.scores[field].copy() for field in ("f000", "f001"))
    silent[first : first + length] = NAN
    never[:, name] = NAN
    quiet = past.with_scores(f000=silent, f001=never)
    judged = quiet.objective(strategy(composite={"min_coverage": coverage}))
    for weights in ((0.5, 0.3, 0.2), (0.7, 0.3, 0.0), (0.2, -0.3, 0.5)):
        assert_same(judged.require(candidate(*weights)), full(judged, candidate(*weights)))


@pytest.mark.parametrize("count", [61, 62, 63, 70, 130])
def test_more_factors_than_an_integer_has_bits(count: int):
    past = history([0.02] * count, length=200, missing=0.3, count=8)
    chosen = strategy(composite={"min_coverage": 0.7}, walk_forward={"train_months": 2})
    rng = np.random.default_rng(count)
    assert_is_the_walk_forward(past, chosen, candidate(*rng.normal(size=count)))
    # The last factor alone: its presence stands in the last group of bits.
    assert_is_the_walk_forward(past, chosen, candidate(*[0.0] * (count - 1), 1.0))


def test_a_factor_of_weight_0_is_not_there():
    past = history(missing=0.2)
    without = History(past.market, Panel(past.scores.sessions, past.scores.symbols, {k: past.scores[k] for k in ("f000", "f001")}))
    chosen = strategy(composite={"min_coverage": 1.0})
    found = assert_is_the_walk_forward(past, chosen, candidate(0.6, 0.4, 0.0))
    other = without.objective(chosen).require(Candidate({"f000": 0.6, "f001": 0.4}))
    np.testing.assert_allclose(found.net_return, other.net_return, rtol=0, atol=1e-15)


@pytest.mark.parametrize("missing_weight", [0.2, 0.6])
def test_a_weight_on_a_factor_without_scores_counts_for_the_coverage_on_both_paths(missing_weight: float):
    judged = history().objective(strategy())
    each = Candidate({"f000": 1 - missing_weight, "gone": missing_weight})
    found, wanted = judged.evaluate([each])[0], full(judged, each)
    if missing_weight > 0.5:
        assert (found, wanted) == ("nothing is traded", "nothing is traded")
    else:
        assert_same(found, wanted)


def test_factors_that_are_nearly_one_and_have_opposite_weights_keep_to_the_full_backtest():
    past = history()
    twin = past.scores["f000"] + 0.01 * past.scores["f002"]
    judged = past.with_scores(f001=twin).objective(strategy())
    each = candidate(0.5, -0.49, 0.01)
    assert_same(judged.require(each), full(judged, each))


@pytest.mark.parametrize("weights", [(0.5, -0.5, 0.0), (1 / 3, -1 / 3, 0.0), (0.1, -0.1, 0.0)])
def test_equal_factors_of_opposite_weights_have_nothing_to_say(weights: tuple[float, ...]):
    past = history()
    judged = past.with_scores(f001=past.scores["f000"].copy()).objective(strategy())
    assert judged.evaluate([candidate(*weights)]) == ["nothing is traded"]
    assert full(judged, candidate(*weights)) == "nothing is traded"


@pytest.mark.parametrize(
    "construction",
    [
        {"kind": "quantile", "quantile": 0.3},
        {"kind": "top_n", "top_n": {"names": 3, "leave": 2.0}},
        {"kind": "top_n", "top_n": {"names": 3, "leave": 1.0, "min_holding": 15}, "rebalance": "weekly"},
        {"kind": "long_only", "quantile": 0.5},
        {"kind": "extension", "gross": 1.6, "short": 0.3},
        {"limits": {"name": 0.1}},
        {"limits": {"sector": 0.4}},
        {"neutral": ["sector"]},
        {"neutral": ["beta"], "beta_window": 30},
        {"volatility_target": 0.1},
        {"sizing": "equal"},
        {"sizing": "inverse_volatility"},
        {"sizing": "kelly"},
    ],
    ids=str,
)
def test_a_construction_that_is_not_linear_is_that_of_the_walk_forward(construction: dict[str, Any]):
    past = history(missing=0.03, delisted=1, length=260)
    chosen = strategy(construction=construction, walk_forward={"train_months": 5})
    assert not is_linear(chosen.construction)
    sectors = {symbol: f"sector {number % 3}" for number, symbol in enumerate(past.market.symbols.tolist())}
    found = past.objective(chosen, sectors=sectors).require(candidate(0.7, 0.4, -0.2))
    fits = {"x": configured({"f000": 0.7, "f001": 0.4, "f002": -0.2})}
    days = walk_forward(past.scores, past.market, chosen, fits=fits, sectors=sectors).days()
    np.testing.assert_allclose(found.net_return[found.start :], days["net_return"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("construction", [{}, {"kind": "quantile"}], ids=["fast", "full"])
def test_an_opened_parameter_is_that_of_a_strategy_that_has_it(construction: dict[str, Any]):
    past = history(missing=0.03)
    opened = past.objective(strategy(construction=construction))
    for band in (0.0, 0.02, 0.05):
        fixed = past.objective(strategy(construction={**construction, "no_trade_band": band}))
        asked = candidate(0.7, 0.2, 0.1, construction={"no_trade_band": band})
        np.testing.assert_array_equal(opened.require(asked).net_return, fixed.require(candidate(0.7, 0.2, 0.1)).net_return)


@pytest.mark.parametrize("name", ["sharpe", "max_drawdown", "calmar"])
def test_figures_are_those_of_performance(name: str):
    judged = history(missing=0.03).objective(strategy())
    for weights in ((1, 0, 0), (0.2, 0.3, -0.5), (-1, -1, -1)):
        found = judged.require(candidate(*weights))
        figures = performance(found.net_return[found.start :], judged.sessions[found.start :])
        wanted = -figures.max_drawdown if name == "max_drawdown" else getattr(figures, name)
        assert getattr(found, name) == pytest.approx(wanted, rel=1e-12)
        assert found.max_drawdown > 0


def test_turnover_is_the_mean_of_the_sessions_from_the_first_trade():
    past, chosen = history(), strategy(execution_lag=2)
    found = past.objective(chosen).require(candidate(1, 0, 0))
    fits = {"x": configured({"f000": 1.0})}
    days = walk_forward(past.scores, past.market, chosen, fits=fits, sectors={}).days()
    assert found.start == 2
    assert found.turnover == pytest.approx(days["turnover"].mean(), abs=1e-9)


def test_without_a_loss_the_calmar_ratio_is_infinite():
    past = history([0.0], count=8)
    index = np.exp(np.cumsum(np.full(past.market.shape, 1e-4) + np.arange(8) * 1e-4, axis=0))
    index *= np.where(np.arange(len(index)) % 2, 1.0, 1.00002)[:, None]
    market = Panel(past.market.sessions, past.market.symbols, {"total_return_index": index, "close": index})
    rising = np.broadcast_to(standardised(np.arange(8.0)[None, :]), past.market.shape).copy()
    free = {"commission_bps": 0, "half_spread_bps": 0, "borrow_bps": 0, "impact": 0, "debit_interest_bps": 0}
    found = History(market, past.scores).with_scores(f000=rising).objective(strategy(costs=free)).require(candidate(1))
    assert found.max_drawdown == 0.0
    assert math.isinf(found.calmar)
    assert found.calmar > 0


BATCHES = st.lists(
    st.tuples(st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=5, max_size=5).filter(any), st.sampled_from([0.0, 0.01])),
    min_size=1,
    max_size=9,
)


@pytest.fixture(scope="module")
def five() -> dict[str, Objective]:
    past = history([0.1, 0.05, 0.0, 0.0, 0.02], missing=0.1, delisted=1)
    return {kind: past.objective(strategy(construction={"kind": kind})) for kind in ("long_short", "quantile")}


@hypothesis.settings(max_examples=15)
@hypothesis.given(batch=BATCHES, workers=st.integers(1, 4), kind=st.sampled_from(["long_short", "long_short", "quantile"]))
def test_neither_threads_nor_the_batch_change_a_bit(five: dict[str, Objective], batch, workers: int, kind: str):
    judged = five[kind]
    candidates = [candidate(*weights, construction={"no_trade_band": band}) for weights, band in batch]
    alone = [judged.require(each) for each in candidates]
    for found in (judged.evaluate(candidates, workers=workers), judged.evaluate(candidates[::-1], workers=workers)[::-1]):
        for one, other in zip(alone, found, strict=True):
            assert not isinstance(other, str)
            np.testing.assert_array_equal(one.net_return, other.net_return)
            figures = [(each.start, each.sharpe, each.max_drawdown, each.calmar, each.turnover) for each in (one, other)]
            assert figures[0] == figures[1]


@pytest.mark.parametrize("kind", ["long_short", "quantile"])
def test_no_candidates_are_judged_to_nothing(five: dict[str, Objective], kind: str):
    assert five[kind].evaluate([]) == []
    assert five[kind].evaluate([], workers=2) == []


@pytest.mark.parametrize("tested", [None, slice(150, 230)])
@pytest.mark.parametrize("kind", ["long_short", "top_n"])
def test_nothing_after_the_sessions_that_are_judged_matters(tested: slice | None, kind: str):
    past, chosen = history(missing=0.05), strategy(construction={"kind": kind, "top_n": {"names": 3}})
    judged = past.objective(chosen, tested=tested)
    stop = int(np.searchsorted(past.market.sessions, judged.sessions[-1])) + 1
    assert stop < len(past.market.sessions)
    for other in (past.spoilt(stop), past.until(stop)):
        again = other.objective(chosen, tested=slice(stop - len(judged.sessions), stop))
        np.testing.assert_array_equal(
            judged.require(candidate(0.6, 0.2, -0.2)).net_return, again.require(candidate(0.6, 0.2, -0.2)).net_return
        )
    last = past.spoilt(stop - 1).objective(chosen, tested=tested)
    assert not np.array_equal(judged.require(candidate(1, 0, 0)).net_return, last.require(candidate(1, 0, 0)).net_return)


def test_the_sessions_are_those_of_all_tests():
    past = history()
    judged = past.objective(strategy())
    positions = np.concatenate([np.arange(window.test.start, window.test.stop) for window in judged.windows])
    np.testing.assert_array_equal(judged.sessions, past.market.sessions[positions])
    assert judged.factors == ("f000", "f001", "f002")


def test_without_dispersion_nothing_is_traded():
    past = history()
    flat = past.with_scores(f000=np.zeros(past.market.shape)).objective(strategy())
    # Equal scores differ by rounding where names have them from other factors.
    third = np.full(past.market.shape, 0.1)
    third[:, ::2] = NAN
    mixed = past.with_scores(f000=np.full(past.market.shape, 0.1), f001=third).objective(strategy())
    for judged, each in ((flat, candidate(1, 0, 0)), (mixed, candidate(0.7, 0.3, 0))):
        assert judged.evaluate([each]) == ["nothing is traded"]
        assert full(judged, each) == "nothing is traded"


@pytest.mark.parametrize("kind", ["long_short", "quantile"])
def test_a_candidate_without_scores_says_that_nothing_is_traded(kind: str):
    past = history()
    late = past.scores["f000"].copy()
    judged = past.objective(strategy(construction={"kind": kind}))
    # A target of the last session is traded after it, and so never.
    late[: int(np.searchsorted(past.market.sessions, judged.sessions[-1]))] = NAN
    empty = past.with_scores(f000=late, f001=np.full(past.market.shape, NAN)).objective(strategy(construction={"kind": kind}))
    assert empty.evaluate([candidate(1, 0, 0), candidate(0, 1, 0)]) == ["nothing is traded"] * 2
    assert isinstance(empty.evaluate([candidate(0, 0, 1)])[0], Evaluation)


@pytest.mark.parametrize(("kind", "gross"), [("long_short", 50.0), ("quantile", 40.0)])
def test_a_candidate_that_loses_everything_is_said_to_and_others_are_judged(kind: str, gross: float):
    past = history([0.5, 0.5, 0.0])
    judged = past.objective(strategy(construction={"kind": kind, "gross": gross}, costs={"participation": None, "impact": 0}))
    ruined, fine = judged.evaluate([candidate(-1, -1, 0), candidate(1, 1, 0)])
    assert isinstance(ruined, str)
    assert "used up all NAV" in ruined
    assert isinstance(fine, Evaluation)


@pytest.mark.parametrize("kind", ["long_short", "quantile"])
def test_orders_below_one_share_are_never_placed_and_the_returns_do_not_vary(kind: str):
    past = history()
    free = {"borrow_bps": 0}
    judged = past.objective(strategy(construction={"kind": kind}, costs=free, backtest={"integer_shares": True, "initial_nav": 2.0}))
    assert judged.evaluate([candidate(1, 0, 0)]) == ["its returns do not vary"]


def test_who_needs_a_result_is_told_why_there_is_none():
    past = history()
    judged = past.with_scores(f000=np.full(past.market.shape, NAN)).objective(strategy())
    with pytest.raises(InputError, match=r"^weight search: weights \{'f000': 1.0\} cannot be judged: nothing is traded\.$"):
        judged.require(Candidate({"f000": 1.0}))


def test_a_history_without_a_window_is_refused():
    with pytest.raises(NoWindowError, match="the prices hold 4 whole months"):
        history(length=100).objective(strategy())


def test_scores_and_prices_on_other_axes_are_refused():
    past = history()
    with pytest.raises(ValueError, match="they must be the same"):
        Objective(past.until(299).scores, past.market, strategy(), sectors={})
