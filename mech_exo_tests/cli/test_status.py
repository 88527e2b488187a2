import json
from pathlib import Path

from mech_exo_assets.schemas import TABLES
from mech_exo_tests.cli.conftest import Command


def test_status_lists_every_table_with_its_rows(mech_exo: Command, finished_home: Path):
    said = mech_exo("status", "--home", finished_home)
    assert said.code == 0
    assert all(key in said.out for key in TABLES)


def test_status_as_json_is_for_programs(mech_exo: Command, finished_home: Path):
    report = json.loads(mech_exo("status", "--home", finished_home, "--json").out)
    assert report["source"].startswith("simulator:")
    assert report["tables"]["market/prices"]["rows"] == 12 * 420
    assert report["tables"]["market/prices"]["last_date"] == report["tables"]["factors/exposures"]["last_date"]
    assert report["tables"]["market/universe"]["last_date"] is None
    assert report["completed_at"] is not None


def test_status_of_an_empty_home_says_what_to_do(mech_exo: Command, tmp_path: Path):
    said = mech_exo("status", "--home", tmp_path)
    assert said.code == 0
    assert "holds no tables yet. Run `mech-exo run` first." in said.out


def test_status_names_the_tables_that_are_not_there_yet(mech_exo: Command, tmp_path: Path):
    assert mech_exo("run", "--home", tmp_path, "--source", "simulator:names=10,sessions=260", "--select", "group:market").code == 0
    said = mech_exo("status", "--home", tmp_path)
    assert "Not there yet: factors/exposures" in said.out.replace("\n", " ")
    assert "last complete refresh never: " in said.out.replace("\n", " ")


def test_status_refuses_to_speak_of_another_source(mech_exo: Command, finished_home: Path):
    said = mech_exo("status", "--home", finished_home, "--source", "sample")
    assert said.code == 2
    assert "not sample" in said.err
