"""What a strategy was deployed with.

What belongs here: the promise that live trading is held against. What does not: how it is held against it (`sequential`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Promise:
    """Mean and deviation of a session's net return out of sample, and of how many sessions."""

    mean: float
    deviation: float
    sessions: int

    @property
    def at_least(self) -> float:
        """The mean less its standard error: what it was chosen for flatters it."""
        return self.mean - self.deviation / math.sqrt(self.sessions)
