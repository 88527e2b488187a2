"""`mech-exo simulate`: a market with known truth, as a folder that `files:` reads."""

from __future__ import annotations

import datetime as dt
import json as json_module
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape

from mech_exo_assets.cli.options import Json
from mech_exo_assets.errors import InputError

EXAMPLES = """
\b
Examples:
  mech-exo simulate --out market
  mech-exo simulate --out market --names 1000 --sessions 2520 --factors 20 --dying 6 --seed 3
  mech-exo simulate --out market --profile exponential --length 500
  mech-exo simulate --out market --delistings 0.03 --gaps 1 --feature-delay 2 --fundamentals --fills
  mech-exo run --source files:market --home market_home
"""


def simulate(
    *,
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    names: Annotated[int, typer.Option(min=10, help="Number of names.")] = 300,
    sessions: Annotated[int, typer.Option(min=2, help="Number of sessions, from 3 January 2005 on.")] = 2016,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same market.")] = 7,
    factors: Annotated[int, typer.Option(min=1, help="Planted factors.")] = 12,
    dying: Annotated[
        int | None, typer.Option(min=0, help="How many of them die or fade, in the second half; a third if not given.")
    ] = None,
    ic: Annotated[float, typer.Option(help="Mean information coefficient with the next session's return.")] = 0.04,
    profile: Annotated[
        Literal["abrupt", "exponential", "cyclical", "recovering"], typer.Option(help="How those that die lose their IC.")
    ] = "abrupt",
    length: Annotated[int, typer.Option(min=1, help="Sessions: half-life of exponential, period of cyclical, gap of recovering.")] = 252,
    interactions: Annotated[int, typer.Option(min=0, help="Pairs of factors whose product ranks returns.")] = 0,
    styles: Annotated[int, typer.Option(min=0, help="Style factors in the returns.")] = 3,
    clustering: Annotated[float, typer.Option(min=0, max=1, help="Deviation of the logarithm of the shared volatility.")] = 0.3,
    delistings: Annotated[float, typer.Option(min=0, max=0.5, help="Share of names that end, a year.")] = 0.0,
    late_listings: Annotated[float, typer.Option(min=0, max=1, help="Share of names that begin late.")] = 0.0,
    gaps: Annotated[float, typer.Option(min=0, max=20, help="Missing sessions of a name, a year.")] = 0.0,
    feature_delay: Annotated[int, typer.Option(min=0, help="Sessions until a feature becomes known.")] = 0,
    fundamentals: Annotated[bool, typer.Option("--fundamentals", help="Quarterly figures, known 40 sessions late.")] = False,
    fills: Annotated[bool, typer.Option("--fills", help="Fills of a live book with known costs, which breaks at three quarters.")] = False,
    form: Annotated[Literal["parquet", "csv"], typer.Option("--format", help="Of the tables.")] = "parquet",
    force: Annotated[bool, typer.Option("--force", help="Replace the folder.")] = False,
    json: Json = False,
) -> None:
    """Draw a market whose factors, deaths and costs are known, and write it with its truth.json."""
    from dataclasses import replace

    from mech_exo_assets.quant import simulator
    from mech_exo_assets.sources.market_folder import refuse_taken, write_market

    if 2 * interactions > factors:
        raise InputError(
            f"--interactions is {interactions}, and {factors} factors make {factors // 2} pairs. Give fewer, or more --factors."
        )
    refuse_taken(out, replace=force)
    started = time.perf_counter()
    try:
        planted = [
            each if each.dies is None else replace(each, profile=profile, length=length)
            for each in simulator.plant(
                factors=factors, dying=factors // 3 if dying is None else dying, ic=ic, sessions=sessions, seed=seed
            )
        ]
        pairs = [simulator.Interaction(first.name, second.name, ic) for first, second in zip(planted[::2], planted[1::2], strict=False)][
            :interactions
        ]
        market = simulator.simulate_planted(
            planted,
            names=names,
            sessions=sessions,
            seed=seed,
            interactions=pairs,
            risks=simulator.Risks(styles=styles, clustering=clustering),
            defects=simulator.Defects(
                delistings_per_year=delistings,
                late_listings=late_listings,
                gaps_per_year=gaps,
                feature_delay=feature_delay,
                fundamentals=fundamentals,
                fills=fills,
            ),
        )
    except ValueError as error:
        raise InputError(f"simulate: {error}. Correct the option and run again; nothing was written.") from error
    last = market.prices["date"][-1]
    if last > dt.datetime.now(dt.UTC).date():
        raise InputError(f"--sessions is {sessions}; they end on {last}, which is in the future. Give fewer; nothing was written.")
    truth: dict[str, Any] = simulator.truth_as_json(market) | {"seed": seed}
    rows = write_market(market, truth, out, form=form, replace=force)
    seconds = time.perf_counter() - started
    if json:
        sys.stdout.write(json_module.dumps({"out": str(out), "rows": rows, "seconds": round(seconds, 3), "truth": truth}, indent=1) + "\n")
        return
    console = Console()
    # A folder's name may look like markup.
    shown = escape(str(out))
    console.print(f"{names} names, {sessions} sessions, {factors} factors in {seconds:.1f} s:", highlight=False, soft_wrap=True)
    for name, count in rows.items():
        console.print(f"  {shown}/{name}.{form}   {count:,} rows", highlight=False, soft_wrap=True)
    for name, each in truth["factors"].items():
        if each["dies_on"] or each["fades_from"]:
            console.print(
                f"  {name} {'dies' if each['dies_on'] else 'fades'} on {each['dies_on'] or each['fades_from']}",
                highlight=False,
                soft_wrap=True,
            )
    console.print(
        f"The truth: {shown}/truth.json   Use it: [bold]mech-exo run --source files:{shown} --home {shown}_home[/]",
        highlight=False,
        soft_wrap=True,
    )
