"""A mart in a test: publishing a lake to it, and asking what it holds.

What belongs here: what several tests do with a mart. What does not: tables to publish (`small_tables`).
"""

from __future__ import annotations

import duckdb

from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.mart import Mart, Published, update


def publish(mart: Mart, lake: Lake) -> dict[str, Published]:
    """Bring the mart up to date; what was done to each table."""
    with mart.staged() as path, duckdb.connect(str(path)) as connection:
        return {each.key: each for each in update(connection, lake)}


def query(mart: Mart, sql: str) -> list[tuple]:
    """What the published file answers."""
    with mart.connect() as connection:
        return connection.execute(sql).fetchall()


def versions(mart: Mart) -> dict[str, int]:
    """Which version of each table it holds."""
    return dict(query(mart, "SELECT table_name, version FROM meta.tables"))
