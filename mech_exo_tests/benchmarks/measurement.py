"""One measured ratio, and how to take it on a noisy machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measurement:
    """Our time and a peer's for the same work in the same run.

    Attributes
    ----------
    work : str
        What was done, e.g. "20 rolling factors".
    size : str
        "1260 x 500" and the like.
    peer : str
        Whose time is in `peer_seconds`, with its version.
    ours_seconds, peer_seconds : float
        Medians over the rounds.
    target : float
        The ratio that we want at least.
    """

    work: str
    size: str
    peer: str
    ours_seconds: float
    peer_seconds: float
    target: float

    @property
    def ratio(self) -> float:
        """How many times faster than the peer."""
        return self.peer_seconds / self.ours_seconds


def median_seconds(work: Callable[[], object], *, rounds: int) -> float:
    """Median wall time of `work` over `rounds` calls, after one call that is not counted (compilation, caches)."""
    work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
