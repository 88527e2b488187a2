"""The walk-forward as a whole, on simulated markets whose truth is known."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant import backtest, simulator
from mech_exo_assets.quant.composite import composite_score
from mech_exo_assets.quant.ic import ic_table
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.performance import performance
from mech_exo_assets.quant.portfolio import target_weights
from mech_exo_assets.quant.prices import total_return_index
from mech_exo_assets.quant.returns import forward_returns
from mech_exo_assets.quant.walk_forward import WalkForward, configured, mean_ic, walk_forward
from mech_exo_assets.schemas import TARGETS, WALK_FORWARD, WALK_FORWARD_WEIGHTS, WALK_FORWARD_WINDOWS
from mech_exo_assets.settings import Strategy, load_strategy
from mech_exo_assets.settings.portfolio import TopN

EQUAL = {"planted_a": 0.5, "planted_b": 0.25, "noise": 0.25}


def strategy(*, construction: dict | None = None, flows: dict | None = None, execution_lag: int = 1, **walk: object) -> Strategy:
    """The default strategy with windows of 8 + 4 months, fitted on five sessions."""
    plain = load_strategy()
    chosen = {"train_months": 8, "test_months": 4, "horizon": 5, "embargo": 2} | walk
    return plain.model_copy(
        update={
            "walk_forward": plain.walk_forward.model_copy(update=chosen),
            "construction": plain.construction.model_copy(update=construction or {}),
            "backtest": plain.backtest.model_copy(update={"flows": flows or {}}),
            "execution_lag": execution_lag,
        }
    )


@dataclass(frozen=True)
class Drawn:
    """A market from 2005-01-03 on, and the scores of three factors, two of them planted."""

    market: Panel
    scores: Panel

    def fits(self, chosen: Strategy):
        horizon, lag = chosen.fit_horizon, chosen.execution_lag
        returns = {horizon: forward_returns(self.market["total_return_index"], horizon=horizon, execution_lag=lag)}
        ic = ic_table(dict(self.scores.fields), returns, self.market.sessions)
        return {"configured": configured(EQUAL), "mean_ic": mean_ic(ic, horizon=horizon)}

    def judge(self, chosen: Strategy | None = None) -> WalkForward:
        chosen = chosen or strategy()
        return walk_forward(self.scores, self.market, chosen, fits=self.fits(chosen), sectors={})

    def spoilt_from(self, first: int, last: int | None = None) -> Drawn:
        """The same market with other prices, volumes and scores from one session to before another."""
        rng = np.random.default_rng(99)

        def spoil(panel: Panel, factor) -> Panel:
            fields = {name: matrix.copy() for name, matrix in panel.fields.items()}
            for matrix in fields.values():
                matrix[first:last] = factor(matrix[first:last])
            return Panel(panel.sessions, panel.symbols, fields)

        wild = np.exp(rng.normal(0, 0.2, (len(self.market.sessions[first:last]), len(self.market.symbols))))
        return Drawn(spoil(self.market, lambda part: part * wild), spoil(self.scores, lambda part: -part[::-1]))


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    made = simulator.simulate(names=40, sessions=440, seed=5, ic_a=0.08, ic_b=0.04)
    prices = total_return_index(made.prices)
    market = Panel.from_frame(prices, [name for name in prices.columns if name not in ("date", "symbol")])
    fields = {
        name: Panel.from_frame(made.features.filter(pl.col("feature") == name), ["value"], sessions=market.sessions)["value"]
        for name in ("planted_a", "planted_b")
    }
    fields["noise"] = np.random.default_rng(0).standard_normal(market.shape)
    return Drawn(market, Panel(market.sessions, market.symbols, fields))


@pytest.fixture(scope="module")
def judged(drawn: Drawn) -> WalkForward:
    return drawn.judge()


def test_the_tables_keep_their_contracts(judged: WalkForward):
    for table, schema in (
        (judged.days(), WALK_FORWARD),
        (judged.windows(), WALK_FORWARD_WINDOWS),
        (judged.weights(), WALK_FORWARD_WEIGHTS),
    ):
        assert table.schema == schema.dtypes()
        assert not table.select(schema.unique).is_duplicated().any()
        for column in schema.columns:
            assert column.nullable or table[column.name].null_count() == 0
    assert judged.windows()["window"].to_list() == [1, 2, 3] * 2
    assert judged.days()["fit"].unique(maintain_order=True).to_list() == ["configured", "mean_ic"]


def test_the_curve_begins_with_the_first_trade_and_holds_every_session_to_the_end_of_the_last_test(drawn: Drawn, judged: WalkForward):
    sessions = drawn.market.sessions
    plan = judged.plan
    assert [str(window.test_from) for window in plan] == ["2005-09-01", "2006-01-03", "2006-05-01"]
    for fit in ("configured", "mean_ic"):
        days = judged.days().filter(pl.col("fit") == fit)
        np.testing.assert_array_equal(days["date"].to_numpy(), sessions[plan[0].test.start + 1 : plan[-1].test.stop])
        for window in plan:
            within = days.filter(pl.col("window") == window.number)["date"]
            assert (within.max(), within.len()) == (window.test_to.item(), window.test.stop - window.test.start - (window.number == 1))


def test_planted_factors_get_their_weight_and_noise_hardly_any(judged: WalkForward):
    weights = judged.weights().filter(pl.col("fit") == "mean_ic")
    assert weights.group_by("window").agg(pl.col("weight").abs().sum())["weight"].to_list() == pytest.approx([1, 1, 1])
    by_factor = {str(key[0]): part["weight"].to_numpy() for key, part in weights.partition_by("factor", as_dict=True).items()}
    assert (by_factor["planted_a"] > 0.5).all()
    assert (np.abs(by_factor["noise"]) < 0.2).all()


def test_a_factor_that_works_the_other_way_round_is_turned_and_earns_the_same(drawn: Drawn, judged: WalkForward):
    turned = Panel(drawn.scores.sessions, drawn.scores.symbols, {**drawn.scores.fields, "planted_a": -drawn.scores["planted_a"]})
    other = Drawn(drawn.market, turned).judge()
    of_fit = pl.col("fit") == "mean_ic"
    assert (other.weights().filter(of_fit, pl.col("factor") == "planted_a")["weight"] < -0.5).all()
    assert_frame_equal(other.days().filter(of_fit), judged.days().filter(of_fit), abs_tol=1e-9)


def test_a_factor_that_flips_is_followed_from_the_training_that_has_seen_it(drawn: Drawn):
    sign = np.where(np.arange(len(drawn.market.sessions)) < 165, 1.0, -1.0)[:, None]
    flipping = Panel(drawn.scores.sessions, drawn.scores.symbols, {**drawn.scores.fields, "planted_a": sign * drawn.scores["planted_a"]})
    weights = Drawn(drawn.market, flipping).judge().weights().filter(pl.col("fit") == "mean_ic", pl.col("factor") == "planted_a")
    first, _, last = weights["weight"].to_list()
    assert first > 0.3
    assert last < -0.3


@pytest.mark.parametrize("construction", [{"kind": "long_short"}, {"kind": "top_n", "top_n": TopN(names=5, leave=3.0, min_holding=30)}])
def test_the_curve_of_the_same_weights_is_one_backtest_over_all_tests(drawn: Drawn, construction: dict):
    chosen, market = strategy(construction=construction), drawn.market
    result = drawn.judge(chosen)
    tested = slice(result.plan[0].test.start, result.plan[-1].test.stop)
    book = by_hand(drawn, tested, EQUAL, chosen)
    days = result.days().filter(pl.col("fit") == "configured")
    assert len(book.sessions) == tested.stop - tested.start - chosen.execution_lag
    for name in ("gross_return", "net_return", "cost", "turnover", "exposure"):
        np.testing.assert_allclose(days[name], getattr(book, name), rtol=1e-12, atol=1e-15)
    assert days["date"][-1] == market.sessions[tested.stop - 1].item()


def by_hand(drawn: Drawn, at: slice, weights: dict[str, float], chosen: Strategy) -> backtest.Book:
    """Scores to book of the sessions `at`, with no price after them."""
    market = Panel(drawn.market.sessions[: at.stop], drawn.market.symbols, {k: m[: at.stop] for k, m in drawn.market.fields.items()})
    score = composite_score(drawn.scores, weights, min_coverage=0.5)[at]
    targets = np.full(market.shape, np.nan)
    targets[at] = target_weights(
        Panel(market.sessions[at], market.symbols, {"score": score}),
        market,
        chosen.construction,
        sectors={},
        calendar="XNYS",
        previous=TARGETS.empty(),
    )
    return backtest.run(targets, market, costs=chosen.costs, choices=chosen.backtest, execution_lag=1)


def test_figures_of_a_window_are_those_of_its_days_and_of_its_training(drawn: Drawn, judged: WalkForward):
    table, days = judged.windows(), judged.days()
    for window in judged.plan:
        for fit in ("configured", "mean_ic"):
            row = table.row(by_predicate=(pl.col("window") == window.number) & (pl.col("fit") == fit), named=True)
            within = days.filter(pl.col("window") == window.number, pl.col("fit") == fit)
            figures = performance(within["net_return"].to_numpy(), within["date"].to_numpy().astype("datetime64[D]"))
            for name in ("sharpe", "sharpe_error", "total_return", "volatility", "max_drawdown"):
                assert row[name] == getattr(figures, name)
            assert row["turnover"] == pytest.approx(within["turnover"].mean())
            assert (row["train_from"], row["train_to"]) == (window.train_from.item(), window.train_to.item())
            assert (row["train_sessions"], row["test_sessions"]) == (
                window.train.stop - window.train.start,
                window.test.stop - window.test.start,
            )
            weights = judged.weights().filter(pl.col("window") == window.number, pl.col("fit") == fit)
            book = by_hand(drawn, window.train, dict(weights.select("factor", "weight").iter_rows()), strategy())
            assert row["train_sharpe"] == pytest.approx(performance(book.net_return, book.sessions).sharpe, rel=1e-9)


def test_stability_is_that_of_the_windows_and_of_the_whole_curve(judged: WalkForward):
    for fit, stability in judged.stability.items():
        sharpes = judged.windows().filter(pl.col("fit") == fit)["sharpe"].to_numpy()
        days = judged.days().filter(pl.col("fit") == fit)
        whole = performance(days["net_return"].to_numpy(), days["date"].to_numpy().astype("datetime64[D]"))
        assert stability.n_windows == 3
        assert stability.mean_sharpe == pytest.approx(sharpes.mean())
        assert stability.dispersion == pytest.approx(sharpes.std(ddof=1))
        assert stability.positive == (sharpes > 0).mean()
        assert (stability.sharpe, stability.sharpe_error) == (whole.sharpe, whole.sharpe_error)


def test_a_single_window_has_no_dispersion(drawn: Drawn):
    stability = drawn.judge(strategy(train_months=16)).stability["configured"]
    assert (stability.n_windows, stability.dispersion) == (1, None)
    assert stability.mean_sharpe is not None


@pytest.mark.parametrize("kind", ["long_short", "top_n"])
@pytest.mark.parametrize("number", [1, 2])
def test_nothing_after_the_end_of_a_test_changes_its_window_or_one_before(drawn: Drawn, kind: str, number: int):
    chosen = strategy(construction={"kind": kind, "volatility_target": 0.1})
    plain = drawn.judge(chosen)
    spoilt = drawn.spoilt_from(plain.plan[number - 1].test.stop).judge(chosen)
    up_to = pl.col("window") <= number
    for table in ("days", "windows", "weights"):
        assert_frame_equal(getattr(plain, table)().filter(up_to), getattr(spoilt, table)().filter(up_to), check_exact=True)
    assert not plain.days().equals(spoilt.days())


@pytest.mark.parametrize("anchored", [False, True])
def test_nothing_in_the_gap_before_a_test_or_after_it_changes_a_fitted_weight(drawn: Drawn, anchored: bool):
    chosen = strategy(anchored=anchored, embargo=2)
    plain = drawn.judge(chosen)
    for window in plain.plan:
        # The label of the last session of the training ends execution_lag + horizon sessions later, where the embargo begins.
        spoilt = drawn.spoilt_from(window.test.start - 2).judge(chosen)
        same = pl.col("window") <= window.number
        assert_frame_equal(plain.weights().filter(same), spoilt.weights().filter(same), check_exact=True)
        # Neither do scores of the gap count.
        scores = drawn.spoilt_from(window.train.stop, window.test.start).scores
        purged = Drawn(drawn.market, scores).judge(chosen)
        assert_frame_equal(plain.weights().filter(same), purged.weights().filter(same), check_exact=True)
        before = drawn.spoilt_from(window.test.start - 2 - 1).judge(chosen)
        assert not plain.weights().filter(same).equals(before.weights().filter(same)), "the purge would be longer than needed"


def test_with_anchored_windows_every_training_begins_at_the_start(drawn: Drawn):
    table = drawn.judge(strategy(anchored=True)).windows()
    assert table["train_from"].unique().to_list() == [dt.date(2005, 1, 3)]


def test_at_the_same_close_the_curve_begins_with_the_test(drawn: Drawn):
    result = drawn.judge(strategy(execution_lag=0))
    assert result.days()["date"].min() == result.plan[0].test_from.item()


def test_deposits_and_withdrawals_play_no_part(drawn: Drawn, judged: WalkForward):
    assert_frame_equal(drawn.judge(strategy(flows={dt.date(2005, 10, 3): -900_000.0})).days(), judged.days())


def test_a_training_without_scores_has_no_sharpe_ratio(drawn: Drawn, judged: WalkForward):
    late = {name: np.where(np.arange(len(matrix))[:, None] < 160, np.nan, matrix) for name, matrix in drawn.scores.fields.items()}
    scores = Panel(drawn.scores.sessions, drawn.scores.symbols, late)
    table = walk_forward(scores, drawn.market, strategy(), fits={"configured": configured(EQUAL)}, sectors={}).windows()
    assert [sharpe is None for sharpe in table["train_sharpe"]] == [True, False, False]
    assert table["sharpe"].to_list() == judged.windows().filter(pl.col("fit") == "configured")["sharpe"].to_list()


@pytest.mark.parametrize("number", [1, 2])
def test_a_test_in_which_nothing_can_be_traded_is_refused(drawn: Drawn, judged: WalkForward, number: int):
    empty = judged.plan[number - 1].test
    fields = {name: matrix.copy() for name, matrix in drawn.scores.fields.items()}
    for matrix in fields.values():
        matrix[empty.start : empty.stop - 1] = np.nan
    scores = Panel(drawn.scores.sessions, drawn.scores.symbols, fields)
    with pytest.raises(InputError, match=f"nothing is traded in the test of window {number} "):
        walk_forward(scores, drawn.market, strategy(), fits={"configured": configured(EQUAL)}, sectors={})


def test_scores_and_prices_on_other_axes_are_refused(drawn: Drawn):
    fewer = Panel(drawn.scores.sessions[1:], drawn.scores.symbols, {name: matrix[1:] for name, matrix in drawn.scores.fields.items()})
    with pytest.raises(ValueError, match="same sessions and symbols"):
        walk_forward(fewer, drawn.market, strategy(), fits={}, sectors={})
