"""A Dask scheduler and workers of its own, each a process, on free ports of the loopback.

What belongs here: starting, killing and stopping them. What does not: what is computed on them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mech_exo_tests.ports import free_port

ONE_THREAD = {"NUMBA_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Environment of a worker that computes with one thread, so that two of them have two."""


class DaskCluster:
    """A scheduler, and workers with one thread each that begin with the environment of this process."""

    def __init__(self, folder: Path, *, workers: int, variables: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._environment = {**os.environ, **ONE_THREAD, **(variables or {})}
        port = free_port()
        self.address = f"tcp://127.0.0.1:{port}"
        self._processes = [self._started("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")]
        self.workers = [self._started_worker(number) for number in range(workers)]
        self._wait(workers)

    def kill_worker(self, number: int) -> None:
        """End a worker at once, with the process that would start it again: as when its machine is switched off."""
        os.killpg(self.workers[number].pid, signal.SIGKILL)
        self.workers[number].wait()

    def stop(self) -> None:
        """End them all."""
        for process in self.workers + self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def said(self) -> str:
        """What they have written."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self._folder.glob("*.log")))

    def _started_worker(self, number: int) -> subprocess.Popen[bytes]:
        options = ["--nthreads", "1", "--nworkers", "1", "--no-dashboard", "--local-directory", str(self._folder / f"worker-{number}")]
        return self._started("worker", self.address, "--host", "127.0.0.1", *options, name=f"worker-{number}")

    def _started(self, *words: str, name: str = "scheduler") -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.log").open("wb") as log:
            command = [sys.executable, "-m", "dask", *words]
            return subprocess.Popen(command, stdout=log, stderr=log, env=self._environment, start_new_session=True)

    def _wait(self, workers: int) -> None:
        from distributed import Client

        deadline = time.monotonic() + 60
        while True:
            try:
                with Client(self.address, timeout=5) as client:
                    client.wait_for_workers(workers, timeout=30)
                    return
            except (OSError, TimeoutError):
                if time.monotonic() > deadline:
                    raise AssertionError(self.said()) from None


@contextmanager
def dask_cluster(*, workers: int = 2, variables: Mapping[str, str] | None = None) -> Generator[DaskCluster]:
    """A cluster until the block ends."""
    with tempfile.TemporaryDirectory(prefix="mech-exo-dask-", ignore_cleanup_errors=True) as folder:
        cluster = DaskCluster(Path(folder), workers=workers, variables=variables)
        try:
            yield cluster
        finally:
            cluster.stop()
