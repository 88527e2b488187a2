"""A dashboard on a home, asked in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from flask import Flask

from mech_exo_assets.dashboard.server import build_server
from mech_exo_assets.dashboard.watch import Watch
from mech_exo_assets.settings import Settings
from mech_exo_tests.dashboard.asking import with_users
from mech_exo_tests.dashboard.publishing import copy_of
from mech_exo_tests.learned import VARIABLES


@pytest.fixture(autouse=True)
def _environment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "MECH_EXO_AUTH", "MECH_EXO_DASHBOARD_HOSTS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that are cheap to make, where not the hash is tested: each real one takes a tenth of a second, and a sign-in another."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr("mech_exo_assets.dashboard.access.users._hasher", quick)


@pytest.fixture
def home(retrained_home: Path, tmp_path: Path) -> Path:
    """A copy that a test may write to."""
    return copy_of(retrained_home, tmp_path / "home")


@pytest.fixture
def watch(retrained_home: Path) -> Watch:
    """Of a home that a test only reads."""
    return Watch(Settings(home=retrained_home))


@pytest.fixture
def open_server() -> Callable[[Path], Flask]:
    """The application on a home, without users."""
    return lambda home: build_server(Settings(home=home))


@pytest.fixture
def guarded(retrained_home: Path, tmp_path: Path) -> Flask:
    """The application on a home that is only read, with a viewer, ann, and an operator, bob."""
    return build_server(Settings(home=retrained_home, auth=with_users(tmp_path / "users.yaml", ann="viewer", bob="operator")))
