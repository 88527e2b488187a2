"""What holds for every construction: a year is a year, no look-ahead, no order of symbols, the table's contract."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.quant.calendar import sessions
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.schemas import TARGETS
from mech_exo_tests.quant.portfolio.builders import (
    NAN,
    construct,
    matrix,
    random_market,
    random_scores,
    score_panel,
    sectors_of,
    symbols,
    table_of,
    weights_of,
)

COUNT = 24
WINDOWS = {"risk_window": 40, "atr_window": 15, "beta_window": 120, "top_n": {"names": 6, "min_holding": 30}}
PLAIN = {
    f"{kind} {sizing}": {"kind": kind, "sizing": sizing}
    for kind, sizing in itertools.product(
        ("long_short", "quantile", "extension", "long_only", "top_n"), ("auto", "score", "equal", "inverse_volatility", "atr", "kelly")
    )
    if (kind, sizing) not in {("top_n", "score"), ("extension", "kelly")}  # which the settings refuse
}
CONSTRAINED = {
    "beta neutral": {"neutral": ("beta",)},
    "beta and sector neutral, capped": {"neutral": ("beta", "sector"), "limits": {"name": 0.08, "sector": 0.4}},
    "quantile, sector neutral, inverse volatility": {"kind": "quantile", "neutral": ("sector",), "sizing": "inverse_volatility"},
    "kelly, beta neutral, capped": {"sizing": "kelly", "neutral": ("beta",), "limits": {"name": 0.05}},
    "volatility target": {"volatility_target": 0.1, "limits": {"gross": 2.0}},
    "extension, volatility target, limits": {
        "kind": "extension",
        "gross": 1.6,
        "volatility_target": 0.2,
        "limits": {"net": 1.2, "name": 0.2, "sector": 0.9},
    },
    "top_n, monthly, volatility target": {"kind": "top_n", "rebalance": "monthly", "volatility_target": 0.1},
    "top_n, weekly, atr, capped": {"kind": "top_n", "rebalance": "weekly", "sizing": "atr", "limits": {"name": 0.25}},
    "long windows": {"sizing": "inverse_volatility", "risk_window": 250, "neutral": ("beta",), "beta_window": 500},
    "long holding": {"kind": "top_n", "top_n": {"names": 6, "leave": 3.0, "min_holding": 240}},
}
EVERY = {**PLAIN, **CONSTRAINED}
every_construction = pytest.mark.parametrize("choices", EVERY.values(), ids=EVERY.keys())


def with_windows(choices):
    return {**WINDOWS, **choices}


@pytest.fixture(scope="module")
def history() -> tuple[Panel, Panel]:
    days = sessions(np.datetime64("2012-06-01"), np.datetime64("2016-12-31"))
    return random_scores(days, COUNT), random_market(days, COUNT)


def cut(panel: Panel, first: str, last: str, *, observed: bool = False) -> Panel:
    """The sessions from `first` to `last`; `observed`: just the symbols and fields that have an observation there."""
    rows = (panel.sessions >= np.datetime64(first)) & (panel.sessions <= np.datetime64(last))
    fields = {name: values[rows].copy() for name, values in panel.fields.items()}
    if not observed:
        return Panel(panel.sessions[rows], panel.symbols, fields)
    known = np.zeros(len(panel.symbols), dtype=bool)
    for values in fields.values():
        known |= ~np.isnan(values).all(axis=0)
    fields = {name: np.ascontiguousarray(values[:, known]) for name, values in fields.items() if not np.isnan(values).all()}
    return Panel(panel.sessions[rows], panel.symbols[known], fields)


@every_construction
def test_a_year_alone_gives_the_same_targets_to_the_last_bit(history, choices):
    scores, market = history
    sectors = sectors_of(scores, 4)
    choices = with_windows(choices)
    whole = table_of(scores, market, sectors=sectors, **choices)
    assert whole.height
    for year in (2013, 2015, 2016):
        alone = table_of(
            cut(scores, f"{year}-01-01", f"{year}-12-31", observed=True),
            cut(market, f"{year - 2}-01-01", f"{year}-12-31", observed=True),
            sectors=sectors,
            previous=whole.filter(pl.col("date").dt.year() == year - 1),
            **choices,
        )
        assert alone.equals(whole.filter(pl.col("date").dt.year() == year)), year


@every_construction
def test_nothing_moves_when_the_future_changes(history, choices):
    scores, market = (cut(panel, "2014-06-01", "2016-06-30") for panel in history)
    choices, sectors = with_windows(choices), sectors_of(scores, 4)
    before = weights_of(scores, market, sectors=sectors, **choices)
    day = np.datetime64("2016-02-09")
    rng = np.random.default_rng(9)
    changed = []
    for panel in (scores, market):
        later = panel.sessions > day
        fields = {
            name: np.where(later[:, None], values * rng.uniform(0.5, 2.0, values.shape), values) for name, values in panel.fields.items()
        }
        changed.append(Panel(panel.sessions, panel.symbols, fields))
    after = weights_of(*changed, sectors=sectors, **choices)
    known = scores.sessions <= day
    np.testing.assert_array_equal(after[known], before[known])
    assert not np.array_equal(after[~known], before[~known], equal_nan=True)
    cut_off = weights_of(cut(scores, "2014-06-01", "2016-02-09"), cut(market, "2014-06-01", "2016-02-09"), sectors=sectors, **choices)
    np.testing.assert_array_equal(cut_off, before[known])


@every_construction
def test_the_order_of_symbols_changes_nothing(history, choices):
    scores, market = (cut(panel, "2014-06-01", "2015-12-31") for panel in history)
    choices, sectors = with_windows(choices), sectors_of(scores, 4)
    order = np.random.default_rng(2).permutation(COUNT)
    renamed = {old: new for new, old in zip(symbols(COUNT).tolist(), symbols(COUNT)[order].tolist(), strict=True)}

    def permuted(panel: Panel) -> Panel:
        return Panel(panel.sessions, panel.symbols, {name: np.ascontiguousarray(values[:, order]) for name, values in panel.fields.items()})

    weights = weights_of(scores, market, sectors=sectors, **choices)
    again = weights_of(
        permuted(scores), permuted(market), sectors={renamed[symbol]: sector for symbol, sector in sectors.items()}, **choices
    )
    np.testing.assert_allclose(again, weights[:, order], rtol=0, atol=1e-7)


@every_construction
def test_the_table_keeps_the_contract_of_targets(history, choices):
    scores, market = (cut(panel, "2014-06-01", "2015-12-31") for panel in history)
    choices, sectors = with_windows(choices), sectors_of(scores, 4)
    table = table_of(scores, market, sectors=sectors, **choices)
    weights = weights_of(scores, market, sectors=sectors, **choices)
    assert table.schema == TARGETS.empty().schema
    assert table.null_count().sum_horizontal().item() == 0
    assert table["weight"].is_finite().all()
    assert not (table["weight"] == 0).any()
    assert table.select("date", "symbol").is_unique().all()
    assert table.equals(table.sort("date", "symbol"))
    # A row of the matrix is a target with names, or none at all.
    new = ~np.isnan(weights).any(axis=1)
    assert np.isnan(weights[~new]).all()
    assert (weights[new] != 0).any(axis=1).all()
    np.testing.assert_array_equal(np.unique(table["date"].to_numpy()), scores.sessions[new])


def test_top_n_depends_on_what_was_held_before(history):
    # Otherwise the test of years would prove nothing about `previous`.
    scores, market = history
    choices = with_windows(EVERY["long holding"])
    whole = table_of(scores, market, **choices).filter(pl.col("date").dt.year() == 2015)
    alone = table_of(cut(scores, "2015-01-01", "2015-12-31"), cut(market, "2013-01-01", "2015-12-31"), **choices)
    assert not alone.equals(whole)


def test_a_year_without_targets_breaks_what_is_held(history):
    scores, market = history
    choices = with_windows(EVERY["long holding"])
    there = (scores.sessions < np.datetime64("2014-01-01")) | (scores.sessions >= np.datetime64("2015-01-01"))
    broken = Panel(scores.sessions[there], scores.symbols, {"score": scores["score"][there]})
    whole = table_of(broken, market, **choices).filter(pl.col("date").dt.year() == 2015)
    alone = table_of(cut(scores, "2015-01-01", "2015-12-31"), cut(market, "2013-01-01", "2015-12-31"), **choices)
    assert alone.equals(whole)


def test_a_year_without_a_rebalance_has_no_targets(history):
    scores, market = history
    part = cut(scores, "2015-01-20", "2015-01-27")
    for kind in ("long_short", "top_n"):
        assert table_of(part, market, kind=kind, rebalance="monthly", sizing="inverse_volatility").is_empty()


def test_a_symbol_or_session_that_the_market_lacks_is_not_held(history):
    scores, market = history
    kept = np.arange(COUNT) != 7
    part = Panel(market.sessions[:-1], market.symbols[kept], {name: values[:-1, kept] for name, values in market.fields.items()})
    weights = weights_of(scores, part, sizing="inverse_volatility", volatility_target=0.1)
    there = ~np.isnan(weights[:, 0])
    assert (weights[there, 7] == 0).all()
    assert np.isnan(weights[-1]).all()


def test_the_default_construction_is_linear_in_the_score(history):
    scores, market = history
    weights = weights_of(scores, market)
    there = ~np.isnan(scores["score"]).all(axis=1)
    assert np.isnan(weights[~there]).all()
    score = scores["score"][there]
    distance = np.nan_to_num(score - np.nanmean(score, axis=1, keepdims=True))
    np.testing.assert_allclose(weights[there], distance / np.abs(distance).sum(axis=1, keepdims=True), rtol=0, atol=1e-14)


def test_the_target_table_has_the_held_names_only():
    table = table_of(score_panel(matrix([1.0, 2.0, 3.0, NAN], [NAN, NAN, NAN, NAN])))
    assert table.select("symbol", "weight").rows() == [("S00", -0.5), ("S02", 0.5)]
    assert table.schema == TARGETS.empty().schema


@pytest.mark.parametrize("choices", [{}, {"kind": "top_n"}, {"neutral": ("beta",), "rebalance": "weekly"}])
def test_no_scores_give_an_empty_target_table(choices):
    nothing = Panel.from_frame(pl.DataFrame(schema={"date": pl.Date, "symbol": pl.String, "score": pl.Float64}), ["score"])
    unscored = Panel(score_panel(np.zeros((3, 2))).sessions, symbols(2), {})
    for scores in (nothing, unscored, score_panel(np.full((3, 2), NAN))):
        table = table_of(scores, **choices)
        assert table.is_empty()
        assert table.schema == TARGETS.empty().schema


def test_every_default_key_is_a_choice_of_the_construction():
    # A key that is added to the section wants a place here and in docs/portfolio.md.
    assert set(construct().model_dump()) == {
        *("kind", "gross", "short", "quantile", "top_n", "sizing", "kelly", "volatility_target", "risk_window", "atr_window"),
        *("beta_window", "neutral", "limits", "rebalance", "no_trade_band"),
    }
