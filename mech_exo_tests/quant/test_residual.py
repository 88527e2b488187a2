"""Residual returns and the coefficients on them, against least squares written out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.stats import spearmanr

from mech_exo_assets.quant.ic import ic_table
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.portfolio.risk import beta
from mech_exo_assets.quant.residual import residual_ic_table, residual_returns, sector_codes, without_other_factors
from mech_exo_assets.quant.returns import forward_returns
from mech_exo_assets.schemas import RESIDUAL_IC
from mech_exo_assets.settings import load_strategy

WINDOW = 20
EVER = (0, 9998)
CHOICES = [(), ("market",), ("sector",), ("market", "sector"), ("factors",), ("market", "factors"), ("market", "sector", "factors")]
ALONE, UNKNOWN, YOUNG = 0, 1, 2
"""The first three names: alone in its sector, without a sector, and with too few prices for a beta."""


def gapped(rng: np.random.Generator, values: np.ndarray, missing: float = 0.1) -> np.ndarray:
    values[rng.random(values.shape) < missing] = np.nan
    return values


def returns_and_betas(n_sessions: int = 12, n_symbols: int = 20, *, seed: int = 0, missing: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = (n_sessions, n_symbols)
    return gapped(rng, rng.normal(0.0, 0.02, shape), missing), gapped(rng, rng.normal(1.0, 0.4, shape), missing)


def market_and_scores(n_sessions: int = 70, n_symbols: int = 24, *, seed: int = 0, factors: str = "ab") -> tuple[Panel, Panel]:
    """Prices that share a market, with gaps, and scores that know something of them; from 1 December 2020 on."""
    rng = np.random.default_rng(seed)
    shape = (n_sessions, n_symbols)
    moves = rng.normal(1.0, 0.5, n_symbols) * rng.normal(0.0, 0.01, (n_sessions, 1)) + rng.normal(0.0, 0.01, shape)
    index = gapped(rng, np.cumprod(1 + moves, axis=0), 0.05)
    index[:-8, YOUNG] = np.nan
    sessions = np.arange(np.datetime64("2020-12-01"), np.datetime64("2020-12-01") + n_sessions)
    symbols = np.array([f"S{i:02d}" for i in range(n_symbols)])
    fields = {name: gapped(rng, rng.standard_normal(shape)) for name in factors}
    return Panel(sessions, symbols, {"total_return_index": index}), Panel(sessions, symbols, fields)


def sectors_of(panel: Panel) -> dict[str, str | None]:
    """Three sectors; the first name has one to itself, the second has none, and neither has one that the market does not list."""
    sectors: dict[str, str | None] = {str(symbol): "ABC"[i % 3] for i, symbol in enumerate(panel.symbols)}
    sectors[str(panel.symbols[ALONE])] = "Alone"
    sectors[str(panel.symbols[UNKNOWN])] = None
    del sectors[str(panel.symbols[-1])]
    return sectors


def table_of(scores: Panel, market: Panel, residual: Iterable[str], **changes: object) -> pl.DataFrame:
    choices = load_strategy().decay.model_copy(update={"residual": tuple(residual), "beta_window": WINDOW})
    given = {"horizons": (1, 5), "execution_lag": 1, "sectors": sectors_of(scores), "min_names": 10, "years": EVER}
    return residual_ic_table(scores, market, choices=choices, **{**given, **changes})  # ty: ignore[invalid-argument-type]


def controls(known: np.ndarray, groups: np.ndarray, betas: np.ndarray | None) -> np.ndarray:
    """A dummy for each group, and the beta; a missing one is the mean of the known ones of its group."""
    codes = groups[known]
    columns = [(codes == code).astype(float) for code in np.unique(codes)]
    if betas is not None:
        own = betas[known].copy()
        for code in np.unique(codes):
            members, there = codes == code, (codes == code) & ~np.isnan(own)
            own[members & np.isnan(own)] = own[there].mean() if there.any() else 0.0
        columns.append(own)
    return np.column_stack(columns)


def left_by_lstsq(row: np.ndarray, groups: np.ndarray, betas: np.ndarray | None, *others: np.ndarray) -> np.ndarray:
    """Residuals of one session's returns on groups, beta and other scores (0 where missing)."""
    known, out = ~np.isnan(row), np.full(len(row), np.nan)
    design = np.column_stack([controls(known, groups, betas), *(np.nan_to_num(other)[known] for other in others)])
    out[known] = row[known] - design @ np.linalg.lstsq(design, row[known])[0]
    return out


