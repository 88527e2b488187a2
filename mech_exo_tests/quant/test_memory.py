"""Memory goes back to the system."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from mech_exo_assets.quant.memory import give_back


def _resident_megabytes() -> float:
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_what_was_freed_in_small_pieces_goes_back_to_the_system() -> None:
    # 8 kB each, too small for mappings of their own; the last one keeps the heap from shrinking by itself.
    pieces = [np.ones(1024) for _ in range(10_000)]
    last = np.ones(1024)
    full = _resident_megabytes()
    pieces.clear()
    give_back()
    assert full - _resident_megabytes() > 60
    assert last.sum() == 1024
