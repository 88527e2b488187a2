"""`mech-exo replay`: compute a past decision again, and say whether it comes out the same.

What belongs here: the command. What does not: what is computed (`defs.replay`).
"""

from __future__ import annotations

import json as json_module
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from mech_exo_assets.cli.options import Home, Json, settings_from
from mech_exo_assets.errors import InputError
from mech_exo_assets.storage.lake import Lake

EXAMPLES = """
\b
Examples:
  mech-exo replay 9            one decision; `mech-exo ledger show` has the numbers
  mech-exo replay --all        every event that was computed from data
"""


def replay(
    event: Annotated[int | None, typer.Argument(help="Number of the event.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every event that was computed from data.")] = False,
    home: Home = None,
    json: Json = False,
) -> None:
    """Compute a decision again from the recorded table versions, and exit with 1 if it is not what was recorded."""
    from mech_exo_assets.defs.replay import REPLAYED, replay_event
    from mech_exo_assets.storage.ledger import Ledger

    if (event is None) != everything:
        raise InputError("give the number of an event, or --all. `mech-exo ledger show` has the numbers.")
    settings = settings_from(home)
    ledger, lake = Ledger(settings.ledger_url, settings.ledger_head_path), Lake(settings.lake_uri)
    wanted = ledger.events(kinds=REPLAYED) if event is None else [ledger.get(event)]
    found = []
    for each in wanted:
        if everything and each.kind == "rolled_back" and "promotion" not in each.payload:
            continue
        found.append({"event": each.id, "kind": each.kind, "version": each.version, **asdict(replay_event(ledger, lake, each))})
    if json:
        sys.stdout.write(json_module.dumps(found, indent=1) + "\n")
    else:
        console = Console()
        for row in found:
            told = f"equal, {row['compared']} values compared" if row["equal"] else f"[red]differs[/] at {row['difference']}"
            console.print(f"{row['event']:>5}  {row['kind']:<18}  {told}", highlight=False, soft_wrap=True)
        if found and not all(row["same_code"] for row in found):
            console.print("The code has changed since: a difference may come from there.", highlight=False)
        if not found:
            console.print("No event of this ledger was computed from data.", highlight=False)
    if not all(row["equal"] for row in found):
        raise typer.Exit(1)
