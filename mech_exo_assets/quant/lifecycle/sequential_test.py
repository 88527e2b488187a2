"""Whether a challenger is better than the champion, looked at after every session (an *anytime-valid* comparison).

What belongs here: the confidence sequence, and the verdict of each session. What does not: where the returns come from (`live_comparison`),
and the verdict on the hold-out (`ab_test`).

The difference of session t is
    x_t = √252 · (challenger_t / s_challenger − champion_t / s_champion),
of net returns over their standard deviations s on the hold-out, which were known before the first session. Its mean is the difference of
the annual Sharpe ratios, with the volatility of the hold-out. With m and v, the mean and variance of x_1 … x_t,
    m ± √v · √( 2 (t r² + 1) / (t² r²) · log(1 + √(t r² + 1) / (2 a)) )
holds the true mean at all t at once, each side with probability 1 − a as t grows, whenever one stops (Waudby-Smith, Arbour, Sinha, Kennedy
and Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics 52, 2024, one-sided form). r is
the one that makes the interval shortest in the middle of the test. Since returns of neighbouring sessions may be alike, v is the larger of
the variance and the long-run variance (Newey and West, five lags). What the size is on returns that are skewed, fat-tailed or
autocorrelated is in the tests.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import polars as pl

from mech_exo_assets.quant.comparison import MIN_SESSIONS
from mech_exo_assets.quant.lifecycle.ab_test import BETTER, NOT_WORSE, UNDECIDED, WORSE
from mech_exo_assets.quant.lifecycle.episodes import RUNNING
from mech_exo_assets.quant.panel import Vector
from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR
from mech_exo_assets.schemas import LIVE_COMPARISON
from mech_exo_assets.settings.lifecycle import AbTest

_LAGS = 5


class Sides(NamedTuple):
    """What is compared, and with which scale.

    Attributes
    ----------
    challenger, champion : ndarray of shape (n_sessions,)
        Net returns.
    challenger_deviation, champion_deviation : float
        Standard deviations of a session's net return on the hold-out, above 0.
    """

    challenger: Vector
    champion: Vector
    challenger_deviation: float
    champion_deviation: float

    @property
    def difference(self) -> Vector:
        """x_t, whose mean is the difference of annual Sharpe ratios."""
        scaled = self.challenger / self.challenger_deviation - self.champion / self.champion_deviation
        return math.sqrt(SESSIONS_PER_YEAR) * scaled


def confidence_sequence(x: Vector, *, error: float, middle: int) -> tuple[Vector, Vector, Vector]:
    """Mean, lower and upper end after each session; each end is wrong at any time with a probability of about `error`.

    Parameters
    ----------
    x : ndarray of shape (n,)
    error : float
        Of each side, above 0 and below 0.5.
    middle : int
        Number of observations at which the interval is to be shortest.

    Returns
    -------
    mean, low, high : ndarray of shape (n,)
        The ends are −∞ and ∞ before `MIN_SESSIONS`.
    """
    t = np.arange(1, len(x) + 1, dtype=np.float64)
    mean = np.cumsum(x) / t
    variance = np.cumsum(x * x) / t - mean**2
    long_run = variance.copy()
    for lag in range(1, _LAGS + 1):
        product = np.zeros(len(x))
        product[lag:] = np.cumsum(x[lag:] * x[:-lag]) / t[lag:] - mean[lag:] ** 2
        long_run += 2 * (1 - lag / (_LAGS + 1)) * product
    deviation = np.sqrt(np.maximum(variance, long_run).clip(0.0))
    two_sided = -2 * math.log(2 * error)
    square = (two_sided + math.log(two_sided + 1)) / middle
    spread = 2 * (t * square + 1) / (t**2 * square) * np.log1p(np.sqrt(t * square + 1) / (2 * error))
    width = np.where(t < MIN_SESSIONS, np.inf, deviation * np.sqrt(spread))
    return mean, mean - width, mean + width


def comparison_table(
    sides: Sides, dates: pl.Series, *, impaired: bool, choices: AbTest, stage: str, version: str, champion: str
) -> pl.DataFrame:
    """The comparison after each session, in `schemas.LIVE_COMPARISON`, to the session in which it is decided.

    better, not worse and worse are as in `ab_test`, by the lower and upper end of the confidence sequence; undecided is what is still
    running after `ab_test.max_sessions`.

    Parameters
    ----------
    sides : Sides
    dates : Series of n_sessions dates
    impaired : bool
        Whether a breach or a decay stood against the champion when the comparison began.
    choices : AbTest
    stage : str
        shadow or canary.
    version, champion : str
    """
    wanted = -choices.margin if impaired else 0.0
    most = choices.max_sessions
    mean, low, high = confidence_sequence(sides.difference[:most], error=1 - choices.confidence, middle=max(most // 2, 1))
    better, worse = low > 0, high < wanted
    not_worse = (low > wanted) if impaired else np.zeros(len(low), dtype=bool)
    over = np.flatnonzero(better | not_worse | worse)
    count = int(over[0]) + 1 if len(over) else len(mean)
    verdicts = [RUNNING] * count
    if len(over):
        last = count - 1
        verdicts[last] = BETTER if better[last] else NOT_WORSE if not_worse[last] else WORSE
    elif count >= most:
        verdicts[-1] = UNDECIDED
    unknown = ~np.isfinite(low[:count])
    return pl.DataFrame(
        {
            "date": dates.head(count),
            "version": [version] * count,
            "champion": [champion] * count,
            "stage": [stage] * count,
            "sessions": np.arange(1, count + 1),
            "challenger_return": sides.challenger[:count],
            "champion_return": sides.champion[:count],
            "difference": mean[:count],
            "low": pl.Series(np.where(unknown, np.nan, low[:count])).fill_nan(None),
            "high": pl.Series(np.where(unknown, np.nan, high[:count])).fill_nan(None),
            "wanted": [wanted] * count,
            "verdict": verdicts,
        },
        schema=LIVE_COMPARISON.dtypes(),
    )


def told(row: dict[str, object], choices: AbTest) -> str:
    """The verdict of a row of `schemas.LIVE_COMPARISON` as a sentence."""
    sessions, wanted = row["sessions"], float(str(row["wanted"]))
    ends = "" if row["low"] is None else f", with {choices.confidence:.0%} confidence above {row['low']:+.2f} and below {row['high']:+.2f}"
    said = f"the difference of Sharpe ratios is {row['difference']:+.2f} after {sessions} sessions{ends}; wanted is above {wanted:+.2f}"
    return f"{said}; not decided within {choices.max_sessions} sessions" if row["verdict"] == UNDECIDED else said
