"""What Alembic runs: migrations on the connection, and in the transaction, that `upgrade` was given.

What belongs here: how revisions are run. What does not: revisions (`versions`).
"""

from alembic import context

from mech_exo_assets.storage.ledger.migrations import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    version_table_schema=context.config.attributes["schema"],
    # The caller's transaction holds the lock, and is committed or undone as a whole; also SQLite's, whose own dialect says otherwise.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
