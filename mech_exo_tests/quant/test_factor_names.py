"""The names that the asset graph is built from are those of the factors."""

import subprocess
import sys

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
