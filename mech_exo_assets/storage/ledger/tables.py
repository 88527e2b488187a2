"""The table of the ledger as it is read and written, and the triggers that keep it append-only.

What belongs here: what differs between SQLite and PostgreSQL in finding, guarding and locking the table. What does not: making it
(`migrations`), and rows (`database`).
"""

from __future__ import annotations

import sqlalchemy as sa

SCHEMA = "ledger"
"""Of the table in PostgreSQL, where other programs have tables of their own; unless the URL names another one."""
_GUARDS = ("events_refuse_update", "events_refuse_delete")
_LOCK = "hashtext('mech_exo_ledger')"


def schema_of(url: sa.URL) -> str | None:
    """The schema that the table is in; None in SQLite."""
    from mech_exo_assets.storage import connection

    return None if url.get_backend_name() == "sqlite" else connection.schema_of(url) or SCHEMA


def events_table(schema: str | None) -> sa.Table:
    """The table `events`, at the newest revision."""
    return sa.Table(
        "events",
        sa.MetaData(schema=schema),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text) for name in ("time", "kind", "version", "actor", "key", "payload", "previous_hash", "hash")),
    )


def lock(connection: sa.Connection) -> None:
    """Let no other writer in until the transaction ends. In SQLite the transaction has begun with it (BEGIN IMMEDIATE)."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def missing_guards(connection: sa.Connection, schema: str | None) -> list[str]:
    """Triggers that are not there, or are switched off."""
    if connection.dialect.name == "postgresql":
        query = sa.text(
            "SELECT t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = :schema AND c.relname = 'events' AND t.tgenabled <> 'D'"
        ).bindparams(schema=schema)
        wanted = (*_GUARDS, "events_refuse_truncate")
    else:
        query, wanted = sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'events'"), _GUARDS
    there = set(connection.execute(query).scalars())
    return [each for each in wanted if each not in there]
