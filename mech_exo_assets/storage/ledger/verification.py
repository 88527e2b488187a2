"""Whether the ledger is what was written: the walk along its chain.

What belongs here: what is looked at, and the first fault in words. What does not: reading rows (`database`).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mech_exo_assets.storage.ledger.anchor import Head
from mech_exo_assets.storage.ledger.event import GENESIS, KINDS, canonical, digest

Row = tuple[int, str, str, str | None, str, str | None, str, str, str]
"""A row as stored: id, time, kind, version, actor, key, payload, previous_hash, hash."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What the walk has found.

    Attributes
    ----------
    ok : bool
    events : int
        Rows that are there.
    head_hash : str or None
        Hash of the last one.
    first_broken : int or None
        Number of the first event that is not as it was written; of the first one that is gone, where the end was cut.
    fault : str or None
        What is wrong with it, as a sentence.
    """

    ok: bool
    events: int
    head_hash: str | None
    first_broken: int | None = None
    fault: str | None = None


def verified(rows: Sequence[Row], *, anchored: Head | None, known: Iterable[str] = (), guards: Sequence[str] = ()) -> Verification:
    """Walk along the chain.

    Parameters
    ----------
    rows : sequence of Row
        By id.
    anchored : Head or None
        What was kept apart.
    known : iterable of str
        Hashes that a person has from elsewhere.
    guards : sequence of str
        Triggers that are missing.
    """
    head = rows[-1][-1] if rows else None
    previous, before = GENESIS, ""
    for wanted, row in enumerate(rows, start=1):
        fault = _fault(row, wanted, previous, before)
        if fault is not None:
            return Verification(ok=False, events=len(rows), head_hash=head, first_broken=min(wanted, row[0]), fault=fault)
        previous, before = row[-1], row[1]
    hashes = {row[-1]: row[0] for row in rows}
    if anchored is not None and hashes.get(anchored.hash) != anchored.id:
        fault = f"the end was cut: event {anchored.id} with hash {anchored.hash} was written, and is gone."
        return Verification(ok=False, events=len(rows), head_hash=head, first_broken=min(len(rows) + 1, anchored.id), fault=fault)
    if anchored is None and rows:
        fault = "the anchored head is missing, so that a cut end could not be noticed. Compare with a head from elsewhere: --head HASH."
        if not set(known) & set(hashes):
            return Verification(ok=False, events=len(rows), head_hash=head, first_broken=len(rows), fault=fault)
    for each in known:
        if each not in hashes:
            fault = f"no event has the hash {each}, which was the head of this ledger elsewhere: the end was cut, or it is another ledger."
            return Verification(ok=False, events=len(rows), head_hash=head, first_broken=len(rows) + 1, fault=fault)
    if guards:
        fault = f"the triggers {', '.join(guards)}, which refuse changes, are missing. All events are as they were written."
        return Verification(ok=False, events=len(rows), head_hash=head, first_broken=None, fault=fault)
    return Verification(ok=True, events=len(rows), head_hash=head)


def _fault(row: Row, wanted: int, previous: str, before: str) -> str | None:
    id_, time, kind, version, actor, key, payload, claimed, own = row
    if id_ != wanted:
        return f"event {wanted} is missing: event {id_} follows event {wanted - 1}."
    if claimed != previous:
        return f"event {id_} does not follow the event before it: it names {claimed} as the hash before it, and that is {previous}."
    if digest(id_, time, (kind, version, actor, key, payload), claimed) != own:
        return f"event {id_} was changed: its content does not have its hash {own}."
    try:
        dt.datetime.strptime(time, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=dt.UTC)
        same = canonical(json.loads(payload)) == payload
    except ValueError as error:
        return f"event {id_} cannot be read: {error}."
    if time < before:
        return f"event {id_} is of {time}, before the event before it."
    return None if same and kind in KINDS else f"event {id_} is not in the form in which events are written."
