"""The prices on which conformance is frozen, as the tests find them: in the package that ships them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from mech_exo_tests.conformance import alphalens_frozen


def sample_prices():
    """Sessions and adjusted closes, of the installed skfolio."""
    spec = find_spec("skfolio")
    assert spec is not None
    assert spec.origin is not None
    return alphalens_frozen.sample(Path(spec.origin).parent / "datasets" / "data" / "sp500_dataset.csv.gz")
