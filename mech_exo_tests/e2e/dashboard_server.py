"""A real `mech-exo dashboard` of a home, and what a browser finds wrong on its pages."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mech_exo_tests.e2e.browser import wait_until_answered
from mech_exo_tests.ports import free_port


@contextmanager
def dashboard(home: Path, *, variables: Mapping[str, str] | None = None) -> Generator[str]:
    """Serve the dashboard of a home until the block ends; gives the address."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mech_exo_assets.cli", "dashboard", "--home", str(home), "--port", str(port)]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, start_new_session=True, stdout=log, stderr=log, env={**os.environ, **(variables or {})})
        try:
            wait_until_answered(f"{address}/static/icon.svg", seconds=60)
            yield address
        finally:
            os.killpg(process.pid, 15)
            process.wait(timeout=30)
