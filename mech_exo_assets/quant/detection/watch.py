"""All factors watched: from the table of information coefficients to the tables of the monitor.

What belongs here: dates, the budget that factors share, tables. What does not: the monitor of one factor (`monitor`).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from mech_exo_assets.quant.blas import one_blas_thread
from mech_exo_assets.quant.detection.monitor import Alarm, Change, Rules, Track, follow
from mech_exo_assets.quant.detection.run_length import delay
from mech_exo_assets.quant.detection.words import Setting, change_in_words, unproven_in_words
from mech_exo_assets.quant.panel import Dates, Index, Vector
from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR
from mech_exo_assets.schemas import ALARMS, MONITOR, STATUS, STATUS_HISTORY, TableSchema
from mech_exo_assets.settings.decay import Decay

_LEAST = 60
"""Observations without which nothing is judged, however long the horizon."""


@dataclass(frozen=True, slots=True)
class Watch:
    """The tables of the monitor, each in its schema."""

    monitor: pl.DataFrame
    alarms: pl.DataFrame
    status_history: pl.DataFrame
    status: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _Series:
    """One factor: its known ICs, and positions on the axis of sessions of their scores and of the closes at which they were known."""

    factor: str
    values: Vector
    scored: Index
    known: Index


def watch(residual_ic: pl.DataFrame, sessions: Dates, *, horizon: int, execution_lag: int, choices: Decay) -> Watch:
    """Watch every factor over its whole history, each session with what was known then.

    Parameters
    ----------
    residual_ic : DataFrame
        In `schemas.RESIDUAL_IC`, in any order; only rows of `horizon` are used, and of these every `horizon`-th session, so that returns
        do not overlap.
    sessions : ndarray of shape (n_sessions,), datetime64[D]
        The exchange's sessions, sorted; an IC of session t is known at the close of the one that is execution_lag + horizon later.
    horizon, execution_lag : int
        In sessions.
    choices : Decay
        The section `decay` of the strategy.

    Returns
    -------
    Watch

    Notes
    -----
    The budget is shared: with K factors that are being judged, each has a mean time between false alarms of
    K · 252 / false_alarms_per_year sessions. Expected numbers add up, whatever the dependence between factors.
    """
    series = _series(residual_ic, sessions, horizon=horizon, execution_lag=execution_lag)
    with one_blas_thread():
        return _watched(series, sessions, horizon=horizon, execution_lag=execution_lag, choices=choices)


def _watched(series: list[_Series], sessions: Dates, *, horizon: int, execution_lag: int, choices: Decay) -> Watch:
    rules = Rules(
        detector=choices.detector,
        least=max(choices.min_sessions // horizon, _LEAST),
        hurdle=choices.hurdle,
        lags=choices.prewhitening_lags,
        probation=max(choices.probation_sessions // horizon, 1),
        hazard=horizon / (choices.life_years * SESSIONS_PER_YEAR),
    )
    judged_from = np.sort([each.known[rules.least] for each in series if len(each.known) > rules.least])
    tables: dict[TableSchema, list[pl.DataFrame]] = {schema: [schema.empty()] for schema in (MONITOR, ALARMS, STATUS_HISTORY, STATUS)}
    for each in series:
        judged = np.maximum(np.searchsorted(judged_from, each.known, side="right"), 1)
        years = judged * SESSIONS_PER_YEAR / horizon
        lengths = np.stack([years / choices.false_alarms_per_year, years / choices.watches_per_year])
        track = follow(each.values, rules, lambda i, lengths=lengths: (float(lengths[0, i]), max(float(lengths[1, i]), 3.0)))
        factor = _Factor(each, track, rules, judged, sessions, choices, horizon + execution_lag, horizon)
        for schema, frame in factor.tables().items():
            tables[schema].append(frame)
    monitor, alarms, history, status = (pl.concat(parts) for parts in tables.values())
    return Watch(monitor.sort("date", "factor"), alarms.sort("alarm_date", "factor"), history.sort("date", "factor"), status)


def _series(residual_ic: pl.DataFrame, sessions: Dates, *, horizon: int, execution_lag: int) -> list[_Series]:
    rows = residual_ic.filter(pl.col("horizon") == horizon).sort("factor", "date")
    found = []
    for (factor,), part in rows.partition_by("factor", as_dict=True, maintain_order=True).items():
        scored = np.searchsorted(sessions, part["date"].to_numpy().astype("datetime64[D]")).astype(np.int64)
        known = scored + execution_lag + horizon
        use = ((scored - scored[0]) % horizon == 0) & (known < len(sessions))
        if use.any():
            found.append(_Series(str(factor), part["ic"].to_numpy()[use], scored[use], known[use]))
    return found


class _Factor:
    """One factor's rows of the tables."""

    def __init__(
        self, series: _Series, track: Track, rules: Rules, judged: Index, sessions: Dates, choices: Decay, until_known: int, horizon: int
    ) -> None:
        self.series, self.track, self.rules, self.judged, self.choices = series, track, rules, judged, choices
        self.until_known, self.horizon = until_known, horizon
        self.known: list[dt.date] = sessions[series.known].astype("datetime64[D]").tolist()
        self.scored: list[dt.date] = sessions[series.scored].astype("datetime64[D]").tolist()

    def tables(self) -> Mapping[TableSchema, pl.DataFrame]:
        changes = [(change, self._raised(change)) for change in self.track.changes]
        return {
            MONITOR: self._monitor(),
            ALARMS: _rows(ALARMS, map(self._alarm, self.track.alarms)),
            STATUS_HISTORY: _rows(STATUS_HISTORY, self._history(changes)),
            STATUS: _rows(STATUS, [self._status(*changes[-1])]),
        }

    def _raised(self, change: Change) -> Alarm | None:
        return next((alarm for alarm in self.track.alarms if alarm.at == change.at), None) if change.cause == "alarm" else None

    def _reason(self, change: Change, alarm: Alarm | None) -> str:
        setting = Setting(
            self.scored,
            self.known,
            self.series.scored.tolist(),
            self.series.known.tolist(),
            self.choices.false_alarms_per_year,
            int(self.judged[change.at]),
        )
        return change_in_words(change, alarm, self.rules, setting)

    def _monitor(self) -> pl.DataFrame:
        track, n = self.track, len(self.known)
        columns = {
            "date": self.known,
            "factor": [self.series.factor] * n,
            "score_date": self.scored,
            "ic": self.series.values,
            **{name: pl.Series(getattr(track, name), nan_to_null=True) for name in MONITOR.names if name in _PATHS},
            "status": track.status,
        }
        return pl.DataFrame(columns, schema_overrides=MONITOR.dtypes()).select(MONITOR.names)

    def _alarm(self, alarm: Alarm) -> dict[str, Any]:
        return {
            "alarm_date": self.known[alarm.at],
            "factor": self.series.factor,
            "kind": alarm.kind,
            "change_date": self.scored[alarm.change.at],
            "change_low": self.scored[alarm.change.low],
            "change_high": self.scored[alarm.change.high],
            "ic_before": alarm.ic_before,
            "ic_after": alarm.ic_after,
            "delta": alarm.delta,
            "threshold": alarm.threshold,
            "detector": self.rules.detector,
            "expected_delay": self._expected_delay(alarm.delta, alarm.threshold),
            "false_alarms_per_year": self.choices.false_alarms_per_year,
            "factors": int(self.judged[alarm.at]),
        }

    def _history(self, changes: list[tuple[Change, Alarm | None]]) -> Iterable[dict[str, Any]]:
        previous = None
        for change, alarm in changes:
            yield {
                "date": self.known[change.at],
                "factor": self.series.factor,
                "status": change.status,
                "previous": previous,
                "reason": self._reason(change, alarm),
            }
            previous = change.status

    def _status(self, change: Change, alarm: Alarm | None) -> dict[str, Any]:
        track, values, n = self.track, self.series.values, len(self.known)
        last = track.alarms[-1] if track.alarms else None
        proven = change.status != "unproven"
        t = float(track.t[-1])
        return {
            "factor": self.series.factor,
            "status": change.status,
            "since": self.known[change.at],
            "alarm_date": None if last is None else self.known[last.at],
            "change_date": None if last is None else self.scored[last.change.at],
            "change_low": None if last is None else self.scored[last.change.low],
            "change_high": None if last is None else self.scored[last.change.high],
            "ic_before": float(values.mean()) if last is None else last.ic_before,
            "ic_after": None if last is None else float(values[last.change.at :].mean()),
            "expected_delay": self._expected_delay(float(track.delta[-1]), float(track.threshold[-1])) if proven else None,
            **{name: _known(float(getattr(track, name)[-1])) for name in ("t", "delta", "statistic", "threshold", "alive")},
            "n_sessions": n,
            "reason": self._reason(change, alarm) if proven else unproven_in_words(n, t, float(values.mean()), self.rules),
        }

    def _expected_delay(self, delta: float, level: float) -> float:
        observations = delay(delta, level if self.rules.detector == "cusum" else math.log(level), self.rules.detector)
        # The first observation after the change is known lag and horizon after its score, each further one a horizon later.
        return (observations - 1) * self.horizon + self.until_known


_PATHS = ("z", "delta", "statistic", "threshold", "watch_threshold", "t", "alive")


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _rows(schema: TableSchema, rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame([{name: row[name] for name in schema.names} for row in rows], schema=schema.dtypes(), orient="row")
