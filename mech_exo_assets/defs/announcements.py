"""Who is told what (Dagster *sensors*): each event of the ledger that matters, each factor's new status, each failed run; once.

What belongs here: sensors that send alerts. What does not: the words (`reports.lifecycle_alerts`, `reports.status_alert`), and the channels
(`reports.alerts`).

Nothing of the loop waits for a message: these sensors only read the ledger, materialisations and the run log. A message that could not be
sent is tried again, later each time, and is shown as the reason why the sensor's tick did nothing.
"""

import json
import time
from typing import Any

import dagster as dg

from mech_exo_assets.defs.decay import STATUSES
from mech_exo_assets.defs.tables import key_of
from mech_exo_assets.reports.alerts import Alert, Alerts
from mech_exo_assets.reports.lifecycle_alerts import event_alert, is_told
from mech_exo_assets.reports.status_alert import StatusNow, status_change
from mech_exo_assets.schemas import STATUS
from mech_exo_assets.storage.ledger import Ledger

LONGEST_PAUSE = 3600
"""Seconds between two attempts, at most."""
GIVEN_UP_AFTER = 3 * 24 * 3600
"""Seconds after its first attempt in which a message is given up; it stands in the log of alerts nevertheless."""
AT_A_TIME = 50
"""Materialisations that one tick reads; more of them wait for the next."""


@dg.sensor(
    name="announcements",
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells people of breaches, decay, canaries, promotions, refusals and rollbacks: one message for each event of the ledger. "
    "A message that cannot be sent is tried again, later each time.",
)
def announcement_sensor(
    context: dg.SensorEvaluationContext, ledger: dg.ResourceParam[Ledger], alerts: dg.ResourceParam[Alerts]
) -> dg.SensorResult:
    """The next events that are to be told, in their order. A new installation begins with what comes."""
    if context.cursor is None:
        last = ledger.last()
        state = {"after": 0 if last is None else last.id}
        return dg.SensorResult(cursor=json.dumps(state), skip_reason="What comes from now on is told.")
    state: dict[str, Any] = json.loads(context.cursor)
    if pause := _pause(state):
        return dg.SensorResult(skip_reason=f"The message about event {state['after'] + 1} waits {pause}.")
    told = 0
    for event in ledger.events(after=state["after"]):
        if is_told(event.kind, event.payload):
            link = alerts.run_link(event.payload.get("run_id"))
            waits = _attempt(state, alerts, event_alert(event.id, event.kind, event.version, event.payload, link=link))
            if waits is not None:
                said = f"Event {event.id} could not be told: {waits['why']}."
                return dg.SensorResult(cursor=json.dumps({"after": event.id - 1, "waits": waits}), skip_reason=said)
            told += 1
        state = {"after": event.id}
    return dg.SensorResult(cursor=json.dumps(state), skip_reason=f"{told} events told.")


@dg.sensor(
    name="factor_statuses",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells people when a factor's status changes: once for each materialisation of decay/status that differs from the one "
    "before, also across restarts. A message that cannot be sent is tried again, later each time.",
)
def status_sensor(context: dg.SensorEvaluationContext, alerts: dg.ResourceParam[Alerts]) -> dg.SensorResult:
    """One alert for each materialisation of `decay/status` in which a factor has another status than in the one before.

    The cursor holds the storage id of the last materialisation that was told of, and the statuses in it. Where there is no cursor yet, the
    newest materialisation is what later ones are compared with, and nothing is told: an installation that is new has no news.
    """
    seen: dict[str, Any] | None = None if context.cursor is None else json.loads(context.cursor)
    if seen is not None and (pause := _pause(seen)):
        return dg.SensorResult(skip_reason=f"The message about decay/status waits {pause}.")
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
        if seen is not None and alert is not None:
            waits = _attempt(seen, alerts, alert)
            if waits is not None:
                said = f"A change of decay/status could not be told: {waits['why']}."
                return dg.SensorResult(cursor=json.dumps(seen | {"waits": waits}), skip_reason=said)
            told += 1
        seen = {"storage_id": record.storage_id, "statuses": {name: [each.status, each.since, each.reason] for name, each in now.items()}}
    return dg.SensorResult(
        cursor=json.dumps(seen), skip_reason=f"{len(records)} materialisations read, {told} with changes that were told."
    )


@dg.run_failure_sensor(
    name="run_failures",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells people of each run that failed: one message a run.",
)
def run_failure_alert(context: dg.RunFailureSensorContext, alerts: dg.ResourceParam[Alerts]) -> None:
    """One message with what failed, why, and a link to the run."""
    run = context.dagster_run
    steps = context.get_step_failure_events()
    where = ", ".join(str(each.step_key) for each in steps) or "before its first step"
    facts = {"job": run.job_name, "step": where, "run": alerts.run_link(run.run_id) or run.run_id}
    facts |= {name.removeprefix("mech_exo/"): value for name, value in run.tags.items() if name == "mech_exo/reason"}
    alerts.send(Alert(title=f"Run of {run.job_name} failed", text=context.failure_event.message or "", level="error", facts=facts))


def _pause(state: dict[str, Any]) -> str | None:
    """For how long the next message waits, and why; None where it is due."""
    waits = state.get("waits", {"not_before": 0})
    rest = round(waits["not_before"] - time.time())
    return f"{rest} s: {waits['why']}" if rest > 0 else None


def _attempt(state: dict[str, Any], alerts: Alerts, alert: Alert) -> dict[str, Any] | None:
    """Send a message; None where it has arrived or is given up, else what the next attempt has to know: the cursor keeps it."""
    waits, now = state.get("waits", {}), time.time()
    first = waits.get("first", now)
    delivery = alerts.send(alert, log="first" not in waits, without=waits.get("done", ()))
    if not delivery.failed or now - first >= GIVEN_UP_AFTER:
        return None
    pause = min(LONGEST_PAUSE, 30 * 2 ** waits.get("attempts", 0))
    return {
        "attempts": waits.get("attempts", 0) + 1,
        "first": first,
        "not_before": now + pause,
        "why": f"{delivery.why}; again after {pause} s",
        "done": delivery.done,
    }


def _statuses(record: dg.EventLogRecord) -> dict[str, StatusNow]:
    materialisation = record.asset_materialization
    assert materialisation is not None  # noqa: S101
    return _known(materialisation.metadata[STATUSES].value)  # ty: ignore[invalid-argument-type]


def _known(statuses: dict[str, list[str]]) -> dict[str, StatusNow]:
    return {name: StatusNow(*each) for name, each in statuses.items()}
