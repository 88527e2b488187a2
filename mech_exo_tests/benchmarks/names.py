"""What more names cost: `python -m mech_exo_tests.benchmarks.names 125 250 500`.

What belongs here: wall time and peak memory of each stage, and a day more, of ten years of simulated prices and one column of alternative
data, by the number of names; and the exponent b of figure = a · names^b between one number and the next. Not timed in CI: see
docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

SESSIONS = 2520
SHOWN = 14
"""Stages that are printed: the slowest, and those that hold most."""


def command(*words: object) -> str:
    """What a command has written; it must succeed."""
    done = subprocess.run([sys.executable, "-m", "mech_exo_assets.cli", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def measured(names: int, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The run from nothing up to the session before the last, and the one of the last."""
    market, home = folder / "market", folder / "home"
    command("simulate", "--out", market, "--names", names, "--sessions", SESSIONS, "--factors", 1, "--seed", 1)
    prices = pl.read_parquet(market / "prices.parquet")
    shown = folder / "shown"
    shutil.copytree(market, shown)
    prices.filter(pl.col("date") < prices["date"].max()).write_parquet(shown / "prices.parquet")
    run = ("run", "--source", f"files:{shown}", "--home", home, "--json")
    whole = json.loads(command(*run))
    shutil.copy(market / "prices.parquet", shown / "prices.parquet")
    return whole, json.loads(command(*run))


def exponent(few: float, many: float, ratio: float) -> str:
    """b of many / few = ratio^b; nothing for stages of less than a tenth of a second, which are all overhead."""
    return "" if min(few, many) < 0.1 else f"{math.log(many / few) / math.log(ratio):.2f}"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", type=int, nargs="+")
    options = parser.parse_args()
    found: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
    for names in sorted(options.names):
        with tempfile.TemporaryDirectory() as folder:
            found[names] = measured(names, Path(folder))
        whole, day = found[names]
        print(
            f"{names:>6} names: {whole['seconds']:8.1f} s, peak {whole['peak_memory_mb']:>6} MB; a day more {day['seconds']:7.1f} s",
            flush=True,
        )
    for figure, unit in (("stages", "s"), ("stages_memory_mb", "MB")):
        show({size: whole[figure] for size, (whole, _) in found.items()}, unit)


def show(found: Mapping[int, Mapping[str, float]], unit: str) -> None:
    """A figure of the stages that have most of it at the largest number of names, by the number of names."""
    sizes = list(found)
    print(f"\n{f'stage ({unit})':28}" + "".join(f"{size:>10}" for size in sizes) + "   exponents")
    for stage in sorted(found[sizes[-1]], key=lambda stage: -found[sizes[-1]][stage])[:SHOWN]:
        figures = [found[size].get(stage, math.nan) for size in sizes]
        powers = [
            exponent(few, many, after / before) for few, many, before, after in zip(figures, figures[1:], sizes, sizes[1:], strict=False)
        ]
        print(f"{stage:28}" + "".join(f"{each:10.1f}" for each in figures) + "   " + " ".join(powers))


if __name__ == "__main__":
    main()
