"""One against two workers of a Dask cluster, and what the cluster costs: `python -m mech_exo_tests.benchmarks.scaling HOME`.

What belongs here: times of the stages that are divided among workers, each worker with one thread, beside those of one process with one
thread. What the machine itself allows is seen in two such processes at once, each with a home of its own. HOME holds a finished run with
prices enough for a search; all is done on a copy. Not timed in CI: see docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mech_exo_assets.schemas import MODELS, STACKING, TRAININGS
from mech_exo_tests.dask_cluster import ONE_THREAD, dask_cluster

_TABLES = ("factors/exposures", "factors/scores", "learning/dataset", "decay/ic", "decay/diagnostics", "learning/training")
_ONE_OF = {"decay/diagnostics": "decay/lagged_ic", "learning/training": "learning/lightgbm"}
"""One of the tables that a stage computes together names them all."""
_SEARCH = "weights/search"
STAGES = (*_TABLES, _SEARCH)
_CHOICES = {
    "search": {"trials": 100, "construction": {"no_trade_band": [0.0, 0.002]}},
    "learning": {"threads": 1, "rounds": 40, "refit_months": 30, "tuning": {"trials": 0}},
}
"""With a parameter of the construction each trial is a backtest; without one, most of a search is reading the scores. A training by
default searches hyperparameters, and would take longer than all other stages together."""
_DONE = re.compile(r"done\s+(\S+)\s+([\d.]+) s")


def seconds(home: Path, variables: Mapping[str, str], stages: Sequence[str]) -> dict[str, float]:
    """Seconds of each of these stages, search and training from nothing, each in a run of its own: a cluster computes several at once."""
    for file in home.glob("studies.db*"):
        file.unlink()
    for schema in (*TRAININGS.values(), MODELS, STACKING):
        shutil.rmtree(home / "lake" / schema.key, ignore_errors=True)
    found: dict[str, float] = {}
    for stage in stages:
        words = ("search",) if stage == _SEARCH else ("run", "--force", "--select", f'key:"{_ONE_OF.get(stage, stage)}"')
        found |= computed(home, variables, *words)
    return {stage: found[stage] for stage in stages}


def computed(home: Path, variables: Mapping[str, str], *words: str) -> dict[str, float]:
    """Seconds of the stages of a command, which must succeed. All have the same choices: workers refuse others than their first."""
    choices = home / "choices.yaml"
    choices.write_text(json.dumps(_CHOICES), encoding="utf-8")
    command = [sys.executable, "-m", "mech_exo_assets.cli", *words, "--home", str(home), "--config", str(choices)]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {stage: float(taken) for stage, taken in _DONE.findall(done.stderr)}


def at_once(homes: Sequence[Path], stages: Sequence[str]) -> dict[str, float]:
    """Seconds of the slower one of processes with one thread, each with a home of its own."""
    with ThreadPoolExecutor(len(homes)) as threads:
        found = list(threads.map(lambda home: seconds(home, ONE_THREAD, stages), homes))
    return {stage: max(each[stage] for each in found) for stage in stages}


def main() -> None:
    """Measure, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    options = parser.parse_args()
    times: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as folder:
        home, other = (Path(shutil.copytree(options.home, Path(folder) / name)) for name in ("home", "other"))
        with dask_cluster(workers=1) as one, dask_cluster(workers=2) as two:
            clusters = [{"MECH_EXO_DASK": cluster.address} for cluster in (one, two)]
            ways: dict[str, Callable[[], dict[str, float]]] = {
                "here": lambda: seconds(home, ONE_THREAD, options.stages),
                "pair": lambda: at_once([home, other], options.stages),
                "one": lambda: seconds(home, clusters[0], options.stages),
                "two": lambda: seconds(home, clusters[1], options.stages),
            }
            # Workers load programs with their first task.
            for variables in clusters:
                computed(home, variables, "run", "--force", "--select", 'key:"decay/ic"')
            for _ in range(options.rounds):
                for way, measured in ways.items():
                    for stage, taken in measured().items():
                        times[stage][way].append(taken)
    print(f"{'stage':20} {'one process':>12} {'one worker':>12} {'two workers':>12} {'one / two':>10} {'machine':>9} {'cost':>7}")
    for stage, of_way in times.items():
        here, pair, alone, both = (statistics.median(of_way[way]) for way in ("here", "pair", "one", "two"))
        print(
            f"{stage:20} {here:10.2f} s {alone:10.2f} s {both:10.2f} s {alone / both:10.2f} {2 * here / pair:9.2f} {alone / here:7.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
