"""`mech-exo promote`, `mech-exo rollback` and `mech-exo refuse`: a person decides who is champion.

What belongs here: the three commands. What does not: the act (`defs.decisions`).
"""

from __future__ import annotations

import json as json_module
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from mech_exo_assets.cli.launch import launch, publish
from mech_exo_assets.cli.options import Config, Home, Json, Source, only_writer, person, require_choices, settings_of_home
from mech_exo_assets.defs.runs import ACTOR_TAG, REASON_TAG
from mech_exo_assets.settings import Settings, Strategy, load_strategy
from mech_exo_assets.storage.lake import Lake

if TYPE_CHECKING:
    from mech_exo_assets.storage.ledger import Event, Ledger

PROMOTE_EXAMPLES = """
\b
Examples:
  mech-exo promote 1a2b3c4d5e6f --reason "approved by the committee"
  mech-exo promote configured --reason "new choices"     the strategy of the strategy file
  mech-exo ledger show --kind challenger_built           which versions there are
"""
ROLLBACK_EXAMPLES = """
\b
Examples:
  mech-exo rollback --reason "losses since the promotion"
  mech-exo rollback --to 1a2b3c4d5e6f --reason "back to the version of March"
"""
REFUSE_EXAMPLES = """
\b
Examples:
  mech-exo refuse --reason "the canary trades what we may not hold"
"""

Reason = Annotated[str, typer.Option(help="Why; it is put on record with your name.")]


def promote(
    version: Annotated[str, typer.Argument(help="Version by its hash, or 'configured' for the strategy of the strategy file.")],
    *,
    reason: Reason,
    home: Home = None,
    source: Source = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Make a version champion by hand, from the next session on. No gate is asked; the record says so."""
    settings = _settings(home, source, config)
    _act(settings, "manual_override", version, reason, json=json)


def rollback(
    *,
    reason: Reason,
    to: Annotated[str | None, typer.Option("--to", help="Version to go back to. Default: the champion before this one.")] = None,
    home: Home = None,
    source: Source = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Make a former champion champion again, from the next session on."""
    settings = _settings(home, source, config)
    _act(settings, "rolled_back", to, reason, json=json)


def refuse(*, reason: Reason, home: Home = None, source: Source = None, config: Config = None, json: Json = False) -> None:
    """End a comparison in shadow or as a canary: its challenger is refused; the champion trades alone from the next session on."""
    settings = _settings(home, source, config)
    from mech_exo_assets.defs import decisions

    ledger, lake, strategy = _opened(settings)
    with only_writer(settings):
        event = decisions.refuse_by_hand(ledger, lake, strategy, actor=person(), reason=reason)
        _publish(settings, event, "mech-exo refuse", reason, json=json)


def _settings(home: Any, source: Any, config: Any) -> Settings:
    settings = settings_of_home(home, source, config)
    require_choices(settings)
    return settings


def _act(settings: Settings, kind: str, version: str | None, reason: str, *, json: bool) -> None:
    from mech_exo_assets.defs import decisions
    from mech_exo_assets.defs.refresh import code_hash

    ledger, lake, strategy = _opened(settings)
    with only_writer(settings):
        decisions.champion_version(ledger)
        act = decisions.Act(kind, person(), reason)
        if version == "configured":
            version = decisions.register(ledger, lake, strategy, actor=person(), code=code_hash())
        if kind == "rolled_back":
            event = decisions.roll_back(ledger, lake, strategy, act, to=version)
        else:
            event = decisions.crown(ledger, lake, strategy, str(version), act)
        _publish(settings, event, f"mech-exo {'rollback' if kind == 'rolled_back' else 'promote'}", reason, json=json)


def _opened(settings: Settings) -> tuple[Ledger, Lake, Strategy]:
    from mech_exo_assets.storage.ledger import Ledger

    return Ledger(settings.ledger_url, settings.ledger_head_path), Lake(settings.lake_uri), load_strategy(settings.config)


def _publish(settings: Settings, event: Event, command: str, reason: str, *, json: bool) -> None:
    """Publish who is champion by the ledger, and tell the event that was decided."""
    from mech_exo_assets.definitions import build_definitions
    from mech_exo_assets.defs.jobs import DEPLOY

    tags = {ACTOR_TAG: command, REASON_TAG: reason}
    definitions = build_definitions(settings)
    done = launch(settings, definitions, DEPLOY.name, tags=tags, console=Console(stderr=True, quiet=json))
    publish(settings, definitions, actor=command)
    report = {"home": str(settings.home), "event": event.id, "hash": event.hash, "run_id": done.run_id, **event.payload}
    if json:
        sys.stdout.write(json_module.dumps(report, indent=1, default=str) + "\n")
    else:
        Console().print(f"{event.payload['summary']}\nEvent {event.id} of the ledger, {event.hash}.", highlight=False, soft_wrap=True)
