import subprocess
import sys
from pathlib import Path

from mech_exo_assets.quant.factors import registry
from mech_exo_assets.quant.factors.catalogue import page

PAGE = Path(__file__).parents[3] / "docs" / "factors.md"
MEND = "docs/factors.md is out of date; write it anew: python -m mech_exo_assets.quant.factors.catalogue > docs/factors.md"


def test_the_page_of_factors_is_that_of_the_registry():
    assert PAGE.read_text(encoding="utf-8") == page(), MEND


def test_the_page_names_every_factor():
    for name in registry():
        assert f"| `{name}` |" in page()


def test_the_command_that_the_page_names_writes_it():
    command = [sys.executable, "-X", "utf8", "-m", "mech_exo_assets.quant.factors.catalogue"]
    assert subprocess.run(command, capture_output=True, check=True, text=True, encoding="utf-8").stdout == page()