def reference_table(scores: Panel, market: Panel, residual: tuple[str, ...], *, min_names: int = 10) -> dict[tuple, tuple[float, int]]:
    """IC and names by date, factor and horizon: scipy's rank correlation with residuals by numpy's least squares."""
    betas = beta(market, window=WINDOW) if "market" in residual else None
    sectors = sectors_of(scores) if "sector" in residual else {}
    labels = [str(sectors.get(str(symbol))) if sectors else "all" for symbol in scores.symbols]
    groups, found = np.unique(labels, return_inverse=True)[1], {}
    for horizon in (1, 5):
        returns = forward_returns(market["total_return_index"], horizon=horizon, execution_lag=1)
        for t, row in enumerate(returns):
            for factor, matrix in scores.fields.items():
                both = ~np.isnan(row) & ~np.isnan(matrix[t])
                if both.sum() < min_names:
                    continue
                others = [other[t] for name, other in scores.fields.items() if name != factor] if "factors" in residual else []
                left = left_by_lstsq(row, groups, None if betas is None else betas[t], *others) if residual else row
                # A name alone in its group is left with rounding noise by lstsq, which would rank.
                found[scores.sessions[t].item(), factor, horizon] = spearmanr(matrix[t][both], left[both].round(15))[0], both.sum()
    return found


@pytest.mark.parametrize("n_groups", [1, 3, 20])
@pytest.mark.parametrize("with_beta", [True, False])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_residuals_are_those_of_least_squares_on_group_dummies_and_beta(n_groups, with_beta, missing):
    returns, betas = returns_and_betas(missing=missing)
    groups = np.random.default_rng(5).integers(0, n_groups, 20)
    ours = residual_returns(returns, betas if with_beta else None, groups)
    theirs = np.array([left_by_lstsq(row, groups, betas[t] if with_beta else None) for t, row in enumerate(returns)])
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-15)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), missing=st.floats(0, 0.9), n_groups=st.integers(1, 6))
def test_residuals_are_orthogonal_to_groups_and_beta_whatever_is_missing(seed, missing, n_groups):
    returns, betas = returns_and_betas(6, 15, seed=seed, missing=missing)
    groups = np.random.default_rng(seed).integers(0, n_groups, 15)
    residuals = residual_returns(returns, betas, groups)
    np.testing.assert_array_equal(np.isnan(residuals), np.isnan(returns))
    for t, row in enumerate(residuals):
        known = ~np.isnan(row)
        if known.any():
            np.testing.assert_allclose(row[known] @ controls(known, groups, betas[t]), 0.0, atol=1e-14)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), slope=st.floats(-2, 2), level=st.floats(-1, 1))
def test_what_groups_and_beta_give_to_everybody_is_taken_out_to_the_last_of_it(seed, slope, level):
    returns, betas = returns_and_betas(6, 15, seed=seed, missing=0.0)
    groups = np.random.default_rng(seed).integers(0, 3, 15)
    paid = returns + level * groups + slope * betas
    np.testing.assert_allclose(residual_returns(paid, betas, groups), residual_returns(returns, betas, groups), rtol=0, atol=1e-13)


def test_a_name_alone_in_its_group_is_left_with_exactly_nothing():
    returns, betas = returns_and_betas(missing=0.0)
    groups = np.array([0, *[1] * 19])
    np.testing.assert_array_equal(residual_returns(returns, betas, groups)[:, 0], np.zeros(12))
    returns[3, 2:] = np.nan  # the second name is alone with its return
    assert residual_returns(returns, betas, groups)[3, 1] == 0.0


def test_one_and_the_same_beta_for_all_takes_out_no_more_than_the_group():
    returns, _ = returns_and_betas(missing=0.1)
    groups, same = np.arange(20) % 3, np.full(returns.shape, 1.1)
    np.testing.assert_allclose(residual_returns(returns, same, groups), residual_returns(returns, None, groups), rtol=0, atol=1e-16)


