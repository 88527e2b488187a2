"""`mech-exo db`: the databases of a home: whether their tables are those of this release, and moving them to PostgreSQL.

What belongs here: `check`, `upgrade` and `copy`. What does not: how it is done (`storage.databases`).
"""

from __future__ import annotations

import json as json_module
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from mech_exo_assets.cli.options import Home, Json, only_server, only_writer, settings_from
from mech_exo_assets.errors import InputError
from mech_exo_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    from mech_exo_assets.storage.databases.revisions import State

CHECK_EXAMPLES = """
\b
Examples:
  mech-exo db check
  mech-exo db check --json        exit code 1 where something is to be done
"""
UPGRADE_EXAMPLES = """
\b
Examples:
  mech-exo db upgrade             after an update of Mech-Exo; take a backup first
"""
COPY_EXAMPLES = """
\b
Examples:
  MECH_EXO_DB_URL=postgresql://me@db/mech mech-exo db copy              the home's SQLite files into that database
  MECH_EXO_DB_URL=… mech-exo db copy --from sqlite:////data/studies.db  files that MECH_EXO_DB_URL named until now
"""

app = typer.Typer(
    help="The databases of a home: ledger, weight searches, MLflow and Dagster's runs.", no_args_is_help=True, rich_markup_mode=None
)


@app.command(epilog=CHECK_EXAMPLES)
def check(*, home: Home = None, json: Json = False) -> None:
    """Look where each database is, whether it can be reached, and whether its tables and the ledger are as they should be."""
    from mech_exo_assets.storage.databases.revisions import look
    from mech_exo_assets.storage.ledger import Ledger

    settings = settings_from(home)
    states = look(settings)
    ledger = Ledger(settings.ledger_url, settings.ledger_head_path).verify()
    if json:
        found = {"databases": [_as_json(state) for state in states], "ledger": asdict(ledger)}
        sys.stdout.write(json_module.dumps(found, indent=1) + "\n")
    else:
        _show(states)
        told = f"{ledger.events} events, all as they were written" if ledger.ok else f"[red]not whole[/]: {ledger.fault}"
        Console().print(f"Ledger: {told}.", highlight=False, soft_wrap=True)
        if any(state.word == "to be upgraded" for state in states):
            Console().print("Take a backup, then run `mech-exo db upgrade`.", highlight=False)
    if not ledger.ok or any(state.word == "to be upgraded" for state in states):
        raise typer.Exit(1)


@app.command(epilog=UPGRADE_EXAMPLES)
def upgrade(*, home: Home = None, json: Json = False) -> None:
    """Bring all tables to this release, and make those that are missing. Forward only."""
    from mech_exo_assets.storage.databases import revisions

    settings = settings_from(home)
    console = Console(stderr=True)
    with only_server(settings), only_writer(settings):
        states = revisions.upgrade(settings, told=lambda state: console.print(f"{state.name}: {state.word} …", highlight=False))
    if json:
        sys.stdout.write(json_module.dumps([_as_json(state) for state in states], indent=1) + "\n")
    else:
        _show(states)


@app.command(epilog=COPY_EXAMPLES)
def copy(
    *,
    from_: Annotated[
        str | None, typer.Option("--from", help="SQLite file that MECH_EXO_DB_URL named until now. Default: the files in the home.")
    ] = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Copy the home's SQLite files into the PostgreSQL database that MECH_EXO_DB_URL names; they stay as they are."""
    from mech_exo_assets.storage.databases.copying import copy as copied_to

    target = settings_from(home)
    if not target.on_server:
        raise InputError("MECH_EXO_DB_URL does not name a PostgreSQL database. Set it to where the files are to be copied.")
    source = _without_server(target, from_)
    console = Console(stderr=True)
    with only_server(target), only_writer(target):
        found = copied_to(source, target, told=lambda name: console.print(f"{name} …", highlight=False))
    if json:
        sys.stdout.write(json_module.dumps([asdict(each) for each in found], indent=1) + "\n")
        return
    for each in found:
        Console().print(f"{each.name}: {each.rows:,} rows" if each.rows else f"{each.name}: nothing to copy", highlight=False)
    Console().print(
        "The ledger verifies at both ends. Keep MECH_EXO_DB_URL set from now on. Sensors and schedules are as they begin: switched on, "
        "without a cursor.",
        highlight=False,
        soft_wrap=True,
    )


def _without_server(target: Settings, file: str | None) -> Settings:
    if file is not None and not file.startswith("sqlite:"):
        raise InputError(f"--from {file.partition('://')[0]}://…: it must be a SQLite file, as in sqlite:////path/studies.db.")
    # An empty URL is none: the home's files.
    return load_settings(home=target.home, db_url=file) if file is not None else target.model_copy(update={"db_url": None})


def _as_json(state: State) -> dict[str, str | None]:
    return asdict(state) | {"state": state.word}


def _show(states: list[State]) -> None:
    table = Table("database", "where", "revision", "of this release", "state", box=None, pad_edge=False)
    for state in states:
        colour = {"ok": "green", "to be upgraded": "red"}.get(state.word, "yellow")
        table.add_row(state.name, state.where, state.revision or "", state.newest, f"[{colour}]{state.word}[/]")
    Console().print(table)
