"""The files that a Delta table is made of, up to a version.

What belongs here: which files a backup needs so that every version up to then can be read. What does not: rows (`lake`).

A commit names only files that are there, and a file is never changed. So what is listed for a version that was committed before stays true
while others write.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mech_exo_assets.errors import MechExoError
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.table_files import LOG, StoredFile

_LAST = "_last_checkpoint"


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
    lake, found = Lake(root), []
    for log in sorted(root.glob(f"**/{LOG}")):
        key, last = log.parent.relative_to(root).as_posix(), log / _LAST
        # Read before the version is: it names no later one then.
        checkpoint = last.read_bytes() if last.exists() else None
        if lake.exists(key):
            found.append(Pinned(key, lake.version(key), checkpoint))
    return found


def files(root: Path, table: Pinned) -> Iterator[Path]:
    """The files of a table and of its log, relative to the table's folder; each of them is there.

    Raises
    ------
    MechExoError
        If a file that the pinned version is made of is gone.
    """
    lake = Lake(root)
    stored = lake.stored(table.key)
    log = [each for each in stored.listed() if _of_a_version(each) <= table.version]
    # A version whose earlier commits maintenance let go stands in a checkpoint of its own.
    whole = {table.version, *(each.checkpoint for each in log if each.checkpoint is not None)}
    at = {version: lake.paths(table.key, version=version) for version in whole}
    named = {path for each in log if each.commit is not None for path in stored.added(each.commit)}.union(*at.values())
    yield from (Path(each.path) for each in log)
    for name in sorted(named):
        if (root / table.key / name).is_file():
            yield Path(name)
        elif name in at[table.version]:
            gone = root / table.key / name
            raise MechExoError(f"{gone} is gone, which version {table.version} of {table.key} is made of. Nothing was backed up.")


def _of_a_version(file: StoredFile) -> float:
    """The version that a file of the log is of; infinity for a file that is of none."""
    found = file.commit if file.commit is not None else file.checkpoint
    return math.inf if found is None else found
