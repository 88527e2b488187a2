"""Rolling kernels against pandas and NumPy, over panels with gaps, constants and outliers."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mech_exo_assets.quant.rolling.blocks import TILE, blocks
from mech_exo_assets.quant.rolling.extremes import maximum, maximum_drawdown, mean_of_largest, sessions_since_maximum
from mech_exo_assets.quant.rolling.lags import carried, change, lagged
from mech_exo_assets.quant.rolling.moments import skewness, standard_deviation
from mech_exo_assets.quant.rolling.regression import correlation, coskewness, residual_deviation, slope, slope_t
from mech_exo_assets.quant.rolling.sums import mean

ON = np.random.default_rng(8).normal(size=4000)
KERNELS = {
    "mean": mean,
    "standard_deviation": standard_deviation,
    "skewness": skewness,
    "maximum": maximum,
    "sessions_since_maximum": sessions_since_maximum,
    "maximum_drawdown": maximum_drawdown,
    "mean_of_largest": lambda values, **shape: mean_of_largest(values, 3, **shape),
    "slope": lambda values, **shape: slope(values, ON[: len(values)], **shape),
    "slope_t": lambda values, **shape: slope_t(values, ON[: len(values)], **shape),
    "residual_deviation": lambda values, **shape: residual_deviation(values, ON[: len(values)], **shape),
    "coskewness": lambda values, **shape: coskewness(values, ON[: len(values)], **shape),
    "correlation": lambda values, **shape: correlation(values, np.cos(values) + ON[: len(values), None], **shape),
}
every_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS.keys())


@st.composite
def cases(draw):
    n_sessions, n_symbols = draw(st.integers(1, 70)), draw(st.sampled_from([1, 3, TILE, TILE + 2]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = rng.standard_t(3, size=(n_sessions, n_symbols))
    kind = draw(st.sampled_from(["noise", "constant", "steps", "far from zero"]))
    if kind == "constant":
        values[:] = 0.1
    if kind == "steps":
        values = np.where(rng.random(values.shape) < 0.1, values, 0.0)
    if kind == "far from zero":
        values += 1e3
    values[rng.random(values.shape) < draw(st.sampled_from([0.0, 0.1, 0.6, 1.0]))] = np.nan
    starts = np.unique(np.append(0, rng.integers(0, n_sessions, draw(st.integers(0, 3))))).astype(np.int64)
    window = draw(st.integers(3, 30))
    return values, {"window": window, "min_count": draw(st.integers(3, window)), "year_starts": starts}


def with_pandas(values, shape):
    return pd.DataFrame(values).rolling(shape["window"], min_periods=shape["min_count"])


def by_window(values, shape, statistic):
    """`statistic(known values of one window, their sessions)`, where there are enough."""
    out = np.full(values.shape, np.nan)
    for t, j in np.ndindex(*values.shape):
        sessions = np.arange(max(0, t - shape["window"] + 1), t + 1)
        sessions = sessions[~np.isnan(values[sessions, j])]
        if len(sessions) >= shape["min_count"]:
            out[t, j] = statistic(values[sessions, j], sessions)
    return out


close = partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-11)


@settings(max_examples=40, deadline=None)
@given(cases())
def test_mean_and_maximum_are_those_of_pandas(case):
    values, shape = case
    close(mean(values, **shape), with_pandas(values, shape).mean().to_numpy(), atol=1e-9)
    close(maximum(values, **shape), with_pandas(values, shape).max().to_numpy())


@settings(max_examples=30, deadline=None)
@given(cases())
def test_standard_deviation_is_that_of_numpy(case):
    values, shape = case
    values = values[:, :3]
    close(standard_deviation(values, **shape), by_window(values, shape, lambda x, _: np.std(x, ddof=1)))


@settings(max_examples=30, deadline=None)
@given(cases())
def test_skewness_is_that_of_pandas_and_unknown_for_a_constant(case):
    values, shape = case
    values = values[:, :3]

    def reference(x, _):
        return pd.Series(x).skew() if np.ptp(x) > 0 else np.nan

    close(skewness(values, **shape), by_window(values, shape, reference), rtol=1e-6, atol=1e-8)


@settings(max_examples=30, deadline=None)
@given(cases(), st.integers(1, 3))
def test_order_statistics_are_those_of_sorting(case, count):
    values, shape = case
    values = values[:, :3]
    close(mean_of_largest(values, count, **shape), by_window(values, shape, lambda x, _: np.sort(x)[-count:].mean()))
    since = sessions_since_maximum(values, **shape)
    expected = np.full(values.shape, np.nan)
    for t, j in np.ndindex(*values.shape):
        recent = values[max(0, t - shape["window"] + 1) : t + 1, j][::-1]
        if (~np.isnan(recent)).sum() >= shape["min_count"]:
            expected[t, j] = np.argmax(np.where(np.isnan(recent), -np.inf, recent))
    np.testing.assert_array_equal(since, expected)


@settings(max_examples=30, deadline=None)
@given(cases())
def test_drawdown_is_the_deepest_fall_from_an_earlier_peak(case):
    values, shape = case
    prices = np.exp(values[:, :3] / 100.0)
    close(maximum_drawdown(prices, **shape), by_window(prices, shape, lambda x, _: np.max(1.0 - x / np.maximum.accumulate(x))))


@settings(max_examples=30, deadline=None)
@given(cases(), st.booleans())
def test_regression_is_least_squares(case, with_gaps):
    values, shape = case
    values = values[:, :3]
    on = ON[: len(values)].copy()
    if with_gaps:
        on[::3] = np.nan
    joint = np.where(np.isnan(on)[:, None], np.nan, values)

    def fit(statistic):
        def of_window(x, sessions):
            m = on[sessions] - on[sessions].mean()
            b = np.sum(m * x) / np.sum(m**2)
            e = x - x.mean() - b * m
            return statistic(b, m, e, np.sqrt(np.sum(e**2) / (len(x) - 2)))

        return by_window(joint, shape, of_window)

    close(slope(values, on, **shape), fit(lambda b, _m, _e, _s: b), rtol=1e-8, atol=1e-9)
    close(residual_deviation(values, on, **shape), fit(lambda _b, _m, _e, s: s), rtol=1e-4, atol=1e-7)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = fit(lambda b, m, _e, s: b * np.sqrt(np.sum(m**2)) / s if s > 1e-6 else np.nan)
        third = fit(lambda _b, m, e, s: np.mean(e * m**2) / (np.sqrt(np.mean(e**2)) * np.mean(m**2)) if s > 1e-6 else np.nan)
    known = ~np.isnan(t)
    close(slope_t(values, on, **shape)[known], t[known], rtol=1e-5, atol=1e-6)
    close(coskewness(values, on, **shape)[known], third[known], rtol=1e-4, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(cases())
def test_correlation_is_that_of_numpy(case):
    values, shape = case
    values = values[:, :3]
    others = np.where(np.random.default_rng(2).random(values.shape) < 0.1, np.nan, np.cos(values) + ON[: len(values), None])
    joint = np.where(np.isnan(others), np.nan, values)
    found = correlation(values, others, **shape)
    for j in range(values.shape[1]):

        def reference(x, sessions, column=j):
            y = others[sessions, column]
            return np.corrcoef(x, y)[0, 1] if np.ptp(x) > 1e-9 and np.ptp(y) > 1e-9 else np.nan

        close(found[:, [j]], by_window(joint[:, [j]], shape, reference), rtol=1e-6, atol=1e-8)
    assert np.nanmax(np.abs(found), initial=0.0) <= 1.0


def panel_of(n_sessions=900, n_symbols=5, seed=0):
    rng = np.random.default_rng(seed)
    values = np.exp(np.cumsum(rng.normal(size=(n_sessions, n_symbols)) * 0.01, axis=0))
    values[rng.random(values.shape) < 0.03] = np.nan
    return values


@every_kernel
@pytest.mark.parametrize("window", [3, 21, 252, 400])
def test_figures_of_a_year_are_the_same_bits_however_much_history_is_loaded(kernel, window):
    # On a slice that starts later, the vector `ON` and the sums must come out alike: so the slice keeps absolute positions by padding.
    values = panel_of()
    starts = np.array([0, 150, 402, 654])
    full = kernel(values, window=window, min_count=3, year_starts=starts)
    for year, start in enumerate(starts):
        first = max(0, start - window + 1)
        forgotten = values.copy()
        forgotten[:first] = np.nan
        stop = starts[year + 1] if year + 1 < len(starts) else len(values)
        np.testing.assert_array_equal(kernel(forgotten, window=window, min_count=3, year_starts=starts)[start:stop], full[start:stop])


@every_kernel
def test_a_name_does_not_depend_on_the_others_nor_on_its_place(kernel):
    values = panel_of(300, TILE + 5)
    shape = {"window": 21, "min_count": 17, "year_starts": np.array([0, 100])}
    together = kernel(values, **shape)
    order = np.random.default_rng(3).permutation(TILE + 5)
    np.testing.assert_array_equal(kernel(np.ascontiguousarray(values[:, order]), **shape), together[:, order])
    np.testing.assert_array_equal(kernel(np.ascontiguousarray(values[:, 3:4]), **shape), together[:, 3:4])


@every_kernel
def test_nothing_after_a_session_moves_a_figure(kernel):
    values = panel_of(200)
    shape = {"window": 21, "min_count": 17, "year_starts": np.array([0, 90])}
    later = values.copy()
    later[120:] = 7.0
    np.testing.assert_array_equal(kernel(later, **shape)[:120], kernel(values, **shape)[:120])


@every_kernel
def test_names_that_were_never_observed_are_unknown(kernel):
    assert np.isnan(kernel(np.full((50, 3), np.nan), window=5, min_count=3, year_starts=np.array([0]))).all()


@every_kernel
def test_fewer_sessions_than_the_window_are_unknown(kernel):
    assert np.isnan(kernel(panel_of(10), window=21, min_count=17, year_starts=np.array([0]))).all()


@every_kernel
def test_no_sessions_and_no_symbols_are_no_error(kernel):
    empty = np.zeros(0, dtype=np.int64)
    assert kernel(np.zeros((0, 3)), window=5, min_count=3, year_starts=empty).shape == (0, 3)
    assert kernel(np.zeros((4, 0)), window=5, min_count=3, year_starts=np.array([0])).shape == (4, 0)


@every_kernel
def test_other_memory_layouts_and_read_only_matrices_are_taken(kernel):
    values = panel_of(60)
    shape = {"window": 10, "min_count": 5, "year_starts": np.array([0])}
    expected = kernel(values, **shape)
    frozen = values.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(kernel(frozen, **shape), expected)
    np.testing.assert_array_equal(kernel(np.asfortranarray(values), **shape), expected)


def test_a_constant_has_deviation_zero_even_after_an_outlier_left_the_window():
    values = np.full((100, 1), 0.1)
    values[:30, 0] = np.random.default_rng(0).normal(size=30) * 1e6
    deviation = standard_deviation(values, window=20, min_count=16, year_starts=np.array([0, 7]))
    np.testing.assert_array_equal(deviation[49:], 0.0)
    assert (deviation[19:49] > 0.0).all()


def test_an_outlier_leaves_no_trace_once_it_has_left_the_window():
    values = panel_of(200, 2) / 100.0
    spiked = values.copy()
    spiked[50] = 1e9
    for kernel in (mean, standard_deviation, skewness):
        shape = {"window": 20, "min_count": 16, "year_starts": np.array([0])}
        np.testing.assert_array_equal(kernel(spiked, **shape)[70:], kernel(values, **shape)[70:])


def test_a_perfect_fit_has_no_residual_and_no_t():
    on = np.arange(40.0)
    line = np.ascontiguousarray((3.0 + 0.5 * on)[:, None])
    shape = {"window": 20, "min_count": 16, "year_starts": np.array([0])}
    close(slope(line, on, **shape)[19:], 0.5)
    np.testing.assert_array_equal(residual_deviation(line, on, **shape)[19:], 0.0)
    assert np.isnan(slope_t(line, on, **shape)).all()
    assert np.isnan(slope(line, np.ones(40), **shape)).all()


def test_a_change_is_the_ratio_of_two_lags():
    values = panel_of(30, 2)
    expected = pd.DataFrame(values).shift(2) / pd.DataFrame(values).shift(7) - 1.0
    close(change(values, since=7, until=2), expected.to_numpy())
    with pytest.raises(ValueError, match="since > until"):
        change(values, since=2, until=2)


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_carrying_is_that_of_pandas(limit):
    values = panel_of(60, 4)
    values[10:25, 1] = np.nan
    np.testing.assert_array_equal(carried(values, limit), pd.DataFrame(values).ffill(limit=limit).to_numpy())


@pytest.mark.parametrize("sessions", [1, 5, 60, 61])
def test_lagging_is_that_of_pandas(sessions):
    values = panel_of(60, 4)
    np.testing.assert_array_equal(lagged(values, sessions), pd.DataFrame(values).shift(sessions).to_numpy())


def test_blocks_cover_every_session_once_and_begin_anew_each_year():
    np.testing.assert_array_equal(blocks(np.array([0, 5]), 9, 3), [[0, 3], [3, 5], [5, 8], [8, 9]])


def test_wrong_shapes_of_a_window_are_refused():
    with pytest.raises(ValueError, match="window is 0"):
        blocks(np.array([0]), 5, 0)
    with pytest.raises(ValueError, match="begin with 0"):
        blocks(np.array([1]), 5, 3)
    with pytest.raises(ValueError, match="count is 6"):
        mean_of_largest(panel_of(10), 6, window=5, min_count=3, year_starts=np.array([0]))
