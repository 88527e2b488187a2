"""Homes that take a minute to fill, filled once for all workers of a test session.

What belongs here: how workers share what one of them has made. What does not: what the homes hold, which their fixtures say.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def filled_once(factory: pytest.TempPathFactory, name: str, fill: Callable[[Path], None]) -> Path:
    """A home that `fill` has filled in one of the workers; each worker has a copy, so that nobody sees another one's runs and locks."""
    home = factory.mktemp(name)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        fill(home)
        return home
    # The folder above a worker's own is that of the session, and of no other session.
    common = factory.getbasetemp().parent / "homes"
    common.mkdir(exist_ok=True)
    model, whole = common / name, common / f"{name}.whole"
    with (common / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            # What stands there is of a worker that has failed half-way.
            shutil.rmtree(model, ignore_errors=True)
            model.mkdir()
            fill(model)
            whole.touch()
    return Path(shutil.copytree(model, home, dirs_exist_ok=True))
