"""retrain, promote, rollback, ledger and replay, as a person types them."""

from __future__ import annotations

import getpass
import json
import shutil
import sqlite3
from pathlib import Path

import polars as pl
import pytest

from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.cli.conftest import Command


@pytest.fixture
def home(retrained_home: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(retrained_home, tmp_path / "home"))


def events(mech_exo: Command, home: Path) -> list[dict]:
    return json.loads(mech_exo("ledger", "show", "--json", "--home", str(home)).out)


def test_a_retraining_by_hand_has_the_name_and_the_reason_of_who_asked(mech_exo: Command, retrained_home: Path):
    found = events(mech_exo, retrained_home)
    assert [each["kind"] for each in found][:4] == ["strategy_registered", "retrain_requested", "challenger_built", "validation_passed"]
    assert found[-1]["kind"] in ("promoted", "rotated")
    request = found[1]
    assert request["actor"].startswith(f"{getpass.getuser()}@")
    assert request["payload"]["reason"] == "to see it done"
    weights = found[2]["payload"]["content"]["weights"]
    assert weights["planted_01"] > 0


def test_all_that_was_computed_is_computed_again_the_same(mech_exo: Command, retrained_home: Path):
    said = mech_exo("replay", "--all", "--json", "--home", str(retrained_home))
    rows = json.loads(said.out)
    assert said.code == 0
    assert {row["kind"] for row in rows} == {"challenger_built", "validation_passed", "ab_test_concluded", "promoted"}
    assert all(row["equal"] and row["same_code"] and row["compared"] > 0 for row in rows)


def test_a_decision_that_was_recorded_otherwise_is_named(mech_exo: Command, home: Path):
    with sqlite3.connect(home / "ledger.db") as connection:
        made = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'events_refuse_update'").fetchone()[0]
        connection.execute("DROP TRIGGER events_refuse_update")
        ((number, payload),) = connection.execute("SELECT id, payload FROM events WHERE kind = 'ab_test_concluded'").fetchall()
        changed = json.loads(payload)
        changed["figures"]["difference"] += 1.0
        connection.execute(
            "UPDATE events SET payload = ? WHERE id = ?", (json.dumps(changed, sort_keys=True, separators=(",", ":")), number)
        )
        connection.execute(made)
    said = mech_exo("replay", str(number), "--home", str(home))
    assert said.code == 1
    assert "differs at figures.difference: recorded" in said.out
    verified = mech_exo("ledger", "verify", "--home", str(home))
    assert verified.code == 1
    assert f"event {number} is broken" in verified.out


def test_what_was_not_computed_is_not_replayed(mech_exo: Command, retrained_home: Path):
    said = mech_exo("replay", "1", "--home", str(retrained_home))
    assert said.code == 2
    assert "event 1 is a strategy_registered: it was not computed from data" in said.err
    assert mech_exo("replay", "--home", str(retrained_home)).code == 2
    assert "the ledger has no event 99" in mech_exo("replay", "99", "--home", str(retrained_home)).err


def test_a_rollback_leads_to_the_champion_before_and_says_who_did_it(mech_exo: Command, home: Path):
    said = mech_exo("rollback", "--reason", "losses", "--json", "--home", str(home))
    assert said.code == 0, said.err
    found = events(mech_exo, home)
    first, back = found[0], found[-1]
    assert (back["kind"], back["version"]) == ("rolled_back", first["version"])
    assert back["actor"].startswith(f"{getpass.getuser()}@")
    assert json.loads(said.out)["hash"] == back["hash"]
    reigns = Lake(home / "lake").read("lifecycle/champion").sort("event")
    assert reigns["how"].to_list()[-1] == "rolled_back"
    assert reigns.filter(pl.col("until").is_null())["version"].to_list() == [first["version"]]


def test_a_version_is_promoted_by_hand_and_back(mech_exo: Command, home: Path):
    first = events(mech_exo, home)[0]["version"]
    said = mech_exo("promote", first, "--reason", "the committee", "--home", str(home))
    assert said.code == 0, said.err
    assert "was made champion by hand" in said.out
    again = mech_exo("promote", first, "--reason", "twice", "--home", str(home))
    assert again.code == 2
    assert "is the champion already" in again.err
    wrong = mech_exo("promote", "nobody", "--reason", "x", "--home", str(home))
    assert wrong.code == 2
    assert "the ledger knows no version 'nobody'" in wrong.err
    configured = mech_exo("promote", "configured", "--reason", "the file", "--home", str(home))
    assert configured.code == 0, configured.err
    assert [each["kind"] for each in events(mech_exo, home)][-2:] == ["strategy_registered", "manual_override"]


@pytest.mark.parametrize("command", [["retrain"], ["rollback"], ["promote", "x"]])
def test_a_person_has_to_give_a_reason(mech_exo: Command, retrained_home: Path, command: list[str]):
    said = mech_exo(*command, "--home", str(retrained_home))
    assert said.code == 2
    assert "--reason" in said.err


def test_a_home_without_a_champion_says_what_to_do(mech_exo: Command, tmp_path: Path):
    said = mech_exo("rollback", "--reason", "x", "--home", str(tmp_path))
    assert (said.code, "Run `mech-exo run` first" in said.err) == (1, True)
    assert not (tmp_path / "ledger.db").exists()


def test_the_ledger_is_shown_filtered_and_one_by_one(mech_exo: Command, retrained_home: Path):
    text = mech_exo("ledger", "show", "--home", str(retrained_home)).out
    assert "strategy_registered" in text
    assert "is the first champion" in " ".join(text.split())
    some = json.loads(mech_exo("ledger", "show", "--kind", "promoted", "--json", "--home", str(retrained_home)).out)
    assert [each["kind"] for each in some] == ["promoted"]
    last = json.loads(mech_exo("ledger", "show", "--last", "2", "--json", "--home", str(retrained_home)).out)
    assert len(last) == 2
    one = mech_exo("ledger", "show", "1", "--home", str(retrained_home)).out
    assert '"content_hash"' in one
    wrong = mech_exo("ledger", "show", "--kind", "party", "--home", str(retrained_home))
    assert (wrong.code, "no event is of this kind" in wrong.err) == (2, True)


def test_an_empty_home_has_an_empty_ledger_that_verifies(mech_exo: Command, tmp_path: Path):
    assert "holds no events yet" in mech_exo("ledger", "show", "--home", str(tmp_path)).out
    assert mech_exo("ledger", "verify", "--home", str(tmp_path)).code == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_the_ledger_is_exported_with_its_hashes(mech_exo: Command, retrained_home: Path, tmp_path: Path, ending: str):
    out = tmp_path / f"ledger.{ending}"
    assert mech_exo("ledger", "export", "--out", str(out), "--home", str(retrained_home)).code == 0
    if ending == "jsonl":
        hashes = [json.loads(line)["hash"] for line in out.read_text().splitlines()]
    else:
        hashes = (pl.read_csv(out) if ending == "csv" else pl.read_parquet(out))["hash"].to_list()
    assert hashes == [each["hash"] for each in events(mech_exo, retrained_home)]


def test_a_head_from_elsewhere_is_looked_for(mech_exo: Command, retrained_home: Path):
    known = events(mech_exo, retrained_home)[2]["hash"]
    assert mech_exo("ledger", "verify", "--head", known, "--home", str(retrained_home)).code == 0
    other = mech_exo("ledger", "verify", "--head", "0" * 64, "--json", "--home", str(retrained_home))
    assert (other.code, json.loads(other.out)["ok"]) == (1, False)
