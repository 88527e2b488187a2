"""The databases of a home taken together: ledger, weight searches, MLflow, and Dagster's own.

What belongs here: what is done to all of them, such as looking which revision their tables have. What does not: what is in them (`ledger`,
`studies`, `models`, `dagster_home`).

Parts: `parts` (which tables there are), `revisions` (what is there, and bringing it to this release), `copying` (from SQLite files to
PostgreSQL).
"""
