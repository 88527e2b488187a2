import datetime as dt

import numpy as np
import polars as pl
import pytest
from scipy.stats import false_discovery_control

from mech_exo_assets.quant import decay
from mech_exo_assets.quant.decay.statistics import _series
from mech_exo_assets.quant.hac import mean_test, trend_test
from mech_exo_assets.schemas import IC, LAGGED_IC, QUINTILE_RETURNS, RESIDUAL_IC, STATISTICS

FIRST = dt.date(2020, 1, 1)


def series(factor, horizon, values, *, first=FIRST):
    dates = [first + dt.timedelta(days=k) for k in range(len(values))]
    return pl.DataFrame({"date": dates, "factor": factor, "horizon": horizon, "ic": values, "n": 50}, schema=IC.dtypes())


def noise(n=300, *, seed=0, mean=0.02):
    return mean + 0.1 * np.random.default_rng(seed).standard_normal(n)


def statistics(ic, residual_ic=None, lagged_ic=None, quintile_returns=None, *, cost_bps=5.0):
    """With the tables that are named, and the others empty."""
    others = (residual_ic, lagged_ic, quintile_returns)
    tables = [
        schema.empty() if table is None else table for schema, table in zip((RESIDUAL_IC, LAGGED_IC, QUINTILE_RETURNS), others, strict=True)
    ]
    return decay.statistics(ic, *tables, cost_bps=cost_bps, resamples=99, seed=0)


def quintiles(factor, horizon, levels, *, n=60, turnover=0.3):
    """Quintile returns about given levels."""
    rng = np.random.default_rng(7)
    drawn = np.array(levels) + 0.001 * rng.standard_normal((n, 5))
    columns = {f"quintile_{k + 1}": drawn[:, k] for k in range(5)}
    dates = [FIRST + dt.timedelta(days=k) for k in range(n)]
    return pl.DataFrame(
        {
            "date": dates,
            "factor": factor,
            "horizon": horizon,
            **columns,
            "spread": drawn[:, 4] - drawn[:, 0],
            "turnover": turnover,
            "rank_autocorrelation": 0.9,
        },
        schema=QUINTILE_RETURNS.dtypes(),
    )


def row(table, factor, horizon):
    return table.row(by_predicate=(pl.col("factor") == factor) & (pl.col("horizon") == horizon), named=True)


def test_each_factor_and_horizon_gets_the_figures_of_its_own_series():
    many = {(f"f{k % 4}", h): noise(200 + 10 * k + h, seed=10 * k + h, mean=0.005 * k) for k in range(4) for h in (1, 21)}
    table = statistics(pl.concat([series(factor, horizon, values) for (factor, horizon), values in many.items()]))
    assert table.schema == pl.Schema(STATISTICS.dtypes())
    assert table.select("factor", "horizon").rows() == sorted(many)
    for (factor, horizon), values in many.items():
        figures, test = row(table, factor, horizon), mean_test(values, horizon=horizon)
        assert figures["mean_ic"] == test.mean
        assert figures["icir"] == pytest.approx(values.mean() / values.std(ddof=1), rel=1e-12)
        assert figures["t_hac"] == test.t
        assert figures["p_value"] == test.p_value
        assert figures["n_sessions"] == len(values)
        assert figures["first_date"] == FIRST
        assert figures["last_date"] == FIRST + dt.timedelta(days=len(values) - 1)


def test_the_order_of_rows_does_not_matter():
    ic = pl.concat([series(factor, horizon, noise(seed=horizon)) for factor in ("value", "momentum") for horizon in (1, 5)])
    assert statistics(ic.sample(fraction=1.0, shuffle=True, seed=1)).equals(statistics(ic))
    assert statistics(ic.sort("date")).equals(statistics(ic))


def test_horizons_that_a_factor_lacks_have_no_row():
    table = statistics(pl.concat([series("a", 1, noise()), series("b", 5, noise())]))
    assert table.select("factor", "horizon").rows() == [("a", 1), ("b", 5)]


def test_q_values_are_benjamini_yekutielis_over_all_rows():
    table = statistics(pl.concat([series(f"f{k}", 1, noise(seed=k, mean=0.01 * k)) for k in range(6)]))
    np.testing.assert_allclose(table["q_value"], false_discovery_control(table["p_value"].to_numpy(), method="by"), rtol=1e-12)
    assert (table["q_value"] >= table["p_value"]).all()


