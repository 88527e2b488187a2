"""Quintile figures against pandas, as alphalens computes them, and against the definition where pandas has none."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import numba
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import rankdata

from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.quintiles import QuintileFigures, quintile_figures, quintile_table
from mech_exo_assets.quant.returns import forward_returns
from mech_exo_assets.schemas import QUINTILE_RETURNS

EVER = (0, 9998)
TOLERANCE = 1e-14


def matrix(n_sessions: int = 30, n_symbols: int = 43, *, seed: int = 0, missing: float = 0.1, decimals: int | None = None) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((n_sessions, n_symbols))
    if decimals is not None:
        values = values.round(decimals)
    values[rng.random(values.shape) < missing] = np.nan
    return values


def persistent(n_sessions: int = 30, n_symbols: int = 43, *, missing: float = 0.1) -> np.ndarray:
    """Scores that change slowly, so that names stay in their quintiles."""
    walk = np.cumsum(matrix(n_sessions, n_symbols, seed=9, missing=0.0), axis=0)
    return np.where(np.isnan(matrix(n_sessions, n_symbols, seed=8, missing=missing)), np.nan, walk)


def figures(scores: np.ndarray, returns: np.ndarray, horizon: int = 1) -> QuintileFigures:
    return quintile_figures(scores, [returns], [horizon])


def pandas_quintiles(scores: np.ndarray) -> pd.DataFrame:
    """1 to 5, by `qcut` of each session's known scores; sessions in rows."""
    return pd.DataFrame(scores).apply(lambda row: pd.qcut(row.dropna(), 5, labels=False).reindex(row.index) + 1, axis=1)


def defined_quintiles(row: np.ndarray) -> np.ndarray:
    """1 to 5 by the definition, in exact arithmetic; 0 where unknown."""
    known, out = ~np.isnan(row), np.zeros(len(row), np.int64)
    ranks, n = rankdata(row[known]) - 1, int(known.sum())
    out[known] = [max(1, ceil(Fraction(5) * Fraction(rank) / (n - 1))) if n > 1 else 1 for rank in ranks]
    return out


def means_by(quintiles: np.ndarray, returns: np.ndarray) -> np.ndarray:
    groups = [returns[(quintiles == q) & ~np.isnan(returns)] for q in range(1, 6)]
    return np.array([group.mean() if len(group) else np.nan for group in groups])


def turnover_of(quintiles: np.ndarray, horizon: int) -> np.ndarray:
    """Share of new names in the best and in the worst quintile, by sets of names; NaN where one is empty, or nothing was known."""
    out = np.full(len(quintiles), np.nan)
    for t in range(horizon, len(quintiles)):
        now, before = ([set(np.flatnonzero(row == q)) for q in (1, 5)] for row in (quintiles[t], quintiles[t - horizon]))
        if all(now) and (quintiles[t - horizon] > 0).any():
            out[t] = np.mean([len(names - earlier) / len(names) for names, earlier in zip(now, before, strict=True)])
    return out


