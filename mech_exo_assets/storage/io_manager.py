"""How Dagster hands tables between assets: each output is one commit to the lake, each input reads just the years it needs.

What belongs here: the Dagster concept *I/O manager* over `lake`. What does not: what is in the tables.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from mech_exo_assets.errors import MechExoError
from mech_exo_assets.quant.memory import give_back
from mech_exo_assets.schemas import TABLES
from mech_exo_assets.storage.data_files import Written
from mech_exo_assets.storage.lake import CHOICES, READ, SOURCE, Lake

REBUILD_TAG = "mech_exo/rebuild"
"""Run tag: years outside the run's partitions go, since the run recomputes the whole history."""
AS_READ_BY = "as_read_by"
"""In the metadata of an input: the key of another table, which was computed from the version that is read here."""


class LakeIOManager(dg.IOManager):
    """Writes an asset's frame as one commit to the lake, and records which version it wrote and which versions it read.

    A partitioned asset replaces the years of its run; in a run with the tag `mech_exo/rebuild` all other years go. An input reads
    the years of its partition mapping, and only the columns in its metadata `columns`, where that is given. With `lazy` in its metadata
    it is a LazyFrame, for an asset that reads a table piece by piece; with `optional` a table that was never written is one without rows.

    With `as_read_by` in its metadata an input is read in the version that another table was computed from. So the steps of a long run read
    one state of their inputs, while other runs write them; it is taken from that table's commit, since a step may run in another process.

    Parameters
    ----------
    lake : Lake
    choices : str, optional
        The strategy that is in force, as JSON; each commit notes the one that it was computed with.
    source : str, optional
        URI of the source of market data, noted likewise.
    """

    def __init__(self, lake: Lake, *, choices: str | None = None, source: str | None = None) -> None:
        self.lake = lake
        self._noted = {name: value for name, value in ((CHOICES, choices), (SOURCE, source)) if value is not None}
        self._reads: dict[tuple[str, str], dict[str, int]] = {}
        self._lock = threading.Lock()

    def load_input(self, context: dg.InputContext) -> pl.DataFrame | pl.LazyFrame:
        """Read an upstream table, or the years of it that the partition mapping asks for."""
        key = context.asset_key.to_user_string()
        how = context.definition_metadata or {}
        with self._lock:
            reads = self._reads.setdefault((context.step_context.run_id, context.step_context.step.key), {})
        version = self._version(key, how, reads)
        if version is None:
            empty = TABLES[key].empty()
            empty = empty if how.get("columns") is None else empty.select(how["columns"])
            return empty.lazy() if how.get("lazy") else empty
        years = [int(name) for name in context.asset_partition_keys] if context.has_asset_partitions else None
        with self._lock:
            reads[key] = version
        columns = how.get("columns")
        if how.get("lazy"):
            frame = self.lake.scan(key, years=years, version=version)
            return frame if columns is None else frame.select(columns)
        return self.lake.read(key, columns=columns, years=years, version=version)

    def _version(self, key: str, how: Mapping[str, Any], reads: Mapping[str, int]) -> int | None:
        """The version that an input is read in; None where there is nothing to read."""
        reader = how.get(AS_READ_BY)
        if reader is None:
            return None if how.get("optional") and not self.lake.exists(key) else self.lake.version(key)
        of = reads[reader] if reader in reads else self.lake.version(reader)
        noted = self.lake.reads(reader, of)
        if key not in noted and not how.get("optional"):
            raise MechExoError(
                f"{reader} does not say from which version of {key} it was computed (version {of}), so that nothing can be added to it. "
                f"Materialise {reader} again; nothing was written."
            )
        # What was not there when that table was computed is not there for what is made from it.
        return noted.get(key)

    def handle_output(self, context: dg.OutputContext, obj: pl.DataFrame | Written) -> None:
        """Commit a table, and put the versions written and read into the materialisation's metadata."""
        schema = TABLES[context.asset_key.to_user_string()]
        with self._lock:
            # Kept, since a step may have several outputs.
            reads = self._reads.get((context.run_id, context.step_key), {})
        years = [int(name) for name in context.asset_partition_keys] if context.has_asset_partitions else None
        rebuild = context.step_context.run_tags.get(REBUILD_TAG) == "true"
        note = {"run_id": context.run_id} | self._noted | {f"{READ}{key}": str(version) for key, version in reads.items()}
        version = self.lake.write(schema, obj, years=years, only_these_years=rebuild, note=note)
        # What the step has let go of would stay with the C library, and add to what the next one takes.
        give_back()
        context.add_output_metadata(
            {
                "table_version": version,
                "tables_read": dg.MetadataValue.json(reads),
                "dagster/uri": self.lake.uri(schema.key),
            }
        )
