"""A home out of a backup, where nothing is.

What belongs here: the order in which things are put back, and what names the old place. What does not: reading the file (`archive`).

Everything is unpacked beside where it belongs and looked at first: each file against its hash, the ledger along its chain, the tables of
the lake for their files. Then rows go into PostgreSQL in one transaction, and files are put in place by rename. What fails leaves an empty
home.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy as sa

from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage import connection as way
from mech_exo_assets.storage import mart
from mech_exo_assets.storage.backup import archive, lake_files, rows
from mech_exo_assets.storage.backup.taking import DATABASES, FILES, HOME, LAKE
from mech_exo_assets.storage.databases import revisions
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Ledger, Verification
from mech_exo_assets.storage.models.registry import EXPERIMENT

_STAGED = ".restoring"
_NOT_OURS = frozenset({"lost+found"})
"""What a volume that was just made holds."""
_ARTIFACTS = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}
"""Columns of MLflow in which whole addresses of artifacts stand."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back.

    Attributes
    ----------
    made_at, release : str
        When the backup was made, and by which release.
    tables : int
        Of the lake.
    ledger : Verification
        Of the ledger that is there now.
    """

    made_at: str
    release: str
    tables: int
    ledger: Verification


def restore(path: Path, settings: Settings, *, told: Callable[[str], None] = lambda _: None) -> Restored:
    """Put everything of a backup into a home, and into databases, that hold nothing.

    Parameters
    ----------
    path : Path
        The file.
    settings : Settings
        Of the home. It may be at another place than the one that the backup was made of, and its databases, too.
    told : callable
        Called with what is done next.

    Raises
    ------
    InputError
        If the home or a database holds something, or the file is not a whole backup, or of databases of another kind.
    MechExoError
        If what was put back is not what was backed up.
    """
    _require_empty(settings)
    staged = settings.home / _STAGED
    try:
        staged.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{settings.home}: cannot be written ({error.strerror}). Nothing was restored.") from error
    with ExitStack() as undo:
        undo.callback(_clear, settings)
        told("unpacking")
        facts = archive.unpack(path, staged)
        _require_same_kind(facts, settings, path)
        told("looking at ledger and tables")
        _require_whole(staged, facts)
        told("databases")
        if settings.on_server:
            _fill(staged, facts, settings)
        else:
            _put_in_place(staged, settings)
            _lead_file_here(settings)
        found = Ledger(settings.ledger_url, settings.ledger_head_path).verify()
        _require_same(found, facts)
        told("mart")
        _publish(settings)
        undo.pop_all()
    shutil.rmtree(staged)
    return Restored(str(facts["made_at"]), str(facts["release"]), len(facts["tables"]), found)


def _require_empty(settings: Settings) -> None:
    home = settings.home
    if home.exists() and not home.is_dir():
        raise InputError(f"{home} is a file. Name a folder that is empty or not there yet.")
    held = sorted(each.name for each in home.iterdir() if each.name not in _NOT_OURS) if home.exists() else []
    if _STAGED in held:
        raise InputError(f"{home} holds a restore that was ended in its middle. Empty the folder, then restore again.")
    if held:
        raise InputError(f"{home} holds {held[0]}{' and more' if held[1:] else ''}. Restore into an empty --home; nothing was restored.")
    folder = settings.lake_folder
    if settings.lake_elsewhere and folder is not None and folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} holds tables already. Let MECH_EXO_LAKE name an empty folder; nothing was restored.")
    if settings.on_server:
        rows.require_empty(settings)
        return
    for url in _files(settings).values():
        parsed = way.parse(url)
        if Path(str(parsed.database)).exists():
            raise InputError(f"{way.shown(parsed)} is there already. Let MECH_EXO_DB_URL name another file; nothing was restored.")


def _require_same_kind(facts: Mapping[str, Any], settings: Settings, path: Path) -> None:
    if facts["lake"] is not None and settings.lake_uri != facts["lake"]:
        raise InputError(f"{path} is of a home whose tables are at {facts['lake']}: set MECH_EXO_LAKE to that. Nothing was restored.")
    if facts["lake"] is None and settings.lake_folder is None:
        raise InputError(f"{path} holds the tables themselves: restore without MECH_EXO_LAKE, into a folder. Nothing was restored.")
    if facts["server"] and not settings.on_server:
        raise InputError(f"{path} is of a home on PostgreSQL: set MECH_EXO_DB_URL to an empty database. Nothing was restored.")
    if settings.on_server and not facts["server"]:
        mend = "restore without MECH_EXO_DB_URL, then set it and run `mech-exo db copy`"
        raise InputError(f"{path} is of a home on SQLite files: {mend}. Nothing was restored.")
    if settings.on_server:
        newest = {state.name: state.newest for state in revisions.look(settings)}
        for name, revision in facts["revisions"].items():
            if revision is not None and revision != newest[name]:
                raise InputError(
                    f"{path}: the rows of {name} are of revision {revision}, and this release has {newest[name]}. Restore with release "
                    f"{facts['release']}, then run `mech-exo db upgrade` with this one. Nothing was restored."
                )


def _require_whole(staged: Path, facts: Mapping[str, Any]) -> None:
    ledger = staged / DATABASES / FILES["ledger"]
    if ledger.exists():
        _require_same(Ledger(f"sqlite:///{ledger}", staged / HOME / "ledger.head").verify(), facts)
    found = {table.key: table for table in lake_files.pin(staged / LAKE)}
    for key, version in facts["tables"].items():
        if key not in found or found[key].version != version:
            raise MechExoError(f"the backup does not hold version {version} of {key}. Nothing was restored.")
        for _ in lake_files.files(staged / LAKE, found[key]):
            # Each of them is looked for.
            pass


def _require_same(found: Verification, facts: Mapping[str, Any]) -> None:
    wanted = facts["ledger"]
    if not found.ok or (found.events, found.head_hash) != (wanted["events"], wanted["head_hash"]):
        fault = found.fault or f"{found.events} events, and {wanted['events']} were backed up"
        raise MechExoError(f"the restored ledger is not the one that was backed up ({fault}).")


def _clear(settings: Settings) -> None:
    """Nothing, as before."""
    if settings.lake_elsewhere and settings.lake_folder is not None and settings.lake_folder.exists():
        shutil.rmtree(settings.lake_folder)
    for each in settings.home.iterdir():
        if each.name not in _NOT_OURS:
            shutil.rmtree(each) if each.is_dir() else each.unlink()
    if not settings.on_server:
        for url in _files(settings).values():
            Path(str(way.parse(url).database)).unlink(missing_ok=True)


def _files(settings: Settings) -> dict[str, str]:
    return {"ledger": settings.ledger_url, "studies": settings.studies_url, "mlflow": settings.mlflow_url}


def _fill(staged: Path, facts: Mapping[str, Any], settings: Settings) -> None:
    revisions.upgrade(settings)
    with rows.filled(settings, staged / rows.FOLDER, facts["columns"]) as connection:
        _lead_here(connection, way.schema_of(way.parse(settings.mlflow_url)), settings.mlflow_artifacts.as_uri())
        # Before the rows are committed, so that what cannot be put in place leaves an empty database, too.
        _put_in_place(staged, settings)


def _lead_file_here(settings: Settings) -> None:
    url = way.parse(settings.mlflow_url)
    if not Path(str(url.database)).exists():
        return
    engine = way.create_engine(url)
    try:
        with way.in_words(url), way.writing(engine) as connection:
            _lead_here(connection, None, settings.mlflow_artifacts.as_uri())
    finally:
        engine.dispose()


def _lead_here(connection: sa.Connection, schema: str | None, new: str) -> None:
    """Let MLflow's addresses of artifacts lead into this home: it keeps them whole, with the place where the experiment was begun."""
    there = set(sa.inspect(connection).get_table_names(schema=schema))
    if "experiments" not in there:
        return
    ours = sa.table("experiments", sa.column("name"), sa.column("artifact_location"), schema=schema)
    old = connection.execute(sa.select(ours.c.artifact_location).where(ours.c.name == EXPERIMENT)).scalar()
    if old is None or old == new:
        return
    for name, columns in _ARTIFACTS.items():
        table = sa.table(name, *(sa.column(column) for column in columns), schema=schema)
        for column in table.columns if name in there else ():
            inside = sa.or_(column == old, column.startswith(f"{old}/", autoescape=True))
            connection.execute(sa.update(table).where(inside).values({column.name: new + sa.func.substr(column, len(old) + 1)}))


def _put_in_place(staged: Path, settings: Settings) -> None:
    targets = _files(settings)
    for name, file in FILES.items():
        source = staged / DATABASES / file
        if source.exists():
            url = way.parse(targets[name])
            way.make_folder(url)
            # It may stand on another file system than the home.
            shutil.move(source, Path(str(url.database)))
    if (staged / LAKE).exists():
        folder = Path(settings.lake_uri)
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            # Empty, as was looked; what is moved to a folder that is there goes into it.
            folder.rmdir()
        # It may stand on another file system than the home.
        shutil.move(staged / LAKE, folder)
    head = settings.ledger_head_path.name
    home = sorted((staged / HOME).iterdir(), key=lambda each: each.name == head) if (staged / HOME).exists() else []
    for each in home:
        each.replace(settings.home / each.name)


def _publish(settings: Settings) -> None:
    published = mart.Mart(settings.mart_path)
    with published.staged() as path, duckdb.connect(str(path)) as connection:
        mart.update(connection, Lake(settings.lake_uri))
