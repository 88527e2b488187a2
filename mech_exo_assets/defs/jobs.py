"""What can be launched as a whole (Dagster *jobs*).

What belongs here: selections of assets with a name, and the tags that say which years. What does not: when they run.
"""

from __future__ import annotations

import dagster as dg

from mech_exo_assets.defs.reporting import QUANTSTATS_REPORT, TEAR_SHEET
from mech_exo_assets.defs.tables import key_of
from mech_exo_assets.schemas import (
    COMPOSITE,
    DEPENDENCE,
    EXPLANATIONS,
    FEATURES,
    FUNDAMENTALS,
    INTERACTIONS,
    LIGHTGBM,
    MODELS,
    PRICES,
    REGISTERED,
    RIDGE,
    STACKING,
    TARGETS,
    UNIVERSE,
    XGBOOST,
)
from mech_exo_assets.storage.io_manager import REBUILD_TAG

_TRAINED = dg.AssetSelection.assets(
    *map(key_of, (LIGHTGBM, XGBOOST, RIDGE, MODELS, STACKING, EXPLANATIONS, DEPENDENCE, INTERACTIONS, REGISTERED))
)
"""What is made when models are trained. Their predictions, and what those are worth, are brought up to date by every refresh."""
_AT_TIMES_OF_THEIR_OWN = dg.AssetSelection.assets(QUANTSTATS_REPORT) | dg.AssetSelection.groups("weights")

REFRESH = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.all() - _AT_TIMES_OF_THEIR_OWN - _TRAINED,
    description="The whole chain, from the source to the mart and the tear sheet. `mech-exo run` launches it. The PDF, which takes several "
    "seconds, is made every night, and by `mech-exo report quantstats`; models are trained every week, and by `mech-exo learn`; weights "
    "are searched every week, and by `mech-exo search`.",
)

LEARNING = dg.define_asset_job(
    "learning",
    selection=_TRAINED,
    description="Train the models whose time has come, explain them, and set their aliases in MLflow. What follows from their predictions "
    "is brought up to date by automation, for this and the last year; `mech-exo learn` does both, for all years.",
)

AFTER_LEARNING = _TRAINED.downstream() - _AT_TIMES_OF_THEIR_OWN
"""The trained tables, and all that follows from predictions: what `mech-exo learn` materialises."""

MARKET_REFRESH = dg.define_asset_job(
    "market_refresh",
    selection=dg.AssetSelection.assets(*(key_of(schema) for schema in (PRICES, UNIVERSE, FUNDAMENTALS, FEATURES))),
    description="Read the source anew. What is downstream follows by automation.",
)

NIGHTLY_BACKTEST = dg.define_asset_job(
    "nightly_backtest",
    selection=(dg.AssetSelection.groups("strategy") - dg.AssetSelection.assets(key_of(COMPOSITE), key_of(TARGETS)))
    | dg.AssetSelection.assets(TEAR_SHEET, QUANTSTATS_REPORT),
    description="Trade the strategy's targets of today over its whole history, hold the result against its limits, and write the reports.",
)

WEIGHT_SEARCH = dg.define_asset_job(
    "weight_search",
    selection=dg.AssetSelection.groups("weights"),
    description="Search factor weights on the history before the hold-out, choose, measure how much is chance, and compare on the "
    "hold-out. `mech-exo search` launches it. No weight of the strategy is changed by it.",
)


def year_range_tags(first: int, last: int, *, rebuild: bool = False) -> dict[str, str]:
    """Run tags that select the year partitions from `first` to `last`; with `rebuild`, all other years go."""
    tags = {"dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last)}
    return {**tags, REBUILD_TAG: "true"} if rebuild else tags
