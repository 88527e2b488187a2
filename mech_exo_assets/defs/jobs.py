"""What can be launched as a whole (Dagster *jobs*).

What belongs here: selections of assets with a name, and the tags that say which years. What does not: when they run.
"""

from __future__ import annotations

import dagster as dg

from mech_exo_assets.defs.tables import key_of
from mech_exo_assets.schemas import FEATURES, FUNDAMENTALS, PRICES, UNIVERSE
from mech_exo_assets.storage.io_manager import REBUILD_TAG

REFRESH = dg.define_asset_job(
    "refresh", selection=dg.AssetSelection.all(), description="The whole chain, from the source to the mart. `mech-exo run` launches it."
)

MARKET_REFRESH = dg.define_asset_job(
    "market_refresh",
    selection=dg.AssetSelection.assets(*(key_of(schema) for schema in (PRICES, UNIVERSE, FUNDAMENTALS, FEATURES))),
    description="Read the source anew. What is downstream follows by automation.",
)


def year_range_tags(first: int, last: int, *, rebuild: bool = False) -> dict[str, str]:
    """Run tags that select the year partitions from `first` to `last`; with `rebuild`, all other years go."""
    tags = {"dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last)}
    return {**tags, REBUILD_TAG: "true"} if rebuild else tags
