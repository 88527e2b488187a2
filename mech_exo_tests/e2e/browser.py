"""A real browser on a real `mech-exo up`."""

import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mech_exo_tests.ports import free_port

CHROMIUM = Path("/usr/bin/chromium")
# Without these, Chromium calls its makers' hosts at every start.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"]


@contextmanager
def served(home: Path, *options: str, mlflow_port: int = 0, dashboard_port: int = 0) -> Generator[str]:
    """`mech-exo up` on a home until the block ends, without MLflow and dashboard where no port is given; gives the address."""
    port = free_port()
    ports = ["--port", str(port), "--mlflow-port", str(mlflow_port), "--dashboard-port", str(dashboard_port)]
    command = [sys.executable, "-m", "mech_exo_assets.cli", "up", "--home", str(home), *ports, *options]
    address = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, start_new_session=True, stdout=log, stderr=log)
        try:
            _wait(address, process, log)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def wait_until_answered(address: str, *, seconds: float = 120) -> None:
    """Until something is served there."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answers(address):
            return
        time.sleep(0.3)
    raise AssertionError(f"{address} was not served within {seconds} seconds")


def answers(address: str) -> bool:
    """Whether something is served there."""
    try:
        with urllib.request.urlopen(address, timeout=2):
            return True
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def _wait(address: str, process: subprocess.Popen[bytes], log: IO[str]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if process.poll() is not None:
            log.seek(0)
            raise AssertionError(log.read())
        if answers(f"{address}/server_info"):
            return
        time.sleep(0.3)
    raise AssertionError(f"{address} was not served within two minutes")
