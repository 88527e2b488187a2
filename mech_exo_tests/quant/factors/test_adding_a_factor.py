"""The page docs/adding-a-factor.md does what it says."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from mech_exo_assets.quant import factors
from mech_exo_assets.quant.factors import available, compute, registry
from mech_exo_tests.quant.factors.panels import random_panel
from mech_exo_tests.quant.factors.reference import log_volume, mean, returns

PAGE = Path(__file__).parents[3] / "docs" / "adding-a-factor.md"
MODULE = "mech_exo_assets.quant.factors.attention"


@pytest.fixture
def added(tmp_path, monkeypatch):
    """The registry, with the page's code block as one more file of the package."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    (tmp_path / "attention.py").write_text(code, encoding="utf-8")
    module = importlib.import_module("mech_exo_assets.quant.factors.registry")
    monkeypatch.setattr(factors, "__path__", [*factors.__path__, str(tmp_path)])
    monkeypatch.setattr(module, "_folders", lambda: list(factors.__path__))
    registry.cache_clear()
    yield registry()
    registry.cache_clear()
    sys.modules.pop(MODULE, None)
    vars(factors).pop("attention", None)


def test_the_page_s_factor_joins_the_registry_by_one_file(added):
    one = added["noisy_month"]
    assert (one.family, one.orientation, one.lookback) == ("attention", -1, 21)
    assert one.formula == "mean₂₁(|r| · ln(C · V))."
    _, reasons = available({"total_return_index", "close"})
    assert reasons["noisy_month"] == "noisy_month: needs volume, which the source does not have"


def test_the_page_s_factor_is_what_its_formula_says(added):
    panel = random_panel(200)
    expected = mean(np.abs(returns(panel)) * log_volume(panel), 21)
    expected[np.isnan(panel["total_return_index"])] = np.nan
    np.testing.assert_allclose(compute(panel, [added["noisy_month"]])["noisy_month"], expected, rtol=1e-9, atol=1e-12)


def test_it_is_gone_afterwards():
    assert "noisy_month" not in registry()
