from __future__ import annotations

import importlib
import types

import numpy as np
import pytest

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.factors import available, compute, feature_factor, longest_lookback, registry
from mech_exo_assets.quant.factors import registry as registry_function
from mech_exo_assets.quant.factors.declaration import LONGEST_LOOKBACK, factor
from mech_exo_assets.quant.factors.inputs import FactorPanel
from mech_exo_assets.quant.factors.registry import _from_modules
from mech_exo_tests.quant.factors.panels import columns, random_panel

DECLARATION = {"family": "test", "inputs": ("close",), "lookback": 0, "orientation": 1, "meaning": "A test.", "source": "None (2026)"}


@factor(**DECLARATION)
def greedy(panel: FactorPanel):
    """Reads more than it says."""
    return panel["close"] * panel.returns


@factor(**DECLARATION)
def narrow(panel: FactorPanel):
    """A vector, by mistake."""
    return panel["close"][:, :1]


@factor(**DECLARATION)
def reciprocal(panel: FactorPanel):
    """1 / (C - C)."""
    return 1.0 / (panel["close"] - panel["close"])


def test_declarations_are_complete():
    assert len(registry()) >= 36
    for name, one in registry().items():
        assert name == one.name == one.exposure.__name__
        assert one.orientation in (1, -1)
        assert one.inputs
        assert 0 <= one.lookback <= LONGEST_LOOKBACK
        assert one.meaning.endswith(".")
        assert one.formula.endswith(".")
        assert any(character.isdigit() for character in one.source), f"{name}: the source has no year"
    assert longest_lookback() <= LONGEST_LOOKBACK


def test_the_registry_is_ordered_and_found_once():
    assert list(registry()) == sorted(registry())
    assert registry() is registry_function()
    with pytest.raises(TypeError):
        registry()["new"] = greedy


def test_two_factors_of_one_name_are_refused():
    other = factor(**DECLARATION)(narrow.exposure)
    first, second = types.ModuleType("first"), types.ModuleType("second")
    first.narrow, second.narrow = narrow, other
    with pytest.raises(ValueError, match="second: there are two factors with the name 'narrow'"):
        _from_modules([first, second])
    second.narrow = narrow  # the same one, imported by another module
    assert list(_from_modules([first, second])) == ["narrow"]


def test_all_inputs_declared_are_read():
    panel = random_panel(60)
    for one in registry().values():
        for left_out in one.inputs:
            fewer = FactorPanel(panel).restricted(name for name in one.inputs if name != left_out)
            with pytest.raises(LookupError, match=f"'{left_out}' is read but not declared"):
                one(fewer)


def test_a_factor_that_reads_what_it_did_not_declare_is_refused():
    with pytest.raises(LookupError, match="'total_return_index' is read but not declared; add it"):
        compute(random_panel(30), [registry()["beta"], greedy])


def test_a_factor_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="factor narrow returned shape"):
        compute(random_panel(30), [narrow])


def test_nothing_infinite_leaves_a_factor():
    assert np.isnan(compute(random_panel(30), [reciprocal])["reciprocal"]).all()


@pytest.mark.parametrize("change", [{"lookback": 781}, {"orientation": 0}, {"inputs": ()}, {"meaning": ""}, {"family": ""}])
def test_an_incomplete_declaration_is_refused(change):
    with pytest.raises(ValueError, match="factor narrow: its declaration needs"):
        factor(**{**DECLARATION, **change})(narrow.exposure)


def test_a_factor_without_its_formula_is_refused():
    with pytest.raises(ValueError, match="a docstring that starts with the formula"):
        factor(**DECLARATION)(lambda panel: panel["close"])


def test_missing_fields_switch_off_just_the_factors_that_need_them_and_say_so():
    there, reasons = available({"total_return_index", "close"}, exclude=["beta"])
    names = [one.name for one in there]
    assert "momentum_12_1" in names
    assert reasons["amihud"] == "amihud: needs volume, which the source does not have"
    assert reasons["parkinson_volatility"] == "parkinson_volatility: needs high and low, which the source does not have"
    assert reasons["beta"] == "beta: excluded by factors.exclude"
    assert set(names) | set(reasons) == set(registry())
    assert not set(names) & set(reasons)


def test_an_excluded_factor_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match=r"factors.exclude: no factor 'momentun'"):
        available({"close"}, exclude=["momentun"])


def test_a_feature_becomes_a_factor():
    there, _ = available({"feature/sentiment"})
    (one,) = there
    assert (one.name, one.family, one.orientation, one.lookback) == ("sentiment", "feature", 1, 0)
    panel = random_panel(40)
    expected = np.where(np.isnan(panel["total_return_index"]), np.nan, panel["feature/sentiment"])
    np.testing.assert_array_equal(compute(panel, [feature_factor("sentiment")])["sentiment"], expected)


def test_a_feature_with_the_name_of_a_factor_is_refused():
    with pytest.raises(InputError, match="features/beta: a factor has this name already"):
        available({"feature/beta"})


def test_exposures_can_be_written_into_memory_that_is_there():
    panel = random_panel(60)
    chosen = [registry()["volatility_21"]]
    out = {"volatility_21": np.ones(panel.shape)}
    written = compute(panel, chosen, out=out)
    assert written["volatility_21"] is out["volatility_21"]
    np.testing.assert_array_equal(written["volatility_21"], compute(panel, chosen)["volatility_21"])


def test_many_symbols_are_worked_on_in_parts_without_a_trace(monkeypatch):
    panel = random_panel(320, 300)
    chosen = list(registry().values())
    whole = compute(panel, chosen)
    # The package's name `registry` is the function; the module is found by its full name only.
    monkeypatch.setattr(importlib.import_module("mech_exo_assets.quant.factors.registry"), "_NUMBERS_AT_A_TIME", 1)
    for name, matrix in compute(panel, chosen).items():
        np.testing.assert_array_equal(matrix, whole[name])


def test_a_panel_without_prices_has_the_exposures_of_its_fields():
    panel = random_panel(30)
    bare = type(panel)(panel.sessions, panel.symbols, {"book_to_price": panel["book_to_price"]})
    np.testing.assert_array_equal(compute(bare, [registry()["book_to_price"]])["book_to_price"], panel["book_to_price"])


def test_the_market_of_a_part_is_by_default_that_of_its_own_names():
    panel = columns(random_panel(30), np.array([0, 1]))
    first, second = FactorPanel(panel).returns.T
    np.testing.assert_allclose(FactorPanel(panel).market, np.where(np.isnan(second), first, (first + second) / 2.0))


def test_history_is_left_out_of_what_is_returned():
    panel = random_panel(320)
    chosen = list(registry().values())
    whole = compute(panel, chosen)
    for name, matrix in compute(panel, chosen, since=300).items():
        np.testing.assert_array_equal(matrix, whole[name][300:])