def test_betas_that_are_all_unknown_are_as_none():
    returns, _ = returns_and_betas()
    groups = np.arange(20) % 4
    unknown = np.full(returns.shape, np.nan)
    np.testing.assert_array_equal(residual_returns(returns, unknown, groups), residual_returns(returns, None, groups))


def test_nothing_known_and_no_names_leave_nothing():
    unknown = np.full((3, 5), np.nan)
    assert np.isnan(residual_returns(unknown, None, np.zeros(5, np.int64))).all()
    assert residual_returns(np.empty((3, 0)), None, np.zeros(0, np.int64)).shape == (3, 0)


def test_read_only_returns_are_taken_and_left_alone():
    returns, betas = returns_and_betas()
    groups, before = np.zeros(20, np.int64), returns.copy()
    expected = residual_returns(returns, betas, groups)
    returns.flags.writeable = betas.flags.writeable = False
    np.testing.assert_array_equal(residual_returns(returns, betas, groups), expected)
    np.testing.assert_array_equal(returns, before)


@pytest.mark.parametrize("with_beta", [True, False])
@pytest.mark.parametrize("n_factors", [1, 2, 5])
def test_without_other_factors_is_least_squares_on_all_the_others(n_factors, with_beta):
    returns, betas = returns_and_betas(n_symbols=40, missing=0.1)
    chosen, groups, rng = betas if with_beta else None, np.arange(40) % 4, np.random.default_rng(2)
    scores = {f"f{k}": gapped(rng, rng.standard_normal(returns.shape)) for k in range(n_factors)}
    ours = without_other_factors(residual_returns(returns, chosen, groups), scores, chosen, groups)
    assert list(ours) == list(scores)
    for name, residuals in ours.items():
        for t, row in enumerate(returns):
            others = [matrix[t] for other, matrix in scores.items() if other != name]
            theirs = left_by_lstsq(row, groups, None if chosen is None else chosen[t], *others)
            np.testing.assert_allclose(residuals[t], theirs, rtol=0, atol=1e-15, err_msg=f"{name} at {t}")


def test_a_factor_that_says_nothing_in_a_session_is_left_out_of_it():
    returns, _ = returns_and_betas(n_symbols=30, missing=0.0)
    groups, rng = np.arange(30) % 3, np.random.default_rng(2)
    residuals = residual_returns(returns, None, groups)
    of_group = np.broadcast_to(groups.astype(float), returns.shape)  # the same for all of a group, so nothing is left of it
    scores = {"a": rng.standard_normal(returns.shape), "silent": np.full(returns.shape, np.nan), "sector": of_group}
    ours = without_other_factors(residuals, scores, None, groups)
    np.testing.assert_allclose(ours["a"], residuals, rtol=0, atol=1e-16)
    for name in ("silent", "sector"):
        theirs = [left_by_lstsq(row, groups, None, scores["a"][t]) for t, row in enumerate(returns)]
        np.testing.assert_allclose(ours[name], theirs, rtol=0, atol=1e-15)


@pytest.mark.parametrize(("names", "known"), [(7, False), (8, True)])
def test_a_session_needs_twice_as_many_names_as_factors_that_say_something(names, known):
    rng = np.random.default_rng(0)
    returns = rng.standard_normal((2, 20))
    returns[1, names:] = np.nan
    groups = np.zeros(20, np.int64)
    scores = {f"f{k}": rng.standard_normal((2, 20)) for k in range(4)} | {"silent": np.full((2, 20), np.nan)}
    for matrix in without_other_factors(residual_returns(returns, None, groups), scores, None, groups).values():
        assert np.isfinite(matrix[0]).all()
        np.testing.assert_array_equal(np.isfinite(matrix[1]), (np.arange(20) < names) & known)


def test_collinear_factors_leave_the_session_unknown_and_no_other():
    rng = np.random.default_rng(0)
    returns, groups = rng.standard_normal((3, 20)), np.zeros(20, np.int64)
    scores = {"a": rng.standard_normal((3, 20)), "b": rng.standard_normal((3, 20)), "c": rng.standard_normal((3, 20))}
    scores["c"][1] = 2.0 * scores["a"][1] - scores["b"][1] + 3.0
    for matrix in without_other_factors(residual_returns(returns, None, groups), scores, None, groups).values():
        np.testing.assert_array_equal(np.isnan(matrix).all(axis=1), [False, True, False])
        np.testing.assert_array_equal(np.isnan(matrix).any(axis=1), [False, True, False])


