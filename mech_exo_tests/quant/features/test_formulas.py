"""Every feature and the label once more, written out in pandas, NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats

from mech_exo_assets.quant.features import Dataset
from mech_exo_assets.quant.features.states import LEAST_STANDARDISED, STANDARDISED_SESSIONS
from mech_exo_assets.quant.ic import ic_table
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.residual import residual_ic_table
from mech_exo_tests.quant.features.worlds import FACTORS, chosen, dataset, world

FAMILIES = {
    "feature": ["sentiment"],
    "momentum": ["momentum_12_1", "momentum_6_1"],
    "reversal": ["short_term_reversal"],
    "volatility": ["volatility_63"],
}
STATES = ("volatility", "dispersion", "trend", "breadth")


@pytest.fixture(scope="module")
def made() -> Dataset:
    return dataset()


@pytest.fixture(scope="module")
def prices() -> dict[str, pd.DataFrame]:
    """Fields of prices, wide."""
    return {name: wide(world()[1], name) for name in ("total_return_index", "close", "volume")}


@pytest.fixture(scope="module")
def scores() -> dict[str, pd.DataFrame]:
    return {name: wide(world()[0], name) for name in FACTORS}


@pytest.fixture(scope="module")
def states(prices: dict[str, pd.DataFrame]) -> dict[str, pd.Series]:
    index = prices["total_return_index"]
    returns = index / index.shift(1) - 1.0
    market, average = returns.mean(axis=1), index.rolling(200, min_periods=160).mean()
    both = index.notna() & average.notna()
    return {
        "volatility": market.rolling(63, min_periods=51).std() * np.sqrt(252.0),
        "dispersion": returns.std(axis=1).rolling(21, min_periods=17).mean(),
        # All returns but the first session's are known here; where a window lacks that one, the rest stands for it.
        "trend": np.expm1(252.0 * np.log1p(market).rolling(252, min_periods=202).mean()),
        "breadth": ((index > average) & both).sum(axis=1) / both.sum(axis=1).replace(0, np.nan),
    }


def wide(table: pl.DataFrame, column: str) -> pd.DataFrame:
    """A column on the sessions and symbols of prices."""
    dates, symbols = (world()[1][name].unique().sort() for name in ("date", "symbol"))
    sessions = dates.to_numpy().astype("datetime64[D]")
    panel = Panel.from_frame(table, [column], sessions=sessions, symbols=np.array(symbols.to_list()))
    return pd.DataFrame(panel.observed(column), index=dates.to_list(), columns=symbols.to_list())


def rows_of(like: pd.DataFrame) -> pd.DataFrame:
    """Where a name has a row of scores."""
    return wide(world()[0].with_columns(row=pl.lit(1.0)), "row").loc[like.index].notna()


def assert_equal(made: Dataset, column: str, expected: pd.DataFrame) -> None:
    ours = wide(made.table, column).loc[expected.index]
    np.testing.assert_allclose(ours, expected.where(rows_of(expected)), rtol=2e-6, atol=2e-6, err_msg=column)
    assert ours.notna().to_numpy().sum() > 1000, column


@pytest.mark.parametrize("factor", FACTORS)
def test_scores_are_the_scores_in_single_precision(made, factor):
    assert made.table[f"score_{factor}"].equals(world()[0][factor].cast(pl.Float32).alias(f"score_{factor}"))


@pytest.mark.parametrize("factor", FACTORS)
def test_changes_are_differences_over_the_chosen_sessions(scores, factor):
    for sessions in (1, 21):
        made = dataset(change_sessions=sessions, features=("changes",))
        assert_equal(made, f"change_{factor}", scores[factor] - scores[factor].shift(sessions))


@pytest.mark.parametrize("factor", FACTORS)
def test_ranks_are_average_ranks_scaled_to_half_on_either_side(made, scores, factor):
    score = scores[factor]
    n = score.notna().sum(axis=1)
    assert_equal(made, f"rank_{factor}", score.rank(axis=1).sub(0.5).div(n, axis=0) - 0.5)
    assert made.table[f"rank_{factor}"].abs().max() < 0.5


@pytest.mark.parametrize("state", STATES)
def test_market_features_are_the_states_and_the_same_for_all_names(made, prices, states, state):
    same = pd.DataFrame(dict.fromkeys(prices["close"].columns, states[state]))
    assert_equal(made, f"market_{state}", same)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("family", FAMILIES)
def test_interactions_are_the_mean_score_of_the_family_times_the_standardised_state(made, scores, states, family, state):
    mean = pd.concat([scores[name] for name in FAMILIES[family]]).groupby(level=0).mean()
    window = states[state].rolling(STANDARDISED_SESSIONS, min_periods=LEAST_STANDARDISED)
    z = (states[state] - window.mean()) / window.std()
    assert_equal(made, f"interaction_{family}_{state}", mean.mul(z, axis=0))


def test_liquidity_is_the_rank_of_the_mean_dollar_volume(made, prices):
    mean = (prices["close"] * prices["volume"]).rolling(21, min_periods=17).mean().where(rows_of(prices["close"]))
    assert_equal(made, "liquidity_dollar_volume", mean.rank(axis=1).sub(0.5).div(mean.notna().sum(axis=1), axis=0) - 0.5)


def residuals(prices: dict[str, pd.DataFrame], *, window: int, residual: tuple[str, ...]) -> pd.DataFrame:
    """Forward returns of five sessions, left by least squares on sector dummies and beta; of sessions in which most betas are known."""
    index = prices["total_return_index"]
    returns = index / index.shift(1) - 1.0
    market = returns.mean(axis=1)
    betas = pd.DataFrame(index=index.index, columns=index.columns, dtype=float)
    for symbol in index:
        pair = pd.DataFrame({"own": returns[symbol], "market": market.where(returns[symbol].notna())})
        rolling = pair.rolling(window, min_periods=window // 2)
        betas[symbol] = rolling.cov().loc[(slice(None), "own"), "market"].droplevel(1) / rolling.var()["market"]
    forward = index.shift(-6) / index.shift(-1) - 1.0
    sector = pd.Series(dict(world()[2].iter_rows())).fillna("none") if "sector" in residual else pd.Series("all", index=index.columns)
    out = forward.iloc[50:300].copy()
    for date, row in out.iterrows():
        known = row.dropna().index
        if not residual or known.empty:
            continue
        dummies = pd.get_dummies(sector[known]).astype(float)
        if "market" in residual:
            own = betas.loc[date, known]
            dummies["beta"] = own.fillna(own.groupby(sector[known]).transform("mean")).fillna(0.0)
        out.loc[date, known] = row[known] - dummies @ np.linalg.lstsq(dummies, row[known])[0]
    return out.round(14)  # a name alone in its sector is left with rounding


@pytest.mark.parametrize("residual", [(), ("market",), ("sector",), ("market", "sector")], ids="+".join)
def test_the_label_is_the_normal_score_of_the_residual_forward_return(prices, residual):
    made = dataset(horizons=(5,), execution_lag=1, residual=residual, beta_window=60, features=("market",))
    left = residuals(prices, window=60, residual=residual)
    left = left.where(rows_of(left))
    rank, n = left.rank(axis=1), left.notna().sum(axis=1)
    expected = pd.DataFrame(stats.norm.ppf(rank.sub(0.5).div(n, axis=0)), index=left.index, columns=left.columns)
    assert_equal(made, "label", expected.where(n >= 10, axis=0))


def test_the_standardised_label_has_mean_0_and_deviation_1_in_each_session(prices):
    made = dataset(horizons=(5,), label="standardised", beta_window=60, features=("market",))
    left = residuals(prices, window=60, residual=("market", "sector"))
    left = left.where(rows_of(left))
    expected = left.sub(left.mean(axis=1), axis=0).div(left.std(axis=1, ddof=0), axis=0)
    assert_equal(made, "label", expected.where(left.notna().sum(axis=1) >= 10, axis=0))
    moments = made.table.drop_nulls("label").group_by("date").agg(mean=pl.col("label").mean(), deviation=pl.col("label").std(ddof=0))
    np.testing.assert_allclose(moments["mean"], 0.0, atol=1e-6)
    np.testing.assert_allclose(moments["deviation"], 1.0, atol=1e-6)


def test_rank_correlations_with_the_label_are_those_of_decay_residual_ic():
    scores, prices, universe = world()
    strategy = chosen(horizons=(5,), beta_window=60)
    assert strategy.learning.residual == ("market", "sector")
    panel, market = Panel.from_frame(scores, FACTORS), Panel.from_frame(prices, ["total_return_index"])
    label = Panel.from_frame(dataset(horizons=(5,), beta_window=60).table, ["label"], sessions=panel.sessions, symbols=panel.symbols)[
        "label"
    ]
    ours = ic_table(panel.fields, {5: label}, panel.sessions, min_names=10)
    theirs = residual_ic_table(
        panel,
        market,
        horizons=(5,),
        execution_lag=strategy.execution_lag,
        sectors=dict(universe.iter_rows()),
        choices=strategy.decay.model_copy(update={"residual": ("market", "sector")}),
        min_names=10,
        years=(2013, 2016),
    )
    both = ours.join(theirs, on=["date", "factor", "horizon"], how="full")
    assert both.height == theirs.height > 1000
    # The label is stored in single precision, whose ties are the residuals' own.
    np.testing.assert_allclose(both["ic"], both["ic_right"], rtol=0, atol=1e-12)
