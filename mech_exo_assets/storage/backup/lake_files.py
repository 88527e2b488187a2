"""The files that a Delta table is made of, up to a version.

What belongs here: which files a backup needs so that every version up to then can be read. What does not: rows (`lake`).

A commit names only files that are there, and a file is never changed. So what is listed for a version that was committed before stays true
while others write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable

from mech_exo_assets.errors import MechExoError

_LOG = "_delta_log"
_LAST = "_last_checkpoint"
_OF_A_VERSION = re.compile(r"(\d{20})\.(?:json|checkpoint(?:\.\d+\.\d+)?\.parquet)")


@dataclass(frozen=True, slots=True)
class Pinned:
    """A table as it stood when it was looked at.

    Attributes
    ----------
    key : str
        Path below the lake's root.
    version : int
        Of its newest commit.
    last_checkpoint : bytes or None
        The one file of the log that is written over.
    """

    key: str
    version: int
    last_checkpoint: bytes | None


def pin(root: Path) -> list[Pinned]:
    """All tables of a lake, also those that this release does not know, by key."""
    found = []
    for log in sorted(root.glob(f"**/{_LOG}")):
        last = log / _LAST
        # Read before the version is: it names no later one then.
        checkpoint = last.read_bytes() if last.exists() else None
        if DeltaTable.is_deltatable(str(log.parent)):
            found.append(Pinned(log.parent.relative_to(root).as_posix(), DeltaTable(str(log.parent)).version(), checkpoint))
    return found


def files(root: Path, table: Pinned) -> Iterator[Path]:
    """The files of a table and of its log, relative to the table's folder; each of them is there.

    Raises
    ------
    MechExoError
        If a file that the pinned version is made of is gone.
    """
    folder = root / table.key
    log = [name for name in sorted(each.name for each in (folder / _LOG).iterdir()) if _within(name, table.version)]
    named: set[str] = set()
    for name in log:
        if name.endswith(".json"):
            named.update(_added(folder / _LOG / name))
    current = _files_at(folder, table.version)
    first = min(int(name[:20]) for name in log)
    if first:
        # Commits before it were cleaned away, and what they added stands in its checkpoint.
        named |= _files_at(folder, first)
    yield from (Path(_LOG) / name for name in log)
    for name in sorted(named | current):
        if (folder / name).is_file():
            yield Path(name)
        elif name in current:
            raise MechExoError(f"{folder / name} is gone, which version {table.version} of {table.key} is made of. Nothing was backed up.")


def _within(name: str, version: int) -> bool:
    found = _OF_A_VERSION.fullmatch(name)
    return found is not None and int(found[1]) <= version


def _added(commit: Path) -> Iterator[str]:
    with commit.open(encoding="utf-8") as lines:
        for line in lines:
            action = json.loads(line)
            if "add" in action:
                yield unquote(action["add"]["path"])


def _files_at(folder: Path, version: int) -> set[str]:
    actions = pl.DataFrame(DeltaTable(str(folder), version=version).get_add_actions(flatten=True))
    return {unquote(path) for path in actions["path"].to_list()}
