"""The files of one Delta table as files: what is there, what a commit says, and letting one go.

What belongs here: what Delta's own interface does not give, wherever the table is stored. What does not: which files may go
(`maintenance.tables`).
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from deltalake.fs import DeltaStorageHandler

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
    uri : str
        Root of the table: a folder, or a URI that deltalake knows.
    options : mapping of str to str, optional
        What deltalake needs to open it.
    """

    def __init__(self, uri: str, options: Mapping[str, str] | None = None) -> None:
        self._handler = DeltaStorageHandler(uri, None if options is None else dict(options))

    def listed(self) -> list[StoredFile]:
        """All files, by path."""
        from pyarrow.fs import FileSelector, FileType

        infos = self._handler.get_file_info_selector(FileSelector("", allow_not_found=True, recursive=True))
        return sorted((StoredFile(each.path, each.size, each.mtime) for each in infos if each.type == FileType.File), key=lambda f: f.path)

    def commits(self) -> list[int]:
        """The versions whose commits are there, ascending."""
        return sorted(each.commit for each in self.listed() if each.commit is not None)

    def actions(self, version: int) -> list[dict[str, Any]]:
        """What a commit consists of; `FileNotFoundError` where it is not there."""
        with self._handler.open_input_file(f"{LOG}/{version:020d}.json") as file:
            return [json.loads(line) for line in file.read().splitlines() if line]

    def about(self, version: int) -> dict[str, Any]:
        """What a commit says of itself: time, operation, and the note that was kept with it."""
        return next((each["commitInfo"] for each in self.actions(version) if "commitInfo" in each), {}) | {"version": version}

    def added(self, version: int) -> set[str]:
        """Paths of the files that a commit has brought."""
        return {unquote(each["add"]["path"]) for each in self.actions(version) if "add" in each}

    def delete(self, path: str) -> None:
        """Let a file go; nothing happens where it is gone already."""
        try:
            self._handler.delete_file(path)
        except FileNotFoundError:
            return