@pytest.mark.parametrize(("n", "horizon", "known"), [(19, 1, False), (20, 1, True), (41, 21, False), (42, 21, True)])
def test_a_short_history_has_a_mean_but_no_t(n, horizon, known):
    figures = row(statistics(series("young", horizon, noise(n))), "young", horizon)
    assert figures["mean_ic"] is not None
    assert figures["icir"] is not None
    assert [figures[name] is not None for name in ("t_hac", "p_value", "q_value")] == [known] * 3


def test_a_row_without_p_does_not_count_in_the_q_values_of_others():
    alone = statistics(series("old", 1, noise()))
    both = statistics(pl.concat([series("old", 1, noise()), series("young", 1, noise(5))]))
    assert row(both, "old", 1) == row(alone, "old", 1)
    assert row(both, "young", 1)["q_value"] is None


def test_one_session_has_a_mean_and_nothing_else():
    figures = row(statistics(series("new", 1, [0.3])), "new", 1)
    assert figures["mean_ic"] == 0.3
    assert figures["icir"] is None
    assert figures["n_sessions"] == 1


def test_a_constant_series_has_no_ratio_and_no_t():
    figures = row(statistics(series("flat", 1, [0.1] * 50)), "flat", 1)
    assert figures["mean_ic"] == pytest.approx(0.1)
    assert [figures[name] for name in ("icir", "t_hac", "p_value", "q_value")] == [None] * 4


def test_a_gap_in_the_sessions_is_closed_up():
    values = noise()
    gapped = pl.concat([series("a", 1, values[:100]), series("a", 1, values[100:], first=dt.date(2022, 1, 1))])
    assert row(statistics(gapped), "a", 1)["t_hac"] == mean_test(values).t


def test_no_coefficients_give_an_empty_table_with_its_columns():
    assert statistics(IC.empty()).equals(STATISTICS.empty())


def test_many_more_groups_than_sixteen_bits_can_number_are_told_apart():
    """By the step that tells them apart; a table of so many rows takes 20 s, and tells no more."""
    n = 70_000
    ic = pl.DataFrame(
        {"date": [FIRST] * n, "factor": "a", "horizon": range(1, n + 1), "ic": np.linspace(-1, 1, n), "n": 50}, schema=IC.dtypes()
    )
    groups = _series(ic, ["ic"])
    assert list(groups) == [("a", horizon) for horizon in range(1, n + 1)]
    np.testing.assert_array_equal([each["ic"].item() for each in groups.values()], ic["ic"])


@pytest.mark.slow
def test_false_discoveries_among_true_nulls_are_rarer_than_the_level():
    """300 draws of 20 null factors at a q of 10 %: at most 10 % of draws may find anything, plus three binomial standard errors."""
    found = 0
    for seed in range(300):
        table = statistics(pl.concat([series(f"f{k:02d}", 1, noise(250, seed=1000 * seed + k, mean=0.0)) for k in range(20)]))
        found += table["q_value"].min() <= 0.1
    assert found / 300 <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 300)


def test_the_hit_rate_counts_a_session_at_zero_half():
    figures = row(statistics(series("a", 1, [0.1, -0.1, 0.0, 0.2])), "a", 1)
    assert figures["hit_rate"] == 0.625


def test_the_trend_is_the_slope_in_a_year_with_its_own_test():
    values = noise() + 0.0002 * np.arange(300)
    figures, test = row(statistics(series("a", 5, values)), "a", 5), trend_test(values, horizon=5)
    assert figures["trend"] == pytest.approx(252 * np.polyfit(np.arange(300), values, 1)[0], rel=1e-9)
    assert (figures["trend_t"], figures["trend_p"]) == (test.t, test.p_value)


