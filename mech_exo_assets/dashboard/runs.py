"""Runs of Dagster, as lines that a person reads.

What belongs here: from Dagster's run records to what is shown of them. What does not: launching (`actions`).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mech_exo_assets.defs.runs import ACTOR_TAG, REASON_TAG

if TYPE_CHECKING:
    import dagster as dg

SHOWN = 12
"""Newest runs that are read."""
_ASSETS = "__ASSET_JOB"
"""Dagster's name for the job of assets that were chosen one by one."""


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run.

    Attributes
    ----------
    run_id, job, status : str
        Status in Dagster's words: SUCCESS, FAILURE, STARTED, …
    who, why : str
        The sensor, schedule, command or person that launched it, and the reason; empty where nothing is known.
    started, ended : datetime or None
        UTC.
    """

    run_id: str
    job: str
    status: str
    who: str
    why: str
    started: dt.datetime | None
    ended: dt.datetime | None

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs."""
        return None if self.started is None or self.ended is None else (self.ended - self.started).total_seconds()


def newest_runs(instance: dg.DagsterInstance) -> list[RunLine]:
    """The newest runs, newest first."""
    return [_line(record) for record in instance.get_run_records(limit=SHOWN)]


def _line(record: dg.RunRecord) -> RunLine:
    run, tags = record.dagster_run, record.dagster_run.tags
    who = tags.get(ACTOR_TAG) or next((tags[name] for name in ("dagster/schedule_name", "dagster/sensor_name") if name in tags), "")
    of_assets = "automation" if "dagster/from_automation_condition" in tags else "assets"
    job = of_assets if run.job_name.startswith(_ASSETS) else run.job_name
    return RunLine(run.run_id, job, run.status.value, who, tags.get(REASON_TAG, ""), _time(record.start_time), _time(record.end_time))


def _time(seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)
