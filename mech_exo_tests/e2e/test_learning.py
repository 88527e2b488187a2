"""Machine-learned factors as a user has them: `mech-exo run`, `mech-exo learn`, `mech-exo explain`, each a process of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from mech_exo_assets.schemas import TABLES
from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.e2e.market_folder import mech_exo
from mech_exo_tests.learned import TRAINED

pytestmark = pytest.mark.slow


def told(*arguments: object) -> dict:
    """What a command answers to a program."""
    done = mech_exo(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_training_and_an_explanation_agree_and_a_second_training_fits_nothing(finished_home: Path, tmp_path: Path):
    home = Path(shutil.copytree(finished_home, tmp_path / "home"))
    lake = Lake(home / "lake")
    assert not TRAINED & set(lake.tables())
    assert lake.read("learning/predictions").is_empty()
    first = told("learn", "--home", home)
    assert set(lake.tables()) >= TRAINED
    assert [row["model"] for row in first["trainings"]] == ["lightgbm", "ridge", "xgboost"]
    total = lake.read("learning/comparison").filter(fold=0)
    assert {row["model"]: row["ic"] for row in first["comparison"]} == dict(total.select("model", "ic").iter_rows())
    predictions = lake.read("learning/predictions")
    assert predictions["date"].min() == lake.read("learning/models")["test_from"].min()
    last = predictions.filter(pl.col("date") == predictions["date"].max())
    best = last.filter(model="ensemble").sort("value", descending=True)["symbol"][0]
    answer = told("explain", best, "--home", home)
    assert (answer["symbol"], answer["rank"], answer["date"]) == (best, 1, str(predictions["date"].max()))
    stored = dict(last.filter(symbol=best).select("model", "value").iter_rows())
    for model in answer["models"]:
        parts = sum(row["contribution"] for row in model["contributions"]) + model["rest"]["contribution"] + model["base"]
        assert parts == pytest.approx(model["prediction"], abs=1e-5)
        assert model["prediction"] == pytest.approx(stored[model["model"]], abs=1e-6)
    tables = {key: lake.read(key).sort(TABLES[key].unique) for key in lake.tables()}
    second = told("learn", "--home", home)
    assert {name: second[name] for name in ("trainings", "comparison", "blend")} == {
        name: first[name] for name in ("trainings", "comparison", "blend")
    }
    for key, before in tables.items():
        after = lake.read(key).select(before.columns).sort(TABLES[key].unique)
        left_out = [name for name in ("reason",) if key == "learning/stacking"]
        assert after.drop(left_out).equals(before.drop(left_out), null_equal=True), key
    again = told("run", "--home", home)
    assert again["status"] == "up to date"
