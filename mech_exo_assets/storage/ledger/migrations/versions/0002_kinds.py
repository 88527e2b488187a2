"""An index on the kind of an event: sensors ask for a few kinds at every tick, of a ledger that only grows."""

from alembic import context, op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the index."""
    op.create_index("events_by_kind", "events", ["kind", "id"], schema=context.config.attributes["schema"])
