import json
from pathlib import Path

import pytest

from mech_exo_assets.defs.refresh import Fingerprint, write_record
from mech_exo_tests.cli.conftest import Command
from mech_exo_tests.reports.books import book, lake_with


@pytest.fixture(scope="module")
def home_with_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    lake_with(home / "lake", book(300))
    return home


def test_the_tear_sheet_goes_to_the_homes_reports_and_its_path_is_printed(mech_exo: Command, home_with_book: Path):
    said = mech_exo("report", "tearsheet", "--home", home_with_book)
    path = home_with_book / "reports" / "tear_sheet.html"
    assert (said.code, said.out) == (0, f"{path}\n")
    assert "300 sessions, 2015-01-02 to 2016-02-25" in said.err
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "no refresh of this home was ever completed" in text


def test_json_has_path_size_period_and_versions(mech_exo: Command, home_with_book: Path, tmp_path: Path):
    path = tmp_path / "deep" / "sheet.html"
    said = mech_exo("report", "tearsheet", "--home", home_with_book, "--out", path, "--json")
    answer = json.loads(said.out)
    assert answer["path"] == str(path)
    assert answer["bytes"] == path.stat().st_size
    assert (answer["first_date"], answer["last_date"]) == ("2015-01-02", "2016-02-25")
    assert answer["tables"]["strategy/backtest"] == 0


@pytest.mark.slow
def test_the_quantstats_report_is_a_pdf(mech_exo: Command, home_with_book: Path):
    said = mech_exo("report", "quantstats", "--home", home_with_book)
    path = home_with_book / "reports" / "quantstats.pdf"
    assert (said.code, said.out) == (0, f"{path}\n")
    assert path.read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize("name", ["tearsheet", "quantstats"])
def test_an_empty_home_says_to_run_first_and_writes_nothing(mech_exo: Command, tmp_path: Path, name: str):
    said = mech_exo("report", name, "--home", tmp_path, "--out", tmp_path / "report")
    assert said.code == 1
    assert "strategy/backtest is not in the lake" in said.err
    assert "Run `mech-exo run` first" in said.err
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_too_short_a_backtest_makes_no_pdf(mech_exo: Command, tmp_path: Path):
    lake_with(tmp_path / "lake", book(12))
    said = mech_exo("report", "quantstats", "--home", tmp_path)
    assert said.code == 2
    assert "the backtest has 12 sessions, and the QuantStats report needs at least 20" in said.err
    assert not (tmp_path / "reports").exists()


def test_a_file_that_cannot_be_written_is_wrong_input(mech_exo: Command, home_with_book: Path, tmp_path: Path):
    (tmp_path / "taken").write_text("a file, no folder")
    said = mech_exo("report", "tearsheet", "--home", home_with_book, "--out", tmp_path / "taken" / "sheet.html")
    assert said.code == 2
    assert "cannot be written" in said.err


def test_another_source_than_the_homes_is_refused(mech_exo: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lake_with(tmp_path / "lake", book(30))
    write_record(tmp_path, Fingerprint("sample", choices="", universe="", years={}), run_id="a run")
    assert mech_exo("report", "tearsheet", "--home", tmp_path, "--source", "yahoo:SPY").code == 2
    monkeypatch.delenv("MECH_EXO_SOURCE")
    assert mech_exo("report", "tearsheet", "--home", tmp_path).code == 0
    assert "Market data: sample." in (tmp_path / "reports" / "tear_sheet.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["tearsheet", "quantstats"])
def test_help_has_examples(mech_exo: Command, name: str):
    assert name in mech_exo("report", "--help").out
    assert f"mech-exo report {name} --home mydata" in mech_exo("report", name, "--help").out
