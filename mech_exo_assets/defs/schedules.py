"""What happens on the clock (Dagster *schedules*).

What belongs here: when the market is read. What does not: what follows from it (`automation`).
"""

from collections.abc import Iterator

import dagster as dg

from mech_exo_assets.defs.jobs import MARKET_REFRESH, year_range_tags
from mech_exo_assets.defs.partitions import YEARS

LAST_YEARS = 2
"""Year partitions that a daily refresh computes, so that a day's cost does not grow with the history."""


@dg.schedule(
    job=MARKET_REFRESH,
    cron_schedule="30 18 * * 1-5",
    execution_timezone="America/New_York",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def daily_refresh(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Read the market after the close of each weekday: the last two year partitions. What is downstream follows by itself."""
    keys = YEARS.get_partition_keys(context.scheduled_execution_time)[-LAST_YEARS:]
    yield dg.RunRequest(run_key=context.scheduled_execution_time.isoformat(), tags=year_range_tags(int(keys[0]), int(keys[-1])))
