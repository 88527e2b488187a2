"""Letting go what a home does not need any more (a Dagster *asset*).

What belongs here: the group `operations`. What does not: what may go (`storage.maintenance`), and when (`schedules`).
"""

import dagster as dg
import polars as pl

from mech_exo_assets.defs.tables import check, markdown_table, materialised, table_asset
from mech_exo_assets.schemas import SIZES
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Ledger
from mech_exo_assets.storage.maintenance import Upkeep, lost_versions

FIGURES = "figures"
"""Name of the metadata with what `mech-exo maintain` prints."""


@table_asset(
    SIZES,
    code_version="1",
    checks={"replayable": "Every version of a table that an event of the ledger names is there, with all its files."},
)
def sizes(
    context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], ledger: dg.ResourceParam[Ledger], upkeep: dg.ResourceParam[Upkeep]
) -> dg.MaterializeResult[pl.DataFrame]:
    """What each table and each other part of the home takes, after old versions and runs went that nothing needs.

    Versions that the ledger names stay for ever, so that every decision can be replayed; others, and runs, for MECH_EXO_KEEP_DAYS days.
    """
    done = upkeep.maintain(lake, ledger, context.instance)
    lost = lost_versions(lake, ledger.events())
    table = done.table()
    return materialised(
        SIZES,
        table,
        metadata={
            **{name: value for name, value in done.figures().items() if not isinstance(value, list)},
            FIGURES: dg.MetadataValue.json(done.figures()),
            "largest": markdown_table(table.sort("bytes", descending=True).head(20).drop("measured_at")),
        },
        checks=[check("replayable", passed=not lost, lost=", ".join(lost))],
    )
