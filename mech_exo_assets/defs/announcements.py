"""Who is told what (Dagster *sensors*): each event of the ledger that matters, and each run that failed, once.

What belongs here: sensors that send alerts. What does not: the words (`reports.lifecycle_alerts`), and the channel (`reports.alerts`).

Nothing of the loop waits for a message: these sensors only read the ledger and the run log. A message that could not be sent is tried
again, later each time, and is shown as the reason why the sensor's tick did nothing.
"""

import json
import time
from typing import Any

import dagster as dg

from mech_exo_assets.reports.alerts import Alert, Alerts
from mech_exo_assets.reports.lifecycle_alerts import TOLD, event_alert
from mech_exo_assets.storage.ledger import Ledger

LONGEST_PAUSE = 3600
"""Seconds between two attempts, at most."""
GIVEN_UP_AFTER = 3 * 24 * 3600
"""Seconds after its first attempt in which a message is given up; it stands in the log of alerts nevertheless."""


@dg.sensor(
    name="announcements",
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells people of breaches, decay, promotions, refusals and rollbacks: one message for each event of the ledger. A message "
    "that cannot be sent is tried again, later each time.",
)
def announcement_sensor(
    context: dg.SensorEvaluationContext, ledger: dg.ResourceParam[Ledger], alerts: dg.ResourceParam[Alerts]
) -> dg.SensorResult:
    """The next event that is to be told, in their order. A new installation begins with what comes."""
    if context.cursor is None:
        last = ledger.last()
        state = {"after": 0 if last is None else last.id}
        return dg.SensorResult(cursor=json.dumps(state), skip_reason="What comes from now on is told.")
    state: dict[str, Any] = json.loads(context.cursor)
    now = time.time()
    if state.get("not_before", 0) > now:
        wait = round(state["not_before"] - now)
        return dg.SensorResult(skip_reason=f"The message about event {state['after'] + 1} waits {wait} s: {state['why']}.")
    told = 0
    for event in ledger.events(after=state["after"]):
        if event.kind in TOLD:
            first = state.get("first", now)
            link = alerts.run_link(event.payload.get("run_id"))
            delivery = alerts.send(
                event_alert(event.id, event.kind, event.version, event.payload, link=link),
                log="first" not in state,
                without=state.get("done", ()),
            )
            if delivery.failed and now - first < GIVEN_UP_AFTER:
                pause = min(LONGEST_PAUSE, 30 * 2 ** state.get("attempts", 0))
                state = {
                    "after": event.id - 1,
                    "attempts": state.get("attempts", 0) + 1,
                    "first": first,
                    "not_before": now + pause,
                    "why": delivery.why,
                    "done": delivery.done,
                }
                return dg.SensorResult(
                    cursor=json.dumps(state), skip_reason=f"Event {event.id} could not be told ({delivery.why}); again in {pause} s."
                )
            told += 1
        state = {"after": event.id}
    return dg.SensorResult(cursor=json.dumps(state), skip_reason=f"{told} events told.")


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
