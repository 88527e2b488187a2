"""The column contract of every table: name, type, unit, meaning, source.

What belongs here: what a reader of a table may rely on. It is used wherever the table appears: checked on every write to the lake,
shown in Dagster's asset pages, and published as comments in the mart. What does not: how a column is computed.
"""

from __future__ import annotations

from mech_exo_assets.schemas.decay import (
    ALARMS,
    BREAKDOWN,
    IC,
    LAGGED_IC,
    MONITOR,
    QUINTILE_RETURNS,
    RESIDUAL_IC,
    ROTATION,
    SECTOR_IC,
    STATISTICS,
    STATUS,
    STATUS_HISTORY,
)
from mech_exo_assets.schemas.factors import EXPOSURES, SCORES
from mech_exo_assets.schemas.market import FEATURES, FORWARD_RETURNS, FUNDAMENTALS, PRICES, QUALITY, UNIVERSE
from mech_exo_assets.schemas.strategy import (
    BACKTEST,
    COMPOSITE,
    CONTRIBUTIONS,
    PERFORMANCE,
    POSITIONS,
    TARGETS,
    TRADES,
    WALK_FORWARD,
    WALK_FORWARD_WEIGHTS,
    WALK_FORWARD_WINDOWS,
)
from mech_exo_assets.schemas.table import Column, TableSchema, factor_columns

TABLES: dict[str, TableSchema] = {
    schema.key: schema
    for schema in (
        PRICES,
        UNIVERSE,
        FUNDAMENTALS,
        FEATURES,
        QUALITY,
        FORWARD_RETURNS,
        EXPOSURES,
        SCORES,
        IC,
        RESIDUAL_IC,
        LAGGED_IC,
        SECTOR_IC,
        QUINTILE_RETURNS,
        STATISTICS,
        BREAKDOWN,
        MONITOR,
        ALARMS,
        STATUS_HISTORY,
        STATUS,
        ROTATION,
        COMPOSITE,
        TARGETS,
        BACKTEST,
        POSITIONS,
        TRADES,
        PERFORMANCE,
        CONTRIBUTIONS,
        WALK_FORWARD,
        WALK_FORWARD_WINDOWS,
        WALK_FORWARD_WEIGHTS,
    )
}
"""Every table of the lake, by key."""

__all__ = [
    "ALARMS",
    "BACKTEST",
    "BREAKDOWN",
    "COMPOSITE",
    "CONTRIBUTIONS",
    "EXPOSURES",
    "FEATURES",
    "FORWARD_RETURNS",
    "FUNDAMENTALS",
    "IC",
    "LAGGED_IC",
    "MONITOR",
    "PERFORMANCE",
    "POSITIONS",
    "PRICES",
    "QUALITY",
    "QUINTILE_RETURNS",
    "RESIDUAL_IC",
    "ROTATION",
    "SCORES",
    "SECTOR_IC",
    "STATISTICS",
    "STATUS",
    "STATUS_HISTORY",
    "TABLES",
    "TARGETS",
    "TRADES",
    "UNIVERSE",
    "WALK_FORWARD",
    "WALK_FORWARD_WEIGHTS",
    "WALK_FORWARD_WINDOWS",
    "Column",
    "TableSchema",
    "factor_columns",
]
