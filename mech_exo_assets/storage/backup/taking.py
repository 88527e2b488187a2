"""A home into one file, while others read and write it.

What belongs here: what is taken, and in which order. What does not: the file (`archive`), and putting it back (`restoring`).

The databases come first, then the versions of the lake's tables, and then it is looked whether a decision was written between: if so, once
more. So what a decision names is in the backup, and no table is ahead of the decisions. What is immutable (files of the lake, artifacts) is
read after that. A run may be in the middle of its tables; its years stand as not done in the record of refreshes then, and the next run
computes them.

Not taken: the mart, which is made from the lake; reports; files that a running process needs; anything that is not in the home.
"""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage import connection as way
from mech_exo_assets.storage.backup import archive, lake_files, rows
from mech_exo_assets.storage.databases import revisions
from mech_exo_assets.storage.ledger import Ledger, Verification

DATABASES = "databases"
HOME = "home"
LAKE = "lake"
FILES = {"ledger": "ledger.db", "studies": "studies.db", "mlflow": "mlflow.db"}
"""SQLite files by what is in them, as they are called in a backup, wherever MECH_EXO_DB_URL has them."""

_SQLITE = b"SQLite format 3\x00"
_TRIES = 5
_BESIDE = ("-wal", "-shm", "-journal", ".lock", ".wal")
"""How names of files end that belong to a process, or to a file that is taken as a whole."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What is in a backup.

    Attributes
    ----------
    members, tables : int
        Files, and tables of the lake.
    ledger : Verification
        Of the ledger that is in it.
    """

    members: int
    tables: int
    ledger: Verification


def take(
    settings: Settings, out: Path, *, record: str, unsettled: Callable[[bytes], bytes], told: Callable[[str], None] = lambda _: None
) -> Taken:
    """Write everything that a home holds to one file. Nothing in the home is changed, and nobody has to wait.

    Parameters
    ----------
    settings : Settings
    out : Path
        As `archive.writing` takes it.
    record : str
        Name of the home's file in which completed refreshes stand.
    unsettled : callable
        That file's content, made one in which nothing is done: for a backup in whose middle it was written.
    told : callable
        Called with what is done next.

    Raises
    ------
    InputError
        If a database or the file cannot be used.
    MechExoError
        If the ledger is not whole, or changes all the time.
    """
    lake = settings.lake_folder
    if not settings.dagster_home.is_dir() and (lake is None or not lake.is_dir()):
        raise MechExoError(f"{settings.home} holds nothing yet. Run `mech-exo run` first.")
    if out.absolute().is_relative_to(settings.home):
        raise InputError(f"{out} is in the home itself, where the next backup would take it along. Name a file elsewhere.")
    with archive.writing(out) as writer, tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=".mech-exo-backup-") as folder:
        try:
            state = _at_one_moment(settings, Path(folder), record, told)
            _write(writer, state, unsettled, told)
        except OSError as error:
            if error.filename is None:
                raise
            raise MechExoError(f"{error.filename}: cannot be read ({error.strerror}). Nothing was backed up.") from error
        writer.finish(_facts(settings, state))
        return Taken(writer.members, len(state.tables), state.ledger)


def _at_one_moment(settings: Settings, folder: Path, record: str, told: Callable[[str], None]) -> _State:
    state = _State(settings, folder, record)
    told("databases")
    if not any(state.take() for _ in range(_TRIES)):
        raise MechExoError(f"the ledger of {settings.home} was written {_TRIES} times while it was read. Take the backup again later.")
    if not state.ledger.ok:
        fault = f"the ledger of {settings.home} is not whole ({state.ledger.fault})"
        raise MechExoError(f"{fault}; nothing was backed up. See `mech-exo ledger verify`.")
    return state


