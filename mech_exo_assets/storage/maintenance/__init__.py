"""What keeps a home from growing for ever: old versions of tables, old runs of Dagster, and what a killed writer has left.

What belongs here: which of it may go, letting it go, and what is there in bytes. What does not: when that is done (`defs.maintenance`).
"""

from mech_exo_assets.storage.maintenance.home import Done, Upkeep
from mech_exo_assets.storage.maintenance.runs import Forgotten
from mech_exo_assets.storage.maintenance.tables import GRACE, Kept, TableState, lost_versions, named_versions

__all__ = ["GRACE", "Done", "Forgotten", "Kept", "TableState", "Upkeep", "lost_versions", "named_versions"]
