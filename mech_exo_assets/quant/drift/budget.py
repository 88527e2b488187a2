"""What is acted on: the rate of false alarms, divided over all that can trigger a retraining.

What belongs here: the limit of a breach, and the trigger. What does not: the figures (`windows`), the alarm (`sequential`).

A window is in BREACH by definition as soon as its information ratio is below 0, which it is half of the time when nothing has changed. So
a breach is acted on only where the t of the daily difference is below a limit that is reached by chance as seldom as stated. The limit is
found by simulating the very same rolling t on independent normal differences.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl

from mech_exo_assets.quant.drift.status import BREACH
from mech_exo_assets.quant.drift.windows import rolling_t
from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR
from mech_exo_assets.settings.live import Drift

RULES = 3
"""The breach of the longest window, and the alarm of two streams: each has this part of the rate."""
_YEARS = 1000
_SEED = 20_260_101


@dataclass(frozen=True, slots=True)
class Trigger:
    """What a retraining is asked for.

    Attributes
    ----------
    metric : str
        `t_hac` of the longest window, or `cusum difference`, `cusum expectation`.
    value, threshold : float
    date : date
        Session in which it was crossed.
    summary : str
        The news as a sentence.
    """

    metric: str
    value: float
    threshold: float
    date: dt.date
    summary: str

    def as_json(self) -> dict[str, Any]:
        """Of JSON's own types."""
        return asdict(self) | {"date": self.date.isoformat()}


@lru_cache(maxsize=64)
def breach_limit(window: int, episodes_per_year: float) -> float:
    """The limit that −t of a window exceeds, in episodes, so many times a year by chance.

    An episode begins when −t exceeds the limit, and ends when t is above 0 again.

    Notes
    -----
    From 1 000 simulated years of independent normal differences; the standard error of the limit is about 0.05.
    """
    t = rolling_t(np.random.default_rng(_SEED).standard_normal(_YEARS * SESSIONS_PER_YEAR), window)
    t = t[~np.isnan(t)]
    begins = np.flatnonzero((t < 0) & (np.concatenate([[0.0], t[:-1]]) >= 0))
    if not len(begins):
        raise ValueError(f"a window of {window} sessions has no episode in {_YEARS} years")
    depths = -np.minimum.reduceat(np.minimum(t, 0.0), begins)
    wanted = min(max(round(episodes_per_year * _YEARS), 1), len(depths))
    return float(np.sort(depths)[-wanted])


def trigger(drift: pl.DataFrame, alarms: pl.DataFrame, choices: Drift, *, after: dt.date | None) -> Trigger | None:
    """What the newest session says is to be acted on; an alarm counts from its session on.

    Parameters
    ----------
    drift, alarms : DataFrame
        `schemas.DRIFT`, `schemas.DRIFT_ALARM`, of the strategy that is deployed.
    after : date or None
        Sessions until then are not acted on: they were there when the strategy was deployed.
    """
    later = pl.lit(value=True) if after is None else pl.col("date") > after
    sounded = alarms.filter(pl.col("alarm") & later).sort("date")
    if sounded.height:
        row = sounded.row(-1, named=True)
        told = {
            "difference": "live trading falls short of its backtest",
            "expectation": "live trading falls short of what the strategy promised out of sample",
        }[row["stream"]]
        summary = (
            f"{row['statistic']:.1f} of the alarm's CUSUM, threshold {row['threshold']:.1f}: {told} since before {row['date']}. "
            f"{choices.false_alarms_per_year:g} false triggers a year are expected of all rules together."
        )
        return Trigger(f"cusum {row['stream']}", row["statistic"], row["threshold"], row["date"], summary)
    judged = drift.filter(later & (pl.col("window") == choices.windows[-1])).sort("date")
    if judged.is_empty() or judged["status"][-1] != BREACH or not judged["beyond_chance"][-1]:
        return None
    row = judged.row(-1, named=True)
    limit = breach_limit(choices.windows[-1], choices.false_alarms_per_year / RULES)
    summary = (
        f"{row['drift_pct']:+.1f} % drift over {row['window']} sessions to {row['date']}: live {row['live_return']:+.1%} a year, backtest "
        f"{row['backtest_return']:+.1%}, information ratio {row['information_ratio']:.2f}, t {row['t_hac']:.2f} (limit {-limit:.2f})."
    )
    return Trigger("t_hac", row["t_hac"], -limit, row["date"], summary)
