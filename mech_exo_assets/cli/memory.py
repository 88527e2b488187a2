"""The most memory that this process has held, in all and during each stage of a run.

What belongs here: asking the operating system. What does not: showing it (`run`).
"""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

_PROCESS = Path("/proc/self")
_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes of what `getrusage` counts in."""


class PeakMemory:
    """Peaks of this process's resident memory, in MB of 2^20 bytes.

    Attributes
    ----------
    stages : dict of str to int
        The peak during each stage that has ended; without entries where the system does not let a process start its peak anew, which
        Linux alone does.

    Notes
    -----
    Starting anew takes the peak of before from the system's record too, so it is kept here.
    """

    def __init__(self) -> None:
        self.stages: dict[str, int] = {}
        self._before, self._is_anew = 0, False

    def begin(self) -> None:
        """Start the peak anew."""
        self._before = max(self._before, _peak())
        self._is_anew = _start_anew()

    def end(self, stage: str) -> None:
        """Take note of the peak since `begin`."""
        if self._is_anew:
            self.stages[stage] = _peak()

    def in_all(self) -> int:
        """The peak since the process began."""
        return max(self._before, _peak())


def _start_anew() -> bool:
    try:
        (_PROCESS / "clear_refs").write_text("5", encoding="ascii")
    except OSError:  # another system, or a kernel without it
        return False
    return True


def _peak() -> int:
    # On Linux not from `getrusage`: that begins with what the process held that has started this one.
    try:
        told = (_PROCESS / "status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT / 2**20)
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", told)
    return round(int(kilobytes) / 2**10)
