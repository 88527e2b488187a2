"""The decay monitor's tables in small, with one factor of each status, for tests of what shows them."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from mech_exo_assets.schemas import ALARMS, BREAKDOWN, MONITOR, ROTATION, STATISTICS, STATUS, STATUS_HISTORY, TableSchema

STATUSES = {"dead": "decayed", "weak": "watch", "back": "recovered", "good": "healthy", "new": "unproven"}
"""Status of each factor."""
HORIZONS = (1, 5)


def decay_tables(sessions: int = 600) -> dict[str, pl.DataFrame]:
    """By key: `dead` lost its IC after half of the sessions, `back` lost it after a quarter and has it again after three quarters."""
    dates = np.busday_offset("2015-01-02", np.arange(sessions), roll="forward").astype(object).tolist()
    half, quarter, late = dates[sessions // 2], dates[sessions // 4], dates[3 * sessions // 4]
    alarms = [_alarm("dead", "decay", half, dates), _alarm("back", "decay", quarter, dates), _alarm("back", "recovery", late, dates)]
    last = {row["factor"]: row for row in alarms}
    return {
        MONITOR.key: pl.concat(_monitor(name, dates, number) for number, name in enumerate(STATUSES)),
        ALARMS.key: _frame(ALARMS, alarms),
        STATUS.key: _frame(STATUS, [_status(name, last.get(name), dates) for name in STATUSES]),
        STATUS_HISTORY.key: _frame(STATUS_HISTORY, _history(dates)),
        STATISTICS.key: _frame(STATISTICS, [_statistics(name, horizon, dates) for name in STATUSES for horizon in HORIZONS]),
        ROTATION.key: _frame(ROTATION, [_rotation(name, multiplier) for name, multiplier in (("dead", 0.0), ("good", 0.9))]),
        BREAKDOWN.key: _frame(BREAKDOWN, [_segment(name, segment, sessions) for name in STATUSES for segment in ("calm", "turbulent")]),
    }


def _frame(schema: TableSchema, rows: list[dict[str, object]]) -> pl.DataFrame:
    """Columns that a row does not have are null."""
    return pl.DataFrame([dict.fromkeys(schema.names) | row for row in rows], schema=schema.dtypes())


def _monitor(name: str, dates: list[dt.date], number: int) -> pl.DataFrame:
    rng, sessions = np.random.default_rng(number), len(dates)
    t = np.arange(sessions)
    works = {"dead": t < sessions // 2, "back": (t < sessions // 4) | (t >= 3 * sessions // 4)}.get(name, t >= 0)
    judged = name != "new"
    frame = {
        "date": dates,
        "factor": name,
        "score_date": dates,
        "ic": rng.normal(0.05, 0.1, sessions) * 0.5 + 0.05 * works,
        "z": rng.standard_normal(sessions) if judged else None,
        "delta": 0.3 if judged else None,
        "statistic": np.abs(rng.normal(2, 1, sessions)) + 5 * ~works if judged else None,
        "threshold": 8.0 if judged else None,
        "watch_threshold": np.where(works, 4.0, np.nan) if judged else None,
        "t": 3.5 if judged else None,
        "alive": 0.9 if judged else None,
        "status": STATUSES[name],
    }
    columns = [pl.Series(key, value) if isinstance(value, (list, np.ndarray)) else pl.lit(value).alias(key) for key, value in frame.items()]
    return pl.select(columns).with_columns(pl.col("watch_threshold").cast(pl.Float64).fill_nan(None)).cast(MONITOR.dtypes())


def _alarm(name: str, kind: str, change: dt.date, dates: list[dt.date]) -> dict[str, object]:
    at = dates.index(change)
    return {
        "alarm_date": dates[at + 20],
        "factor": name,
        "kind": kind,
        "change_date": change,
        "change_low": dates[at - 10],
        "change_high": dates[at + 10],
        "ic_before": 0.06 if kind == "decay" else 0.01,
        "ic_after": 0.01 if kind == "decay" else 0.06,
        "delta": 0.3,
        "threshold": 8.0,
        "detector": "cusum",
        "expected_delay": 25.0,
        "false_alarms_per_year": 1.0,
        "factors": len(STATUSES),
    }


def _status(name: str, alarm: dict[str, object] | None, dates: list[dt.date]) -> dict[str, object]:
    judged = name != "new"
    of_alarm = ("alarm_date", "change_date", "change_low", "change_high", "ic_before", "ic_after")
    return {
        "factor": name,
        "status": STATUSES[name],
        "since": dates[2] if alarm is None else alarm["alarm_date"],
        "ic_before": 0.05 if judged else None,
        "expected_delay": 25.0 if judged else None,
        "t": {"dead": 2.0, "weak": 3.0, "back": 3.2, "good": 5.0}.get(name),
        "delta": 0.3 if judged else None,
        "statistic": 2.0 if judged else None,
        "threshold": 8.0 if judged else None,
        "alive": 0.9 if judged else None,
        "n_sessions": len(dates),
        "reason": f"{name} is {STATUSES[name]} [by 3 of 4].",
        **({} if alarm is None else {key: alarm[key] for key in of_alarm}),
    }


def _history(dates: list[dt.date]) -> list[dict[str, object]]:
    quarter, half, late = (dates.index(dates[len(dates) * share // 4]) + 20 for share in (1, 2, 3))
    steps = {
        "dead": [(2, "unproven"), (40, "healthy"), (half, "decayed")],
        "weak": [(2, "unproven"), (40, "healthy"), (half, "watch")],
        "back": [(2, "unproven"), (40, "healthy"), (quarter, "decayed"), (late, "recovered")],
        "good": [(2, "unproven"), (40, "healthy")],
        "new": [(2, "unproven")],
    }
    return [
        {
            "date": dates[at],
            "factor": name,
            "status": status,
            "previous": changes[number - 1][1] if number else None,
            "reason": f"To {status}.",
        }
        for name, changes in steps.items()
        for number, (at, status) in enumerate(changes)
    ]


def _statistics(name: str, horizon: int, dates: list[dt.date]) -> dict[str, object]:
    return {
        "factor": name,
        "horizon": horizon,
        "mean_ic": 0.04,
        "t_hac": 3.9,
        "q_value": 0.012,
        "half_life": None if name == "new" else 12.0,
        "half_life_low": None if name == "new" else 8.0,
        "half_life_high": None if name == "new" else 20.0,
        "turnover": 0.25,
        "n_sessions": len(dates),
        "first_date": dates[0],
        "last_date": dates[-1],
        "hit_rate": 0.55,
        "trend": -0.002,
        "trend_t": -1.1,
        "residual_ic": 0.031 + horizon / 1000,
        "residual_t": 4.4,
        "residual_q": 0.003,
        "spread": 0.0012,
        "net_spread": 0.0007,
        "monotonicity": 0.9,
    }


def _rotation(name: str, multiplier: float) -> dict[str, object]:
    return {
        "factor": name,
        "multiplier": multiplier,
        "weight_before": 0.5,
        "weight_after": 0.0 if multiplier == 0 else 1.0,
        "reason": f"{multiplier:.2f}: by what is known of {name}.",
        "status": STATUSES[name],
        "evidence": 0.9,
        "alive": 0.9,
    }


def _segment(name: str, segment: str, sessions: int) -> dict[str, object]:
    return {
        "factor": name,
        "horizon": 1,
        "dimension": "volatility",
        "segment": segment,
        "mean_ic": 0.04,
        "t_hac": 2.0,
        "p_value": 0.04,
        "n_sessions": sessions // 2,
    }
