"""`mech-exo search`: what a person reads, what a program gets, and what is refused before anything is written."""

from __future__ import annotations

import json
import logging
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import polars as pl
import pytest

from mech_exo_assets.cli.options import dagster_instance
from mech_exo_assets.defs.refresh import Fingerprint, choices_hash, write_record
from mech_exo_assets.schemas import COMPARISON, HISTORY, OVERFITTING, SCORES, TRIALS
from mech_exo_assets.settings import Settings, load_strategy
from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.cli.conftest import Command
from mech_exo_tests.searchable import FACTORS, choices, searchable_lake, without_drawing


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that can be searched."""
    home = tmp_path_factory.mktemp("ready")
    searchable_lake(home / "lake")
    with dagster_instance(Settings(home=home, config=choices(home / "strategy.yaml"))):
        pass
    return home


@pytest.fixture
def home(ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, in which nothing is drawn."""
    without_drawing(monkeypatch)
    return Path(shutil.copytree(ready, tmp_path / "home"))


@pytest.fixture
def optuna_says() -> Iterator[list[str]]:
    """What Optuna logs by itself, which a user can do nothing about."""
    heard: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    ear = Ear()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    logging.getLogger("optuna").addHandler(ear)
    yield heard
    logging.getLogger("optuna").removeHandler(ear)


def weights_tables(home: Path) -> list[str]:
    return [key for key in Lake(home / "lake").tables() if key.startswith("weights/")]


def test_the_result_is_told_in_words_and_figures(mech_exo: Command, searched_home: Path) -> None:
    said = mech_exo("search", "--show", "--home", searched_home)
    assert (said.code, said.err) == (0, "")
    text = " ".join(said.out.split())
    lake = Lake(searched_home / "lake")
    found = lake.read(HISTORY.key).to_dicts()[0]
    assert f"12 trials on {found['searched_from']} to {found['searched_to']} (12 ever)" in text
    assert f"In the search: Sharpe {found['sharpe']:.2f}" in text
    assert all(row in text for row in lake.read(OVERFITTING.key)["measure"])
    assert all(f"{name} Sharpe {sharpe:+.2f}" in text for name, sharpe in lake.read(COMPARISON.key).select("weights", "sharpe").rows())
    assert all(name in text for name in FACTORS)
    assert "look number 1" in text
    assert "mech-exo report search" in text


def test_json_holds_the_tables_of_the_result(mech_exo: Command, searched_home: Path) -> None:
    report = json.loads(mech_exo("search", "--show", "--json", "--home", searched_home).out)
    assert set(report) >= {"candidate", "search", "trials", "weights", "construction", "overfitting", "comparison", "checks_not_passed"}
    assert report["trials"] == {"done": 12, "failed": 0}
    assert sum(abs(row["weight"]) for row in report["weights"]) == pytest.approx(1)
    judged = [row["passed"] for row in report["overfitting"] if row["passed"] is not None]
    assert report["candidate"] == all(judged)
    assert [row["weights"] for row in report["comparison"]] == ["optimised", "configured", "equal", "mean_ic"]
    assert report["search"]["looks"] == 1


def test_show_searches_nothing_and_looks_at_no_holdout(mech_exo: Command, searched_home: Path) -> None:
    lake = Lake(searched_home / "lake")
    before = {key: lake.version(key) for key in weights_tables(searched_home)}
    mech_exo("search", "--show", "--home", searched_home)
    assert before == {key: lake.version(key) for key in weights_tables(searched_home)}


def test_a_second_search_adds_no_trial_and_counts_another_look(mech_exo: Command, searched_home: Path, home: Path) -> None:
    first = json.loads(mech_exo("search", "--show", "--json", "--home", searched_home).out)
    shutil.copytree(searched_home, home, dirs_exist_ok=True)
    said = mech_exo("search", "--home", home, "--json")
    assert said.code == 0, said.err
    second = json.loads(said.out)
    assert second["weights"] == first["weights"]
    assert second["search"]["trials_ever"] == first["search"]["trials_ever"] == 12
    assert [row["looks"] for row in first["comparison"]] == [1] * 4
    assert [row["looks"] for row in second["comparison"]] == [2] * 4


def test_show_before_any_search_says_to_search_first(mech_exo: Command, home: Path) -> None:
    said = mech_exo("search", "--show", "--home", home)
    assert (said.code, said.out) == (1, "")
    assert "weights/trials is not in the lake" in said.err
    assert "Run `mech-exo search` first" in said.err
    assert said.err.count("\n") == 1


def test_a_home_without_tables_says_to_run_first(mech_exo: Command, tmp_path: Path) -> None:
    said = mech_exo("search", "--home", tmp_path / "none")
    assert (said.code, said.out) == (1, "")
    assert said.err == f"mech-exo: {tmp_path / 'none'} holds no factors/scores yet. Run `mech-exo run` first.\n"
    assert not (tmp_path / "none").exists()


def test_choices_of_the_search_and_the_gates_may_be_others_than_the_homes_but_no_others(
    mech_exo: Command, home: Path, optuna_says: list[str]
) -> None:
    record = Fingerprint("sample", choices=choices_hash(load_strategy(home / "strategy.yaml")), universe="", years={})
    write_record(home, record, run_id="a run")
    other = choices(home / "other.yaml", search={"trials": 8}, gates={"deflated_sharpe": None})
    said = mech_exo("search", "--home", home, "--config", other, "--json")
    assert said.code == 0, said.err
    assert optuna_says == []
    assert json.loads(said.out)["trials"]["done"] == 8
    refused = mech_exo("search", "--home", home, "--config", choices(home / "costs.yaml", costs={"commission_bps": 30}))
    assert refused.code == 2
    assert "holds tables of other choices than" in refused.err
    assert Lake(home / "lake").version(TRIALS.key) == 0


