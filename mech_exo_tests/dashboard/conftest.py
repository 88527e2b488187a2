"""A dashboard on a home, asked in this process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from mech_exo_assets.dashboard.server import build_server
from mech_exo_assets.dashboard.watch import Watch
from mech_exo_assets.settings import Settings
from mech_exo_tests.dashboard.asking import PASSWORD, with_users
from mech_exo_tests.learned import VARIABLES


@pytest.fixture(autouse=True)
def _environment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "MECH_EXO_AUTH", "MECH_EXO_DASHBOARD_HOSTS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture
def home(retrained_home: Path, tmp_path: Path) -> Path:
    """A copy that a test may write to."""
    return Path(shutil.copytree(retrained_home, tmp_path / "home"))


@pytest.fixture
def watch(retrained_home: Path) -> Watch:
    """Of a home that a test only reads."""
    return Watch(Settings(home=retrained_home))


@pytest.fixture
def open_server() -> Callable[[Path], Flask]:
    """The application on a home, without users."""
    return lambda home: build_server(Settings(home=home))


@pytest.fixture
def guarded(home: Path, tmp_path: Path) -> Flask:
    """The application on a home, with a viewer, ann, and an operator, bob."""
    return build_server(Settings(home=home, auth=with_users(tmp_path / "users.yaml", ann="viewer", bob="operator")))


__all__ = ["PASSWORD"]
