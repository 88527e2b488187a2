import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from mech_exo_assets.schemas import TABLES
from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.cli.conftest import Command


@pytest.mark.parametrize("key", TABLES)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_every_table_comes_back_from_its_export_as_it_was(mech_exo: Command, finished_home: Path, tmp_path: Path, key: str, ending: str):
    target = tmp_path / f"table.{ending}"
    said = mech_exo("export", key, "--home", finished_home, "--format", ending, "--out", target)
    assert said.code == 0, said.err
    table = Lake(finished_home / "lake").read(key).sort(*TABLES[key].unique)
    back = pl.read_csv(target, schema=table.schema) if ending == "csv" else pl.read_parquet(target)
    assert back.equals(table, null_equal=True)


def test_only_the_asked_for_dates_are_exported(mech_exo: Command, finished_home: Path, tmp_path: Path):
    target = tmp_path / "prices.parquet"
    arguments = ("--home", finished_home, "--format", "parquet", "--out", target, "--from", "2006-01-03", "--to", "2006-01-31")
    assert mech_exo("export", "market/prices", *arguments).code == 0
    dates = pl.read_parquet(target)["date"]
    assert (dates.min(), dates.max()) == (dt.date(2006, 1, 3), dt.date(2006, 1, 31))


def test_a_dash_is_standard_output(finished_home: Path, capfdbinary: pytest.CaptureFixture[bytes]):
    from mech_exo_assets.cli.main import main

    with pytest.raises(SystemExit):
        main(["export", "market/universe", "--home", str(finished_home), "--out", "-"])
    assert capfdbinary.readouterr().out.startswith(b"symbol,name,sector,asset_class,listed_from,listed_to\n")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["decay/icc"], "Did you mean decay/ic?"),
        (["nothing"], "There are: market/prices"),
        (["decay/ic", "--from", "yesterday"], "--from yesterday: not a date"),
        (["market/universe", "--to", "2020-01-01"], "has no column date"),
    ],
)
def test_wrong_wishes_are_refused(mech_exo: Command, finished_home: Path, tmp_path: Path, arguments: list[str], part: str):
    said = mech_exo("export", *arguments, "--home", finished_home, "--out", tmp_path / "x.csv")
    assert said.code == 2
    assert part in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(mech_exo: Command, finished_home: Path, tmp_path: Path):
    said = mech_exo("export", "decay/ic", "--home", finished_home, "--out", tmp_path / "none" / "x.csv")
    assert said.code == 2
    assert "cannot be written" in said.err


def test_a_table_that_was_not_computed_yet_is_a_failure(mech_exo: Command, tmp_path: Path):
    said = mech_exo("export", "decay/ic", "--home", tmp_path, "--out", tmp_path / "x.csv")
    assert said.code == 1
    assert "Run `mech-exo run` first" in said.err
