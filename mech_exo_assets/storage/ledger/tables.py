"""The table of the ledger, and the triggers that keep it append-only.

What belongs here: what differs between SQLite and PostgreSQL in making and guarding the table. What does not: rows (`database`).
"""

from __future__ import annotations

import sqlalchemy as sa

SCHEMA = "ledger"
"""Of the table in PostgreSQL, where other programs have tables of their own."""
_GUARDS = ("events_refuse_update", "events_refuse_delete")
_LOCK = "hashtext('mech_exo_ledger')"


def events_table(dialect: str) -> sa.Table:
    """The table `events`, as the dialect has it."""
    return sa.Table(
        "events",
        sa.MetaData(schema=SCHEMA if dialect == "postgresql" else None),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("time", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("version", sa.Text),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("key", sa.Text, unique=True),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("previous_hash", sa.Text, nullable=False, unique=True),
        sa.Column("hash", sa.Text, nullable=False, unique=True),
    )


def exists(connection: sa.Connection) -> bool:
    """Whether the table was made."""
    schema = SCHEMA if connection.dialect.name == "postgresql" else None
    return sa.inspect(connection).has_table("events", schema=schema)


def create(connection: sa.Connection) -> None:
    """Make the table and its triggers, where they are missing; in a transaction that holds `lock`."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        events_table("postgresql").create(connection, checkfirst=True)
        connection.exec_driver_sql(
            f"CREATE OR REPLACE FUNCTION {SCHEMA}.refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the ledger is append-only: %% is refused', TG_OP; END $$"
        )
        for guard, what, each in (
            (_GUARDS[0], "UPDATE", "ROW"),
            (_GUARDS[1], "DELETE", "ROW"),
            ("events_refuse_truncate", "TRUNCATE", "STATEMENT"),
        ):
            connection.exec_driver_sql(
                f"CREATE OR REPLACE TRIGGER {guard} BEFORE {what} ON {SCHEMA}.events FOR EACH {each} EXECUTE FUNCTION {SCHEMA}.refuse()"
            )
        return
    events_table("sqlite").create(connection, checkfirst=True)
    for guard, what in zip(_GUARDS, ("UPDATE", "DELETE"), strict=True):
        connection.exec_driver_sql(
            f"CREATE TRIGGER IF NOT EXISTS {guard} BEFORE {what} ON events "
            f"BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: {what} is refused'); END"
        )


def lock(connection: sa.Connection) -> None:
    """Let no other writer in until the transaction ends. In SQLite the transaction has begun with it (BEGIN IMMEDIATE)."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def missing_guards(connection: sa.Connection) -> list[str]:
    """Triggers that are not there, or are switched off."""
    if connection.dialect.name == "postgresql":
        query = (
            "SELECT t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace "  # noqa: S608
            f"WHERE n.nspname = '{SCHEMA}' AND c.relname = 'events' AND t.tgenabled <> 'D'"
        )
        wanted = (*_GUARDS, "events_refuse_truncate")
    else:
        query, wanted = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'events'", _GUARDS
    there = set(connection.exec_driver_sql(query).scalars())
    return [each for each in wanted if each not in there]
