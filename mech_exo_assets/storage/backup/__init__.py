"""A home as one file, and a home from one file.

What belongs here: what is taken, in which order so that it belongs together, and putting it back. What does not: what is in the stores
(`lake`, `ledger`, `studies`, `models`, `dagster_home`).

Parts: `archive` (the file), `lake_files` and `rows` (what a table is made of, in the lake and in PostgreSQL), `taking`, `restoring`.
"""
