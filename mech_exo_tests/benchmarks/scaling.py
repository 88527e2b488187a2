"""One against two workers of a Dask cluster, and what the cluster costs: `python -m mech_exo_tests.benchmarks.scaling HOME`.

What belongs here: times of the stages that are divided among workers, each worker with one thread, beside those of one process with one
thread. HOME holds a finished run with prices enough for a search; all is done on a copy. Not timed in CI: see docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from mech_exo_tests.dask_cluster import ONE_THREAD, dask_cluster

_TABLES = ("factors/exposures", "factors/scores", "learning/dataset", "decay/ic", "decay/diagnostics")
STAGES = (*_TABLES, "weights/search")
_DONE = re.compile(r"done\s+(\S+)\s+([\d.]+) s")


def stages(home: Path, variables: Mapping[str, str]) -> dict[str, float]:
    """Seconds of each divided table, and of a search from its first trial; each in a run of its own: a cluster computes several at once."""
    for file in home.glob("studies.db*"):
        file.unlink()
    found: dict[str, float] = {}
    # One of the four tables of the diagnostics names them all.
    keys = ["decay/lagged_ic" if table == "decay/diagnostics" else table for table in _TABLES]
    for words in (*(["run", "--force", "--select", f'key:"{key}"'] for key in keys), ["search"]):
        command = [sys.executable, "-m", "mech_exo_assets.cli", *words, "--home", str(home)]
        done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found |= {stage: float(seconds) for stage, seconds in _DONE.findall(done.stderr)}
    return {stage: found[stage] for stage in STAGES}


def main() -> None:
    """Measure, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    times: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(shutil.copytree(options.home, Path(folder) / "home"))
        with dask_cluster(workers=1) as one, dask_cluster(workers=2) as two:
            ways = {"here": ONE_THREAD, "one": {"MECH_EXO_DASK": one.address}, "two": {"MECH_EXO_DASK": two.address}}
            # The first round loads programs and compiles.
            for round_ in range(options.rounds + 1):
                for way, variables in ways.items():
                    for stage, seconds in stages(home, variables).items():
                        if round_:
                            times[stage][way].append(seconds)
    print(f"{'stage':20} {'one process':>12} {'one worker':>12} {'two workers':>12} {'one / two':>10} {'cost':>7}")
    for stage, of_way in times.items():
        here, alone, both = (statistics.median(of_way[way]) for way in ("here", "one", "two"))
        print(f"{stage:20} {here:10.2f} s {alone:10.2f} s {both:10.2f} s {alone / both:10.2f} {alone / here:7.2f}")


if __name__ == "__main__":
    main()