def test_no_factors_leave_nothing_to_measure():
    assert without_other_factors(np.zeros((2, 5)), {}, None, np.zeros(5, np.int64)) == {}


@pytest.mark.parametrize("residual", CHOICES, ids="+".join)
def test_the_table_is_scipys_rank_correlation_with_residuals_by_least_squares(residual):
    market, scores = market_and_scores(factors="abc")
    table, expected = table_of(scores, market, residual), reference_table(scores, market, residual)
    assert table.schema == pl.Schema(RESIDUAL_IC.dtypes())
    assert table.equals(table.sort("date", "factor", "horizon"))
    assert table.select("date", "factor", "horizon").rows() == sorted(expected)
    np.testing.assert_allclose(table["ic"], [expected[key][0] for key in sorted(expected)], rtol=0, atol=1e-13)
    assert table["n"].to_list() == [expected[key][1] for key in sorted(expected)]


def test_nothing_taken_out_gives_the_plain_coefficients():
    market, scores = market_and_scores()
    returns = {h: forward_returns(market["total_return_index"], horizon=h, execution_lag=1) for h in (1, 5)}
    assert table_of(scores, market, ()).equals(ic_table(scores.fields, returns, scores.sessions, min_names=10))


def test_a_market_that_all_names_share_in_full_hides_a_score_from_plain_returns_and_not_from_residual_ones():
    """The score is the residual itself; each return is 20 times as large by its beta."""
    rng = np.random.default_rng(0)
    own, betas = rng.normal(0.0, 0.001, (120, 40)), np.linspace(0.0, 2.0, 40)
    moves = own + betas * rng.normal(0.0, 0.02, (120, 1))
    sessions = np.arange(np.datetime64("2020-01-01"), np.datetime64("2020-01-01") + 120)
    symbols = np.array([f"S{i:02d}" for i in range(40)])
    market = Panel(sessions, symbols, {"total_return_index": np.cumprod(1 + moves, axis=0)})
    scores = Panel(sessions, symbols, {"own": np.vstack([own[2:], np.full((2, 40), np.nan)])})
    plain, residual = (table_of(scores, market, choice, horizons=(1,))["ic"].to_numpy()[WINDOW:] for choice in ((), ("market",)))
    assert plain.mean() < 0.3
    assert residual.mean() > 0.8


def test_before_any_beta_is_known_only_the_sector_is_taken_out():
    market, scores = market_and_scores()
    last = scores.sessions[9].item()  # a beta needs 10 of 20 returns, and the first session has none
    both, sector = (table_of(scores, market, choice) for choice in (("market", "sector"), ("sector",)))
    assert not sector.filter(pl.col("date") <= last).is_empty()
    assert both.filter(pl.col("date") <= last).equals(sector.filter(pl.col("date") <= last))
    assert not both.equals(sector)


def test_fewer_names_than_wanted_have_no_row():
    market, scores = market_and_scores()
    few, many = (table_of(scores, market, ("market", "sector"), min_names=k) for k in (10, 18))
    assert 0 < many.height < few.height
    assert many.equals(few.filter(pl.col("n") >= 18))


def test_a_name_that_the_market_lacks_counts_for_nothing():
    market, scores = market_and_scores()
    less = Panel(market.sessions, market.symbols[:-1], {"total_return_index": market["total_return_index"][:, :-1].copy()})
    without = Panel(scores.sessions, scores.symbols[:-1], {name: matrix[:, :-1].copy() for name, matrix in scores.fields.items()})
    sectors = sectors_of(scores)
    for residual in CHOICES:
        assert table_of(scores, less, residual, sectors=sectors).equals(table_of(without, less, residual, sectors=sectors))


