"""Whether two homes hold the same. What belongs here: what is compared. What does not: how the second one was made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mech_exo_assets.quant.lifecycle.reigns import champion
from mech_exo_assets.schemas import TABLES
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Ledger


def ledger_of(settings: Settings) -> Ledger:
    return Ledger(settings.ledger_url, settings.ledger_head_path)


def named_versions(payload: Any) -> Iterator[tuple[str, int]]:
    """Tables with their version, wherever in an event they stand."""
    if isinstance(payload, dict):
        for key, value in payload.items():
            if key in TABLES and isinstance(value, int):
                yield key, value
            else:
                yield from named_versions(value)
    elif isinstance(payload, list):
        for each in payload:
            yield from named_versions(each)


def assert_same_lake(here: Settings, there: Settings) -> int:
    """Every table is the same to the last bit, now and as each decision saw it; how many versions were compared."""
    old, new = Lake(here.lake_uri), Lake(there.lake_uri)
    assert new.tables() == old.tables()
    wanted = {(key, old.version(key)) for key in old.tables()}
    for event in ledger_of(here).events():
        wanted |= set(named_versions(event.payload))
    for key, version in wanted:
        assert new.version(key) == old.version(key)
        first, second = old.read(key, version=version), new.read(key, version=version)
        assert second.schema == first.schema
        assert second.hash_rows(seed=1).equals(first.hash_rows(seed=1)), (key, version)
    return len(wanted)


def assert_same_decisions(here: Settings, there: Settings) -> None:
    old, new = ledger_of(here), ledger_of(there)
    assert new.verify().ok
    assert new.events() == old.events()
    assert champion(new.events()) == champion(old.events())
