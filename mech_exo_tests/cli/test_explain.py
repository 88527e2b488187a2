"""`mech-exo explain`: what a person reads, what a program gets, and what is refused."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from mech_exo_assets.quant.explain import explain_session, in_use, loaded
from mech_exo_assets.schemas import DATASET, LIGHTGBM, MODELS, PREDICTIONS, STACKING
from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.cli.conftest import Command
from mech_exo_tests.quant.explain.planted import N_NAMES, dataset, models_table

DATA = dataset(24, seed=5).filter(pl.col("date") != dt.date(2020, 1, 20))
MODEL_ROWS = models_table(DATA, folds=2)
FIRST, LAST = MODEL_ROWS["test_from"].min(), DATA["date"].max()
WEIGHTS = {"lightgbm": 0.5, "xgboost": 0.5}


def predicted(models: pl.DataFrame) -> pl.DataFrame:
    """`schemas.PREDICTIONS` of all sessions from the first test on, by the models of each."""
    rows = []
    for (day,), session in DATA.filter(pl.col("date") >= FIRST).partition_by("date", as_dict=True).items():
        for name, model in loaded(in_use(models, day)).items():
            values = model.predict(model.features.matrix(session))
            rows += [(day, symbol, name, float(value)) for symbol, value in zip(session["symbol"], values, strict=True)]
    return pl.DataFrame(rows, schema=PREDICTIONS.dtypes(), orient="row")


@pytest.fixture(scope="module")
def learned_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the tables that are read, written by hand; tests only read it."""
    home = tmp_path_factory.mktemp("learned")
    lake = Lake(home / "lake")
    lake.write(DATASET, DATA, years=[2020])
    lake.write(MODELS, MODEL_ROWS)
    weights = [(fold, name, weight, "average") for fold in (1, 2) for name, weight in WEIGHTS.items()]
    lake.write(STACKING, pl.DataFrame(weights, schema=STACKING.dtypes(), orient="row"))
    lake.write(PREDICTIONS, predicted(MODEL_ROWS), years=[2020])
    trained = {
        "fold": 2, "train_from": dt.date(2020, 1, 1), "train_to": dt.date(2020, 1, 14), "train_sessions": 14, "train_rows": 420,
        "validation_from": dt.date(2020, 1, 11), "test_from": FIRST, "test_to": None, "rounds": 30, "train_ic": 0.1, "validation_ic": 0.1,
        "test_ic": None, "parameters": "{}", "trained_at": dt.datetime(2020, 2, 1, tzinfo=dt.UTC), "mlflow_run": "abc123", "digest": "d",
    }  # fmt: skip
    lake.write(LIGHTGBM, pl.DataFrame([trained], schema=LIGHTGBM.dtypes()))
    return home


def truth(symbol: str, day: dt.date):
    session = DATA.filter(pl.col("date") == day)
    return explain_session(session, loaded(in_use(MODEL_ROWS, day)), symbol, weights=WEIGHTS)


def test_the_latest_session_is_told_by_each_model_of_the_ensemble(mech_exo: Command, learned_home: Path) -> None:
    said = mech_exo("explain", "S07", "--home", learned_home)
    assert (said.code, said.err) == (0, "")
    found = truth("S07", LAST)
    assert (
        f"S07 on {LAST}: rank {found.rank} of {N_NAMES} in the ensemble (50% lightgbm and 50% xgboost), score {found.score:+.3f}"
        in said.out
    )
    for name in ("lightgbm", "xgboost"):
        each = found.of(name)
        assert f"{name}: rank {each.rank} of {N_NAMES}. Training 2" in said.out
        assert f"{each.prediction:+.4f}" in said.out
        for feature, contribution in each.contributions.head(10).select("feature", "contribution").iter_rows():
            assert re.search(rf"{feature} .*{re.escape(f'{contribution:+.4f}')}", said.out)
    assert "ridge:" not in said.out
    assert "trained on 2020-01-01 to 2020-01-14" in said.out
    assert "MLflow run abc123." in said.out
    assert said.out.count("3 more") == 2
    assert "has changed since" not in said.out


def test_contributions_come_largest_first_and_lead_to_the_prediction(mech_exo: Command, learned_home: Path) -> None:
    said = mech_exo("explain", "S07", "--model", "xgboost", "--top", "4", "--json", "--home", learned_home)
    report = json.loads(said.out)
    (found,) = report["models"]
    sizes = [abs(row["contribution"]) for row in found["contributions"]]
    assert len(sizes) == 4
    assert sizes == sorted(sizes, reverse=True)
    assert found["rest"]["features"] == 9
    total = found["base"] + sum(row["contribution"] for row in found["contributions"]) + found["rest"]["contribution"]
    assert total == pytest.approx(found["prediction"], abs=1e-6)
    relative = found["session_mean"] + sum(row["relative"] for row in found["contributions"]) + found["rest"]["relative"]
    assert relative == pytest.approx(found["prediction"], abs=1e-6)
    assert found["stored"] == pytest.approx(found["prediction"], abs=1e-6)
    assert (report["date"], report["names"]) == (str(LAST), N_NAMES)
    assert {row["model"]: row["weight"] for row in report["ensemble"]} == {"lightgbm": 0.5, "xgboost": 0.5, "ridge": 0.0}


