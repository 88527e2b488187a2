"""Letting old versions of a table go: those that no past decision was made from, and that are older than people look back.

What belongs here: which versions of one table stay, and the files that go with the others. What does not: Dagster's runs (`runs`).

Three kinds of versions stay. Those that the ledger names, for ever: a replay reads them. Those that were current within the last days,
with the one before them, which was current when they began. And those that the current tables were computed from.

A version goes whole, or not at all. Its commit goes first, so that a kill in the middle leaves files that nothing names, which the next
maintenance finds. A version stays readable without the commits before it by a checkpoint of its own. The commits go only when that
checkpoint is older than the grace: who has begun to open a table before there was a checkpoint still reads them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mech_exo_assets.errors import MechExoError
from mech_exo_assets.schemas import TABLES
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Event
from mech_exo_assets.storage.table_files import StoredFile, TableFiles

GRACE = dt.timedelta(hours=24)
"""Files that are younger are never touched: a writer may be about to commit them, a reader may have begun with them."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Versions of one table that stay.

    Attributes
    ----------
    first : int
        This one and all later ones stay.
    named : tuple of int
        Earlier ones that stay, since the ledger or a current table names them.
    """

    first: int
    named: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TableState:
    """What a table holds, and what went.

    Attributes
    ----------
    key : str
        `group/name`.
    current_bytes, old_bytes, log_bytes : int
        Of the current version's files, of the other files with rows, and of the log.
    files : int
        Of the current version.
    most_files_of_a_year : int
        1 where compaction could join nothing.
    versions : int
        That are readable.
    named : int
        Of them, those that the ledger names.
    removed_files, removed_bytes : int
        What went, or would go.
    """

    key: str
    current_bytes: int
    old_bytes: int
    log_bytes: int
    files: int
    most_files_of_a_year: int
    versions: int
    named: int
    removed_files: int
    removed_bytes: int


def named_versions(events: Iterable[Event]) -> dict[str, set[int]]:
    """Versions of tables that the events of a ledger name, wherever in their payloads: `{"market/prices": 7}`."""
    found: dict[str, set[int]] = {}
    for event in events:
        _find(event.payload, found)
    return found


def read_versions(lake: Lake) -> dict[str, set[int]]:
    """Versions that the current versions of all tables were computed from, as their commits note them."""
    found: dict[str, set[int]] = {}
    for key in lake.tables():
        for read, version in lake.reads(key, lake.version(key)).items():
            found.setdefault(read, set()).add(version)
    return found


def lost_versions(lake: Lake, events: Iterable[Event]) -> list[str]:
    """Versions that the ledger names and that cannot be read: none, unless somebody else has removed them."""
    lost = []
    for key, versions in named_versions(events).items():
        there = {each.path for each in lake.stored(key).listed()} if lake.exists(key) else set()
        lost += [f"{key} {version}" for version in sorted(versions) if not _readable(lake, key, version, there)]
    return lost


def _readable(lake: Lake, key: str, version: int, there: set[str]) -> bool:
    """Whether a version can be opened, its note be read, and all its files are there."""
    try:
        lake.note(key, version)
        return lake.paths(key, version=version) <= there
    except MechExoError:
        return False


def maintain_table(
    lake: Lake, key: str, *, before: dt.datetime, named: Iterable[int], read: Iterable[int], grace: dt.timedelta, dry_run: bool
) -> TableState:
    """Let the versions of a table go that may, and all files that no version names.

    Parameters
    ----------
    lake : Lake
    key : str
        `group/name`.
    before : datetime
        Versions that were current at this time or later stay.
    named, read : iterable of int
        Versions that stay: those that the ledger names, and those that current tables were computed from.
    grace : timedelta
        Younger files are not touched.
    dry_run : bool
        Whether to find out only.
    """
    files = lake.stored(key)
    named = set(named)
    stays = _kept(files.listed(), before=before, named=named, read=set(read))
    if not dry_run:
        _checkpoint(lake, files, key, stays, named)
    young = dt.datetime.now(dt.UTC) - grace
    # Listed before it is asked what versions name: what is committed meanwhile is young, and not in the list.
    listed = files.listed()
    kept = _with_checkpoints(stays, listed, young, dry_run=dry_run)
    gone = _unwanted_log(listed, kept, young)
    if not dry_run:
        for each in gone:
            files.delete(each.path)
    wanted = _files_of(lake, files, key, kept)
    orphans = [each for each in listed if not each.in_log and each.path not in wanted and each.modified <= young]
    if not dry_run:
        for each in orphans:
            files.delete(each.path)
    return _state(lake, key, listed, [*gone, *orphans], named, dry_run=dry_run)


def _find(value: Any, found: dict[str, set[int]]) -> None:
    if isinstance(value, Mapping):
        for name, each in value.items():
            if name in TABLES and isinstance(each, int) and not isinstance(each, bool):
                found.setdefault(name, set()).add(each)
            else:
                _find(each, found)
    elif isinstance(value, list):
        for each in value:
            _find(each, found)


def _kept(listed: list[StoredFile], *, before: dt.datetime, named: set[int], read: set[int]) -> Kept:
    commits = {each.commit: each.modified for each in listed if each.commit is not None}
    old = [version for version, modified in commits.items() if modified < before]
    first = max(old) if old else min(commits)
    earlier = sorted(version for version in (named | read) & commits.keys() if version < first)
    return Kept(first, tuple(earlier))


def _checkpoint(lake: Lake, files: TableFiles, key: str, kept: Kept, named: set[int]) -> None:
    """Make the checkpoints that are missing; the newest last, since the table's hint leads to the one that was made last."""
    listed = files.listed()
    there = {each.checkpoint for each in listed}
    commits = {each.commit for each in listed}
    latest = lake.version(key)
    # One that the ledger names has its own while it is young, so that it is old when it is needed.
    wanted = {*kept.named, *(named & commits), latest}
    if any(version is not None and version < kept.first and version not in kept.named for version in commits):
        wanted.add(kept.first)
    missing = sorted(wanted - there)
    for version in missing:
        lake.checkpoint(key, version)
    if missing and missing[-1] != latest:
        lake.checkpoint(key, latest)


