"""The coefficients by lag and by sector are the plain ones, on returns that begin later and on fewer names."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy.stats import spearmanr

from mech_exo_assets.quant.ic import ic_table
from mech_exo_assets.quant.ic_tables import lagged_ic_table, sector_ic_table
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.returns import forward_returns
from mech_exo_assets.schemas import LAGGED_IC, SECTOR_IC

EVER = (0, 9998)
LAGS = (0, 1, 4, 20)


def gapped(rng: np.random.Generator, values: np.ndarray, missing: float = 0.1) -> np.ndarray:
    values[rng.random(values.shape) < missing] = np.nan
    return values


def panels(n_sessions: int = 60, n_symbols: int = 36) -> tuple[Panel, Panel]:
    """Scores and prices with gaps, from 1 December 2020 on."""
    rng = np.random.default_rng(0)
    shape = (n_sessions, n_symbols)
    sessions = np.arange(np.datetime64("2020-12-01"), np.datetime64("2020-12-01") + n_sessions)
    symbols = np.array([f"S{i:02d}" for i in range(n_symbols)])
    index = gapped(rng, np.exp(np.cumsum(0.01 * rng.standard_normal(shape), axis=0)), 0.03)
    fields = {name: gapped(rng, rng.standard_normal(shape)) for name in ("value", "growth")}
    return Panel(sessions, symbols, fields), Panel(sessions, symbols, {"total_return_index": index})


def sectors_of(panel: Panel) -> dict[str, str | None]:
    """15 names of energy, 15 of utilities, 4 of materials; one whose sector is null, and one that is not listed."""
    names = ["Energy", "Utilities"] * 15 + ["Materials"] * 4 + [None]
    return dict(zip(map(str, panel.symbols), names, strict=False))


def lagged(scores: Panel, market: Panel, *, lag: int = 1, years: tuple[int, int] = EVER) -> pl.DataFrame:
    return lagged_ic_table(scores, market, lags=LAGS, execution_lag=lag, min_names=10, years=years)


def by_sector(
    scores: Panel, market: Panel, *, horizon: int = 5, min_names: int = 10, years: tuple[int, int] = EVER, **changes: str | None
) -> pl.DataFrame:
    sectors = {**sectors_of(scores), **changes}
    return sector_ic_table(scores, market, horizon=horizon, execution_lag=1, sectors=sectors, min_names=min_names, years=years)


def members(scores: Panel, market: Panel, chosen: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The scores of the chosen symbols, and their prices."""
    fields = {name: np.ascontiguousarray(matrix[:, chosen]) for name, matrix in scores.fields.items()}
    return fields, np.ascontiguousarray(market["total_return_index"][:, chosen])


@pytest.mark.parametrize("execution_lag", [0, 1, 3])
def test_a_lagged_coefficient_is_that_of_scores_so_many_sessions_older(execution_lag):
    scores, market = panels()
    table = lagged(scores, market, lag=execution_lag)
    assert table.schema == pl.Schema(LAGGED_IC.dtypes())
    assert table.equals(table.sort("date", "factor", "lag"))
    one_session = forward_returns(market["total_return_index"], horizon=1, execution_lag=execution_lag)
    for lag in LAGS:
        older = {name: np.vstack([np.full((lag, 36), np.nan), matrix[: 60 - lag]]) for name, matrix in scores.fields.items()}
        expected = ic_table(older, {1: one_session}, scores.sessions, min_names=10)
        ours = table.filter(lag=lag)
        assert ours.height == 2 * (60 - 1 - execution_lag - lag)
        # Rows are dated by the score, and those of `older` by the session in which the score has its age.
        assert_frame_equal(
            ours.with_columns(pl.col("date").dt.offset_by(f"{lag}d")).select("date", "factor", "ic", "n"), expected[:, [0, 1, 3, 4]]
        )


def test_lag_nought_is_the_plain_coefficient_over_one_session():
    scores, market = panels()
    returns = {1: forward_returns(market["total_return_index"], horizon=1, execution_lag=1)}
    plain = ic_table(scores.fields, returns, scores.sessions, min_names=10)
    assert lagged(scores, market).filter(lag=0).drop("lag").equals(plain.drop("horizon"))


def test_a_signal_that_pays_once_has_its_coefficient_at_its_lag_and_at_no_other():
    rng = np.random.default_rng(1)
    sessions = np.arange(np.datetime64("2020-01-01"), np.datetime64("2020-01-01") + 200)
    moves = 0.01 * rng.standard_normal((200, 50))
    symbols = np.array([f"S{i:02d}" for i in range(50)])
    # What moves[t] is was known 1 + 4 + 1 sessions before: execution one session later, then four more, then the return.
    scores = Panel(sessions, symbols, {"early": np.vstack([moves[6:], np.full((6, 50), np.nan)])})
    table = lagged(scores, Panel(sessions, symbols, {"total_return_index": np.cumprod(1 + moves, axis=0)}))
    means = dict(table.group_by("lag").agg(pl.col("ic").mean()).iter_rows())
    assert means.pop(4) == pytest.approx(1.0, abs=1e-12)
    # 1/√50 for one session; over at least 170 of them, four standard errors are 0.044.
    assert all(abs(mean) < 4 / np.sqrt(50 * 170) for mean in means.values())


