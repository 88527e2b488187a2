"""`mech-exo decay`: what a person reads, and what a program gets."""

from __future__ import annotations

import datetime as dt
import io
import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from mech_exo_assets.cli import decay
from mech_exo_assets.schemas import ALARMS, MONITOR, ROTATION, STATISTICS, STATUS, STATUS_HISTORY, factor_columns
from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.cli.conftest import Command
from mech_exo_tests.reports.books import lake_with
from mech_exo_tests.reports.decay_tables import STATUSES, decay_tables

WIDTHS = (60, 80, 100, 120, 160)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one factor of each status."""
    home = tmp_path_factory.mktemp("home")
    lake_with(home / "lake", decay_tables())
    return home


@pytest.fixture(scope="module")
def alarm() -> dict[str, Any]:
    """The last alarm of `dead`."""
    return decay_tables()[ALARMS.key].filter(factor="dead").row(0, named=True)


def _no_nan(text: str) -> Any:
    def refuse(constant: str) -> float:
        pytest.fail(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def _row(text: str, factor: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"{factor} ")]
    return line.split()


def test_the_worst_stand_first_with_since_when_and_from_which_ic_to_which(mech_exo: Command, home: Path, alarm: dict[str, Any]) -> None:
    said = mech_exo("decay", "--home", home)
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].split() == [
        "factor",
        "status",
        "since",
        "IC",
        "t",
        "q",
        "half-life",
        "before",
        "after",
        "delay",
        "weight",
        "IC",
        "over",
        "time",
    ]
    assert [line.split()[:2] for line in lines[1:6]] == [[name, status] for name, status in STATUSES.items()]
    cells = _row(said.out, "dead")
    assert cells[:11] == ["dead", "decayed", str(alarm["alarm_date"]), "+0.0320", "+4.4", "0.003", "12", "+0.0600", "+0.0100", "25", "×"]
    assert cells[11] == "0.00"
    assert _row(said.out, "good")[7:] == ["-", "-", "25", "×", "0.90", _row(said.out, "good")[-1]], "no alarm, no change"
    assert _row(said.out, "new")[6:11] == ["-", "-", "-", "-", "-"], "no half-life, no change, no delay, no weight"


def test_the_line_below_counts_and_says_what_the_columns_are(mech_exo: Command, home: Path) -> None:
    text = " ".join(mech_exo("decay", "--home", home).out.split())
    last = decay_tables()[MONITOR.key]["date"].max()
    assert f"1 decayed, 1 watch, 1 recovered, 1 healthy, 1 unproven; as known on {last}." in text
    assert "IC, t and q are those on residual returns over 1 session" in text
    assert "False alarms expected of all factors together: 1 a year." in text
    assert "Left out" not in text


def test_with_another_horizon_the_figures_are_those_of_it(mech_exo: Command, home: Path, tmp_path: Path) -> None:
    choices = tmp_path / "strategy.yaml"
    choices.write_text("horizons: [1, 5]\ndecay: {horizon: 5, false_alarms_per_year: 0.5}\n", encoding="utf-8")
    said = mech_exo("decay", "--home", home, "--config", choices)
    assert said.code == 0, said.err
    assert _row(said.out, "dead")[3] == "+0.0360"
    assert "over 5 sessions" in said.out
    assert "together: 0.5 a year" in " ".join(said.out.split())


@pytest.mark.parametrize("width", WIDTHS)
def test_on_a_narrow_terminal_columns_are_left_out_and_none_is_cut(width: int) -> None:
    tables = decay_tables()
    long = "mean_of_five_largest_returns"
    tables = {key: table.with_columns(pl.col("factor").replace("dead", long)) for key, table in tables.items()}
    shown = io.StringIO()
    report = decay._health(tables, 1) | {"false_alarms_per_year": 1.0}
    decay._print_health(report, Console(file=shown, width=width))
    text = shown.getvalue()
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    header, row = text.splitlines()[0].split(), _row(text, long)
    assert row[1] == "decayed"
    assert dt.date.fromisoformat(row[2])
    left_out = text.partition("Left out at this width: ")[2].partition(".")[0].replace("\n", " ")
    assert bool(left_out) == (width < 160)
    for name in filter(None, left_out.split(", ")):
        assert name not in header
    assert {"before", "after", "delay", "weight"} <= set(header) or width < 120


def test_on_the_narrowest_terminal_the_status_and_its_ic_are_left() -> None:
    shown = io.StringIO()
    decay._print_health(decay._health(decay_tables(), 1) | {"false_alarms_per_year": 1.0}, Console(file=shown, width=20))
    assert len(shown.getvalue().splitlines()[0].split()) == 4, "and no more is left out"


def test_json_has_all_factors_with_dates_as_text_and_no_nan(mech_exo: Command, home: Path, alarm: dict[str, Any]) -> None:
    report = _no_nan(mech_exo("decay", "--home", home, "--json").out)
    assert set(report) == {"last_date", "horizon", "counts", "factors", "false_alarms_per_year"}
    assert report["last_date"] == str(decay_tables()[MONITOR.key]["date"].max())
    assert report["counts"] == dict.fromkeys(decay.ORDER, 1)
    assert [each["factor"] for each in report["factors"]] == list(STATUSES)
    dead, new = report["factors"][0], report["factors"][-1]
    assert set(STATUS.names) <= set(dead)
    assert dead["alarm_date"] == alarm["alarm_date"].isoformat()
    assert (dead["residual_ic"], dead["half_life"], dead["multiplier"]) == (0.032, 12.0, 0.0)
    assert len(dead["ic_by_period"]) == 16
    assert (new["half_life"], new["multiplier"], new["alarm_date"]) == (None, None, None)


def test_json_of_a_factor_has_its_alarms_history_and_statistics(mech_exo: Command, home: Path, alarm: dict[str, Any]) -> None:
    detail = _no_nan(mech_exo("decay", "--home", home, "--factor", "back", "--json").out)
    assert [each["kind"] for each in detail["alarms"]] == ["decay", "recovery"]
    assert [each["status"] for each in detail["history"]] == ["unproven", "healthy", "decayed", "recovered"]
    assert [each["horizon"] for each in detail["statistics"]] == [1, 5]
    assert set(STATISTICS.names) == set(detail["statistics"][0])
    assert detail["rotation"] is None
    assert detail["headline"].startswith("recovered since ")
    told = json.loads(mech_exo("decay", "--home", home, "--factor", "dead", "--json").out)["alarms"]
    assert [each["alarm_date"] for each in told] == [alarm["alarm_date"].isoformat()]


def test_what_is_not_a_number_is_null_in_json() -> None:
    plain = decay._plain({"a": math.nan, "b": [math.inf, 1.5, {"c": dt.date(2020, 3, 2)}], "d": None, "e": "x", "f": 3})
    assert plain == {"a": None, "b": [None, 1.5, {"c": "2020-03-02"}], "d": None, "e": "x", "f": 3}


def test_one_factor_is_shown_with_reason_weight_half_life_horizons_and_history(
    mech_exo: Command, home: Path, alarm: dict[str, Any]
) -> None:
    said = mech_exo("decay", "--home", home, "--factor", "dead")
    assert said.code == 0
    text = " ".join(said.out.split())
    assert f"dead: decayed since {alarm['alarm_date']}; IC 0.0600 → 0.0100 at its last change, {alarm['change_date']}" in text
    assert "dead is decayed [by 3 of 4]." in text, "what looks like markup is text"
    assert "Weight 0.5000 → 0.0000 recommended, scaled so that all weights sum to what they did. Multiplier 0.00: by what" in text
    assert "Half of the signal is used up after 12 sessions (95 %: 8 to 20); the IC itself halves in a time that is not identified." in text
    lines = said.out.splitlines()
    at = lines.index(next(line for line in lines if line.startswith("By horizon, in sessions")))
    assert lines[at + 1].split() == ["1", "5"]
    figures = dict(line.rsplit(maxsplit=2)[::2] for line in lines[at + 2 : at + 14])
    assert figures["residual IC"] == "+0.0360"
    assert figures["spread after costs"] == "+0.07%"
    assert figures["hit rate"] == "55.0%"
    history = [line.split()[1] for line in lines if line[:2] == "20"]
    assert history == ["unproven", "healthy", "decayed"]


def test_a_factor_outside_the_strategy_has_no_weight_line(mech_exo: Command, home: Path) -> None:
    said = mech_exo("decay", "--home", home, "--factor", "new")
    assert "Weight" not in said.out
    assert "Half of the signal is used up after a time that is not identified" in " ".join(said.out.split())


@pytest.mark.parametrize(
    ("factor", "hint"), [("goood", "did you mean good?"), ("xyz", "there are: back, dead, good, new, weak."), ("", "there are: back")]
)
def test_an_unknown_factor_is_refused_with_the_close_one_or_all(mech_exo: Command, home: Path, factor: str, hint: str) -> None:
    said = mech_exo("decay", "--home", home, "--factor", factor)
    assert (said.code, said.out) == (2, "")
    assert f"--factor: no factor '{factor}' is watched in this home; {hint}" in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("more", [(), ("--json",), ("--factor", "beta")])
def test_an_empty_home_says_to_run_first(mech_exo: Command, tmp_path: Path, more: tuple[str, ...]) -> None:
    said = mech_exo("decay", "--home", tmp_path / "none", *more)
    assert (said.code, said.out) == (1, "")
    assert said.err == f"mech-exo: {tmp_path / 'none'} holds no decay/status yet. Run `mech-exo run` first.\n"
    assert not (tmp_path / "none").exists()


def test_a_home_that_stopped_in_the_middle_names_what_is_not_there(mech_exo: Command, tmp_path: Path) -> None:
    tables = decay_tables()
    lake_with(tmp_path / "lake", {key: tables[key] for key in (STATUS.key, STATISTICS.key, MONITOR.key, ALARMS.key, STATUS_HISTORY.key)})
    said = mech_exo("decay", "--home", tmp_path)
    assert said.code == 1
    assert f"holds no {ROTATION.key} yet" in said.err


def test_the_tables_of_a_real_run_are_shown(mech_exo: Command, finished_home: Path) -> None:
    report = _no_nan(mech_exo("decay", "--home", finished_home, "--json").out)
    exposures = Lake(finished_home / "lake").read("factors/exposures")
    assert {each["factor"] for each in report["factors"]} == set(factor_columns(exposures.columns))
    assert sum(report["counts"].values()) == len(report["factors"]) >= 10
    text = mech_exo("decay", "--home", finished_home)
    assert all(each["factor"] in text.out for each in report["factors"])
    one = mech_exo("decay", "--home", finished_home, "--factor", "planted_a")
    assert one.code == 0
    assert one.out.startswith("planted_a: unproven since ")


def test_another_source_than_the_homes_is_refused(mech_exo: Command, finished_home: Path) -> None:
    said = mech_exo("decay", "--home", finished_home, "--source", "sample")
    assert said.code == 2
    assert "not sample" in said.err


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([], ""),
        ([0.0, -0.1], "▁▁"),
        ([0.01, 0.02, 0.04, 0.08], "▂▃▅█"),
        ([-0.5, 0.0, 0.07], "▁▁█"),
        ([0.07, 0.035], "█▅"),
    ],
)
def test_a_bar_is_its_share_of_the_largest_and_the_lowest_is_zero_or_less(values: list[float], bars: str) -> None:
    assert decay._sparkline(values) == bars


@pytest.mark.parametrize(("length", "stretches"), [(0, 0), (1, 1), (5, 5), (16, 16), (100, 16), (1000, 16)])
def test_the_ic_over_time_has_up_to_sixteen_stretches_that_cover_everything(length: int, stretches: int) -> None:
    values = [float(number) for number in range(length)]
    means = decay._by_period(pl.Series(values, dtype=pl.Float64))
    assert len(means) == stretches
    assert means == sorted(means)
    if length == 1000:
        assert sum(means) / 16 == pytest.approx(sum(values) / 1000, rel=0.01)
        assert means[0] == pytest.approx(30.5, abs=1)


def test_help_has_examples(mech_exo: Command) -> None:
    said = mech_exo("decay", "--help")
    assert "mech-exo decay --factor momentum_12_1\n" in said.out
    assert "decay" in mech_exo("--help").out
