"""Where a factor works, and what kind of market a session was."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.quant.decay import breakdown, regimes
from mech_exo_assets.quant.hac import mean_test
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.schemas import BREAKDOWN, RESIDUAL_IC, SECTOR_IC

FIRST = dt.date(2020, 1, 1)


def market(n: int = 700, *, seed: int = 0) -> Panel:
    returns = np.random.default_rng(seed).normal(0.0, 0.01, (n, 4))
    returns[n // 2 :] *= 3.0
    sessions = np.arange(np.datetime64(FIRST), np.datetime64(FIRST) + n)
    return Panel(sessions, np.array(list("ABCD")), {"total_return_index": np.cumprod(1 + returns, axis=0)})


def test_regimes_are_those_of_the_definition():
    panel = market()
    index = panel["total_return_index"]
    mean = np.full(len(index), np.nan)
    mean[1:] = (index[1:] / index[:-1] - 1).mean(axis=1)
    deviation = np.array([np.std(mean[t - 62 : t + 1], ddof=1) if t >= 63 else np.nan for t in range(len(mean))])
    table = regimes(panel)
    for t in (50, 124, 125, 126, 300, 500, 699):
        known = deviation[: t + 1][~np.isnan(deviation[: t + 1])]
        volatility = None if len(known) < 63 else ("turbulent" if deviation[t] > np.median(known) else "calm")
        trend = None if t < 251 else ("rising" if np.prod(1 + np.nan_to_num(mean[t - 251 : t + 1])) >= 1 else "falling")
        assert table.row(t)[1:] == (volatility, trend), t
    # The second half, with three times the volatility, is turbulent once its window has left the first.
    assert set(table["volatility"][420:]) == {"turbulent"}


def test_a_regime_knows_nothing_of_later_sessions():
    panel = market()
    changed = panel["total_return_index"].copy()
    changed[501:] *= 2.0
    other = Panel(panel.sessions, panel.symbols, {"total_return_index": changed})
    assert regimes(panel).head(501).equals(regimes(other).head(501))


def test_segments_have_the_mean_and_the_t_of_their_own_sessions():
    rng, n = np.random.default_rng(0), 200
    dates = [FIRST + dt.timedelta(days=k) for k in range(n)]
    sector = pl.DataFrame(
        {"date": dates, "factor": "a", "horizon": 1, "sector": "Energy", "ic": rng.normal(0.1, 0.2, n), "n": 12}, schema=SECTOR_IC.dtypes()
    )
    residual = pl.DataFrame({"date": dates, "factor": "a", "horizon": 1, "ic": rng.normal(0, 0.2, n), "n": 12}, schema=RESIDUAL_IC.dtypes())
    of_session = pl.DataFrame({"date": dates, "volatility": ["calm"] * 150 + ["turbulent"] * 10 + [None] * 40, "trend": ["rising"] * n})
    table = breakdown(sector, residual, of_session, horizon=1)
    assert table.schema == pl.Schema(BREAKDOWN.dtypes())
    rows = {(dimension, segment): row for row in table.iter_rows(named=True) for dimension, segment in [(row["dimension"], row["segment"])]}
    assert set(rows) == {("sector", "Energy"), ("trend", "rising"), ("volatility", "calm"), ("volatility", "turbulent")}
    calm = mean_test(residual["ic"].to_numpy()[:150])
    assert rows["volatility", "calm"]["mean_ic"] == pytest.approx(calm.mean)
    assert rows["volatility", "calm"]["t_hac"] == pytest.approx(calm.t)
    assert rows["sector", "Energy"]["p_value"] == pytest.approx(mean_test(sector["ic"].to_numpy()).p_value)
    assert rows["volatility", "turbulent"]["t_hac"] is None, "ten sessions are too few"
    assert rows["volatility", "turbulent"]["n_sessions"] == 10


def test_nothing_gives_an_empty_table_with_its_columns():
    empty = pl.DataFrame(schema={"date": pl.Date, "volatility": pl.String, "trend": pl.String})
    assert breakdown(SECTOR_IC.empty(), RESIDUAL_IC.empty(), empty, horizon=1).equals(BREAKDOWN.empty())