def test_an_earlier_session_is_told_by_the_model_of_its_time(mech_exo: Command, learned_home: Path) -> None:
    said = mech_exo("explain", "S07", "--date", FIRST, "--model", "lightgbm", "--json", "--home", learned_home)
    (found,) = json.loads(said.out)["models"]
    assert found["training"]["fold"] == 1
    assert found["training"]["train_from"] is None  # its own table does not have that training
    assert found["prediction"] == truth("S07", FIRST).of("lightgbm").prediction


def test_the_ridge_is_told_on_request(mech_exo: Command, learned_home: Path) -> None:
    said = mech_exo("explain", "S01", "--model", "ridge", "--top", "1", "--home", learned_home)
    assert said.code == 0
    assert f"ridge: rank {truth('S01', LAST).of('ridge').rank} of {N_NAMES}." in said.out
    assert "11 more" in said.out


def test_ranks_of_all_names_are_a_permutation(mech_exo: Command, learned_home: Path) -> None:
    reports = [json.loads(mech_exo("explain", f"S{n:02d}", "--json", "--home", learned_home).out) for n in range(N_NAMES)]
    assert sorted(report["rank"] for report in reports) == list(range(1, N_NAMES + 1))


def test_small_letters_are_enough(mech_exo: Command, learned_home: Path) -> None:
    assert f"S07 on {LAST}" in mech_exo("explain", "s07", "--home", learned_home).out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("S077",), f"S077 is not among the 30 names that are predicted on {LAST}. Did you mean S07"),
        (("XYZ",), f"XYZ is not among the 30 names that are predicted on {LAST}. There are, among others: S00, S01,"),
        (("S07", "--date", "2020-01-01"), f"before {FIRST}, the first session out of sample. Give that one or a later one."),
        (("S07", "--date", "2021-01-01"), f"after {LAST}, the last session that is predicted."),
        (("S07", "--date", "2020-01-20"), "no session is predicted on that day. The ones next to it are 2020-01-19 and 2020-01-21."),
        (("S07", "--date", "yesterday"), "--date yesterday: not a date. Give it as YYYY-MM-DD"),
    ],
)
def test_what_cannot_be_explained_is_refused_in_one_line(
    mech_exo: Command, learned_home: Path, words: tuple[str, ...], message: str
) -> None:
    said = mech_exo("explain", *words, "--home", learned_home)
    assert (said.code, said.out) == (2, "")
    assert message in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("words", [("S07", "--model", "catboost"), ("S07", "--top", "0"), ()])
def test_wrong_usage_is_refused(mech_exo: Command, learned_home: Path, words: tuple[str, ...]) -> None:
    assert mech_exo("explain", *words, "--home", learned_home).code == 2


def test_a_home_without_models_says_to_learn_first(mech_exo: Command, tmp_path: Path) -> None:
    said = mech_exo("explain", "S07", "--home", tmp_path / "none")
    assert (said.code, said.out) == (1, "")
    assert said.err == f"mech-exo: {tmp_path / 'none'} holds no learning/predictions yet. Run `mech-exo learn` first.\n"
    assert not (tmp_path / "none").exists()


def test_a_history_too_short_for_a_training_says_so(mech_exo: Command, learned_home: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(learned_home, tmp_path / "home"))
    Lake(home / "lake").write(PREDICTIONS, PREDICTIONS.empty(), years=[2020])
    said = mech_exo("explain", "S07", "--home", home)
    assert said.code == 1
    assert "learning/predictions has no rows: the history is too short" in said.err


def test_a_prediction_that_is_no_longer_the_stored_one_is_told(mech_exo: Command, learned_home: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(learned_home, tmp_path / "home"))
    Lake(home / "lake").write(PREDICTIONS, predicted(MODEL_ROWS).with_columns(pl.col("value") + 0.01), years=[2020])
    said = mech_exo("explain", "S07", "--model", "lightgbm", "--home", home)
    assert said.code == 0
    stored = truth("S07", LAST).of("lightgbm").prediction + 0.01
    assert f"learning/predictions has {stored:+.4f}: the dataset or the model has changed since." in said.out


def test_tables_that_are_not_of_one_run_are_refused(mech_exo: Command, learned_home: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(learned_home, tmp_path / "home"))
    Lake(home / "lake").write(DATASET, DATA.filter(pl.col("date") < LAST), years=[2020])
    said = mech_exo("explain", "S07", "--home", home)
    assert (said.code, said.out) == (1, "")
    assert f"learning/dataset holds nothing of {LAST}" in said.err
    Lake(home / "lake").write(DATASET, DATA, years=[2020])
    Lake(home / "lake").write(MODELS, MODEL_ROWS.filter(pl.col("model") != "xgboost"))
    said = mech_exo("explain", "S07", "--home", home)
    assert (said.code, said.out) == (1, "")
    assert f"learning/models has no xgboost for {LAST}. Run `mech-exo learn` again." in said.err


def test_help_shows_examples(mech_exo: Command) -> None:
    said = mech_exo("explain", "--help")
    assert said.code == 0
    assert "mech-exo explain NVDA --date 2020-03-16" in said.out
