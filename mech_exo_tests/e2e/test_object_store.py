"""A whole home whose lake is in an object store: every number as with a lake in a folder, and the secret nowhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from mech_exo_assets.schemas import TABLES
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.mart import PUBLISHED, Mart
from mech_exo_tests.conftest import SIMULATED
from mech_exo_tests.object_store import ACCESS_KEY, SECRET, without_stores

pytestmark = pytest.mark.slow

MOMENTS = {
    "weights/trials": {"completed_at"},
    "weights/history": {"searched_at"},
    "lifecycle/champion": {"time"},
    "lifecycle/events": {"time", "payload", "hash"},
}
"""Columns that say when something was done, or in which run."""


def command(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in without_stores().items() if not name.startswith("MECH_EXO_")}
    words = [str(Path(sys.executable).parent / "mech-exo"), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, env=environment | variables, check=False, timeout=600)


def test_a_run_on_an_object_store_gives_the_same_tables_and_keeps_the_secret(bucket, object_store, retrained_home, tmp_path):
    home, lake = tmp_path / "home", Lake(f"{bucket}/lake")
    reached = object_store.variables() | {"MECH_EXO_LAKE": str(lake.place)}
    choices = retrained_home / "mine.yaml"
    said = [
        command("run", "--home", home, "--source", SIMULATED, "--config", choices, "--json", **reached),
        command("retrain", "--home", home, "--reason", "to see it done", **reached),
        command("status", "--home", home, "--json", **reached),
        command("export", "decay/ic", "--home", home, "--out", tmp_path / "ic.csv", **reached),
        command("report", "tearsheet", "--home", home, "--out", tmp_path / "sheet.html", **reached),
        command("replay", "--all", "--home", home, "--json", **reached),
        command("ledger", "verify", "--home", home, **reached),
        command("run", "--home", home, **reached),
    ]
    assert [each.returncode for each in said] == [0] * len(said), [each.stderr for each in said]
    assert json.loads(said[0].stdout)["lake"] == json.loads(said[2].stdout)["lake"] == str(lake.place)
    assert "up to date" in said[-1].stdout.lower()
    replayed = json.loads(said[5].stdout)
    assert replayed
    assert all(each["equal"] for each in replayed)

    # All tables are those of a home with its lake in a folder, to the last bit; but for when they were made.
    local = Lake(retrained_home / "lake")
    assert lake.tables() == local.tables()
    for key in lake.tables():
        there, here = (each.read(key).drop(MOMENTS.get(key, ())) for each in (lake, local))
        assert_frame_equal(there.sort(there.columns), here.sort(here.columns), check_exact=True)

    # The mart is published, whole, beside the tables; and nothing of the lake is in the home.
    assert not (home / "lake").exists()
    lake.place.fetch(PUBLISHED, tmp_path / "copy.duckdb")
    assert (tmp_path / "copy.duckdb").read_bytes() == (home / "mech_exo.duckdb").read_bytes()
    with Mart(tmp_path / "copy.duckdb").connect() as connection:
        counted = dict(connection.execute("SELECT table_name, row_count FROM meta.tables").fetchall())
    assert counted == {key: lake.rows(key) for key in lake.tables() if TABLES[key].published}

    # With another lake, or none, this home's tables are not taken for lost or for up to date.
    lost = command("status", "--home", home)
    assert lost.returncode == 2
    assert f"are in {lake.place}, not in {home / 'lake'}. Set MECH_EXO_LAKE={lake.place}" in lost.stderr

    # One line, and no secret: with a wrong key in the middle of a run, and in all that was ever said or kept.
    wrong = command("run", "--home", home, "--force", **(reached | {"AWS_SECRET_ACCESS_KEY": f"{SECRET}x"}))
    assert wrong.returncode == 2
    assert wrong.stderr.splitlines()[-1].endswith(
        f"{lake.place}: the object store cannot be used: the secret key is not that of the access key; correct AWS_SECRET_ACCESS_KEY."
    )
    kept = [path for path in home.rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" and "runs" in str(path) for path in kept), "Dagster's events are not where they are looked for"
    shown = [each.stdout + each.stderr for each in (*said, lost, wrong)]
    for each in (SECRET, ACCESS_KEY):
        assert not [text for text in shown if each in text]
        assert not [path for path in kept if each.encode() in path.read_bytes()]
