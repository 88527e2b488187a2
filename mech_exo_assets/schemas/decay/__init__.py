"""The tables of the group `decay`.

What belongs here: their evidence (`evidence`) and what is concluded from it (`monitor`). What does not: any other group's tables.
"""

from __future__ import annotations

from mech_exo_assets.schemas.decay.evidence import (
    BREAKDOWN,
    IC,
    LAGGED_IC,
    QUINTILE_RETURNS,
    RESIDUAL_IC,
    SECTOR_IC,
    STATISTICS,
)
from mech_exo_assets.schemas.decay.monitor import ALARMS, MONITOR, ROTATION, STATUS, STATUS_HISTORY

__all__ = [
    "ALARMS",
    "BREAKDOWN",
    "IC",
    "LAGGED_IC",
    "MONITOR",
    "QUINTILE_RETURNS",
    "RESIDUAL_IC",
    "ROTATION",
    "SECTOR_IC",
    "STATISTICS",
    "STATUS",
    "STATUS_HISTORY",
]
