"""What a stage has held is its own peak, and the peak in all is not forgotten when it is started anew."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mech_exo_assets.cli import memory
from mech_exo_assets.cli.memory import PeakMemory

_STAGES = """
import json
from mech_exo_assets.cli.memory import PeakMemory
peaks = PeakMemory()
for stage, megabytes in (("large", 300), ("small", 20)):
    peaks.begin()
    held = bytearray(megabytes << 20)
    del held
    peaks.end(stage)
print(json.dumps({**peaks.stages, "in_all": peaks.in_all()}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process start its peak anew")
def test_each_stage_has_its_own_peak_and_the_whole_the_largest():
    found = json.loads(subprocess.run([sys.executable, "-c", _STAGES], capture_output=True, text=True, check=True).stdout)
    # What the interpreter itself holds is in all of them.
    assert 275 < found["large"] - found["small"] < 290
    assert found["in_all"] == found["large"]


def test_where_the_peak_cannot_be_started_anew_no_stage_has_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(memory, "_PROCESS", tmp_path / "not there")
    peaks = PeakMemory()
    peaks.begin()
    peaks.end("stage")
    assert peaks.stages == {}
    assert peaks.in_all() > 0