def test_another_source_than_the_homes_is_refused(mech_exo: Command, home: Path) -> None:
    write_record(home, Fingerprint("sample", choices="", universe="", years={}), run_id="a run")
    said = mech_exo("search", "--home", home, "--source", "yahoo:SPY")
    assert said.code == 2
    assert "holds tables of the source sample, not yahoo:SPY" in said.err


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nothing before the hold-out": (
        {"search": {"holdout_months": 60}},
        "weight search has nothing to search: of the sessions from 2018-01-02",
    ),
    "history shorter than a window": ({"walk_forward": {"train_months": 36, "test_months": 12}}, "one window needs 36 + 12 = 48"),
    "bounds reversed": ({"search": {"low": 1.0, "high": 0.0}}, "the lower bound 1 is above the upper bound 0; exchange them"),
    "bounds of a factor reversed": ({"search": {"bounds": {"alpha": [0.5, 0.1]}}}, "bounds.alpha: the lower bound 0.5 is above"),
    "bounds of an unknown factor": ({"search": {"bounds": {"alhpa": [0.1, 0.5]}}}, "alhpa"),
    "limits that nothing keeps": ({"search": {"limits": {"turnover": 1e-9}}}, "none of 12 trials keeps all of search.limits"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_choices_give_one_clear_line_and_no_result(mech_exo: Command, home: Path, case: str) -> None:
    sections, words = REFUSED[case]
    said = mech_exo("search", "--home", home, "--config", choices(home / "wrong.yaml", **sections))
    told = said.err.splitlines()[-1]
    assert said.code == 2
    assert said.out == ""
    assert told.startswith("mech-exo: ")
    assert words in told
    assert "Traceback" not in said.err
    assert not {COMPARISON.key, HISTORY.key, "weights/optimised"} & set(weights_tables(home))
    assert case == "limits that nothing keeps" or weights_tables(home) == []


def test_without_a_factor_alive_there_is_one_clear_line(mech_exo: Command, home: Path) -> None:
    lake = Lake(home / "lake")
    bare = lake.read(SCORES.key).select("date", "symbol")
    lake.write(SCORES, bare, years=[2018, 2019], only_these_years=True)
    said = mech_exo("search", "--home", home)
    assert said.code == 2
    assert "the weight search has no factor alive: factors/scores holds none" in said.err.splitlines()[-1]
    assert weights_tables(home) == []


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"postgresql://me:secret@127.0.0.1:{probe.getsockname()[1]}/studies"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        pytest.param(closed_port, "postgresql", id="closed port"),
        pytest.param(lambda: "sqlite:////proc/none/studies.db", "/proc/none/studies.db", id="folder that cannot be made"),
        pytest.param(
            lambda: "mysql://me:secret@db/studies", "it must begin with sqlite:// or postgresql://", id="another kind of database"
        ),
        pytest.param(lambda: "sqlite://", "a database in memory is not shared", id="memory"),
    ],
)
def test_a_database_that_is_away_gives_one_clear_line_and_no_table(
    mech_exo: Command, home: Path, monkeypatch: pytest.MonkeyPatch, url: Any, words: str
) -> None:
    monkeypatch.setenv("MECH_EXO_DB_URL", url())
    said = mech_exo("search", "--home", home)
    told = said.err.splitlines()[-1]
    assert said.code == 2
    assert words in told
    assert "secret" not in said.err
    assert "Traceback" not in said.err
    assert weights_tables(home) == []


def test_tables_of_a_search_that_was_not_completed_are_not_shown(mech_exo: Command, searched_home: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(searched_home, tmp_path / "home"))
    lake = Lake(home / "lake")
    lake.write(TRIALS, lake.read(TRIALS.key).with_columns(sharpe=pl.lit(9.0)))
    for command in (("search", "--show"), ("report", "search")):
        said = mech_exo(*command, "--home", home)
        assert (said.code, said.out) == (1, "")
        assert "was computed from version 0 of weights/trials, now at 1: the last search was not completed" in said.err
    assert not (home / "reports").exists()


def test_the_report_is_a_page_in_the_home(mech_exo: Command, searched_home: Path, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    said = mech_exo("report", "search", "--home", searched_home, "--out", path)
    assert (said.code, said.out) == (0, f"{path}\n")
    assert "12 trials of the search weights/" in said.err
    text = path.read_text(encoding="utf-8")
    assert f"optuna-dashboard sqlite:///{searched_home}/studies.db" in text
    answer = json.loads(mech_exo("report", "search", "--home", searched_home, "--out", path, "--json").out)
    assert (answer["trials"], answer["tables"][TRIALS.key]) == (12, 0)
    assert answer["bytes"] == path.stat().st_size


def test_help_has_examples(mech_exo: Command) -> None:
    assert "mech-exo search --show --json" in mech_exo("search", "--help").out
    assert "search" in mech_exo("--help").out
    assert "mech-exo report search --home mydata" in mech_exo("report", "search", "--help").out
