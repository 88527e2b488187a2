"""Series of returns for the tests of performance."""

from __future__ import annotations

import numpy as np

from mech_exo_assets.quant.performance import Performance, performance


def days(count: int) -> np.ndarray:
    return np.datetime64("2020-01-01") + np.arange(count)


def of(*returns: float) -> Performance:
    return performance(np.array(returns), days(len(returns)))


def benchmarked(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    benchmark = rng.normal(0.0005, 0.01, count)
    return 0.0002 + 0.7 * benchmark + rng.normal(0, 0.005, count) * (1 + 30 * np.abs(benchmark)), benchmark
