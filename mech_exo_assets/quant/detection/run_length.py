"""How long a detector runs until it raises an alarm: exact, by integral equation.

What belongs here: average run lengths of the one-sided CUSUM and of Shiryaev-Roberts for normal observations, the thresholds that give a
wanted run length, and the delays that follow. What does not: what is observed (`normal_scores`), and what an alarm means (`monitor`).

In control z ~ N(0, 1), after the change z ~ N(delta, 1); both statistics are tuned to that shift.

    CUSUM               S' = max(0, S + z - delta/2)             alarm at S' >= h
    Shiryaev-Roberts    R' = (1 + R) exp(delta z - delta²/2)     alarm at R' >= A

With k(y | x) the density of the next state and T the states below the threshold, the mean run length from x solves
L(x) = 1 + ∫_T k(y | x) L(y) dy. It is solved on Gauss-Legendre nodes (Nyström); the CUSUM's atom at zero is one more unknown. For
Shiryaev-Roberts the state is y = log R. Sources: Page (1954); Brook and Evans (1972); Pollak and Siegmund (1985).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import root_scalar
from scipy.special import ndtr

from mech_exo_assets.quant.blas import one_blas_thread

Detector = Literal["cusum", "shiryaev_roberts"]

SMALLEST_DELTA = 0.05
"""A smaller shift takes years to see; it is watched for as if it were this one."""
_STEP = 1.03
_SCALE = 1 / math.sqrt(2 * math.pi)


def on_grid(delta: float) -> float:
    """The shift that a detector is tuned to: the nearest on a grid of 3 % steps, at least `SMALLEST_DELTA`, at most 4.

    A few dozen integral equations then serve all factors and sessions. A detector that is mistuned by 1.5 % loses nothing measurable.
    """
    steps = round(math.log(max(delta, SMALLEST_DELTA) / SMALLEST_DELTA) / math.log(_STEP))
    return min(SMALLEST_DELTA * _STEP**steps, 4.0)


def mean_run_length(delta: float, threshold: float, *, shift: float, detector: Detector = "cusum") -> float:
    """Mean number of observations until the alarm, from a fresh start.

    Parameters
    ----------
    delta : float
        The shift that the detector is tuned to, in standard deviations of an observation.
    threshold : float
        h of the CUSUM, or log A of Shiryaev-Roberts.
    shift : float
        The mean of the observations: 0 in control, `delta` after the change.
    """
    kernel = _kernel(delta, threshold, shift, detector)
    return float(_solved(np.eye(len(kernel)) - kernel, np.ones(len(kernel)))[0])


@lru_cache(maxsize=4096)
def threshold(delta: float, run_length: float, detector: Detector = "cusum") -> float:
    """The threshold at which the mean time between false alarms is `run_length` observations.

    Returns
    -------
    float
        h of the CUSUM, or log A of Shiryaev-Roberts. The lowest there is where even that has a longer run length: at 0 the CUSUM of a
        shift of 4 is silent for 44 observations.

    Raises
    ------
    ValueError
        If `run_length` is not above 2.
    """
    if not run_length > 2:
        raise ValueError(f"the run length to a false alarm is {run_length}; it must be above 2 observations")

    def excess(level: float) -> float:
        return math.log(mean_run_length(delta, level, shift=0.0, detector=detector) / run_length)

    lowest = 1e-3 if detector == "cusum" else -delta * delta / 2 - 8 * delta
    if excess(lowest) >= 0:
        return lowest
    # The logarithm of a run length is all but linear in the threshold, so that the secant takes three or four steps.
    start = _approximate_threshold(delta, run_length) if detector == "cusum" else math.log(run_length)
    return float(root_scalar(excess, x0=start, x1=start * 1.02 + 0.01, method="secant", xtol=1e-7).root)


def _approximate_threshold(delta: float, run_length: float) -> float:
    """Threshold of the CUSUM by Siegmund's (1985) formula L = 2 (exp(y) − y − 1) / delta², y = delta·(h + 1.166)."""
    wanted = run_length * delta * delta / 2
    y = math.sqrt(2 * wanted) if wanted < 1 else math.log(wanted + 1)
    for _ in range(20):
        y -= (math.exp(y) - y - 1 - wanted) / (math.exp(y) - 1)
    return max(y / delta - 1.166, 0.1)


@lru_cache(maxsize=4096)
def delay(delta: float, level: float, detector: Detector = "cusum") -> float:
    """Mean observations from a change to its alarm, when the detector has run for a long time without one.

    The state at the change has the quasi-stationary distribution, the left eigenvector of the kernel in control.
    """
    in_control = _kernel(delta, level, 0.0, detector)
    stay = np.eye(len(in_control)) - in_control
    state = np.full(len(in_control), 1 / len(in_control))
    # Inverse iteration: the eigenvalue that is wanted lies next to 1, all others far below.
    for _ in range(100):
        after = _solved(stay.T, state)
        after /= after.sum()
        settled = float(np.abs(after - state).sum()) < 1e-10
        state = after
        if settled:
            break
    after_change = _kernel(delta, level, delta, detector)
    return float(state @ _solved(np.eye(len(after_change)) - after_change, np.ones(len(after_change))))


def _solved(matrix: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    # On one thread: a threshold is to be the same on a machine with other cores, to the last bit.
    with one_blas_thread():
        return np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)


def _kernel(delta: float, level: float, shift: float, detector: Detector) -> NDArray[np.float64]:
    """Probabilities of going from each node (the start first) to the weight of each other, without an alarm."""
    return _cusum_kernel(delta, level, shift) if detector == "cusum" else _shiryaev_roberts_kernel(delta, level, shift)


def _cusum_kernel(delta: float, level: float, shift: float) -> NDArray[np.float64]:
    nodes, weights = _nodes(0.0, level, 30 + math.ceil(5 * level))
    drift = shift - delta / 2
    start = np.concatenate([[0.0], nodes])
    kernel = np.empty((len(start), len(start)))
    kernel[:, 0] = ndtr(-start - drift)
    kernel[:, 1:] = _density(nodes[None, :] - start[:, None] - drift) * weights
    return kernel


def _shiryaev_roberts_kernel(delta: float, level: float, shift: float) -> NDArray[np.float64]:
    mean = delta * shift - delta * delta / 2
    # From R = 0 the next log R is normal about -delta²/2 in control; nothing is ever much lower.
    lowest = -delta * delta / 2 - 9 * delta
    nodes, weights = _nodes(lowest, level, 40 + math.ceil(3 * (level - lowest) / delta))
    start = np.concatenate([[0.0], np.log1p(np.exp(nodes))])
    kernel = np.zeros((len(start), len(start)))
    # The start, R = 0, is never come back to.
    kernel[:, 1:] = _density((nodes[None, :] - start[:, None] - mean) / delta) / delta * weights
    return kernel


def _nodes(low: float, high: float, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    points, weights = _legendre(count)
    half = (high - low) / 2
    return low + half * (points + 1), weights * half


@lru_cache(maxsize=256)
def _legendre(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.polynomial.legendre.leggauss(count)


def _density(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return _SCALE * np.exp(-0.5 * x * x)
