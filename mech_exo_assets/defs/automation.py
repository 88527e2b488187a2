"""What materialises an asset when another one was updated (Dagster *automation conditions*).

What belongs here: the conditions and the sensor that evaluates them. What does not: the clock (`schedules`), thresholds (`sensors`).
"""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

from mech_exo_assets.defs.runs import SEARCHED_GROUP, Rank, priority
from mech_exo_assets.defs.tables import key_of
from mech_exo_assets.schemas import HISTORY

# `eager` also waits for missing dependencies. A history that starts in the middle of a lookback has those for ever.
_SETTLED = ~dg.AutomationCondition.any_deps_in_progress() & ~dg.AutomationCondition.in_progress()

ON_UPDATE = (dg.AutomationCondition.any_deps_updated().since_last_handled() & _SETTLED).with_label("when an input was updated")
"""For an asset that is written whole."""

_OF_A_SEARCH = dg.AssetSelection.groups(SEARCHED_GROUP)
_BEFORE_ITS_LAST = _OF_A_SEARCH - dg.AssetSelection.assets(key_of(HISTORY))

# `since_last_handled` takes every materialisation for an answer. Here one may have begun before the search wrote its last table, and end
# after it: only a request that comes later answers that. There is one SINCE in this condition, since Dagster knows those of an asset by
# what they are made of without the assets that they are limited to, and two would share one memory.
ON_UPDATE_BESIDE_A_SEARCH = (
    dg.AutomationCondition.any_deps_updated()
    .ignore(_BEFORE_ITS_LAST)
    .since(dg.AutomationCondition.newly_requested() | dg.AutomationCondition.initial_evaluation())
    & ~dg.AutomationCondition.any_deps_in_progress().ignore(_OF_A_SEARCH)
    & ~dg.AutomationCondition.in_progress()
).with_label("when an input was updated, also beside a search")
"""For an asset that is written whole, and reads what a weight search writes: it does not wait the hours that a search takes, and of its
tables it follows the last one only."""

_THIS_AND_LAST_YEAR = timedelta(days=366 + 364)
"""Back from the end of the current year to within the year before it, whatever their lengths."""

ON_YEAR_UPDATE = (
    dg.AutomationCondition.in_latest_time_window(_THIS_AND_LAST_YEAR)
    & dg.AutomationCondition.any_deps_updated().since_last_handled()
    & _SETTLED
).with_label("when an input of this or the last year was updated")
"""For an asset that is partitioned by year. Older years are recomputed by `mech-exo run`, or by hand."""

AUTOMATION_SENSOR = dg.AutomationConditionSensorDefinition(
    "automation",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=10,
    run_tags=priority(Rank.MARKET),
    description="Materialises what is downstream of an asset that was updated.",
)
"""Evaluates every asset's condition. Runs by default under `mech-exo up`; Dagster's own is stopped by default."""
