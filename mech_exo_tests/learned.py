"""A home of one run, one in which models were trained, and the choices with which both take seconds.

What belongs here: what tests of `cli`, `defs` and `e2e` share of them. What does not: the tests.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mech_exo_assets.quant.factor_names import declared

SOURCE = "simulator:names=12,sessions=420,seed=5"
_SETTINGS = ("HOME", "LAKE", "SOURCE", "CONFIG", "EXECUTOR", "DB_URL", "NAMESPACE", "DASK", "DAGSTER_URL", "KEEP_DAYS")
VARIABLES = (*(f"MECH_EXO_{name}" for name in _SETTINGS), "DAGSTER_HOME")
TRAINED = {
    f"learning/{name}"
    for name in ("lightgbm", "xgboost", "ridge", "models", "stacking", "explanations", "dependence", "interactions", "registered")
}
"""Tables that are made when models are trained, and not by a run."""
_OF_PRICES = {"amihud", "beta", "high_52_week", "maximum_return", "momentum_12_1", "short_term_reversal", "skewness", "volatility_21"}
_ABSENT = {"earnings_yield"}
"""A factor that needs what the source does not have."""
QUICK = {
    # Of each kind one, beside those that the simulator plants: all of them take twice as long and show no more.
    "factors": {"exclude": sorted(declared().keys() - _OF_PRICES - _ABSENT)},
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
"""Choices with which a run and a training take seconds."""


def quick_with(**learning: object) -> str:
    """`QUICK` as YAML, with some choices of the section `learning` changed."""
    section = QUICK["learning"]
    assert isinstance(section, dict)
    return yaml.safe_dump(QUICK | {"learning": section | learning})


def fill(home: Path) -> None:
    """Let a run fill a home, on a history of twenty months."""
    (home / "quick.yaml").write_text(quick_with(), encoding="utf-8")
    done("run", "--source", SOURCE, "--home", str(home), "--config", str(home / "quick.yaml"))


def train(home: Path) -> None:
    """Train the models in a home that `fill` has filled."""
    done("learn", "--home", str(home))


def done(*arguments: str) -> None:
    """Run the command, which must succeed, in silence and in an environment of its own."""
    from mech_exo_assets.cli.main import main

    with pytest.MonkeyPatch.context() as patch:
        for name in VARIABLES:
            patch.setenv(name, "")
            patch.delenv(name)
        patch.setattr("sys.stdout", io.StringIO())
        patch.setattr("sys.stderr", io.StringIO())
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        assert not ended.value.code


def done_apart(*arguments: str) -> None:
    """The same in a process of its own, which leaves no database open."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    command = [sys.executable, "-m", "mech_exo_assets.cli", *arguments]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
