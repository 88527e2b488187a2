"""Contributions: each dimension adds up to the gross return, and a planted source is found."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.quant.composite import blended_score, composite_score
from mech_exo_assets.quant.contributions import Composition, Profits, contribution_table
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.schemas import CONTRIBUTIONS
from mech_exo_tests.quant.backtest.ledger import NAN, Market

WEIGHTS = {"one": 2.0, "two": 1.0}


@pytest.fixture(scope="module")
def case():
    """Two factors, a linear long-short portfolio of daily targets, its book and its scores."""
    random = np.random.default_rng(3)
    shape = (320, 12)
    scores = random.normal(size=(2, *shape))
    scores[:, random.random(shape) < 0.05] = NAN
    prices = 10 * np.exp(np.cumsum(random.normal(0, 0.01, shape), axis=0))
    empty = Market(np.zeros(shape), prices)
    panel = Panel(empty.sessions, empty.panel.symbols, {"one": scores[0], "two": scores[1]})
    composite = composite_score(panel, WEIGHTS, min_coverage=0.5)
    held = np.nan_to_num(composite)
    targets = held / np.abs(held).sum(axis=1, keepdims=True)
    book = Market(targets, prices).run(lag=1, cash_interest_bps=200)
    return panel, targets, book


def table(case, years=(2020, 2020), blended=None) -> pl.DataFrame:
    panel, _, book = case
    backtest = book.to_frame(np.full(len(book.sessions), NAN))
    sectors = {symbol: "A" if i < 5 else "B" for i, symbol in enumerate(panel.symbols.tolist()) if i != 7}
    profits = Profits.of(book.positions(), backtest, years=years)
    return contribution_table(
        profits, Composition(panel, WEIGHTS, 0.5, blended), sectors=sectors, target_dates=panel.sessions, execution_lag=1
    )


def test_each_dimension_adds_up_to_the_months_gross_return(case):
    sums = table(case).group_by("date", "dimension").agg(pl.col("contribution").sum()).sort("date", "dimension")
    book = case[2]
    gross = pl.DataFrame({"day": pl.Series(book.sessions.astype("datetime64[D]")).cast(pl.Date), "gross": book.gross_return})
    months = gross.group_by(pl.col("day").dt.truncate("1mo")).agg(pl.col("gross").sum(), pl.col("day").max().alias("date"))
    joined = sums.join(months, on="date")
    assert joined.height == sums.height == 4 * months.height
    np.testing.assert_allclose(joined["contribution"], joined["gross"], atol=1e-14)


def test_a_linear_portfolio_is_divided_into_the_portfolios_of_its_factors(case):
    panel, _, book = case
    there = ~np.isnan(panel["one"])  # the other one alone is below the coverage
    known = 2.0 + ~np.isnan(panel["two"])
    weighed = np.array([np.where(there, WEIGHTS[name] * np.nan_to_num(panel[name]) / known, 0.0) for name in WEIGHTS])
    parts = np.where(there, weighed - weighed.sum(axis=2, keepdims=True) / there.sum(axis=1, keepdims=True), 0.0)
    gross = np.abs(parts.sum(axis=0)).sum(axis=1, keepdims=True)
    index = book.inputs.index
    # The position of a session's return was set at the close before it, by the score of the session before that.
    expected = (parts[:, :-2] / gross[:-2] * (index[2:] / index[1:-1] - 1)).sum(axis=2)
    found = table(case).filter(dimension="factor").group_by("member").agg(pl.col("contribution").sum())
    total = dict(found.iter_rows())
    assert set(total) == {"one", "two", "cash"}
    assert total["one"] == pytest.approx(expected[0].sum(), abs=1e-4)
    assert total["two"] == pytest.approx(expected[1].sum(), abs=1e-4)


def test_longs_and_shorts_are_told_apart(case):
    _, targets, book = case
    index = book.inputs.index
    earned = targets[:-2] * (index[2:] / index[1:-1] - 1)
    sides = dict(table(case).filter(dimension="side").group_by("member").agg(pl.col("contribution").sum()).iter_rows())
    assert sides["long"] == pytest.approx(earned[targets[:-2] > 0].sum(), abs=1e-4)
    assert sides["short"] == pytest.approx(earned[targets[:-2] < 0].sum(), abs=1e-4)


def test_a_name_without_sector_stands_under_none(case):
    assert set(table(case).filter(dimension="sector")["member"]) == {"A", "B", "none", "cash"}


def test_a_year_alone_is_the_same_to_the_last_bit(case):
    assert case[2].sessions[0].astype("datetime64[Y]").astype(int) + 1970 == 2020
    whole = table(case)
    assert table(case, years=(2019, 2030)).equals(whole)
    assert table(case, years=(2021, 2021)).equals(CONTRIBUTIONS.empty())


def test_without_scores_all_is_other(case):
    panel, _, book = case
    profits = Profits.of(book.positions(), book.to_frame(np.full(len(book.sessions), NAN)), years=(2020, 2020))
    found = contribution_table(
        profits,
        Composition(Panel(panel.sessions, panel.symbols), WEIGHTS, 0.5),
        sectors={},
        target_dates=panel.sessions,
        execution_lag=1,
    )
    assert set(found.filter(dimension="factor")["member"]) == {"other", "cash"}


def test_a_blend_without_weight_changes_nothing(case):
    panel = case[0]
    alpha = np.random.default_rng(3).normal(size=panel.shape)
    assert table(case, blended=(alpha, np.zeros(len(panel.sessions)))).equals(table(case))


def test_with_the_blend_positions_that_follow_it_are_divided_without_rest(case):
    """Positions in proportion to the blended score: its parts divide them exactly, and the machine-learned factor has one."""
    panel = case[0]
    alpha = np.random.default_rng(3).normal(size=panel.shape)
    alpha[:, 2] = np.nan
    shares = np.full(len(panel.sessions), 0.3)
    score = blended_score(composite_score(panel, WEIGHTS, min_coverage=0.5), alpha, shares)
    held = np.nan_to_num(score)
    profits = Profits(
        sessions=panel.sessions[2:],
        symbols=panel.symbols,
        profit=0.01 * held[:-2] * np.random.default_rng(4).normal(size=held[2:].shape),
        held=held[:-2],
        interest=np.zeros(len(panel.sessions) - 2),
        book_sessions=panel.sessions,
    )
    found = contribution_table(
        profits, Composition(panel, WEIGHTS, 0.5, (alpha, shares)), sectors={}, target_dates=panel.sessions, execution_lag=1
    )
    by_factor = found.filter(dimension="factor").group_by("member").agg(pl.col("contribution").sum())
    assert "ml_alpha" in by_factor["member"]
    rest = by_factor.filter(member="other")["contribution"].sum()
    total = found.filter(dimension="name")["contribution"].sum()
    assert by_factor["contribution"].sum() == pytest.approx(total, abs=1e-12)
    moved = found.filter(dimension="name")["contribution"].abs().sum()
    assert abs(rest) < 0.2 * moved
