"""An alarm that is looked at after every session, and sounds by chance no oftener than stated.

What belongs here: standardised streams and their CUSUM. What does not: the thresholds' mathematics (`detection.run_length`), and what an
alarm leads to (`budget`, `quant.lifecycle`).

Each value is pre-whitened by its own past, and made a standard normal score about what is expected by the spread of the values before it
(`detection.normal_scores`); so the rate of false alarms does not depend on variance or tails. S = max(0, S − z − shift/2) reaches its
threshold where the mean has fallen. After an alarm, and with every new strategy, S begins at 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from mech_exo_assets.quant.detection.normal_scores import signed_scores, whitened
from mech_exo_assets.quant.detection.run_length import threshold
from mech_exo_assets.quant.panel import Dates, Vector
from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR
from mech_exo_assets.schemas import DRIFT_ALARM
from mech_exo_assets.settings.live import Drift

DIFFERENCE, EXPECTATION = "difference", "expectation"
_REFERENCE = 504
"""Values before it by whose spread a value is judged, at most."""


def alarm_table(
    dates: Dates, streams: Mapping[str, Vector], versions: list[str], choices: Drift, *, false_alarms_per_year: float
) -> pl.DataFrame:
    """The sequential alarm of each stream, in `schemas.DRIFT_ALARM`.

    Parameters
    ----------
    dates : ndarray of shape (n,), datetime64[D]
    streams : mapping of str to ndarray of shape (n,)
        What is to be at least 0 on average: live less backtest; live less what was promised. NaN where there is nothing to compare with.
    versions : list of str
        Strategy of each session; S begins anew with another one.
    choices : Drift
    false_alarms_per_year : float
        Of each stream.
    """
    level = threshold(choices.shift, SESSIONS_PER_YEAR / false_alarms_per_year)
    days = pl.Series("date", dates.astype("datetime64[D]")).cast(pl.Date)
    parts = []
    for name, values in streams.items():
        z = _scores(values, choices.min_sessions)
        statistic, alarm = _cusum(z, versions, choices.shift, level)
        parts.append(
            pl.DataFrame(
                {
                    "date": days,
                    "stream": pl.Series([name] * len(days), dtype=pl.String),
                    "value": pl.Series(values, nan_to_null=True),
                    "z": pl.Series(z, nan_to_null=True),
                    "statistic": pl.Series(statistic, nan_to_null=True),
                    "threshold": pl.Series(np.where(np.isnan(z), np.nan, level), nan_to_null=True),
                    "alarm": alarm,
                    "version": pl.Series(versions, dtype=pl.String),
                }
            ).filter(pl.col("value").is_not_null())
        )
    return pl.concat(parts).select(DRIFT_ALARM.names).sort("date", "stream") if parts else DRIFT_ALARM.empty()


def _scores(values: Vector, least: int) -> Vector:
    """Normal scores about zero, by the values before; NaN for the first `least`."""
    known = np.flatnonzero(~np.isnan(values))
    out = np.full(len(values), np.nan)
    if len(known) <= least:
        return out
    clean = whitened(values[known], lags=1, least=least)
    series = clean.values
    for at in range(least, len(known)):
        before = series[max(0, at - _REFERENCE) : at]
        deviations = before - before.mean()
        if not deviations.any():
            # Nothing has ever varied: what is as before is no news, and what is not is one.
            out[known[at]] = np.sign(series[at]) * 3.0
            continue
        out[known[at]] = signed_scores(series[at : at + 1] / clean.passes[at], deviations / clean.passes[at])[0]
    return out


def _cusum(z: Vector, versions: list[str], shift: float, level: float) -> tuple[Vector, np.ndarray]:
    statistic, alarm = np.full(len(z), np.nan), np.zeros(len(z), dtype=bool)
    s = 0.0
    for t in range(len(z)):
        if t and versions[t] != versions[t - 1]:
            s = 0.0
        if np.isnan(z[t]):
            continue
        s = max(0.0, s - z[t] - shift / 2)
        statistic[t] = s
        if s >= level:
            alarm[t], s = True, 0.0
    return statistic, alarm
