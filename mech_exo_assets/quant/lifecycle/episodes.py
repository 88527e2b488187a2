"""What calls for a retraining, and what became of it: folds over the events of the ledger.

What belongs here: which detection waits for an answer, which request is open, and when the next may be made. What does not: detection
(`quant.drift`, `quant.detection`), and launching runs (`defs.sensors`).

An episode. A threshold is crossed: a detection is recorded, once. It is answered by a request, as soon as no other request is open and the
cool-down after the last decision is over. The request is open until it is decided: the challenger was promoted or refused, or could not
be built; so it is open as long as the challenger is compared with the champion in shadow or as a canary. A detection stands until the
strategy that it was made of is replaced, or until it is said to be over; only then a new one of its kind is made. Nothing of this is kept
anywhere but in the ledger, so that a restart, a second look or a lost cursor changes nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from mech_exo_assets.quant.lifecycle.reigns import CROWNS, Fact, champion
from mech_exo_assets.quant.panel import Dates

F = TypeVar("F", bound=Fact)

DETECTIONS = ("drift_detected", "decay_detected")
RECOVERED = "recovered"
ACKNOWLEDGED = "acknowledged"
REQUEST = "retrain_requested"
DECISIONS = ("promoted", "refused", "retrain_failed")
"""Kinds of events that close a request, which their payload names as `request`."""
LIVE_STAGES = ("shadow", "canary")
"""Stages of a comparison on sessions after the challenger was built."""
RUNNING = "running"
"""Verdict of a session after which such a comparison goes on."""


def standing(events: Sequence[F], kind: str, subject: str = "") -> F | None:
    """The detection of a kind that is neither over nor of a strategy that was replaced; None where there is none.

    Parameters
    ----------
    events : sequence
        Of the ledger, in their order.
    kind : str
        One of `DETECTIONS`.
    subject : str
        Factor that has decayed; empty for drift.
    """
    found = None
    for event in events:
        if event.kind in CROWNS and "since" in event.payload:
            found = None
        elif event.kind in (kind, RECOVERED) and event.payload.get("subject", "") == subject and event.payload.get("of", kind) == kind:
            found = event if event.kind == kind else None
    return found


def open_request(events: Sequence[F]) -> F | None:
    """The newest request that is not decided; None where there is none."""
    decided = {event.payload.get("request") for event in events if event.kind in DECISIONS}
    return next((event for event in reversed(events) if event.kind == REQUEST and event.id not in decided), None)


def asked_after(events: Sequence[F]) -> list[dt.date]:
    """Days after whose close a retraining of the present account was asked for, ascending; models are fitted anew on each."""
    days: set[dt.date] = set()
    for event in events:
        if event.kind == "strategy_registered" and "since" in event.payload:
            days.clear()
        elif event.kind == REQUEST:
            days.add(dt.date.fromisoformat(event.payload["as_of"]))
    return sorted(days)


def open_alerts(events: Sequence[F]) -> list[F]:
    """Events that wait for a person, in their order.

    A detection, while it stands; a failed retraining, until a later request; a rollback by the probation. What a person has acknowledged
    waits no more.
    """
    seen = {event.payload.get("event") for event in events if event.kind == ACKNOWLEDGED}
    last_request = max((event.id for event in events if event.kind == REQUEST), default=0)
    return [
        event
        for event in events
        if event.id not in seen
        and (
            (event.kind in DETECTIONS and standing(events, event.kind, event.payload.get("subject", "")) is event)
            or (event.kind == "retrain_failed" and event.id > last_request)
            or (event.kind == "rolled_back" and "promotion" in event.payload)
        )
    ]


def comparison_under_way(events: Sequence[F]) -> F | None:
    """The beginning of the comparison in shadow or as a canary that has no verdict yet; None where there is none."""
    last = last_of_comparison(events)
    return last if last is not None and last.kind == "ab_test_started" else None


def last_of_comparison(events: Sequence[F]) -> F | None:
    """Beginning or verdict of the comparison in shadow or as a canary that is to decide the open request; None where there is none."""
    request = open_request(events)
    if request is None:
        return None
    of = [event for event in events if event.payload.get("request") == request.id and event.payload.get("stage") in LIVE_STAGES]
    return of[-1] if of else None


def unanswered(events: Sequence[F], triggers: Sequence[str]) -> list[F]:
    """Detections that stand, and that no request has named, oldest first.

    Parameters
    ----------
    triggers : sequence of str
        `lifecycle.triggers`: drift, decay.
    """
    answered = {each for event in events if event.kind == REQUEST for each in event.payload.get("detections", [])}
    asked = [
        event for event in events if event.kind in DETECTIONS and event.kind.partition("_")[0] in triggers and event.id not in answered
    ]
    return [event for event in asked if standing(events, event.kind, event.payload.get("subject", "")) == event]


def impaired(events: Sequence[F]) -> bool:
    """Whether a detection stands against the champion, so that a challenger has only to be not much worse."""
    subjects = {(event.kind, event.payload.get("subject", "")) for event in events if event.kind in DETECTIONS}
    return any(standing(events, kind, subject) is not None for kind, subject in subjects)


def cooling_until(events: Sequence[F], sessions: Dates, cool_down: int) -> dt.date | None:
    """Last session in which no request may be made; None where nothing was decided yet, or it is over.

    Parameters
    ----------
    sessions : ndarray of datetime64[D]
        All that are known.
    cool_down : int
        Sessions after the last decision, `lifecycle.cool_down`.
    """
    decided = [event for event in events if event.kind in (*DECISIONS, "rolled_back") and "as_of" in event.payload]
    if not decided or not cool_down:
        return None
    last = np.datetime64(decided[-1].payload["as_of"], "D")
    since = int(np.count_nonzero(sessions > last))
    if since >= cool_down:
        return None
    known = sessions[sessions > last][:cool_down]
    return known[-1].item() if len(known) else last.item()


def promotion_under_probation(events: Sequence[F]) -> F | None:
    """The promotion that made the champion, where neither its probation is over nor anything came after it; None otherwise."""
    now = champion(events)
    if now is None:
        return None
    crown = next(event for event in events if event.id == now.event)
    over = any(event.kind == "probation_passed" and event.payload.get("promotion") == crown.id for event in events)
    return crown if crown.kind == "promoted" and not over else None