def test_quintiles_become_means_spread_costs_and_monotonicity():
    levels = [-0.002, -0.001, 0.002, 0.001, 0.003]
    table = quintiles("a", 1, levels)
    figures = row(statistics(series("a", 1, noise()), quintile_returns=table, cost_bps=10.0), "a", 1)
    means = [table[f"quintile_{k}"].mean() for k in range(1, 6)]
    assert [figures[f"quintile_{k}"] for k in range(1, 6)] == pytest.approx(means)
    assert figures["spread"] == pytest.approx(means[4] - means[0])
    assert figures["spread_t"] == pytest.approx(mean_test(table["spread"].to_numpy()).t)
    # Three names in ten leave each of two quintiles, and as many come: four times 0.3 is traded, at 10 basis points.
    assert figures["net_spread"] == pytest.approx(figures["spread"] - 4 * 0.3 * 0.001)
    assert figures["monotonicity"] == pytest.approx(0.9)
    assert figures["turnover"] == pytest.approx(0.3)
    assert figures["rank_autocorrelation"] == pytest.approx(0.9)


def test_quintiles_that_are_empty_or_all_the_same_have_no_monotonicity_and_the_other_figures():
    table = quintiles("a", 1, [-0.002, -0.001, 0.0, 0.001, 0.002])
    empty = table.with_columns(quintile_3=pl.lit(None, dtype=pl.Float64))
    same = table.with_columns([pl.lit(0.001).alias(f"quintile_{k}") for k in range(1, 6)])
    for changed, middle in ((empty, None), (same, 0.001)):
        figures = row(statistics(series("a", 1, noise()), quintile_returns=changed), "a", 1)
        assert figures["monotonicity"] is None
        assert figures["quintile_3"] == (None if middle is None else pytest.approx(middle))
        assert figures["spread_t"] == mean_test(table["spread"].to_numpy()).t


def test_quintiles_without_turnover_have_no_net_spread():
    table = quintiles("a", 1, [-0.002, -0.001, 0.0, 0.001, 0.002]).with_columns(turnover=pl.lit(None, dtype=pl.Float64))
    figures = row(statistics(series("a", 1, noise()), quintile_returns=table), "a", 1)
    assert figures["net_spread"] is None
    assert figures["spread"] == pytest.approx(table["spread"].mean())


def test_residual_figures_are_those_of_their_own_series():
    values = noise(seed=3, mean=0.05)
    figures = row(statistics(series("a", 5, noise()), residual_ic=series("a", 5, values)), "a", 5)
    test = mean_test(values, horizon=5)
    assert (figures["residual_ic"], figures["residual_t"], figures["residual_p"]) == (test.mean, test.t, test.p_value)


def test_what_other_tables_lack_is_null():
    figures = row(statistics(series("a", 1, noise())), "a", 1)
    names = ("half_life", "turnover", "residual_ic", "spread", "net_spread", "monotonicity", "quintile_1", "rank_autocorrelation")
    assert [figures[name] for name in names] == [None] * len(names)


def test_the_half_life_is_read_from_lagged_coefficients_and_the_same_at_all_horizons():
    rng = np.random.default_rng(0)
    dates = [FIRST + dt.timedelta(days=k) for k in range(800)]
    lags = (0, 2, 5, 10, 20, 40)
    lagged = pl.concat(
        pl.DataFrame(
            {"date": dates, "factor": "a", "lag": lag, "ic": 0.2 * 2 ** (-lag / 10) + 0.05 * rng.standard_normal(800), "n": 50},
            schema=LAGGED_IC.dtypes(),
        )
        for lag in lags
    )
    table = statistics(pl.concat([series("a", 1, noise()), series("a", 5, noise()), series("b", 1, noise())]), lagged_ic=lagged)
    one, other = row(table, "a", 1), row(table, "a", 5)
    assert one["half_life"] == other["half_life"]
    assert one["half_life"] == pytest.approx(10, rel=0.1)
    assert one["half_life_low"] < one["half_life"] < one["half_life_high"]
    assert row(table, "b", 1)["half_life"] is None


def test_residual_q_values_are_those_of_the_residual_p_values_alone():
    ic = pl.concat([series("a", 1, noise(seed=1)), series("b", 1, noise(seed=2)), series("b", 5, noise(seed=3))])
    table = statistics(ic, pl.concat([series("a", 1, noise(seed=4)), series("b", 5, noise(seed=5))]))
    known = table.filter(pl.col("residual_p").is_not_null())
    assert known.height == 2
    expected = false_discovery_control(known["residual_p"].to_numpy(), method="by")
    np.testing.assert_allclose(known["residual_q"], expected, rtol=1e-12)
    assert row(table, "b", 1)["residual_q"] is None