@pytest.mark.parametrize("residual", CHOICES, ids="+".join)
def test_only_the_wanted_years_have_rows_and_they_are_those_of_the_whole_history(residual):
    market, scores = market_and_scores()
    whole, year = table_of(scores, market, residual), table_of(scores, market, residual, years=(2021, 2021))
    assert not year.is_empty()
    assert year.equals(whole.filter(pl.col("date").dt.year() == 2021))


@pytest.mark.parametrize("residual", CHOICES, ids="+".join)
def test_no_scores_or_no_sessions_give_an_empty_table_with_its_columns(residual):
    market, scores = market_and_scores()
    assert table_of(Panel(scores.sessions, scores.symbols, {}), market, residual).equals(RESIDUAL_IC.empty())
    assert table_of(scores, market, residual, years=(1999, 1999)).equals(RESIDUAL_IC.empty())


@settings(max_examples=15)
@given(order=st.permutations(range(24)), residual=st.sampled_from(CHOICES))
def test_permuting_symbols_changes_no_coefficient(order, residual):
    market, scores = market_and_scores(30)

    def permuted(panel: Panel) -> Panel:
        return Panel(panel.sessions, panel.symbols[order], {name: matrix[:, order].copy() for name, matrix in panel.fields.items()})

    sectors = sectors_of(scores)
    mixed = table_of(permuted(scores), permuted(market), residual, sectors=sectors)
    assert_frame_equal(mixed, table_of(scores, market, residual, sectors=sectors), abs_tol=1e-13, rel_tol=0)


def test_permuting_symbols_moves_their_residuals_with_them():
    returns, betas = returns_and_betas()
    groups, order = np.arange(20) % 4, np.random.default_rng(1).permutation(20)
    mixed = residual_returns(returns[:, order], betas[:, order], groups[order])
    np.testing.assert_allclose(mixed, residual_returns(returns, betas, groups)[:, order], rtol=0, atol=1e-16)


def changed_rows(change: Callable[[np.ndarray], None], residual: tuple[str, ...], *, lag: int) -> set[int]:
    """Positions of the sessions whose coefficients over one session are others once prices were changed."""
    market, scores = market_and_scores()
    changed = market["total_return_index"].copy()
    change(changed)
    other = Panel(market.sessions, market.symbols, {"total_return_index": changed})
    before, after = (table_of(scores, one, residual, horizons=(1,), execution_lag=lag) for one in (market, other))
    assert before.select("date", "factor", "n").equals(after.select("date", "factor", "n"))
    moved = before.filter(before["ic"] != after["ic"])["date"].unique().to_numpy().astype("datetime64[D]")
    return set(np.searchsorted(scores.sessions, moved).tolist())


@pytest.mark.parametrize("residual", CHOICES, ids="+".join)
def test_changing_the_future_changes_nothing_whose_return_was_over(residual):
    def later(index: np.ndarray) -> None:
        index[41:] *= np.random.default_rng(9).uniform(0.5, 2.0, index[41:].shape)

    moved = changed_rows(later, residual, lag=1)
    assert min(moved) == 41 - 2, "the score of session 39 is executed at 40, and its return is known at 41"


def test_a_beta_ends_at_the_session_that_it_is_used_in():
    """Session 40 alone is changed. Returns of a lag of 6 begin or end there for scores of 33 and 34; betas hold it from 40 on."""

    def one_session(index: np.ndarray) -> None:
        index[40] *= np.random.default_rng(9).uniform(0.5, 2.0, index.shape[1])

    assert changed_rows(one_session, ("sector",), lag=6) == {33, 34}
    moved = changed_rows(one_session, ("market", "sector"), lag=6)
    assert moved.isdisjoint(range(33))
    assert moved.isdisjoint(range(35, 40))
    assert {33, 34} < moved
    assert max(moved) <= 40 + WINDOW, "a return of session 41 is the last that holds its price"


def test_sectors_are_numbered_by_name_and_symbols_without_one_share_the_last_number():
    panel = Panel(np.array([], dtype="datetime64[D]"), np.array(list("ABCDE")))
    codes = sector_codes(panel, {"A": "Utilities", "B": "Energy", "C": None, "D": "Energy", "Z": "Materials"})
    assert codes.tolist() == [2, 0, 3, 0, 3]
    assert sector_codes(panel, {}).tolist() == [0] * 5
