"""`mech-exo ledger`: what was decided, whether the record is whole, and the record as a file.

What belongs here: `show`, `verify` and `export`. What does not: the ledger itself (`storage.ledger`).
"""

from __future__ import annotations

import json as json_module
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from mech_exo_assets.cli.options import Home, Json, settings_from
from mech_exo_assets.errors import InputError
from mech_exo_assets.reports.files import write_in_one_step
from mech_exo_assets.storage.ledger import KINDS, Event, Ledger

SHOW_EXAMPLES = """
\b
Examples:
  mech-exo ledger show
  mech-exo ledger show 12                               one event, with all that was recorded
  mech-exo ledger show --kind promoted --kind refused --last 10
"""
VERIFY_EXAMPLES = """
\b
Examples:
  mech-exo ledger verify
  mech-exo ledger verify --head 3f0c…    a hash that was noted elsewhere: in a run's metadata, in a message
"""
EXPORT_EXAMPLES = """
\b
Examples:
  mech-exo ledger export --out ledger.jsonl
  mech-exo ledger export --out ledger.csv
"""

app = typer.Typer(
    help="What was decided, when, why and by whom; and whether that record is whole.", no_args_is_help=True, rich_markup_mode=None
)


@app.command(epilog=SHOW_EXAMPLES)
def show(
    event: Annotated[int | None, typer.Argument(help="Number of one event.")] = None,
    *,
    kind: Annotated[list[str] | None, typer.Option(help="Events of this kind only; may be given several times.")] = None,
    version: Annotated[str | None, typer.Option(help="Events about this strategy version only.")] = None,
    last: Annotated[int | None, typer.Option(min=1, help="So many of the newest only.")] = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """What was decided, oldest first."""
    ledger = _ledger(home)
    unknown = sorted(set(kind or ()) - set(KINDS))
    if unknown:
        raise InputError(f"--kind {unknown[0]}: no event is of this kind; they are {', '.join(KINDS)}.")
    if event is not None:
        _print_one(ledger.get(event), json=json)
        return
    found = [each for each in ledger.events(kinds=kind or None) if version is None or each.version == version]
    found = found if last is None else found[-last:]
    if json:
        sys.stdout.write(json_module.dumps([_as_json(each) for each in found], indent=1) + "\n")
        return
    if not found:
        Console().print(
            "The ledger holds no such events." if kind or version else "The ledger holds no events yet. Run `mech-exo run` first."
        )
        return
    console = Console()
    for each in found:
        told = str(each.payload.get("summary", ""))
        when = each.time.strftime("%Y-%m-%d %H:%M:%S")
        console.print(f"{each.id:>5}  {when}  [bold]{each.kind}[/]  {each.version or ''}  by {each.actor}", highlight=False)
        console.print(Padding(Text(told), (0, 0, 0, 7)))


@app.command(epilog=VERIFY_EXAMPLES)
def verify(
    *,
    head: Annotated[str | None, typer.Option(help="Hash of an event that you have from elsewhere.")] = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Walk along the chain of hashes; exit with 1 and name the first event that is not as it was written."""
    found = _ledger(home).verify(head=head)
    if json:
        sys.stdout.write(json_module.dumps(asdict(found), indent=1) + "\n")
    elif found.ok:
        Console().print(
            f"{found.events} events, all as they were written. Head: {found.head_hash or 'none'}", highlight=False, soft_wrap=True
        )
    else:
        where = "" if found.first_broken is None else f"event {found.first_broken} is broken: "
        Console().print(f"[red]Not whole[/]: {where}{found.fault}", highlight=False, soft_wrap=True)
    if not found.ok:
        raise typer.Exit(1)


@app.command(epilog=EXPORT_EXAMPLES)
def export(
    *,
    out: Annotated[Path, typer.Option(help="File to write: .jsonl, .csv or .parquet.")],
    home: Home = None,
    json: Json = False,
) -> None:
    """Write all events to a file, with the hashes by which they can be verified."""
    events = [_as_json(each) for each in _ledger(home).events()]
    ending = out.suffix.lower()
    if ending == ".jsonl":
        text = "".join(json_module.dumps(each) + "\n" for each in events)
        write_in_one_step(out, text.encode())
    elif ending in (".csv", ".parquet"):
        rows = [each | {"payload": json_module.dumps(each["payload"])} for each in events]
        frame = pl.DataFrame(rows, schema=_COLUMNS)
        staged = out.with_name(f".{out.name}.building")
        frame.write_csv(staged) if ending == ".csv" else frame.write_parquet(staged)
        staged.replace(out)
    else:
        raise InputError(f"--out {out}: its ending is '{ending}'; give .jsonl, .csv or .parquet. Nothing was written.")
    if json:
        sys.stdout.write(json_module.dumps({"out": str(out), "events": len(events)}) + "\n")
    else:
        Console().print(f"{len(events)} events written to {out}.", highlight=False, soft_wrap=True)


_COLUMNS = {
    "id": pl.Int64,
    **dict.fromkeys(("time", "kind", "version", "actor", "key", "payload", "previous_hash", "hash"), pl.String),
}


def _ledger(home: Path | None) -> Ledger:
    settings = settings_from(home)
    return Ledger(settings.ledger_url, settings.ledger_head_path)


def _as_json(event: Event) -> dict[str, Any]:
    return asdict(event) | {"time": event.time.isoformat()}


def _print_one(event: Event, *, json: bool) -> None:
    if json:
        sys.stdout.write(json_module.dumps(_as_json(event), indent=1) + "\n")
        return
    console = Console()
    for name in ("id", "time", "kind", "version", "actor", "key", "previous_hash", "hash"):
        console.print(f"{name:<14} {getattr(event, name)}", highlight=False, soft_wrap=True)
    console.print("payload", highlight=False)
    console.print_json(json_module.dumps(event.payload))
