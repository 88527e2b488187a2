"""An event of the ledger: its kinds, its canonical form, and its hash.

What belongs here: what makes two events the same to the last bit. What does not: where they are kept (`database`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GENESIS = "0" * 64
"""Hash before that of the first event."""

KINDS: Mapping[str, str] = {
    "strategy_registered": "A strategy version is known; with `since` in its payload it is the first champion.",
    "drift_detected": "Live trading has drifted from the backtest of what is deployed, beyond chance.",
    "decay_detected": "A factor that the champion uses has decayed.",
    "recovered": "What was detected is over, without the champion having been replaced.",
    "retrain_requested": "A challenger is asked for.",
    "challenger_built": "A challenger is there, with its whole content.",
    "validation_passed": "It has passed every gate that is judged.",
    "validation_failed": "It has not.",
    "ab_test_started": "It is compared with the champion.",
    "ab_test_concluded": "The comparison has a verdict.",
    "promoted": "It is champion from the next session on.",
    "refused": "It is not.",
    "retrain_failed": "No challenger could be built or judged.",
    "probation_passed": "The promoted strategy has done as expected.",
    "rolled_back": "A former champion is champion again from the next session on.",
    "rotated": "Factors have less weight since they have decayed.",
    "manual_override": "A person has made a version champion.",
    "acknowledged": "A person has seen an event that waits for one, and says what is done about it.",
}
"""What may happen, and what it means."""


@dataclass(frozen=True)
class Entry:
    """What is to be appended.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    actor : str
        Who does it: a sensor, a job, a command, a person.
    payload : mapping
        All that belongs to it, in JSON's types; dates and times become text.
    version : str or None
        Strategy version that it is about.
    key : str or None
        A second entry of the same key is not appended.
    """

    kind: str
    actor: str
    payload: Mapping[str, Any]
    version: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"the kind of an event is '{self.kind}'; it must be one of {', '.join(KINDS)}")
        if not self.actor:
            raise ValueError("an event needs an actor")


@dataclass(frozen=True)
class Event:
    """A row of the ledger.

    Attributes
    ----------
    id : int
        1, 2, 3, … without a gap.
    time : datetime
        UTC; never before that of the event before it.
    kind, version, actor, key, payload
        As in `Entry`.
    previous_hash, hash : str
        SHA-256, in hexadecimal digits.
    """

    id: int
    time: dt.datetime
    kind: str
    version: str | None
    actor: str
    key: str | None
    payload: dict[str, Any]
    previous_hash: str
    hash: str


def canonical(value: object, *, where: str = "payload") -> str:
    """The one text of a value: JSON with sorted keys and without blanks.

    Raises
    ------
    ValueError
        If something in it is not a number, or of no type that JSON has; its place is named.
    """
    return json.dumps(_plain(value, where), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def written(time: dt.datetime) -> str:
    """A time as it is stored and hashed: UTC, to the microsecond."""
    return time.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def digest(id_: int, time: str, entry: tuple[str, str | None, str, str | None, str], previous: str) -> str:
    """SHA-256 over the canonical row.

    Parameters
    ----------
    id_ : int
    time : str
        As `written` gives it.
    entry : tuple of str
        kind, version, actor, key, and the payload as canonical text.
    previous : str
        Hash of the event before it.
    """
    kind, version, actor, key, payload = entry
    row = {
        "id": id_,
        "time": time,
        "kind": kind,
        "version": version,
        "actor": actor,
        "key": key,
        "payload": payload,
        "previous_hash": previous,
    }
    return hashlib.sha256(json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()).hexdigest()


def _plain(value: object, where: str) -> object:
    if isinstance(value, Mapping):
        return {str(name): _plain(each, f"{where}.{name}") for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(each, f"{where}[{at}]") for at, each in enumerate(value)]
    if isinstance(value, dt.datetime):
        return written(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{where} is {value}; an event holds finite numbers only")
        return float(value)
    raise ValueError(
        f"{where} is a {type(value).__name__}; an event holds what JSON has: mappings, lists, text, numbers, true, false, null"
    )
