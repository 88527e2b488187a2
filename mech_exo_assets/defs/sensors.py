"""What happens when a threshold is crossed (Dagster *sensors*).

What belongs here: sensors that read what materialisations said, and act on a change. What does not: the judgement (`decay`), and what
follows from any new table (`automation`).
"""

import json
from typing import Any

import dagster as dg

from mech_exo_assets.defs.decay import STATUSES
from mech_exo_assets.defs.lifecycle_sensors import record_decay, tables_read
from mech_exo_assets.defs.tables import key_of
from mech_exo_assets.reports.alerts import Alerts
from mech_exo_assets.reports.status_alert import StatusNow, status_change
from mech_exo_assets.schemas import STATUS
from mech_exo_assets.storage.ledger import Ledger

AT_A_TIME = 50
"""Materialisations that one tick reads; more of them wait for the next."""


@dg.sensor(
    name="decay",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells, in the log and in Slack, when a factor's status changes: once for each materialisation of decay/status that "
    "differs from the one before, also across restarts.",
)
def decay_sensor(
    context: dg.SensorEvaluationContext, alerts: dg.ResourceParam[Alerts], ledger: dg.ResourceParam[Ledger]
) -> dg.SensorResult:
    """One alert for each materialisation of `decay/status` in which a factor has another status than in the one before.

    The cursor holds the storage id of the last materialisation seen, and the statuses in it. Where there is no cursor yet, the newest
    materialisation is what later ones are compared with, and nothing is told: an installation that is new has no news.
    """
    seen: dict[str, Any] | None = None if context.cursor is None else json.loads(context.cursor)
    since = None if seen is None else seen["storage_id"]
    records = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key_of(STATUS), after_storage_id=since),
        limit=1 if seen is None else AT_A_TIME,
        ascending=seen is not None,
    ).records
    if not records:
        return dg.SensorResult(skip_reason="decay/status has not been materialised since the last look.")
    told = 0
    for record in records:
        now = _statuses(record)
        alert = None if seen is None else status_change(_known(seen["statuses"]), now)
        if alert is not None:
            alerts.send(alert)
            told += 1
        record_decay(
            ledger,
            {name: (each.status, each.since, each.reason) for name, each in now.items()},
            read={
                "as_of": _as_of(record),
                "tables": tables_read(record),
                "storage_id": record.storage_id,
                "run_id": record.run_id,
            },
        )
        seen = {"storage_id": record.storage_id, "statuses": {name: [each.status, each.since, each.reason] for name, each in now.items()}}
    return dg.SensorResult(
        cursor=json.dumps(seen), skip_reason=f"{len(records)} materialisations read, {told} with changes that were told."
    )


def _statuses(record: dg.EventLogRecord) -> dict[str, StatusNow]:
    materialisation = record.asset_materialization
    assert materialisation is not None  # noqa: S101
    return _known(materialisation.metadata[STATUSES].value)  # ty: ignore[invalid-argument-type]


def _as_of(record: dg.EventLogRecord) -> str | None:
    materialisation = record.asset_materialization
    found = None if materialisation is None else materialisation.metadata.get("as_of")
    return None if found is None else str(found.value)


def _known(statuses: dict[str, list[str]]) -> dict[str, StatusNow]:
    return {name: StatusNow(*each) for name, each in statuses.items()}
