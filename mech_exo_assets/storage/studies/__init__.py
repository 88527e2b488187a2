"""The relational database of weight searches, on Optuna's own tables, so that `optuna-dashboard` and any Optuna user can open it.

What belongs here: trials and claims of searches, and the looks at hold-outs; SQLite by default, PostgreSQL by URL. What does not: how a
search goes (`quant.weights`), how a database is reached (`storage.connection`), and Dagster's own storage (`event_log`).

Parts: `database` (the door), `store` (one study), `opening` (what happens once), `tables` (Optuna's tables and ours), `owners`
(who holds a claim, and whether it lives).
"""

from mech_exo_assets.storage.studies.database import StudyDatabase

__all__ = ["StudyDatabase"]