def _with_checkpoints(kept: Kept, listed: list[StoredFile], young: dt.datetime, *, dry_run: bool) -> Kept:
    """What stays until checkpoints are old enough; a dry run, which makes none, says what will go when they are."""
    settled = {each.checkpoint for each in listed if each.checkpoint is not None and each.modified <= young}
    commits = sorted(each.commit for each in listed if each.commit is not None)
    if dry_run or kept.first == commits[0] or {kept.first, *kept.named} <= settled:
        return kept
    # A checkpoint of an earlier maintenance serves as well, for more versions.
    possible = [version for version in settled if version <= kept.first and version in commits]
    first = max(possible, default=commits[0])
    earlier = tuple(version for version in kept.named if version < first)
    if not set(earlier) <= settled:
        return Kept(commits[0], ())
    return Kept(first, earlier)


def _unwanted_log(listed: list[StoredFile], kept: Kept, young: dt.datetime) -> list[StoredFile]:
    gone = []
    for each in listed:
        version = each.commit if each.commit is not None else each.checkpoint
        unfinished = each.in_log and each.path.endswith(".tmp") and each.modified <= young
        if unfinished or (version is not None and version < kept.first and version not in kept.named):
            gone.append(each)
    return gone


def _files_of(lake: Lake, files: TableFiles, key: str, kept: Kept) -> set[str]:
    """Paths of all files with rows that a version names which stays."""
    wanted = {path for version in (kept.first, *kept.named) for path in lake.paths(key, version=version)}
    for version in files.commits():
        if version > kept.first:
            wanted |= files.added(version)
    return wanted


def _state(lake: Lake, key: str, listed: list[StoredFile], gone: list[StoredFile], named: set[int], *, dry_run: bool) -> TableState:
    left = [each for each in listed if dry_run or each not in gone]
    current = lake.paths(key)
    sizes = {each.path: each.size for each in left if not each.in_log}
    commits = {each.commit for each in left if each.commit is not None}
    years = [len(paths) for paths in lake.files(key).values()]
    now = sum(sizes.get(path, 0) for path in current)
    return TableState(
        key=key,
        current_bytes=now,
        old_bytes=sum(sizes.values()) - now,
        log_bytes=sum(each.size for each in left if each.in_log),
        files=len(current),
        most_files_of_a_year=max(years, default=0),
        versions=len(commits),
        named=len(named & commits),
        removed_files=len(gone),
        removed_bytes=sum(each.size for each in gone),
    )
