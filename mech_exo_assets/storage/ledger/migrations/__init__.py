"""The ledger's table over time: which revision a database has, and bringing it to the newest.

What belongs here: revisions, forward only. What does not: rows (`storage.ledger.database`), and the tables of Optuna, MLflow and Dagster,
which have migrations of their own.

A revision is a file in `versions/`; once released, it is never edited. Ledgers from before there were revisions have the tables of
`BASELINE`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from mech_exo_assets.errors import InputError

if TYPE_CHECKING:
    from alembic.config import Config

BASELINE = "0001"
HEAD = "0002"
"""What this release reads and writes; a test compares it with the files."""
VERSION_TABLE = "alembic_version"


def revision(connection: sa.Connection, schema: str | None) -> str | None:
    """Revision of a ledger; None where there is none yet."""
    looked = sa.inspect(connection)
    if not looked.has_table("events", schema=schema):
        return None
    if not looked.has_table(VERSION_TABLE, schema=schema):
        return BASELINE
    versions = sa.Table(VERSION_TABLE, sa.MetaData(schema=schema), sa.Column("version_num", sa.Text))
    return connection.execute(sa.select(versions.c.version_num)).scalar_one_or_none() or BASELINE


def require_known(found: str | None) -> None:
    """Refuse a ledger that a newer release has made.

    Raises
    ------
    InputError
        In one sentence.
    """
    if found is not None and found > HEAD:
        raise InputError(
            f"the ledger has revision {found}, and this release knows {HEAD} and before: a newer one has made it. Install that one again; "
            "a ledger does not go back."
        )


def require_newest(found: str | None) -> None:
    """Refuse to write to a ledger of an older release.

    Raises
    ------
    InputError
        In one sentence.
    """
    require_known(found)
    if found != HEAD:
        raise InputError(f"the ledger has revision {found}, and this release writes {HEAD}; take a backup, then run `mech-exo db upgrade`.")


def upgrade(connection: sa.Connection, schema: str | None, *, to: str = "head") -> None:
    """Bring the tables to a revision, made where they are missing; in a transaction that holds the ledger's lock.

    Raises
    ------
    InputError
        If a newer release has made them.
    """
    from alembic import command

    found = revision(connection, schema)
    require_known(found)
    config = _config(connection, schema)
    if found == BASELINE:
        # Harmless where it is stamped already.
        command.stamp(config, BASELINE)
    command.upgrade(config, to)


def _config(connection: sa.Connection, schema: str | None) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes.update(connection=connection, schema=schema)
    return config
