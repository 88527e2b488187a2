"""Who becomes champion: promotion, refusal, rollback, each one event.

What belongs here: the events after which another version is champion, or after which it stays. What does not: the verdict (`trials`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mech_exo_assets.defs.decisions.readings import TRIES, last_id, next_session
from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.quant.lifecycle.reigns import Reign, champion, previous_champion, versions
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.histories import last_session
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import ConflictError, Entry, Event, Ledger


@dataclass(frozen=True)
class Act:
    """What makes a version champion.

    Attributes
    ----------
    kind : str
        promoted, rolled_back or manual_override.
    actor, reason : str
    more : mapping
        What else belongs to the event.
    key : str or None
        Of the event, so that it happens once.
    """

    kind: str
    actor: str
    reason: str
    more: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None


def crown(ledger: Ledger, lake: Lake, strategy: Strategy, version: str, act: Act) -> Event:
    """Make a version champion of the sessions to come, by one event.

    Raises
    ------
    InputError
        If the ledger does not know the version, or it is champion already.
    MechExoError
        If others write to the ledger without end.
    """
    for _ in range(TRIES):
        events = ledger.events()
        done = None if act.key is None else ledger.find(act.key)
        if done is not None:
            return done
        known = versions(events)
        now = champion(events)
        if version not in known:
            raise InputError(f"the ledger knows no version '{version}'; it knows: {', '.join(known) or 'none'}. Nothing was changed.")
        if now is not None and now.version == version:
            raise InputError(f"{version} is the champion already, since {now.since}. Nothing was changed.")
        since = next_session(lake, strategy)
        payload = {
            "summary": _crowned(act.kind, version, now, since, act.reason),
            "reason": act.reason,
            "since": since.isoformat(),
            "as_of": last_session(lake).isoformat(),
            "version_before": None if now is None else now.version,
            "version_after": version,
            **act.more,
        }
        try:
            return ledger.append(Entry(act.kind, act.actor, payload, version=version, key=act.key), expect=last_id(events))
        except ConflictError:
            continue
    raise MechExoError(f"the ledger was written to {TRIES} times while {version} was to become champion. Try again; nothing was changed.")


def roll_back(ledger: Ledger, lake: Lake, strategy: Strategy, act: Act, *, to: str | None = None) -> Event:
    """Make the champion before this one, or any version, champion again.

    Raises
    ------
    InputError
        If there is none to go back to.
    """
    back = to or previous_champion(ledger.events())
    if back is None:
        raise InputError("there is no strategy to go back to: the ledger knows one champion only. Nothing was changed.")
    return crown(ledger, lake, strategy, back, act)


def decide(ledger: Ledger, lake: Lake, strategy: Strategy, request: Event, *, actor: str, run_id: str | None) -> Event | None:
    """Promote or refuse the challenger of a request, from what was recorded of it; None where something is still to come.

    One of the two is recorded for a request, whoever tries.
    """
    events = ledger.events()
    key = f"decided/{request.id}"
    done = ledger.find(key)
    if done is not None:
        return done
    of = [event for event in events if event.payload.get("request") == request.id]
    tested = next((event for event in reversed(of) if event.kind in ("ab_test_concluded", "validation_failed")), None)
    if tested is None or tested.payload.get("continues"):
        return None
    version = str(tested.version)
    figures, as_of = tested.payload["figures"], last_session(lake)
    more = {"request": request.id, "figures": figures, "run_id": run_id}
    if tested.kind == "ab_test_concluded" and tested.payload["promote"]:
        now = champion(events)
        if now is not None and now.version != tested.payload["champion"]:
            reason = replaced(tested.payload["champion"], now.version)
            return _refuse(ledger, version, reason, key=key, actor=actor, more={**more, "as_of": as_of.isoformat()})
        expected = tested.payload["expected"]
        act = Act("promoted", actor, tested.payload["reason"], {**more, "expected": expected}, key)
        crowned = crown(ledger, lake, strategy, version, act)
        _record_rotation(ledger, crowned, of, actor=actor)
        return crowned
    return _refuse(ledger, version, tested.payload["reason"], key=key, actor=actor, more={**more, "as_of": as_of.isoformat()})


def replaced(champion_before: str, now: str) -> str:
    """Why a verdict counts no more, whose champion is champion no more."""
    return f"the champion it was compared with, {champion_before}, was replaced by {now} meanwhile"


def _refuse(ledger: Ledger, version: str, reason: str, *, key: str, actor: str, more: Mapping[str, Any]) -> Event:
    payload = {"summary": f"{version} was refused: {reason}", "reason": reason, **more}
    return ledger.append(Entry("refused", actor, payload, version=version, key=key))


def _record_rotation(ledger: Ledger, crowned: Event, of: Sequence[Event], *, actor: str) -> None:
    """Say which factors the promoted version has less of since they decayed."""
    built = next(event for event in reversed(of) if event.kind == "challenger_built" and event.version == crowned.version)
    rotated = built.payload["rotated"]
    if rotated:
        told = ", ".join(f"{name} {each['before']:.3f} → {each['after']:.3f}" for name, each in sorted(rotated.items()))
        payload = {"summary": f"Rotated: {told}.", "reason": "they have decayed", "factors": rotated, "promotion": crowned.id}
        ledger.append(Entry("rotated", actor, payload, version=crowned.version, key=f"rotated/{crowned.id}"))


def _crowned(kind: str, version: str, now: Reign | None, since: dt.date, reason: str) -> str:
    verb = {"promoted": "was promoted", "rolled_back": "is champion again", "manual_override": "was made champion by hand"}[kind]
    instead = "" if now is None else f" in place of {now.version}"
    return f"{version} {verb}{instead}, for the sessions from {since} on: {reason}"
