"""The names that the asset graph is built from are those of the factors."""

import subprocess
import sys
from pathlib import Path

import pytest

from mech_exo_assets.quant import factor_names
from mech_exo_assets.quant.factor_names import declared
from mech_exo_assets.quant.factors import registry
from mech_exo_assets.schemas import TABLES


def test_the_names_and_meanings_read_as_text_are_those_of_the_registry():
    assert declared() == {name: factor.meaning for name, factor in registry().items()}


def test_reading_them_imports_no_compiler():
    program = "import sys; from mech_exo_assets.quant.factor_names import declared; declared(); print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_no_factor_has_the_name_of_a_table_beside_which_its_page_stands():
    assert not {f"decay/{name}" for name in declared()} & set(TABLES)


def test_only_functions_that_are_decorated_as_factors_count_and_they_are_ordered_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "factors"
    folder.mkdir()
    (folder / "a.py").write_text(
        '@factor(fields=("close",), meaning="Zest.")\ndef zest(): ...\n\n'
        "@cache\ndef cached(): ...\n\n@njit(cache=True)\ndef kernel(): ...\n\n@registry.factor(meaning='Of another.')\ndef other(): ...\n\n"
        "def plain(): ...\n\nclass Thing: ...\n",
        encoding="utf-8",
    )
    (folder / "b.py").write_text('@cache\n@factor(meaning="Ask, " "in two parts.")\ndef ask(): ...\n', encoding="utf-8")
    (folder / "c.py").write_text("def not_even_python(:\n", encoding="utf-8")
    monkeypatch.setattr(factor_names, "__file__", str(tmp_path / "factor_names.py"))
    assert list(declared.__wrapped__().items()) == [("ask", "Ask, in two parts."), ("zest", "Zest.")]
