"""The table of events, and the triggers that keep it append-only. Ledgers made before revisions were counted have it."""

import sqlalchemy as sa
from alembic import context, op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table and its triggers."""
    schema = context.config.attributes["schema"]
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("time", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("version", sa.Text),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("key", sa.Text, unique=True),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("previous_hash", sa.Text, nullable=False, unique=True),
        sa.Column("hash", sa.Text, nullable=False, unique=True),
        schema=schema,
    )
    if op.get_bind().dialect.name == "sqlite":
        for guard, what in (("events_refuse_update", "UPDATE"), ("events_refuse_delete", "DELETE")):
            op.execute(
                f"CREATE TRIGGER {guard} BEFORE {what} ON events "
                f"BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: {what} is refused'); END"
            )
        return
    op.execute(
        f'CREATE FUNCTION "{schema}".refuse() RETURNS trigger LANGUAGE plpgsql AS '
        "$$ BEGIN RAISE EXCEPTION 'the ledger is append-only: % is refused', TG_OP; END $$"
    )
    for guard, what, each in (
        ("events_refuse_update", "UPDATE", "ROW"),
        ("events_refuse_delete", "DELETE", "ROW"),
        ("events_refuse_truncate", "TRUNCATE", "STATEMENT"),
    ):
        op.execute(f'CREATE TRIGGER {guard} BEFORE {what} ON "{schema}".events FOR EACH {each} EXECUTE FUNCTION "{schema}".refuse()')
