"""What is told of an event of the ledger.

What belongs here: which kinds of events are told, and their words. What does not: the channel (`alerts`), and when it is used
(`defs.announcements`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mech_exo_assets.reports.alerts import Alert

_TITLES = {
    "drift_detected": "Live trading has drifted from its backtest",
    "decay_detected": "A factor in use has decayed",
    "validation_failed": "Challenger {version} did not pass validation",
    "promoted": "Strategy {version} promoted",
    "refused": "Challenger {version} refused",
    "rolled_back": "Rolled back to strategy {version}",
    "manual_override": "Strategy {version} made champion by hand",
    "probation_passed": "Strategy {version} passed its probation",
    "retrain_failed": "Retraining failed",
}
_LIVE = {
    "shadow": "Challenger {version} is compared with the champion in shadow",
    "canary": "Challenger {version} trades a part of the capital",
}
"""Titles of `ab_test_started`, by stage: on the hold-out it is over in the same run, and nobody need be told that it began."""

_TO_DO = {
    "ab_test_started": "Its verdict comes by itself, and is told. mech-exo refuse --reason … ends it at once.",
    "drift_detected": "A challenger is asked for by itself, once the cool-down is over. See live/attribution for where the gap comes from.",
    "decay_detected": "A challenger without it is asked for by itself, once the cool-down is over. See its page in decay/.",
    "promoted": "Its targets are traded from the next session on. mech-exo rollback --reason … takes it back at once.",
    "rolled_back": "Its targets are traded from the next session on.",
    "retrain_failed": "See the log of the run; then mech-exo retrain --reason … tries again.",
}
_LEVELS = {"promoted": "resolved", "probation_passed": "resolved", "retrain_failed": "error"}


def is_told(kind: str, payload: Mapping[str, Any]) -> bool:
    """Whether people are told of an event."""
    return kind in _TITLES or (kind == "ab_test_started" and payload.get("stage") in _LIVE)


def event_alert(id_: int, kind: str, version: str | None, payload: Mapping[str, Any], *, link: str | None) -> Alert:
    """The message about one event.

    Parameters
    ----------
    id_ : int
        Its number in the ledger.
    kind : str
        Of an event that `is_told`.
    version : str or None
    payload : mapping
        With `summary`; `figures`, `metric`, `value` and `threshold` where it has them.
    link : str or None
        To the run that it came from.
    """
    facts = {"ledger event": str(id_)}
    if payload.get("as_of"):
        facts["session"] = str(payload["as_of"])
    if payload.get("metric"):
        facts[str(payload["metric"])] = f"{_shown(payload['value'])} (threshold {_shown(payload['threshold'])})"
    facts |= {name: _shown(value) for name, value in payload.get("figures", {}).items() if value is not None}
    if link is not None:
        facts["run"] = link
    text = " ".join(filter(None, (str(payload["summary"]), _TO_DO.get(kind))))
    level: Any = _LEVELS.get(kind, "warning")
    title = _TITLES[kind] if kind in _TITLES else _LIVE[payload["stage"]]
    return Alert(title=title.format(version=version), text=text, level=level, facts=facts)


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
