"""The walk-forward of both boosted models over the real prices, against the straightforward loop: wall time, CPU time and peak memory.

What belongs here: the dataset, the two processes, and what is compared. What does not: what each of them does (`learning_sides`).

Both read the same dataset (43 scores, every session), have the same trainings, parameters, threads, early stopping by the mean information
coefficient and a second fit on the whole training. The loop holds the dataset in memory, and makes matrices and bins for each fit.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mech_exo_tests.benchmarks.learning_sides import STRATEGY
from mech_exo_tests.benchmarks.measurement import Measurement

REAL = Path(__file__).parents[3] / "shared" / "data" / "sp500"
TARGETS = {"seconds": 1.0, "net_megabytes": 2.0}
"""Faster, at under half the peak memory."""
MOST_APART = 0.01
"""Largest difference of mean information coefficients: edges of bins differ, and with them the trees."""


def write_dataset(source: Path, folder: Path) -> tuple[int, int]:
    """From prices to the dataset as the lake has it, a file for each year; its rows and features."""
    from mech_exo_assets.quant import calendar, prices
    from mech_exo_assets.quant.factors.tables import exposure_table, score_table
    from mech_exo_assets.quant.features import dataset_table
    from mech_exo_assets.schemas import DATASET
    from mech_exo_assets.sources.uri import open_source

    data = open_source(f"files:{source}").load()
    axis = calendar.sessions(data.prices["date"].min(), data.prices["date"].max(), calendar=STRATEGY.calendar)
    market = prices.total_return_index(prices.on_sessions(data.prices, axis))
    years = (market["date"].min().year, market["date"].max().year)
    exposed = exposure_table(market, data.fundamentals, data.features, years=years, exclude=(), longest_history=10_000)
    scores = score_table(exposed.table, data.universe, **STRATEGY.scores.model_dump())
    table = dataset_table(scores, market, data.universe, STRATEGY, years=years).table
    for (year,), part in table.group_by(pl.col("date").dt.year(), maintain_order=True):
        part.write_parquet(folder / f"{year}.parquet")
    return table.height, len([name for name in table.columns if name not in DATASET.names])


def side(name: str, folder: Path) -> dict[str, Any]:
    """The figures of one side, in a process of its own."""
    command = [sys.executable, "-m", "mech_exo_tests.benchmarks.learning_sides", name, str(folder)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def same_work(ours: dict[str, Any], loop: dict[str, Any]) -> None:
    """Refuse to compare two sides that did not train the same: trainings, rows, and about the same information coefficients."""
    assert len(ours["fits"]) == len(loop["fits"]) > 0
    for mine, theirs in zip(ours["fits"], loop["fits"], strict=True):
        assert (mine["kind"], mine["train_rows"]) == (theirs["kind"], theirs["train_rows"])
    for kind in sorted({fit["kind"] for fit in ours["fits"]}):
        for figure in ("train_ic", "validation_ic", "test_ic"):
            mine, theirs = (np.mean([fit[figure] for fit in each["fits"] if fit["kind"] == kind]) for each in (ours, loop))
            assert abs(mine - theirs) < MOST_APART, f"{kind}: mean {figure} is {mine:.4f} here and {theirs:.4f} in the loop"


def measure(*, rounds: int) -> list[Measurement]:
    """Medians of both sides, which take turns; nothing where the real prices are not there."""
    if not REAL.exists():
        sys.stderr.write(f"learning: left out, since the real prices in {REAL} are not there\n")
        return []
    with tempfile.TemporaryDirectory() as folder:
        rows, features = write_dataset(REAL, Path(folder))
        taken = [(side("ours", Path(folder)), side("loop", Path(folder))) for _ in range(rounds)]
    for ours, loop in taken:
        same_work(ours, loop)
    shape, found = f"{rows:,} x {features}", []
    work = f"walk-forward of both models, {len(taken[0][0]['fits']) // 2} trainings"
    for figure, what, unit in (
        ("seconds", work, "s"),
        ("cpu_seconds", "the same, CPU time", "s"),
        ("net_megabytes", "the same, peak memory over the imports", "MB"),
        ("megabytes", "the same, peak memory in all", "MB"),
    ):
        ours, loop = (statistics.median(each[at][figure] for each in taken) for at in (0, 1))
        found.append(Measurement(what, shape, "a loop, bins afresh", ours, loop, TARGETS.get(figure), unit=unit))
    return found
