"""One measured ratio, and how to take it on a noisy machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measurement:
    """Our time, or memory, and a peer's for the same work in the same run.

    Attributes
    ----------
    work : str
        What was done, e.g. "20 rolling factors".
    size : str
        "1260 x 500" and the like.
    peer : str or None
        Whose time is in `theirs`, with its version; None where nobody does this work.
    ours : float
        Median over the rounds.
    theirs : float or None
        Median over the rounds.
    target : float or None
        The ratio that we want at least.
    unit : str
        Of `ours` and `theirs`: "s" or "MB".
    """

    work: str
    size: str
    peer: str | None
    ours: float
    theirs: float | None = None
    target: float | None = None
    unit: str = "s"

    @property
    def ratio(self) -> float | None:
        """How many times as much the peer takes; None without one."""
        return None if self.theirs is None else self.theirs / self.ours

    @property
    def met(self) -> bool | None:
        """Whether the target is; None without one."""
        return None if self.ratio is None or self.target is None else self.ratio >= self.target


def median_seconds(work: Callable[[], object], *, rounds: int) -> float:
    """Median wall time of `work` over `rounds` calls, after one call that is not counted (compilation, caches)."""
    work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
