"""Speeds as ratios to named peers, measured in one run: `python -m mech_exo_tests.benchmarks`.

What belongs here: choosing what runs, and telling the result. What does not: what is measured, which stands in a module for each stage
with a function `measure(n_sessions, n_symbols, *, rounds)`, or `measure(*, rounds)` where the data are given.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path

import numba
from rich.console import Console
from rich.table import Table

from mech_exo_tests.benchmarks.measurement import Measurement

SIZED = ("factors", "ic", "decay", "backtest", "performance", "weights")
ON_REAL_PRICES = ("learning",)
"""With data of their own: `measure(*, rounds)`, whatever the size, at most `LONG_ROUNDS` of them."""
LONG_ROUNDS = 3
MODULES = (*SIZED, *ON_REAL_PRICES)
SIZES = {"S": (1260, 500), "M": (2520, 3000)}


def machine() -> dict[str, str | int | None]:
    """What a ratio was measured on."""
    cpu_info = Path("/proc/cpuinfo")
    models = (
        [line.split(":", 1)[1].strip() for line in cpu_info.read_text().splitlines() if line.startswith("model name")]
        if cpu_info.exists()
        else []
    )
    return {
        "cpu": models[0] if models else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": numba.get_num_threads(),
        "python": platform.python_version(),
    }


def render(measurements: list[Measurement]) -> Table:
    table = Table("work", "size", "ours", "peer", "its", "ratio", "target", "met", title="Ours against peers, in the same run")
    for column in table.columns[2:7]:
        column.justify = "right"
    for m in measurements:
        digits = "{:.3g}" if m.unit == "s" else "{:.0f}"
        met = {True: "[green]yes[/]", False: "[red]no[/]", None: "-"}[m.met]
        figures = [
            "-" if value is None else form.format(value)
            for form, value in ((digits + " " + m.unit, m.theirs), ("{:.1f} x", m.ratio), ("{:g} x", m.target))
        ]
        table.add_row(m.work, m.size, f"{digits.format(m.ours)} {m.unit}", m.peer or "-", *figures, met)
    return table


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mech_exo_tests.benchmarks", description="Speeds as ratios to named peers.")
    parser.add_argument("--size", choices=[*SIZES, "all"], default="all", help="S is 1260 x 500, M is 2520 x 3000 (sessions x names)")
    parser.add_argument("--only", choices=MODULES, help="one of the benchmarks; all by default")
    parser.add_argument("--rounds", type=int, default=5, help="calls of ours whose median counts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    return parser.parse_args(given)


def main(given: list[str]) -> None:
    chosen = arguments(given)
    # Off a terminal rich assumes 80 columns, which is too few for this table.
    console = Console(width=None if sys.stdout.isatty() else 160)
    measurements: list[Measurement] = []
    for name in [chosen.only] if chosen.only else MODULES:
        module = importlib.import_module(f"mech_exo_tests.benchmarks.{name}")
        if name in ON_REAL_PRICES:
            console.print(f"{name} on the real prices ...")
            measurements += module.measure(rounds=min(chosen.rounds, LONG_ROUNDS))
            continue
        for size, shape in SIZES.items():
            if chosen.size in (size, "all"):
                console.print(f"{name} at {shape[0]} x {shape[1]} ...")
                measurements += module.measure(*shape, rounds=chosen.rounds)
    facts = machine()
    console.print(render(measurements))
    console.print(f"{facts['cpu']}, {facts['cores']} cores, {facts['threads']} threads, Python {facts['python']}")
    if chosen.json:
        rows = [{**asdict(m), "ratio": m.ratio, "met": m.met} for m in measurements]
        chosen.json.write_text(json.dumps({"machine": facts, "measurements": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
