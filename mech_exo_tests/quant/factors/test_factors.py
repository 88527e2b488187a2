"""What every factor of the registry promises, and that each is what its definition says."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from mech_exo_assets.quant.factors import Factor, available, compute, registry
from mech_exo_assets.quant.panel import Matrix, Panel
from mech_exo_tests.quant.factors.panels import columns, random_panel, rows
from mech_exo_tests.quant.factors.reference import REFERENCE

FACTORS = list(registry().values())
every_factor = pytest.mark.parametrize("one", FACTORS, ids=lambda one: one.name)
N_SESSIONS = 820


@cache
def panel() -> Panel:
    return random_panel(N_SESSIONS)


@cache
def exposures() -> dict[str, Matrix]:
    return compute(panel(), FACTORS)


def of(other: Panel, one: Factor) -> Matrix:
    return compute(other, [one])[one.name]


def changed_after(original: Panel, t: int) -> Panel:
    """Everything after session t is another market, and some of it is gone."""
    other = random_panel(len(original.sessions), len(original.symbols), seed=99, missing=0.2)
    fields = {name: np.vstack([matrix[: t + 1], other[name][t + 1 :]]) for name, matrix in original.fields.items()}
    return Panel(original.sessions, original.symbols, fields)


@every_factor
def test_a_factor_is_what_its_definition_says(one):
    expected = np.where(np.isnan(panel()["total_return_index"]), np.nan, REFERENCE[one.name](panel()))
    np.testing.assert_allclose(exposures()[one.name], expected, rtol=1e-8, atol=1e-10)
    assert np.isfinite(exposures()[one.name]).any()


@every_factor
@pytest.mark.parametrize("t", [400, 790])
def test_nothing_after_a_session_moves_its_exposures(one, t):
    np.testing.assert_array_equal(of(changed_after(panel(), t), one)[: t + 1], exposures()[one.name][: t + 1])


@every_factor
def test_a_figure_depends_on_no_session_before_its_lookback(one):
    t = N_SESSIONS - 1
    before = t - one.lookback
    fields = {
        name: np.vstack([random_panel(N_SESSIONS, seed=5)[name][:before], matrix[before:]]) for name, matrix in panel().fields.items()
    }
    np.testing.assert_array_equal(of(Panel(panel().sessions, panel().symbols, fields), one)[t], exposures()[one.name][t])


@every_factor
def test_figures_of_a_year_are_the_same_bits_however_much_history_is_loaded(one):
    full = random_panel(1900, 5, seed=3, start="2010-05-03")
    of_all = of(full, one)
    starts = full.year_starts()
    years = full.sessions.astype("datetime64[Y]").astype(int) + 1970
    for position, start in enumerate(starts[4:], start=4):
        stop = starts[position + 1] if position + 1 < len(starts) else len(years)
        part = of(rows(full, starts[position - 4], stop), one)
        np.testing.assert_array_equal(part[start - starts[position - 4] :], of_all[start:stop])


@every_factor
def test_the_order_of_symbols_moves_no_figure(one):
    order = np.random.default_rng(1).permutation(len(panel().symbols))
    np.testing.assert_allclose(of(columns(panel(), order), one), exposures()[one.name][:, order], rtol=1e-8, atol=1e-10)


@every_factor
def test_the_scale_of_an_index_moves_no_figure(one):
    scale = np.array([1e-3, 3.0, 1e4, 1.0, 7.0, 0.1, 2.0])
    fields = {**panel().fields, "total_return_index": panel()["total_return_index"] * scale}
    np.testing.assert_allclose(of(Panel(panel().sessions, panel().symbols, fields), one), exposures()[one.name], rtol=1e-6, atol=1e-8)


@every_factor
def test_a_split_moves_no_figure(one):
    # Two for one in session 700: raw prices halve, volume doubles, the index does not notice.
    fields = {name: matrix.copy() for name, matrix in panel().fields.items()}
    for name in ("open", "high", "low", "close", "dividend_amount"):
        fields[name][700:] /= 2.0
    fields["volume"][700:] *= 2.0
    np.testing.assert_allclose(of(Panel(panel().sessions, panel().symbols, fields), one), exposures()[one.name], rtol=1e-9, atol=1e-12)


@every_factor
def test_a_name_without_a_price_has_no_exposure(one):
    assert np.isnan(exposures()[one.name][np.isnan(panel()["total_return_index"])]).all()
    assert not np.isinf(exposures()[one.name]).any()


@every_factor
def test_too_little_history_is_unknown_and_not_an_error(one):
    for n_sessions in (0, 1, 2):
        short = of(rows(panel(), 0, n_sessions), one)
        assert short.shape == (n_sessions, 7)
        assert one.lookback == 0 or np.isnan(short).all()


def test_all_factors_together_are_the_same_as_each_alone():
    for one in FACTORS:
        np.testing.assert_array_equal(of(panel(), one), exposures()[one.name])


def test_other_symbols_move_nothing_but_figures_that_use_the_market():
    uses_market = {"beta", "downside_beta", "coskewness", "idiosyncratic_volatility", "residual_momentum"}
    some = np.array([0, 2, 3])
    for one in FACTORS:
        if one.name not in uses_market:
            np.testing.assert_array_equal(of(columns(panel(), some), one), exposures()[one.name][:, some])


def test_symbols_without_any_price_do_not_change_a_bit():
    wide = random_panel(300, 7)
    chosen = np.arange(6)
    for name, matrix in compute(columns(wide, chosen), FACTORS).items():
        np.testing.assert_array_equal(compute(wide, FACTORS)[name][:, chosen], matrix)


def test_the_panel_is_left_as_it_was():
    before = random_panel(300)
    compute(before, available(before.fields)[0])
    for name, matrix in random_panel(300).fields.items():
        np.testing.assert_array_equal(before[name], matrix)


def test_there_is_a_reference_for_every_factor():
    assert set(REFERENCE) == set(registry())