class _State:
    """All that changes, as it was at one moment."""

    def __init__(self, settings: Settings, folder: Path, record: str) -> None:
        self.settings = settings
        self.folder = folder
        self.record_path = settings.home / record
        self.databases: list[str] = []
        """Names in the backup of what lies below the folder."""
        self.columns: dict[str, list[str]] = {}
        self.tables: list[lake_files.Pinned] = []
        self.record: bytes | None = None
        self.record_changed = False
        self.head: bytes | None = None
        self.ledger = Verification(ok=True, events=0, head_hash=None)

    def take(self) -> bool:
        """Take it; whether no decision was written meanwhile."""
        settings, self.databases = self.settings, []
        ledger = Ledger(settings.ledger_url, settings.ledger_head_path)
        before, record = ledger.last(), _content(self.record_path)
        if settings.on_server:
            with rows.one_state(settings) as connection:
                self.columns = rows.dump(connection, settings, self.folder / rows.FOLDER)
            self.databases = [f"{rows.FOLDER}/{name}" for name in self.columns]
        for name, path in _databases(settings):
            if _snapshot(path, self.folder / name):
                self.databases.append(name)
        # A lake in an object store is kept by the store.
        self.tables = [] if settings.lake_folder is None else lake_files.pin(settings.lake_folder)
        self.head = _content(settings.ledger_head_path)
        self.record = _content(self.record_path)
        self.record_changed = self.record != record
        if ledger.last() != before:
            return False
        copy = self.folder / DATABASES / FILES["ledger"]
        self.ledger = (Ledger(f"sqlite:///{copy}", settings.ledger_head_path) if copy.exists() else ledger).verify()
        return True


def _write(writer: archive.Writer, state: _State, unsettled: Callable[[bytes], bytes], told: Callable[[str], None]) -> None:
    settings = state.settings
    for name in state.databases:
        writer.add_file(name, state.folder / name)
    if state.head is not None:
        writer.add(f"{HOME}/{settings.ledger_head_path.name}", state.head, mode=0o644)
    if state.record is not None:
        writer.add(f"{HOME}/{state.record_path.name}", unsettled(state.record) if state.record_changed else state.record, mode=0o644)
    for table in state.tables:
        told(table.key)
        if table.last_checkpoint is not None:
            writer.add(f"{LAKE}/{table.key}/_delta_log/_last_checkpoint", table.last_checkpoint)
        root = Path(settings.lake_uri)
        for path in lake_files.files(root, table):
            writer.add_file(f"{LAKE}/{table.key}/{path.as_posix()}", root / table.key / path)
    told("artifacts and settings")
    taken = {settings.ledger_head_path, state.record_path, *(path for _, path in _databases(settings))}
    for path in _others(settings):
        # A file of a log or an upload may go while the list is walked along.
        if path not in taken and path.exists():
            writer.add_file(f"{HOME}/{path.relative_to(settings.home).as_posix()}", path)


def _facts(settings: Settings, state: _State) -> dict[str, object]:
    from importlib.metadata import version

    return {
        "release": version("mech-exo"),
        "made_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "server": settings.on_server,
        "ledger": {"events": state.ledger.events, "head_hash": state.ledger.head_hash},
        "revisions": {each.name: each.revision for each in revisions.look(settings)} if settings.on_server else {},
        "columns": state.columns,
        "lake": None if settings.lake_folder is not None else settings.lake_uri,
        "tables": {table.key: table.version for table in state.tables},
    }


def _databases(settings: Settings) -> Iterator[tuple[str, Path]]:
    """SQLite files: ours by their role, since they may stand elsewhere; all others, which are Dagster's, by their place in the home."""
    ours: dict[Path, str] = {}
    if not settings.on_server:
        urls = {"ledger": settings.ledger_url, "studies": settings.studies_url, "mlflow": settings.mlflow_url}
        ours = {Path(str(way.parse(url).database)).absolute(): f"{DATABASES}/{FILES[name]}" for name, url in urls.items()}
    for path in _others(settings):
        if path not in ours and _is_sqlite(path):
            yield f"{HOME}/{path.relative_to(settings.home).as_posix()}", path
    # The ledger last: it is what the rest is held against.
    for path, name in reversed(ours.items()):
        if path.exists():
            yield name, path


def _others(settings: Settings) -> Iterator[Path]:
    """Files of the home outside of the lake, without what is made anew and what belongs to a process."""
    left = {settings.lake_folder, settings.reports_path, settings.mart_path}
    for folder, folders, names in os.walk(settings.home):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if here / name not in left and not name.startswith("."))
        for name in sorted(names):
            path = here / name
            if path not in left and not name.startswith(".") and not name.endswith(_BESIDE) and path.is_file():
                yield path


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except FileNotFoundError:
        return False


def _snapshot(path: Path, target: Path) -> bool:
    """A copy of a database as one transaction sees it, its write-ahead log with it; whether the file is still there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    url = way.parse(f"sqlite:///{path}")
    if not path.exists():
        return False
    with (
        way.in_words(url),
        closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=way.BUSY_SECONDS)) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        # All pages in one step: a writer waits for nothing, and nothing begins anew.
        source.backup(copy)
    return True


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None
