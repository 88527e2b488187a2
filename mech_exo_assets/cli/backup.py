"""`mech-exo backup` and `mech-exo restore`: a home as one file, and back.

What belongs here: the commands, names of files, and old files that go. What does not: what is in a backup (`storage.backup`).
"""

from __future__ import annotations

import datetime as dt
import json as json_module
import re
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mech_exo_assets.cli.options import Home, Json, dagster_instance, settings_from
from mech_exo_assets.errors import InputError
from mech_exo_assets.settings import Settings

BACKUP_EXAMPLES = """
\b
Examples:
  mech-exo backup --out mech-exo.tar.zst             also while `mech-exo up` serves the home
  mech-exo backup --out /var/backups/mech-exo --keep 14    a folder: one file by date, and the newest 14 of them
"""
RESTORE_EXAMPLES = """
\b
Examples:
  mech-exo restore mech-exo.tar.zst --home new-home
  MECH_EXO_DB_URL=postgresql://me@db/empty mech-exo restore mech-exo.tar.zst --home new-home    of a home on PostgreSQL
"""
_DATED = re.compile(r"mech-exo-\d{8}T\d{6}Z\.tar\.zst")


def backup(
    *,
    out: Annotated[Path, typer.Option(help="File to write, .tar.zst or .tar.gz; or a folder, for a file named by the time.")],
    keep: Annotated[int | None, typer.Option(min=1, help="Remove all but so many of the files that it has named by the time.")] = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Write ledger, lake, searches, models, Dagster's records and settings to one file, readable by you only; nothing has to stop for it.

    The mart and the reports are not in it, and neither are prices outside of the home, the environment, and a password.
    """
    from mech_exo_assets.defs.refresh import RECORD, unsettled
    from mech_exo_assets.storage.backup.taking import take

    settings = settings_from(home)
    out = out.expanduser().absolute()
    path = out / f"mech-exo-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}.tar.zst" if out.is_dir() else out
    if keep is not None and not out.is_dir():
        raise InputError(f"--keep {keep}: --out {out} is not a folder. Nothing was written.")
    console = Console(stderr=True)
    with console.status("") as status:
        taken = take(settings, path, record=RECORD, unsettled=unsettled, told=lambda what: status.update(f"{what} …"))
    removed = [] if keep is None else _remove_old(out, keep)
    size = path.stat().st_size
    if json:
        facts = {"out": str(path), "bytes": size, "files": taken.members, "tables": taken.tables, "removed": removed}
        of_ledger = {"events": taken.ledger.events, "head_hash": taken.ledger.head_hash}
        sys.stdout.write(json_module.dumps({**facts, **of_ledger}, indent=1) + "\n")
        return
    shown = Console()
    shown.print(f"{path}: {size / 1e6:,.1f} MB, {taken.tables} tables, {taken.members} files.", highlight=False, soft_wrap=True)
    head = f"Head: {taken.ledger.head_hash or 'none'}"
    shown.print(f"The ledger in it has {taken.ledger.events} events, all as they were written. {head}", highlight=False, soft_wrap=True)
    for name in removed:
        shown.print(f"{name} was removed.", highlight=False, soft_wrap=True)


def restore(
    file: Annotated[Path, typer.Argument(help="As `mech-exo backup` wrote it.")],
    *,
    home: Home = None,
    json: Json = False,
) -> None:
    """Put a backup into an empty home, and into an empty database where MECH_EXO_DB_URL names one on PostgreSQL; the mart is made anew."""
    from mech_exo_assets.cli.runs_left import close_all_runs
    from mech_exo_assets.quant.lifecycle.reigns import champion
    from mech_exo_assets.storage.backup.restoring import restore as restored_to
    from mech_exo_assets.storage.ledger import Ledger

    settings = settings_from(home)
    console = Console(stderr=True)
    with console.status("") as status:
        found = restored_to(file.expanduser().absolute(), settings, told=lambda what: status.update(f"{what} …"))
        with dagster_instance(settings) as instance:
            closed = close_all_runs(instance)
    reign = champion(Ledger(settings.ledger_url, settings.ledger_head_path).events())
    source = _source(settings)
    if json:
        facts = {"home": str(settings.home), "made_at": found.made_at, "release": found.release, "tables": found.tables, "source": source}
        of_ledger = {"events": found.ledger.events, "head_hash": found.ledger.head_hash, "champion": reign.version if reign else None}
        sys.stdout.write(json_module.dumps({**facts, **of_ledger, "runs_closed": closed}, indent=1) + "\n")
        return
    shown = Console()
    shown.print(f"{settings.home}: as of {found.made_at}, {found.tables} tables.", highlight=False, soft_wrap=True)
    told = f"Champion: {reign.version if reign else 'none'}. Head: {found.ledger.head_hash or 'none'}"
    shown.print(f"The ledger has {found.ledger.events} events, all as they were written. {told}", highlight=False, soft_wrap=True)
    if closed:
        shown.print(f"{closed} runs that went on then are marked as failed.", highlight=False, soft_wrap=True)
    if source is not None and source.startswith("files:"):
        shown.print(f"Prices come from {source}, which is not in a backup: see that it is there.", highlight=False, soft_wrap=True)
    shown.print("Reports are made by the next `mech-exo run --force`, or one by one by `mech-exo report`.", highlight=False, soft_wrap=True)


def _remove_old(folder: Path, keep: int) -> list[str]:
    dated = sorted(path for path in folder.iterdir() if _DATED.fullmatch(path.name))
    old = dated[:-keep]
    for path in old:
        path.unlink()
    return [path.name for path in old]


def _source(settings: Settings) -> str | None:
    from mech_exo_assets.defs.refresh import read_record

    try:
        record = read_record(settings.home)
    except InputError:
        # As it was in the home that was backed up; the next run tells it.
        return None
    return None if record is None else record.source
