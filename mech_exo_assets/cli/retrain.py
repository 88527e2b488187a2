"""`mech-exo retrain`: ask for a challenger by hand, and see it through.

What belongs here: the request, launching the run, and printing what was decided. What does not: the decision (`defs.decisions`).
"""

from __future__ import annotations

import json as json_module
import sys
import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from mech_exo_assets.cli.launch import launch, publish
from mech_exo_assets.cli.options import (
    Config,
    Home,
    Json,
    Source,
    only_writer,
    person,
    require_choices,
    require_tables,
    settings_of_home,
)
from mech_exo_assets.defs.runs import ACTOR_TAG
from mech_exo_assets.errors import InputError
from mech_exo_assets.schemas import AB_TEST, CHAMPION, LIVE_TARGETS, ROTATION, SCORES, VALIDATION
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.lake import Lake

EXAMPLES = """
\b
Examples:
  mech-exo retrain --reason "new data vendor"     train, search, validate, compare; promote or refuse
  mech-exo retrain --reason monthly --json        for a program
"""


def retrain(
    *,
    reason: Annotated[str, typer.Option(help="Why; it is put on record with your name.")],
    home: Home = None,
    source: Source = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Build a challenger from all data up to now, validate it, compare it with the champion, and promote or refuse it."""
    settings = settings_of_home(home, source, config)
    lake = Lake(settings.lake_uri)
    require_tables(lake, settings, [SCORES, ROTATION, CHAMPION, LIVE_TARGETS], command="mech-exo run")
    require_choices(settings)
    started = time.perf_counter()
    report = _launch(settings, lake, reason, Console(stderr=True, quiet=json)) | {"seconds": round(time.perf_counter() - started, 3)}
    if json:
        sys.stdout.write(json_module.dumps(report, indent=1, default=str) + "\n")
    else:
        _print(report, Console())


def _launch(settings: Settings, lake: Lake, reason: str, console: Console) -> dict[str, Any]:
    from mech_exo_assets.definitions import build_definitions
    from mech_exo_assets.defs import decisions
    from mech_exo_assets.defs.jobs import RETRAIN
    from mech_exo_assets.quant.lifecycle.episodes import comparison_under_way
    from mech_exo_assets.storage.ledger import Ledger

    ledger = Ledger(settings.ledger_url, settings.ledger_head_path)
    under_way = comparison_under_way(ledger.events())
    if under_way is not None:
        raise InputError(
            f"{under_way.payload['summary']} It has no verdict yet. Wait for it, or end it with "
            "`mech-exo refuse --reason …`; nothing was changed."
        )
    with only_writer(settings):
        request = decisions.request_retraining(ledger, actor=person(), reason=reason, as_of=decisions.last_session(lake))
        tags = decisions.retrain_tags(request, lake, attempt=1) | {ACTOR_TAG: "mech-exo retrain"}
        definitions = build_definitions(settings)
        done = launch(settings, definitions, RETRAIN.name, tags=tags, console=console)
        publish(settings, definitions, actor=tags[ACTOR_TAG])
    events = [event for event in ledger.events(after=request.id) if event.payload.get("request") == request.id]
    decided = next((event for event in reversed(events) if event.kind in ("promoted", "refused")), None)
    return {
        "home": str(settings.home),
        "request": request.id,
        "run_id": done.run_id,
        "decision": None if decided is None else decided.kind,
        "version": None if decided is None else decided.version,
        "reason": None if decided is None else decided.payload["reason"],
        "stages": {stage: round(seconds, 3) for stage, seconds in done.stages.items()},
        "gates": lake.read(VALIDATION.key).drop("version").to_dicts(),
        "ab_test": lake.read(AB_TEST.key).to_dicts(),
        "compared_from": next(
            (each.payload["since"] for each in events if each.kind == "ab_test_started" and "since" in each.payload), None
        ),
        "events": [{"id": each.id, "kind": each.kind, "summary": each.payload["summary"]} for each in events],
    }


def _print(report: dict[str, Any], console: Console) -> None:
    table = Table(title="Gates", title_justify="left", title_style="", box=None, pad_edge=False)
    for name in ("gate", "passed", "meaning"):
        table.add_column(name)
    for row in report["gates"]:
        told = "not judged" if row["passed"] is None else "yes" if row["passed"] else "[red]no[/]"
        table.add_row(row["gate"], told, row["meaning"])
    console.print(table)
    for row in report["ab_test"]:
        console.print(f"\nA/B test: [bold]{row['verdict']}[/]. {row['reason']}", highlight=False, soft_wrap=True)
    if report["decision"] is None and report["compared_from"] is not None:
        console.print(
            f"\n{report['events'][-1]['summary']}\nIts sessions: [bold]mech-exo export lifecycle/live_comparison[/]", highlight=False
        )
        return
    if report["decision"] is None:
        console.print("\nNot decided yet: `mech-exo ledger show` has what happened.", highlight=False)
        return
    console.print(f"\n[bold]{report['version']} was {report['decision']}[/]: {report['reason']}", highlight=False, soft_wrap=True)
    console.print(
        f"The record: [bold]mech-exo ledger show[/]   The deployed strategy: [bold]mech-exo export lifecycle/champion[/]   "
        f"Home: {report['home']}",
        highlight=False,
        soft_wrap=True,
    )