def test_only_the_wanted_years_have_rows_and_they_are_those_of_the_whole_history():
    scores, market = panels()
    for whole, year in ((table(scores, market), table(scores, market, years=(2020, 2020))) for table in (lagged, by_sector)):
        assert not year.is_empty()
        assert year.equals(whole.filter(pl.col("date").dt.year() == 2020))


def test_changing_the_future_changes_nothing_whose_return_was_over():
    scores, market = panels()
    changed = market["total_return_index"].copy()
    changed[41:] *= np.random.default_rng(9).uniform(0.5, 2.0, changed[41:].shape)
    other = Panel(market.sessions, market.symbols, {"total_return_index": changed})
    for lag in LAGS:
        before, after = (lagged(scores, one).filter(lag=lag) for one in (market, other))
        over = pl.col("date") < scores.sessions[41 - 2 - lag].item()
        assert before.filter(over).height == 2 * (39 - lag)
        assert before.filter(over).equals(after.filter(over))
        assert not before.head(2 * (40 - lag)).equals(after.head(2 * (40 - lag)))
    before, after = (by_sector(scores, one) for one in (market, other))
    over = pl.col("date") < scores.sessions[41 - 6].item()
    assert before.filter(over).equals(after.filter(over))
    assert not before.equals(after)


def test_the_coefficient_of_a_sector_is_that_of_its_names_alone():
    scores, market = panels()
    table, sectors = by_sector(scores, market), sectors_of(scores)
    assert table.schema == pl.Schema(SECTOR_IC.dtypes())
    assert table["horizon"].unique().to_list() == [5]
    for sector in ("Energy", "Utilities"):
        chosen = np.flatnonzero([sectors.get(str(symbol)) == sector for symbol in scores.symbols])
        assert len(chosen) == 15
        fields, index = members(scores, market, chosen)
        returns = {5: forward_returns(index, horizon=5, execution_lag=1)}
        assert table.filter(sector=sector).drop("sector").equals(ic_table(fields, returns, scores.sessions, min_names=10))


def test_the_coefficient_of_a_sector_is_scipys():
    scores, market = panels()
    returns = forward_returns(market["total_return_index"], horizon=5, execution_lag=1)[7, :30:2]
    score = scores["value"][7, :30:2]
    both = ~np.isnan(score) & ~np.isnan(returns)
    row = by_sector(scores, market).row(by_predicate=(pl.col("date") == scores.sessions[7].item()) & _of("value", "Energy"), named=True)
    assert row["n"] == both.sum() < 15
    assert row["ic"] == pytest.approx(spearmanr(score[both], returns[both])[0], abs=1e-14)


def _of(factor: str, sector: str) -> pl.Expr:
    return (pl.col("factor") == factor) & (pl.col("sector") == sector)


def test_small_sectors_and_symbols_without_one_have_no_rows():
    scores, market = panels()
    assert set(by_sector(scores, market)["sector"]) == {"Energy", "Utilities"}
    assert set(by_sector(scores, market, min_names=4)["sector"]) == {"Energy", "Materials", "Utilities"}
    assert by_sector(scores, market, min_names=16).equals(SECTOR_IC.empty())


def test_a_session_in_which_a_sector_is_small_has_no_row():
    scores, market = panels()
    fewer = by_sector(scores, market, min_names=12)
    assert 0 < fewer.height < by_sector(scores, market).height
    assert fewer.equals(by_sector(scores, market).filter(pl.col("n") >= 12))


def test_a_symbol_without_a_sector_moves_no_coefficient():
    scores, market = panels()
    changed = {name: matrix.copy() for name, matrix in scores.fields.items()}
    for matrix in changed.values():
        matrix[:, 34:] = 100.0
    other = Panel(scores.sessions, scores.symbols, changed)
    assert sectors_of(scores)["S34"] is None
    assert "S35" not in sectors_of(scores)
    assert by_sector(other, market).equals(by_sector(scores, market))
    assert not by_sector(other, market, S34="Energy").equals(by_sector(scores, market))


def test_nobody_in_a_sector_and_no_factor_give_empty_tables_with_their_columns():
    scores, market = panels()
    none = Panel(scores.sessions, scores.symbols, {})
    alone = sector_ic_table(scores, market, horizon=1, execution_lag=1, sectors={}, min_names=10, years=EVER)
    assert alone.equals(SECTOR_IC.empty())
    assert by_sector(none, market).equals(SECTOR_IC.empty())
    assert lagged(none, market).equals(LAGGED_IC.empty())


def test_permuting_symbols_changes_not_one_bit():
    scores, market = panels()
    order = np.random.default_rng(3).permutation(36)
    mixed = [
        Panel(one.sessions, one.symbols[order], {name: m[:, order].copy() for name, m in one.fields.items()}) for one in (scores, market)
    ]
    assert lagged(*mixed).equals(lagged(scores, market))
    sectors = sectors_of(scores)
    given = {"horizon": 5, "execution_lag": 1, "sectors": sectors, "min_names": 10, "years": EVER}
    assert sector_ic_table(*mixed, **given).equals(sector_ic_table(scores, market, **given))
