"""`mech-exo run`: bring every table up to date with the source.

What belongs here: planning a refresh, launching it, and saying what came out. What does not: what is recomputed when (`defs.refresh`).
"""

from __future__ import annotations

import json as json_module
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import polars as pl
import typer
from rich.console import Console

from mech_exo_assets.cli.launch import Launched, launch
from mech_exo_assets.cli.memory import PeakMemory
from mech_exo_assets.cli.options import (
    Config,
    Home,
    Json,
    Source,
    dagster_instance,
    only_writer,
    require_choices,
    require_source,
    settings_from,
)
from mech_exo_assets.defs.runs import ACTOR_TAG, REASON_TAG, year_range_tags
from mech_exo_assets.errors import InputError
from mech_exo_assets.reports.files import ReportFiles, write_in_one_step
from mech_exo_assets.settings import Settings, Strategy, load_strategy

if TYPE_CHECKING:
    import dagster as dg

    from mech_exo_assets.defs.refresh import Plan
    from mech_exo_assets.sources.protocol import MarketData

EXAMPLES = """
\b
Examples:
  mech-exo run                                          the sample prices
  mech-exo run --source files:prices --home mydata      your own folder, in a home of its own
  mech-exo run --config long_only.yaml --json           other choices, result for a program
  mech-exo run --select 'group:market'                  some assets only
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did, for the summary.

    Attributes
    ----------
    plan : Plan or None
        None where everything was up to date.
    run_id : str or None
    seconds : float
        Wall time since the command began to read the source.
    stages : dict of str to float
        Seconds of each stage.
    not_passed : list of dict
        Asset, check and figures of each asset check that did not pass.
    memory : PeakMemory
    """

    plan: Plan | None
    run_id: str | None
    seconds: float
    stages: dict[str, float]
    not_passed: list[dict[str, str]]
    memory: PeakMemory


def run(
    *,
    source: Source = None,
    home: Home = None,
    config: Config = None,
    select: Annotated[str | None, typer.Option(help="Dagster's asset selection, e.g. 'group:market' or 'key:\"decay/ic\"'.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Compute all years, even those that are up to date.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Let this home's tables of another source go, and take the source that is asked for.")
    ] = False,
    json: Json = False,
) -> None:
    """Bring every table up to date: prices, factors, information coefficients, composite, portfolio, backtest, mart."""
    settings = settings_from(home, source, config)
    console = Console(stderr=True, quiet=json)
    started = time.perf_counter()
    strategy = load_strategy(settings.config)
    with only_writer(settings):
        from mech_exo_assets.defs.refresh import begin, fingerprint, plan, read_record, write_record

        last = read_record(settings.home)
        if not replace:
            settings = _with_source_of_home(settings)
        if select is not None:
            require_choices(settings)
        console.print(f"Reading [bold]{settings.source}[/]", highlight=False)
        definitions, data = _definitions(settings)
        now = fingerprint(settings.source, data, strategy, lake=settings.lake_elsewhere)
        because = "--force was given" if force else None if select is None else "--select was given"
        todo = plan(now, last, because=because)
        stages: dict[str, float] = {}
        not_passed: list[dict[str, str]] = []
        memory = PeakMemory()
        run_id = None
        if todo is not None:
            console.print(f"Computing {todo.first_year} to {todo.last_year}: {todo.reason}.", highlight=False)
            keys = None if select is None else _selected(select, definitions.resolve_asset_graph())
            begin(settings.home, last, todo)
            done = _execute(settings, definitions, todo, keys=keys, console=console)
            run_id, stages, not_passed, memory = done.run_id, done.stages, done.not_passed, done.memory
            if select is None:
                write_record(settings.home, now, run_id=run_id)
                _keep_choices(settings)
    outcome = Outcome(todo, run_id, time.perf_counter() - started, stages, not_passed, memory)
    summary = _summary(settings, strategy, data, outcome)
    if json:
        sys.stdout.write(json_module.dumps(summary, indent=1, default=str) + "\n")
    else:
        from mech_exo_assets.cli.summary import print_summary

        print_summary(summary, Console())


def _keep_choices(settings: Settings) -> None:
    """Leave the choices of this run in the home, for all that is computed there later."""
    if settings.config is not None and settings.config != settings.choices_path:
        write_in_one_step(settings.choices_path, settings.config.read_bytes())


