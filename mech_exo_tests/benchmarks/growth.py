"""What a home costs that is refreshed day after day: `python -m mech_exo_tests.benchmarks.growth --refreshes 200 --every 20`.

A small market to which one session is added at a time, refreshed by `mech-exo run` in this one process. After every block it prints the
median seconds of a refresh and what the home holds; with `--every 20` maintenance runs after each block of twenty, and lets go what is
older than that block: twenty sessions are the four weeks that a home keeps by default. Without `--every` nothing is cleaned.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import statistics
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from mech_exo_assets.cli.options import dagster_instance, settings_from
from mech_exo_assets.quant.simulator import Planted
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Ledger
from mech_exo_assets.storage.maintenance import Upkeep
from mech_exo_tests.e2e.living_market import LivingMarket, living_market, write_choices
from mech_exo_tests.learned import done

BLOCK = 20
NAMES = 24
FIRST = 420
"""Sessions that the first refresh knows."""
HEADS = (
    "refreshes",
    "s each",
    "CPU s",
    "lake MB",
    "of it logs",
    "log files",
    "dagster MB",
    "of it runs",
    "runs",
    "mart MB",
    "maintenance s",
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a home holds, in bytes and files."""

    lake: int
    logs: int
    log_files: int
    dagster: int
    run_files: int
    runs: int
    mart: int


def sizes(home: Path) -> Sizes:
    """Measured on the disk, whatever the home says of itself."""
    lake = [path for path in (home / "lake").rglob("*") if path.is_file()]
    logs = [path for path in lake if path.parent.name == "_delta_log"]
    runs = [path for path in (home / "dagster" / "history" / "runs").glob("*") if not path.name.startswith("index.")]
    return Sizes(
        _bytes(lake),
        _bytes(logs),
        len(logs),
        _bytes(path for path in (home / "dagster").rglob("*") if path.is_file()),
        _bytes(runs),
        sum(path.suffix == ".db" for path in runs),
        (home / "mech_exo.duckdb").stat().st_size,
    )


def _bytes(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def refresh(home: Path, market: LivingMarket, choices: Path) -> tuple[float, float]:
    """One `mech-exo run`; its seconds, and those of the processor, which a busy neighbour does not change."""
    started = time.perf_counter(), time.process_time()
    done("run", "--home", str(home), "--source", market.source, "--config", str(choices), "--json")
    return time.perf_counter() - started[0], time.process_time() - started[1]


def clean(home: Path, *, before: dt.datetime) -> float:
    """Maintenance as `mech-exo maintain` does it, but for what it keeps: what is younger than `before`; its seconds."""
    settings = settings_from(home)
    ledger = Ledger(settings.ledger_url, settings.ledger_head_path)
    started = time.perf_counter()
    with dagster_instance(settings) as instance:
        upkeep = Upkeep(settings.home, keep_days=settings.keep_days)
        upkeep.maintain(Lake(settings.lake_uri), ledger, instance, before=before, grace=dt.timedelta(0))
    return time.perf_counter() - started


def main() -> None:
    """Print a line for each block."""
    parser = argparse.ArgumentParser(prog="python -m mech_exo_tests.benchmarks.growth", description=__doc__)
    parser.add_argument("--refreshes", type=int, default=200)
    parser.add_argument("--every", type=int, default=0, help="maintenance after so many refreshes; 0: never")
    chosen = parser.parse_args()
    for name in [name for name in os.environ if name.startswith("MECH_EXO_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        planted = [Planted("planted_a", 0.1), Planted("planted_b", 0.08)]
        market = living_market(root / "market", planted, sessions=FIRST + chosen.refreshes, seed=5, names=NAMES)
        choices = write_choices(root / "choices.yaml")
        market.know(FIRST)
        print(f"first refresh {refresh(root / 'home', market, choices)[0]:.1f} s: {asdict(sizes(root / 'home'))}", flush=True)
        print(" | ".join(HEADS), flush=True)
        seconds: list[tuple[float, float]] = []
        began = dt.datetime.now(dt.UTC)
        for number in range(1, chosen.refreshes + 1):
            market.know(FIRST + number)
            seconds.append(refresh(root / "home", market, choices))
            cleaned = 0.0
            if chosen.every and number % chosen.every == 0:
                cleaned = clean(root / "home", before=began)
                began = dt.datetime.now(dt.UTC)
            if number % BLOCK == 0:
                print(_line(number, seconds[-BLOCK:], sizes(root / "home"), cleaned), flush=True)


def _line(number: int, seconds: list[tuple[float, float]], now: Sizes, cleaned: float) -> str:
    figures = (
        number,
        *(f"{statistics.median(each):.2f}" for each in zip(*seconds, strict=True)),
        f"{now.lake / 1e6:.1f}",
        f"{now.logs / 1e6:.1f}",
        now.log_files,
        f"{now.dagster / 1e6:.1f}",
        f"{now.run_files / 1e6:.1f}",
        now.runs,
        f"{now.mart / 1e6:.1f}",
        f"{cleaned:.1f}",
    )
    return " | ".join(map(str, figures))


if __name__ == "__main__":
    main()