def rank_autocorrelation_of(scores: np.ndarray, horizon: int) -> np.ndarray:
    """As alphalens has it: ranks among all names of a session, correlated over the names of both."""
    ranks = pd.DataFrame(scores).rank(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.array([np.nan if t < horizon else ranks.iloc[t].corr(ranks.iloc[t - horizon]) for t in range(len(scores))])


@pytest.mark.parametrize("horizon", [1, 7])
@pytest.mark.parametrize(("score_missing", "return_missing"), [(0.0, 0.0), (0.2, 0.0), (0.0, 0.2), (0.3, 0.3)])
def test_without_ties_all_figures_are_those_of_pandas_as_alphalens_computes_them(score_missing, return_missing, horizon):
    scores, returns = persistent(missing=score_missing), matrix(seed=1, missing=return_missing)
    ours, quintiles = figures(scores, returns, horizon), pandas_quintiles(scores)
    long = pd.DataFrame({"quintile": quintiles.stack(), "value": pd.DataFrame(returns).stack()}).dropna()  # noqa: PD013 - as alphalens
    means = long.groupby([long.index.get_level_values(0), "quintile"])["value"].mean().unstack()  # noqa: PD010 - as alphalens
    assert_allclose(ours.returns[0], means, rtol=0, atol=TOLERANCE)
    assert_allclose(ours.turnover[0], turnover_of(quintiles.fillna(0).to_numpy(), horizon), rtol=0, atol=TOLERANCE)
    assert_allclose(ours.rank_autocorrelation[0], rank_autocorrelation_of(scores, horizon), rtol=0, atol=TOLERANCE)
    assert_array_equal(ours.n[0], (~np.isnan(scores) & ~np.isnan(returns)).sum(axis=1))
    assert np.isnan(ours.turnover[0, :horizon]).all()
    assert 0.0 < np.nanmean(ours.turnover[0]) < 0.8


def test_the_quintile_of_every_rank_is_that_of_qcut_however_many_names_there_are():
    """The return of a name is its number, and all but one return are unknown: the quintile that has a mean is that of the name."""
    for n in (5, 6, 7, 9, 10, 11, 16, 21, 36, 51, 56, 100, 101):
        scores = np.broadcast_to(np.random.default_rng(n).permutation(n).astype(float), (n, n))
        ours = figures(scores, np.where(np.eye(n) == 1, 1.0, np.nan)).returns[0]
        assert_array_equal(np.nanargmax(ours, axis=1) + 1, pd.qcut(scores[0], 5, labels=False) + 1, err_msg=f"{n} names")


@settings(max_examples=60)
@given(
    arrays(np.float64, (4, 12), elements=st.sampled_from([np.nan, -2.0, -1.0, 0.0, 0.5, 3.0]) | st.floats(-5, 5)),
    arrays(np.float64, (4, 12), elements=st.sampled_from([np.nan, -0.1, 0.0, 0.2])),
    st.integers(1, 3),
)
def test_with_ties_and_gaps_figures_are_those_of_the_definition(scores, returns, horizon):
    ours, quintiles = figures(scores, returns, horizon), np.array([defined_quintiles(row) for row in scores])
    assert_allclose(ours.returns[0], [means_by(*both) for both in zip(quintiles, returns, strict=True)], rtol=0, atol=TOLERANCE)
    assert_allclose(ours.turnover[0], turnover_of(quintiles, horizon), rtol=0, atol=TOLERANCE)
    assert_allclose(ours.rank_autocorrelation[0], rank_autocorrelation_of(scores, horizon), rtol=0, atol=1e-12)
    assert_array_equal(ours.n[0], (~np.isnan(scores) & ~np.isnan(returns)).sum(axis=1))
    assert not (np.abs(ours.rank_autocorrelation) > 1.0).any()
    assert not ((ours.turnover < 0.0) | (ours.turnover > 1.0)).any()


def test_equal_scores_share_a_quintile_and_leave_others_empty():
    # Ranks 0, 1, and 2 to 5 shared as 3.5: the quintiles are 1, 1 and ceil(3.5) = 4.
    ours = figures(np.array([[1.0, 2.0, 3.0, 3.0, 3.0, 3.0]]), np.array([[0.1, 0.3, 1.0, 2.0, 3.0, np.nan]]))
    assert_allclose(ours.returns[0, 0], [0.2, np.nan, np.nan, 2.0, np.nan], rtol=1e-15)
    assert ours.n[0, 0] == 5


def test_one_score_for_all_is_one_quintile_without_turnover():
    ours = figures(np.ones((2, 11)), np.ones((2, 11)))
    assert_array_equal(ours.returns[0, 1], [np.nan, np.nan, 1.0, np.nan, np.nan])
    assert np.isnan(ours.turnover).all()
    assert np.isnan(ours.rank_autocorrelation).all()


@pytest.mark.parametrize(("names", "filled"), [(0, []), (1, [1]), (2, [1, 5]), (3, [1, 3, 5]), (4, [1, 2, 4, 5]), (5, [1, 2, 3, 4, 5])])
def test_few_names_fill_the_outer_quintiles_first(names, filled):
    scores = np.full((1, 9), np.nan)
    scores[0, :names] = np.arange(names)
    ours = figures(scores, np.zeros((1, 9)))
    assert (np.flatnonzero(~np.isnan(ours.returns[0, 0])) + 1).tolist() == filled
    assert ours.n[0, 0] == names


def test_a_score_that_never_moves_has_no_turnover_and_perfect_autocorrelation():
    scores = np.broadcast_to(matrix(1, seed=3), (10, 43))
    ours = quintile_figures(scores, [matrix(10, seed=1)] * 2, [1, 4])
    for h, horizon in enumerate((1, 4)):
        assert_array_equal(ours.turnover[h], [np.nan] * horizon + [0.0] * (10 - horizon))
        assert_allclose(ours.rank_autocorrelation[h], [np.nan] * horizon + [1.0] * (10 - horizon), rtol=1e-15)


def test_a_score_turned_upside_down_exchanges_all_of_both_quintiles():
    scores = matrix(1, 40, missing=0.0) * np.array([1.0, -1.0, 1.0])[:, None]
    ours = quintile_figures(scores, [scores] * 2, [1, 2])
    assert_array_equal(ours.turnover, [[np.nan, 1.0, 1.0], [np.nan, np.nan, 0.0]])
    assert_allclose(ours.rank_autocorrelation, [[np.nan, -1.0, -1.0], [np.nan, np.nan, 1.0]], rtol=1e-15)


def test_turnover_is_counted_by_hand():
    scores = np.arange(20.0)[None, :].repeat(2, axis=0)
    # Best are the last four, worst the first four: one of the best falls out of it, and the worst stay.
    scores[1, [15, 16]] = scores[0, [16, 15]]
    assert figures(scores, np.zeros((2, 20))).turnover[0, 1] == 0.5 * (1 / 4 + 0 / 4)


def test_a_session_without_scores_before_has_no_turnover():
    scores = matrix(6, missing=0.0)
    scores[2] = np.nan
    ours = figures(scores, matrix(6, seed=1))
    assert_array_equal(np.isnan(ours.turnover[0]), [True, False, True, True, False, False])
    assert_array_equal(np.isnan(ours.rank_autocorrelation[0]), [True, False, True, True, False, False])


def test_all_horizons_at_once_are_what_each_is_alone():
    scores, horizons = persistent(60), (1, 5, 21, 70)
    returns = [matrix(60, seed=h) for h in horizons]
    together = quintile_figures(scores, returns, horizons)
    for h, horizon in enumerate(horizons):
        alone = figures(scores, returns[h], horizon)
        for name in ("returns", "turnover", "rank_autocorrelation", "n"):
            assert_array_equal(getattr(together, name)[h], getattr(alone, name)[0])
    assert np.isnan(together.turnover[3]).all(), "a horizon longer than the history looks back to nothing"
    assert together.n.dtype == np.int32


@settings(max_examples=25)
@given(st.permutations(range(43)))
def test_permuting_symbols_changes_no_figure(order):
    scores, returns = matrix(decimals=1), matrix(seed=1)
    ours, mixed = figures(scores, returns), figures(scores[:, order], returns[:, order])
    assert_allclose(mixed.returns, ours.returns, rtol=0, atol=1e-15)
    for name in ("turnover", "rank_autocorrelation", "n"):
        assert_array_equal(getattr(mixed, name), getattr(ours, name))


@pytest.mark.parametrize("transform", [lambda x: 3 * x + 1, np.exp, np.arctan, lambda x: x**3], ids=["scale", "exp", "arctan", "cube"])
def test_increasing_transformations_of_scores_change_not_one_bit(transform):
    scores, returns = matrix(decimals=1), matrix(seed=1)
    ours, other = figures(scores, returns), figures(transform(scores), returns)
    for name in ("returns", "turnover", "rank_autocorrelation", "n"):
        assert_array_equal(getattr(other, name), getattr(ours, name))


def test_names_without_any_observation_and_the_number_of_threads_change_not_one_bit():
    scores, returns = persistent(), matrix(seed=1)
    ours = figures(scores, returns)
    wide_scores, wide_returns = (np.insert(values, [0, 7, 43], np.nan, axis=1) for values in (scores, returns))
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        other = figures(wide_scores, wide_returns)
    finally:
        numba.set_num_threads(threads)
    for name in ("returns", "turnover", "rank_autocorrelation", "n"):
        assert_array_equal(getattr(other, name), getattr(ours, name))


def test_more_names_than_sixteen_bits_can_rank_are_told_apart():
    n = 2**15 + 11
    scores = np.random.default_rng(0).permutation(n).astype(float)[None, :].repeat(2, axis=0)
    scores[1] = n - 1 - scores[0]
    ours = figures(scores, scores)
    for t in range(2):
        assert_allclose(ours.returns[0, t], means_by(pd.qcut(scores[t], 5, labels=False) + 1, scores[t]), rtol=1e-13)
    assert ours.turnover[0, 1] == 1.0
    assert ours.rank_autocorrelation[0, 1] == pytest.approx(-1.0, rel=1e-14)


def panels(n_sessions: int = 60, n_symbols: int = 30) -> tuple[Panel, Panel]:
    """Scores with 10 % missing and prices with 5 % missing, from 1 December 2020 on."""
    sessions = np.arange(np.datetime64("2020-12-01"), np.datetime64("2020-12-01") + n_sessions)
    symbols = np.array([f"S{i:02d}" for i in range(n_symbols)])
    index = np.exp(np.cumsum(0.01 * matrix(n_sessions, n_symbols, seed=4, missing=0.0), axis=0))
    index[np.isnan(matrix(n_sessions, n_symbols, seed=5, missing=0.05))] = np.nan
    fields = {"value": matrix(n_sessions, n_symbols, seed=6), "growth": persistent(n_sessions, n_symbols)}
    return Panel(sessions, symbols, fields), Panel(sessions, symbols, {"total_return_index": index})


def table(scores: Panel, market: Panel, *, min_names: int = 10, years: tuple[int, int] = EVER) -> pl.DataFrame:
    return quintile_table(scores, market, horizons=(1, 5), execution_lag=1, min_names=min_names, years=years)


def test_the_table_holds_the_figures_of_each_factor_horizon_and_session():
    scores, market = panels()
    ours = table(scores, market)
    assert ours.schema == pl.Schema(QUINTILE_RETURNS.dtypes())
    assert ours.equals(ours.sort("factor", "horizon", "date"))
    for (factor, horizon), part in ours.partition_by("factor", "horizon", as_dict=True).items():
        returns = forward_returns(market["total_return_index"], horizon=int(horizon), execution_lag=1)
        expected = figures(scores[str(factor)], returns, int(horizon))
        rows = np.flatnonzero(expected.n[0] >= 10)
        assert rows.tolist() == list(range(60 - 1 - int(horizon)))
        assert_array_equal(part["date"].to_numpy().astype("datetime64[D]"), scores.sessions[rows])
        quintiles = part.select("^quintile_.$").to_numpy()
        assert_array_equal(quintiles, expected.returns[0, rows])
        assert_array_equal(part["spread"], quintiles[:, 4] - quintiles[:, 0])
        assert_array_equal(part["turnover"].fill_null(np.nan), expected.turnover[0, rows])
        assert_array_equal(part["rank_autocorrelation"].fill_null(np.nan), expected.rank_autocorrelation[0, rows])
        assert part["turnover"].null_count() == horizon
    assert ours.select("factor", "horizon").unique().sort(pl.all()).rows() == [("growth", 1), ("growth", 5), ("value", 1), ("value", 5)]


def test_fewer_names_with_score_and_return_than_wanted_have_no_row():
    scores, market = panels()
    returns = forward_returns(market["total_return_index"], horizon=1, execution_lag=1)
    n = (~np.isnan(scores["value"]) & ~np.isnan(returns)).sum(axis=1)
    for least in (24, 26, 28):
        kept = table(scores, market, min_names=least).filter(factor="value", horizon=1)["date"]
        assert kept.to_list() == scores.sessions[n >= least].tolist()
        assert 0 < len(kept) < 58


def test_a_session_without_a_spread_has_no_row_and_an_empty_middle_is_null():
    scores, market = panels()
    changed = scores["value"].copy()
    changed[3] = 1.0
    changed[4] = np.where(np.arange(30) < 15, -1.0, 1.0)  # average ranks 7 and 22 of 29: quintiles 2 and 4
    changed[5] = np.where(np.arange(30) < 3, -1.0, np.where(np.arange(30) < 27, 0.0, 1.0))
    ours = table(Panel(scores.sessions, scores.symbols, {"value": changed}), market).filter(horizon=1)
    days = ours["date"].to_numpy().astype("datetime64[D]")
    assert_array_equal(np.isin(scores.sessions[2:7], days), [True, False, False, True, True])
    row = ours.row(by_predicate=pl.col("date") == scores.sessions[5].item(), named=True)
    assert [row[f"quintile_{q}"] is None for q in range(1, 6)] == [False, True, False, True, False]
    assert row["spread"] == row["quintile_5"] - row["quintile_1"]


def test_a_year_alone_has_the_rows_of_the_whole_history_where_the_sessions_before_it_are_given():
    scores, market = panels()
    year = table(scores, market, years=(2021, 2021))
    assert year.equals(table(scores, market).filter(pl.col("date").dt.year() == 2021))
    assert year["turnover"].null_count() == 0
    in_january = Panel(scores.sessions[31:], scores.symbols, {name: values[31:].copy() for name, values in scores.fields.items()})
    assert in_january.sessions[0] == np.datetime64("2021-01-01")
    alone = table(in_january, market)
    assert alone.drop("turnover", "rank_autocorrelation").equals(year.drop("turnover", "rank_autocorrelation"))
    assert alone["turnover"].null_count() == alone["rank_autocorrelation"].null_count() == 2 * (1 + 5)


def test_changing_the_future_changes_nothing_whose_return_was_over():
    scores, market = panels()
    changed = market["total_return_index"].copy()
    changed[41:] *= np.random.default_rng(9).uniform(0.5, 2.0, changed[41:].shape)
    later = {name: np.vstack([values[:41], -values[41:]]) for name, values in scores.fields.items()}
    before = table(scores, market)
    after = table(Panel(scores.sessions, scores.symbols, later), Panel(market.sessions, market.symbols, {"total_return_index": changed}))
    for horizon in (1, 5):
        over = (pl.col("horizon") == horizon) & (pl.col("date") < scores.sessions[41 - 1 - horizon].item())
        assert before.filter(over).height == 2 * (40 - horizon)
        assert after.filter(over).equals(before.filter(over))
        moved = pl.col("horizon").eq(horizon) & pl.col("date").eq(scores.sessions[41 - 1 - horizon].item())
        assert not after.filter(moved)["spread"].equals(before.filter(moved)["spread"])


def test_no_factors_no_sessions_and_nothing_known_give_an_empty_table_with_its_columns():
    scores, market = panels()
    unknown = Panel(scores.sessions, scores.symbols, {"value": np.full(scores.shape, np.nan)})
    assert table(Panel(scores.sessions, scores.symbols, {}), market).equals(QUINTILE_RETURNS.empty())
    assert table(unknown, market).equals(QUINTILE_RETURNS.empty())
    assert table(scores, market, years=(1999, 1999)).equals(QUINTILE_RETURNS.empty())
