"""What others see of the ledger: its table, and aliases in MLflow.

What belongs here: from events to what is published. What does not: the events.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import polars as pl

from mech_exo_assets.defs.decisions.readings import champion_version
from mech_exo_assets.errors import MechExoError
from mech_exo_assets.schemas import EVENTS
from mech_exo_assets.storage.ledger import Event, Ledger
from mech_exo_assets.storage.models import ModelRegistry


def follow_in_mlflow(models: ModelRegistry, ledger: Ledger) -> list[str]:
    """Put the alias champion on the models of the champion; why that could not be, by model.

    The ledger is what counts: an MLflow that is away does not hold up what was decided there. The next publication tries again.
    """
    left = []
    for kind, run in champion_version(ledger).models.items():
        try:
            if models.aliases(kind).get("champion") != run:
                models.promote(kind, run)
        except MechExoError as error:
            left.append(f"{kind}: {error}")
    return left


def event_table(events: Sequence[Event]) -> pl.DataFrame:
    """The ledger as a table in `schemas.EVENTS`."""
    rows = [
        (each.id, each.time, each.kind, each.version, each.actor, each.payload["summary"], json.dumps(each.payload), each.hash)
        for each in events
    ]
    return pl.DataFrame(rows, schema=EVENTS.dtypes(), orient="row")
