"""`mech-exo simulate`: a folder with its truth, or one line that says why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mech_exo_assets.sources.uri import open_source
from mech_exo_tests.cli.conftest import Command

SMALL = ("--names", 12, "--sessions", 120, "--factors", 4, "--dying", 2)


def _answer(mech_exo: Command, *arguments: object) -> dict[str, Any]:
    said = mech_exo("simulate", *SMALL, *arguments, "--json")
    assert (said.code, said.err) == (0, "")
    return json.loads(said.out, parse_constant=pytest.fail)


def test_it_writes_a_folder_that_the_files_source_reads_and_says_what_and_how_to_use_it(mech_exo: Command, tmp_path: Path) -> None:
    said = mech_exo("simulate", *SMALL, "--out", tmp_path / "market")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].startswith("12 names, 120 sessions, 4 factors in ")
    assert f"  {tmp_path}/market/prices.parquet   1,440 rows" in lines
    truth = json.loads((tmp_path / "market" / "truth.json").read_text())
    assert [line.split() for line in lines if " dies on " in line] == [
        [name, "dies", "on", truth["factors"][name]["dies_on"]] for name in ("planted_03", "planted_04")
    ]
    source = f"files:{tmp_path}/market"
    assert lines[-1] == f"The truth: {tmp_path}/market/truth.json   Use it: mech-exo run --source {source} --home {tmp_path}/market_home"
    data = open_source(source).load()
    assert data.prices.height == 1440
    assert data.features["feature"].n_unique() == 4


def test_json_has_rows_and_the_truth_of_the_file(mech_exo: Command, tmp_path: Path) -> None:
    answer = _answer(mech_exo, "--out", tmp_path / "market", "--seed", 5)
    assert set(answer) == {"out", "rows", "seconds", "truth"}
    assert answer["out"] == str(tmp_path / "market")
    assert answer["rows"] == {"prices": 1440, "universe": 12} | {f"features/planted_0{number}": 1440 for number in (1, 2, 3, 4)}
    assert answer["truth"] == json.loads((tmp_path / "market" / "truth.json").read_text())
    assert answer["truth"]["seed"] == 5
    assert answer["seconds"] > 0


def test_the_same_seed_writes_the_same_market_and_another_seed_another(mech_exo: Command, tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        _answer(mech_exo, "--out", tmp_path / name, "--seed", seed, "--format", "csv")
    one, two, other = ((tmp_path / name / "prices.csv").read_bytes() for name in ("one", "two", "other"))
    assert one == two
    assert one != other


@pytest.mark.parametrize(
    ("profile", "said"), [("abrupt", "dies on"), ("exponential", "fades on"), ("recovering", "dies on"), ("cyclical", None)]
)
def test_the_profile_is_that_of_the_dying_and_only_of_them(mech_exo: Command, tmp_path: Path, profile: str, said: str | None) -> None:
    shown = mech_exo("simulate", *SMALL, "--out", tmp_path / "market", "--profile", profile, "--length", 20).out
    factors = json.loads((tmp_path / "market" / "truth.json").read_text())["factors"]
    assert [each["profile"] for each in factors.values()] == ["constant"] * 2 + [profile] * 2
    assert [each["period"] for each in factors.values()] == ([None] * 2 + [20] * 2 if profile == "cyclical" else [None] * 4)
    assert shown.count(" dies on ") + shown.count(" fades on ") == (2 if said else 0)
    assert said is None or shown.count(f" {said} ") == 2


def test_every_option_reaches_the_market(mech_exo: Command, tmp_path: Path) -> None:
    defects = ("--delistings", 0.5, "--late-listings", 0.5, "--gaps", 10, "--feature-delay", 2, "--fundamentals", "--fills")
    answer = _answer(mech_exo, "--out", tmp_path / "market", *defects, "--interactions", 2, "--ic", 0.1)
    truth = answer["truth"]
    assert truth["missing_rows"] == 1440 - answer["rows"]["prices"] > 0
    assert truth["delistings"]
    assert truth["late_listings"]
    assert truth["interactions"] == [["planted_01", "planted_02", 0.1], ["planted_03", "planted_04", 0.1]]
    assert truth["live"]["signal"] == "planted_01"
    assert answer["rows"]["features/planted_01"] == 118 * 12
    assert {"fundamentals", "fills", "cash"} <= set(answer["rows"])
    ics = [each["expected_ic"]["1"] for each in truth["factors"].values()]
    assert sum(ics) / 4 == pytest.approx(0.1)


def test_styles_and_clustering_change_the_returns(mech_exo: Command, tmp_path: Path) -> None:
    for name, options in (("plain", ("--styles", 0, "--clustering", 0)), ("styles", ("--clustering", 0)), ("both", ())):
        _answer(mech_exo, "--out", tmp_path / name, *options)
    plain, styles, both = (pl.read_parquet(tmp_path / name / "prices.parquet")["close"] for name in ("plain", "styles", "both"))
    assert not plain.equals(styles)
    assert not styles.equals(both)


def test_an_existing_folder_is_refused_without_force_before_anything_is_drawn(
    mech_exo: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _answer(mech_exo, "--out", tmp_path / "market", "--seed", 3)
    before = (tmp_path / "market" / "prices.parquet").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("mech_exo_assets.quant.simulator.simulate_planted", lambda *_, **__: pytest.fail("a market was drawn"))
        said = mech_exo("simulate", *SMALL, "--out", tmp_path / "market")
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        f"mech-exo: {tmp_path}/market: is not empty. Give another folder with --out, or --force to replace it; nothing was written.\n"
    )
    assert (tmp_path / "market" / "prices.parquet").read_bytes() == before
    assert mech_exo("simulate", *SMALL, "--out", tmp_path / "market", "--seed", 4, "--force").code == 0
    assert (tmp_path / "market" / "prices.parquet").read_bytes() != before


def test_force_deletes_nothing_that_is_not_a_market(mech_exo: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    said = mech_exo("simulate", *SMALL, "--out", ".", "--force")
    assert said.code == 2
    assert "holds no truth.json, so it is no simulated market" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--dying", 5), "simulate: factors is 4 and dying is 5; needs factors >= 1, and dying from 0 to factors. Correct the option"),
        (("--ic", 0.6), "they must stay below 0.9. Correct the option and run again; nothing was written."),
        (("--interactions", 3), "--interactions is 3, and 4 factors make 2 pairs. Give fewer, or more --factors."),
        (("--sessions", 9000), "--sessions is 9000; they end on 2040-"),
    ],
)
def test_what_makes_no_market_is_wrong_input_in_one_line(
    mech_exo: Command, tmp_path: Path, options: tuple[object, ...], message: str
) -> None:
    said = mech_exo("simulate", *SMALL, "--out", tmp_path / "market", *options)
    assert (said.code, said.out) == (2, "")
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "market").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--out"),
        (("--out", "market", "--profile", "sudden"), "--profile"),
        (("--out", "market", "--delistings", 0.9), "'--delistings': Input should be less than or equal to 0.5"),
        (("--out", "market", "--format", "xlsx"), "--format"),
        (("--out", "market", "--names", 9), "'--names': Input should be greater than or equal to 10"),
    ],
)
def test_wrong_usage_names_the_option(mech_exo: Command, options: tuple[object, ...], message: str) -> None:
    said = mech_exo("simulate", *options)
    assert said.code == 2
    assert message in said.err


def test_a_folder_whose_name_looks_like_markup_is_shown_as_it_is(mech_exo: Command, tmp_path: Path) -> None:
    said = mech_exo("simulate", *SMALL, "--out", tmp_path / "m[red]")
    assert f"{tmp_path}/m[red]/prices.parquet" in said.out
    assert f"--source files:{tmp_path}/m[red] --home" in said.out


def test_help_has_examples(mech_exo: Command) -> None:
    said = mech_exo("simulate", "--help")
    assert "mech-exo simulate --out market --profile exponential --length 500\n" in said.out
    assert "mech-exo run --source files:market --home market_home\n" in said.out


@pytest.mark.parametrize(("factors", "dying"), [(1, 0), (3, 1), (7, 2)])
def test_of_any_number_of_factors_a_third_dies_unless_said_otherwise(mech_exo: Command, tmp_path: Path, factors: int, dying: int) -> None:
    said = mech_exo("simulate", "--out", tmp_path / "market", "--names", 20, "--sessions", 60, "--factors", factors, "--json")
    assert said.code == 0, said.err
    truth = json.loads(said.out)["truth"]["factors"]
    assert len(truth) == factors
    assert sum(each["dies_on"] is not None for each in truth.values()) == dying
