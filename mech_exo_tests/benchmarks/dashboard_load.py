"""Twenty readers of the dashboard while a run materialises everything: `python -m mech_exo_tests.benchmarks.dashboard_load HOME`.

What belongs here: errors, median and 95th percentile of answers, and the time of a run with and without readers. HOME holds a finished run;
its runs are made on a copy. Not timed in CI: see docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import http.client
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from urllib.parse import urlsplit

from mech_exo_tests.e2e.dashboard_server import dashboard

READERS = 20
PAUSE = 1.0
"""Seconds between two pages of one reader, on average."""
PAGES = ("/", "/factors", "/strategy", "/weights", "/learning", "/lifecycle", "/reports")


class Reader(threading.Thread):
    """One person who opens pages, and looks at each for a while."""

    def __init__(self, address: str, ended: threading.Event, seed: int) -> None:
        super().__init__(daemon=True)
        self._host, self._ended, self._chance = urlsplit(address).netloc, ended, random.Random(seed)  # noqa: S311 (no secret)
        self.times: dict[str, list[float]] = defaultdict(list)
        self.errors: list[str] = []

    def run(self) -> None:
        """Read until it is over."""
        link = http.client.HTTPConnection(self._host, timeout=30)
        while not self._ended.wait(self._chance.expovariate(1 / PAUSE)):
            path = self._chance.choice(PAGES)
            try:
                begun = time.perf_counter()
                self._get(link, f"/content?path={path}")
                shown = time.perf_counter()
                self._get(link, "/health")
                self.times["page"].append(shown - begun)
                self.times["health"].append(time.perf_counter() - shown)
            except (OSError, http.client.HTTPException) as error:
                self.errors.append(f"{path}: {error!r}")
                link = http.client.HTTPConnection(self._host, timeout=30)

    def _get(self, link: http.client.HTTPConnection, path: str) -> None:
        link.request("GET", path, headers={"Accept-Encoding": "gzip"})
        self._read(link, path)

    def _read(self, link: http.client.HTTPConnection, path: str) -> None:
        answer = link.getresponse()
        body = answer.read()
        if answer.status != 200:
            self.errors.append(f"{path}: {answer.status} {body[:200]!r}")


def run_once(home: Path) -> float:
    """Seconds in which everything is materialised anew."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "mech_exo_assets.cli", "run", "--force", "--home", str(home)], check=True, capture_output=True)
    return time.perf_counter() - begun


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(shutil.copytree(options.home, Path(folder) / "home"))
        alone, watched, readers = [], [], []
        with dashboard(home) as address:
            # In turn, so that a busy hour of the machine meets both.
            for round_ in range(options.rounds):
                alone.append(run_once(home))
                ended = threading.Event()
                these = [Reader(address, ended, seed) for seed in range(round_ * READERS, (round_ + 1) * READERS)]
                for reader in these:
                    reader.start()
                watched.append(run_once(home))
                ended.set()
                for reader in these:
                    reader.join()
                readers += these
    for name in ("page", "health"):
        times = sorted(each for reader in readers for each in reader.times[name])
        median, high = statistics.median(times), times[int(0.95 * len(times))]
        print(f"{name}: {len(times)} answers, median {1000 * median:.0f} ms, 95th percentile {1000 * high:.0f} ms")
    errors = [error for reader in readers for error in reader.errors]
    print(f"errors: {len(errors)} {errors[:3]}")
    ratio = statistics.median(watched) / statistics.median(alone)
    print(f"run: {statistics.median(alone):.1f} s alone, {statistics.median(watched):.1f} s with {READERS} readers, ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
