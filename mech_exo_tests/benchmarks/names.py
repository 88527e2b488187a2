"""What more names cost: `python -m mech_exo_tests.benchmarks.names 125 250 500`.

What belongs here: wall time of each stage, peak memory, and a day more, of ten years of simulated prices, by the number of names; and the
exponent b of time = a · names^b between one number and the next. Not timed in CI: see docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import polars as pl

SESSIONS = 2520
SHOWN = 14
"""Slowest stages that are printed."""


def command(*words: object) -> str:
    """What a command has written; it must succeed."""
    done = subprocess.run([sys.executable, "-m", "mech_exo_assets.cli", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def measured(names: int, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The run from nothing up to the session before the last, and the one of the last."""
    market, home = folder / "market", folder / "home"
    command("simulate", "--out", market, "--names", names, "--sessions", SESSIONS, "--seed", 1)
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
    sizes = list(found)
    slowest = sorted(found[sizes[-1]][0]["stages"], key=lambda stage: -found[sizes[-1]][0]["stages"][stage])[:SHOWN]
    print(f"\n{'stage':28}" + "".join(f"{size:>10}" for size in sizes) + "   exponents")
    for stage in slowest:
        times = [found[size][0]["stages"].get(stage, math.nan) for size in sizes]
        powers = [exponent(few, many, after / before) for few, many, before, after in zip(times, times[1:], sizes, sizes[1:], strict=False)]
        print(f"{stage:28}" + "".join(f"{seconds:9.1f}s" for seconds in times) + "   " + " ".join(powers))


if __name__ == "__main__":
    main()
