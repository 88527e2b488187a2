"""Where this installation reads and writes, and the research choices; both validated once.

What belongs here: `Settings` (MECH_EXO_* variables) and `Strategy` (the strategy file). What does not: anything that reads data.
"""

from __future__ import annotations

from mech_exo_assets.settings.installation import Settings, load_settings
from mech_exo_assets.settings.strategy import MAX_FORWARD_SESSIONS, Strategy, load_strategy

__all__ = ["MAX_FORWARD_SESSIONS", "Settings", "Strategy", "load_settings", "load_strategy"]
