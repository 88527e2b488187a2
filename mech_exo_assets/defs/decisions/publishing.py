"""What others see of the ledger: its table, and aliases in MLflow.

What belongs here: from events to what is published. What does not: the events.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from mech_exo_assets.defs.decisions.readings import champion_version
from mech_exo_assets.schemas import (
    EVENTS,
)
from mech_exo_assets.storage.ledger import Event, Ledger
from mech_exo_assets.storage.models import ModelRegistry

if TYPE_CHECKING:
    pass


def follow_in_mlflow(models: ModelRegistry, ledger: Ledger) -> list[str]:
    """Put the alias champion on the models of the champion; which kinds have another one nevertheless."""
    wanted = champion_version(ledger).models
    for kind, run in wanted.items():
        if models.aliases(kind).get("champion") != run:
            models.promote(kind, run)
    return [kind for kind, run in wanted.items() if models.aliases(kind).get("champion") != run]


def event_table(events: Sequence[Event]) -> pl.DataFrame:
    """The ledger as a table in `schemas.EVENTS`."""
    rows = [
        (each.id, each.time, each.kind, each.version, each.actor, each.payload["summary"], json.dumps(each.payload), each.hash)
        for each in events
    ]
    return pl.DataFrame(rows, schema=EVENTS.dtypes(), orient="row")
