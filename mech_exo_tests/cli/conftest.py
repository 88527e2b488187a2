"""The command called in this process, so that its lines are measured, and homes that only its tests need."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mech_exo_assets.cli.main import main
from mech_exo_tests.homes import filled_once
from mech_exo_tests.learned import VARIABLES, done
from mech_exo_tests.searchable import choices, searchable_lake


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


def call(capture: pytest.CaptureFixture[str], *arguments: object) -> Said:
    """Run the command with these words."""
    capture.readouterr()
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as ended:
        code = int(ended.code or 0)
    shown = capture.readouterr()
    return Said(code, shown.out, shown.err)


@pytest.fixture(autouse=True)
def _environment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command hands its options on by environment variables; none of them outlives a test."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "160")


@pytest.fixture
def mech_exo(capsys: pytest.CaptureFixture[str]) -> Command:
    return lambda *arguments: call(capsys, *arguments)


@pytest.fixture(scope="session")
def searched_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the few tables that a search reads, and what one search of 12 trials has made of them; tests only read it."""

    def fill(home: Path) -> None:
        searchable_lake(home / "lake")
        done("search", "--home", str(home), "--config", str(choices(home / "strategy.yaml")))

    return filled_once(tmp_path_factory, "searched", fill)


@pytest.fixture(scope="session")
def maintained_home(finished_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home after its first maintenance; tests only read it."""

    def fill(home: Path) -> None:
        shutil.copytree(finished_home, home, dirs_exist_ok=True)
        done("maintain", "--home", str(home))

    return filled_once(tmp_path_factory, "maintained", fill)
