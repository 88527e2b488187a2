"""`mech-exo user`, as a person or a script types it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from mech_exo_assets.dashboard.access.users import Users
from mech_exo_tests.cli.conftest import Command
from mech_exo_tests.dashboard.asking import PASSWORD


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD + "\n"))


@pytest.mark.usefixtures("typed")
def test_a_user_is_added_listed_and_removed(mech_exo: Command, tmp_path: Path):
    file = tmp_path / "users.yaml"
    said = mech_exo("user", "add", "ann", "--role", "operator", "--password-stdin", "--file", file)
    assert (said.code, "ann (operator) was added" in said.err) == (0, True)
    assert PASSWORD not in said.out + said.err
    assert Users(file).authenticated("ann", PASSWORD).may_act
    assert json.loads(mech_exo("user", "list", "--json", "--file", file).out) == {"ann": "operator"}
    assert mech_exo("user", "list", "--file", file).out == "ann  operator\n"
    assert mech_exo("user", "remove", "ann", "--file", file).code == 0
    assert mech_exo("user", "list", "--file", file).out == ""


@pytest.mark.usefixtures("typed")
def test_the_file_may_stand_in_the_environment(mech_exo: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MECH_EXO_AUTH", str(tmp_path / "users.yaml"))
    assert mech_exo("user", "add", "bob", "--password-stdin").code == 0
    assert Users(tmp_path / "users.yaml").user("bob").role == "viewer"


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["add", "ann", "--role", "king", "--password-stdin", "--file", "FILE"], "there are viewer and operator"),
        (["add", "a b", "--password-stdin", "--file", "FILE"], "is no name for a user"),
        (["add", "ann", "--password-stdin"], "which file?"),
        (["remove", "ann", "--file", "FILE"], "cannot be read"),
        (["list", "--file", "FILE"], "cannot be read"),
    ],
)
def test_wrong_input_is_refused_in_one_line(mech_exo: Command, tmp_path: Path, words: list[str], told: str):
    file = str(tmp_path / "users.yaml")
    said = mech_exo("user", *[file if word == "FILE" else word for word in words])
    assert said.code == 2
    assert told in said.err
    assert not Path(file).exists()


def test_a_dashboard_is_not_shown_to_other_machines_without_users(mech_exo: Command, tmp_path: Path):
    said = mech_exo("dashboard", "--home", tmp_path, "--host", "192.0.2.1")
    assert said.code == 2
