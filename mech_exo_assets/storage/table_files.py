"""The files of one Delta table as files: what is there, what a commit says, and letting one go.

What belongs here: what Delta's own interface does not give, wherever the table is stored. What does not: which files may go
(`maintenance.tables`).
"""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from mech_exo_assets.storage.place import Place

LOG = "_delta_log"
_COMMIT = re.compile(rf"{LOG}/(\d{{20}})\.json")
_CHECKPOINT = re.compile(rf"{LOG}/(\d{{20}})\.checkpoint(?:\..+)?\.parquet")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a table.

    Attributes
    ----------
    path : str
        Below the table's root.
    size : int
        Bytes.
    modified : datetime
        UTC.
    """

    path: str
    size: int
    modified: dt.datetime

    @property
    def in_log(self) -> bool:
        """Whether it belongs to the table's log, and not to its rows."""
        return self.path.startswith(f"{LOG}/")

    @property
    def commit(self) -> int | None:
        """The version that it commits; None for a file that is no commit."""
        found = _COMMIT.fullmatch(self.path)
        return None if found is None else int(found[1])

    @property
    def checkpoint(self) -> int | None:
        """The version that it is a checkpoint of; None for a file that is none."""
        found = _CHECKPOINT.fullmatch(self.path)
        return None if found is None else int(found[1])


class TableFiles:
    """The files below the root of one table.

    Parameters
    ----------
    place : Place
        Where the lake lies.
    key : str
        `group/name` of the table.
    """

    def __init__(self, place: Place, key: str) -> None:
        self._place = place
        self._key = key

    def listed(self) -> list[StoredFile]:
        """All files, by path."""
        return [StoredFile(*each) for each in self._place.listed(self._key)]

    def commits(self) -> list[int]:
        """The versions whose commits are there, ascending."""
        return sorted(each.commit for each in self.listed() if each.commit is not None)

    def actions(self, version: int) -> list[dict[str, Any]]:
        """What a commit consists of; `FileNotFoundError` where it is not there."""
        text = self._place.read(f"{self._key}/{LOG}/{version:020d}.json")
        return [json.loads(line) for line in text.splitlines() if line]

    def about(self, version: int) -> dict[str, Any]:
        """What a commit says of itself: time, operation, and the note that was kept with it."""
        return next((each["commitInfo"] for each in self.actions(version) if "commitInfo" in each), {}) | {"version": version}

    def added(self, version: int) -> set[str]:
        """Paths of the files that a commit has brought."""
        return {unquote(each["add"]["path"]) for each in self.actions(version) if "add" in each}

    def delete(self, path: str) -> None:
        """Let a file go; nothing happens where it is gone already."""
        self._place.delete(f"{self._key}/{path}")
