"""Asking for a challenger.

What belongs here: the request, and what its run is tagged with. What does not: when it is made (`lifecycle_sensors`).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence

from mech_exo_assets.defs.decisions.readings import TRIES, last_id
from mech_exo_assets.defs.runs import ACTOR_TAG, REASON_TAG, year_range_tags
from mech_exo_assets.errors import MechExoError
from mech_exo_assets.quant.lifecycle.episodes import comparison_under_way, open_request
from mech_exo_assets.quant.lifecycle.reigns import champion
from mech_exo_assets.storage.histories import last_session
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import ConflictError, Entry, Event, Ledger

REQUEST_TAG = "mech_exo/request"
"""Run tag: the event of the ledger that asked for the retraining."""

LAST_YEARS = 2
"""Calendar years whose predictions a retraining brings up to date."""


def request_retraining(
    ledger: Ledger, *, actor: str, reason: str, as_of: dt.date, detections: Sequence[Event] = (), key: str | None = None
) -> Event:
    """Ask for a challenger; where a request is open already, that one.

    Raises
    ------
    MechExoError
        If others write to the ledger without end.
    """
    for _ in range(TRIES):
        events = ledger.events()
        waiting = open_request(events)
        if waiting is not None:
            return waiting
        now = champion(events)
        first = detections[0].payload if detections else {}
        payload = {
            "summary": f"A challenger was asked for: {reason}",
            "reason": reason,
            "as_of": as_of.isoformat(),
            "champion": None if now is None else now.version,
            "detections": [each.id for each in detections],
            **{name: first.get(name) for name in ("metric", "value", "threshold") if name in first},
        }
        try:
            return ledger.append(
                Entry("retrain_requested", actor, payload, version=None if now is None else now.version, key=key), expect=last_id(events)
            )
        except ConflictError:
            continue
    raise MechExoError(f"the ledger was written to {TRIES} times while a retraining was requested. Try again; nothing was changed.")


def retrain_tags(request: Event, lake: Lake, *, attempt: int) -> dict[str, str]:
    """What a person sees on the run of a retraining: why, by which figure, and where it stands in the ledger."""
    last = last_session(lake).year
    told = {name: request.payload[name] for name in ("metric", "value", "threshold") if request.payload.get(name) is not None}
    return {
        **year_range_tags(last - LAST_YEARS + 1, last),
        REASON_TAG: str(request.payload["reason"])[:500],
        ACTOR_TAG: request.actor,
        REQUEST_TAG: str(request.id),
        "mech_exo/detections": json.dumps(request.payload["detections"]),
        "mech_exo/attempt": str(attempt),
        **{f"mech_exo/{name}": f"{value:.6g}" if isinstance(value, float) else str(value) for name, value in told.items()},
    }


def request_of_run(ledger: Ledger, lake: Lake, tags: Mapping[str, str], run_id: str) -> Event:
    """The request that a run answers: the one in its tags, or the open one; where nobody asked, the run itself has.

    Raises
    ------
    MechExoError
        If another run's challenger is being compared on live sessions.
    """
    under_way = comparison_under_way(ledger.events())
    if under_way is not None and under_way.payload["run_id"] != run_id:
        raise MechExoError(f"{under_way.payload['summary']} It has no verdict yet; `mech-exo refuse --reason …` ends it.")
    tagged = tags.get(REQUEST_TAG)
    if tagged is not None:
        return ledger.get(int(tagged))
    # Somebody has launched it by hand.
    return request_retraining(
        ledger,
        actor="dagster",
        reason=f"run {run_id} was launched without a request",
        as_of=last_session(lake),
        key=f"request/run/{run_id}",
    )
