"""Which tables of a PostgreSQL database are a home's, by the program that they belong to.

What belongs here: finding them, and whether they hold anything. What does not: their rows (`copying`, `backup.rows`).
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from mech_exo_assets.settings import Settings
from mech_exo_assets.storage import connection as way
from mech_exo_assets.storage.ledger import tables as of_ledger

_OF_REVISIONS = frozenset({"alembic_version", "version_info"})
_OF_SEARCHES = ("mech_exo_search_batches", "mech_exo_holdout_looks")
_MADE_THERE = {"experiments": 1, "workspaces": 1, "secondary_indexes": None, "instance_info": None}
"""Tables in which programs put rows of their own when they make them, and how many at most; None: as many as they like."""


@dataclass(frozen=True, slots=True)
class Part:
    """Tables of one program: the named ones of a schema, or all.

    Attributes
    ----------
    name : str
        ledger, searches, mlflow or dagster.
    schema : str
    tables : tuple of str or None
    """

    name: str
    schema: str
    tables: tuple[str, ...] | None = None

    def found(self, connection: sa.Connection) -> list[sa.Table]:
        """The tables that are there, each after those that it refers to."""
        there = sa.inspect(connection).get_table_names(schema=self.schema)
        wanted = [name for name in there if name not in _OF_REVISIONS and (self.tables is None or name in self.tables)]
        metadata = sa.MetaData()
        metadata.reflect(connection, schema=self.schema, only=wanted)
        return [table for table in metadata.sorted_tables if table.schema == self.schema and table.name in wanted]

    def first_held(self, connection: sa.Connection) -> str | None:
        """The first table that holds rows which nobody but a user has put there; None where there is none."""
        for table in self.found(connection):
            most = _MADE_THERE.get(table.name, 0)
            if most is not None and connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() > most:
                return f"{self.schema}.{table.name}"
        return None

    def clear_made(self, connection: sa.Connection) -> None:
        """Let the rows go that programs have put there themselves: those that come have the same."""
        for table in reversed(self.found(connection)):
            if table.name in _MADE_THERE:
                connection.execute(sa.delete(table))


def parts(settings: Settings) -> list[Part]:
    """Of a home whose MECH_EXO_DB_URL names a PostgreSQL database."""
    from optuna.storages._rdb.models import BaseModel

    # Optuna's tables may stand in the user's default schema, among others'.
    searches = (*BaseModel.metadata.tables, *_OF_SEARCHES)
    return [
        Part("ledger", of_ledger.schema_of(way.parse(settings.ledger_url)) or of_ledger.SCHEMA, ("events",)),
        Part("searches", way.schema_of(way.parse(settings.studies_url)) or "public", searches),
        Part("mlflow", str(way.schema_of(way.parse(settings.mlflow_url)))),
        Part("dagster", str(way.schema_of(way.parse(str(settings.dagster_url))))),
    ]
