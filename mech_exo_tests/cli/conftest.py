"""The command called in this process, so that its lines are measured, on a home that one run has filled."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from mech_exo_assets.cli.main import main
from mech_exo_tests.searchable import choices, searchable_lake

SOURCE = "simulator:names=12,sessions=420,seed=5"
VARIABLES = ("MECH_EXO_HOME", "MECH_EXO_SOURCE", "MECH_EXO_CONFIG", "MECH_EXO_EXECUTOR", "MECH_EXO_DB_URL", "DAGSTER_HOME")


TRAINED = {
    f"learning/{name}"
    for name in ("lightgbm", "xgboost", "ridge", "models", "stacking", "explanations", "dependence", "interactions", "registered")
}
"""Tables that are made when models are trained, and not by a run."""
QUICK = {
    "horizons": [1, 5],
    "learning": {
        "horizon": 5,
        "features": ["scores", "market", "sector"],
        "train_months": 10,
        "refit_months": 5,
        "sample": 1,
        "rounds": 8,
        "patience": 3,
        "threads": 1,
        "tuning": {"trials": 0},
        "gate": {"sessions": 63},
        "blend": {"sessions": 42},
    },
}
"""Choices with which a training takes seconds."""


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
def finished_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that one complete run has filled; tests read it, and write to it at most what is written already."""
    home = tmp_path_factory.mktemp("home")
    _done("run", "--source", SOURCE, "--home", str(home))
    return home


@pytest.fixture(scope="session")
def searched_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the few tables that a search reads, and what one search of 12 trials has made of them; tests only read it."""
    home = tmp_path_factory.mktemp("searched")
    searchable_lake(home / "lake")
    _done("search", "--home", str(home), "--config", str(choices(home / "strategy.yaml")))
    return home


@pytest.fixture(scope="session")
def learned_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which models were trained, on a history of twenty months; tests only read it."""
    home = tmp_path_factory.mktemp("learned")
    (home / "learn.yaml").write_text(yaml.safe_dump(QUICK), encoding="utf-8")
    _done("run", "--source", SOURCE, "--home", str(home), "--config", str(home / "learn.yaml"))
    _done("learn", "--home", str(home))
    return home


def _done(*arguments: str) -> None:
    """Run the command, which must succeed, in silence and in an environment of its own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in VARIABLES:
            patch.setenv(name, "")
            patch.delenv(name)
        patch.setattr("sys.stdout", io.StringIO())
        patch.setattr("sys.stderr", io.StringIO())
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        assert not ended.value.code