def _with_source_of_home(settings: Settings) -> Settings:
    """The settings with the source that this home was computed from, where none is asked for; an `InputError` where another one is."""
    source = require_source(settings)
    return settings if source is None else settings_from(settings.home, source, settings.config)


def _definitions(settings: Settings) -> tuple[dg.Definitions, MarketData]:
    """The asset graph on this home, and the reading of its source that all its assets will share."""
    from mech_exo_assets.definitions import build_definitions
    from mech_exo_assets.defs.resources import MarketSource

    definitions = build_definitions(settings)
    market_source = (definitions.resources or {})["market_source"]
    assert isinstance(market_source, MarketSource)  # noqa: S101
    return definitions, market_source.read()


def _execute(settings: Settings, definitions: dg.Definitions, todo: Plan, *, keys: list[dg.AssetKey] | None, console: Console) -> Launched:
    from mech_exo_assets.defs.jobs import REFRESH

    tags = {
        **year_range_tags(todo.first_year, todo.last_year, rebuild=todo.rebuild and keys is None),
        ACTOR_TAG: "mech-exo run",
        REASON_TAG: todo.reason,
    }
    return launch(settings, definitions, REFRESH.name if keys is None else keys, tags=tags, console=console)


def _selected(select: str, graph: dg.AssetGraph) -> list[dg.AssetKey]:
    import dagster as dg

    from mech_exo_assets.defs.partitions import accepted_beta

    try:
        with accepted_beta("include_sources"):
            # Tables that one step gives come together.
            keys = sorted(dg.AssetSelection.from_string(select).required_multi_asset_neighbors().resolve(graph))
    except dg.DagsterError as error:
        first = str(error).splitlines()[0]
        raise InputError(f"--select {select!r}: {first} Try 'group:market' or 'key:\"decay/ic\"'.") from error
    if not keys:
        raise InputError(f"--select {select!r} selects no asset. `mech-exo status` lists them.")
    return keys


def _absent_factors(settings: Settings) -> dict[str, str]:
    """Factors that could not be computed, and why, from what the latest materialisation of the exposures said."""
    from mech_exo_assets.defs.factors import ABSENT
    from mech_exo_assets.defs.tables import key_of
    from mech_exo_assets.schemas import EXPOSURES

    with dagster_instance(settings) as instance:
        event = instance.get_latest_materialization_event(key_of(EXPOSURES))
    if event is None or event.asset_materialization is None:
        return {}
    return dict(event.asset_materialization.metadata[ABSENT].value)  # ty: ignore[no-matching-overload]


def _left_out(data: MarketData, strategy: Strategy) -> list[str]:
    early = data.prices.filter(pl.col("date").dt.year() < strategy.first_year).height
    return [f"{early:,} rows before {strategy.first_year} are left out (first_year in the configuration)."] if early else []


def _summary(settings: Settings, strategy: Strategy, data: MarketData, outcome: Outcome) -> dict[str, Any]:
    from mech_exo_assets.cli.summary import tables_summary

    plan, tear_sheet = outcome.plan, ReportFiles(settings.reports_path).tear_sheet
    return {
        "status": "up to date" if plan is None else "done",
        "source": settings.source,
        "home": str(settings.home),
        "lake": settings.lake_uri,
        "run_id": outcome.run_id,
        "reason": "source, strategy and code are as they were" if plan is None else plan.reason,
        "years_computed": None if plan is None else [plan.first_year, plan.last_year],
        "seconds": round(outcome.seconds, 3),
        "peak_memory_mb": outcome.memory.in_all(),
        "stages": {stage: round(seconds, 3) for stage, seconds in outcome.stages.items()},
        "stages_memory_mb": outcome.memory.stages,
        "symbols": data.prices["symbol"].n_unique(),
        "sessions": data.prices["date"].n_unique(),
        "first_date": data.prices["date"].min(),
        "last_date": data.prices["date"].max(),
        "notes": [*data.notes, *_left_out(data, strategy)],
        **tables_summary(settings),
        "checks_not_passed": outcome.not_passed,
        "tear_sheet": str(tear_sheet) if tear_sheet.exists() else None,
        "absent_factors": _absent_factors(settings),
    }
