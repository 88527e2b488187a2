"""What happens on the clock (Dagster *schedules*).

What belongs here: when the market is read, models are trained, the strategy is judged, and the home is cleaned. What does not: what follows
from new tables (`automation`).
"""

from collections.abc import Iterator

import dagster as dg

from mech_exo_assets.defs.jobs import LEARNING, MAINTENANCE, MARKET_REFRESH, NIGHTLY_BACKTEST, WEIGHT_SEARCH
from mech_exo_assets.defs.partitions import YEARS
from mech_exo_assets.defs.runs import REASON_TAG, year_range_tags

LAST_YEARS = 2
"""Year partitions that a daily refresh computes, so that a day's cost does not grow with the history."""


def _last_years(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    keys = YEARS.get_partition_keys(context.scheduled_execution_time)[-LAST_YEARS:]
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat(), tags=year_range_tags(int(keys[0]), int(keys[-1])))


def _weekly(context: dg.ScheduleEvaluationContext, reason: str) -> dg.RunRequest:
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat(), tags={REASON_TAG: reason})


@dg.schedule(
    job=MARKET_REFRESH,
    cron_schedule="30 18 * * 1-5",
    execution_timezone="America/New_York",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def daily_refresh(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Read the market after the close of each weekday: the last two year partitions. What is downstream follows by itself."""
    yield _last_years(context)


@dg.schedule(
    job=NIGHTLY_BACKTEST,
    cron_schedule="0 21 * * 1-5",
    execution_timezone="America/New_York",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def nightly_backtest(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Judge the strategy as it stands, when the daily refresh has had two and a half hours to go through the graph."""
    yield _last_years(context)


@dg.schedule(
    job=LEARNING,
    cron_schedule="0 6 * * 6",
    execution_timezone="America/New_York",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def weekly_learning(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Train on Saturdays, before weights are searched. A model whose time has not come is not fitted again: most weeks cost seconds."""
    yield _weekly(context, "weekly training")


@dg.schedule(
    job=WEIGHT_SEARCH,
    cron_schedule="0 9 * * 6",
    execution_timezone="America/New_York",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def weekly_weight_search(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Search weights on Saturdays. Within a month, in which the hold-out stays the same, trials that are done are not tried again."""
    yield _weekly(context, "weekly weight search")


@dg.schedule(
    job=MAINTENANCE,
    cron_schedule="0 6 * * 0",
    execution_timezone="America/New_York",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def weekly_maintenance(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Clean on Sundays, when no market is read and the training of Saturday has ended. A search that goes on keeps what it has read."""
    yield _weekly(context, "weekly maintenance")
