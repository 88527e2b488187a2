"""The ledger: what was decided, when, why and by whom, in an append-only table whose rows are chained by their hashes.

What belongs here: the record and its verification. What does not: what is decided (`quant.lifecycle`, `defs.decisions`).

Parts: `event` (an event, its kinds and its hash), `tables` (the table and its triggers), `database` (appending and reading), `anchor`
(the head that is kept apart, by which a cut end is noticed), `verification` (the walk along the chain).
"""

from mech_exo_assets.storage.ledger.database import ConflictError, Ledger
from mech_exo_assets.storage.ledger.event import KINDS, Entry, Event
from mech_exo_assets.storage.ledger.verification import Verification

__all__ = ["KINDS", "ConflictError", "Entry", "Event", "Ledger", "Verification"]
