"""Who may look and act: passwords are kept as hashes, in a file that only its owner reads."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mech_exo_assets.dashboard.access.users import User, Users, read_users, remove_user, write_user
from mech_exo_assets.errors import InputError
from mech_exo_tests.dashboard.asking import PASSWORD, with_users


@pytest.fixture(autouse=True)
def _quick_hashes() -> None:
    """None here: these hashes are those of the product."""


def test_a_password_lets_its_own_user_in_and_nobody_else(tmp_path: Path):
    users = Users(with_users(tmp_path / "users.yaml", ann="viewer", bob="operator"))
    assert users.authenticated("ann", PASSWORD) == User("ann", "viewer")
    assert users.authenticated("bob", PASSWORD) == User("bob", "operator")
    assert users.authenticated("ann", PASSWORD + " ") is None
    assert users.authenticated("eve", PASSWORD) is None
    assert users.authenticated("ann", "") is None


def test_the_file_holds_hashes_and_only_its_owner_reads_it(tmp_path: Path):
    path = with_users(tmp_path / "deep" / "users.yaml", ann="viewer")
    assert PASSWORD not in path.read_text()
    assert read_users(path)["users"]["ann"]["password"].startswith("$argon2id$")
    assert path.stat().st_mode & 0o077 == 0


def test_two_users_with_the_same_password_have_other_hashes(tmp_path: Path):
    content = read_users(with_users(tmp_path / "users.yaml", ann="viewer", bob="viewer"))["users"]
    assert content["ann"]["password"] != content["bob"]["password"]


def test_a_file_that_others_read_is_refused_with_the_mend(tmp_path: Path):
    path = with_users(tmp_path / "users.yaml", ann="viewer")
    path.chmod(0o644)
    with pytest.raises(InputError, match=f"chmod 600 {path}"):
        Users(path)


def test_what_changes_in_the_file_counts_at_once_and_ends_sessions_of_before(tmp_path: Path):
    path = with_users(tmp_path / "users.yaml", ann="viewer", bob="operator")
    users = Users(path)
    before = users.mark("ann")
    assert users.mark("ann") == before
    assert not write_user(path, "ann", PASSWORD + "!", "operator")
    assert users.user("ann") == User("ann", "operator")
    assert users.mark("ann") != before
    assert users.authenticated("ann", PASSWORD) is None
    remove_user(path, "bob")
    assert users.user("bob") is None


@pytest.mark.parametrize(
    ("name", "password", "told"),
    [("a b", PASSWORD, "is no name"), ("../x", PASSWORD, "is no name"), ("", PASSWORD, "is no name"), ("ann", "short", "12 are wanted")],
)
def test_bad_names_and_short_passwords_are_refused_and_nothing_is_written(tmp_path: Path, name: str, password: str, told: str):
    with pytest.raises(InputError, match=told):
        write_user(tmp_path / "users.yaml", name, password, "viewer")
    assert not (tmp_path / "users.yaml").exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("nonsense: [", "cannot be read as YAML"),
        ("just text", "needs the keys"),
        (yaml.safe_dump({"secret": "x" * 32, "users": {"ann": {"role": "king", "password": "$argon2id$"}}}), "users.ann"),
        (yaml.safe_dump({"secret": "x" * 32, "users": {"ann": {"role": "viewer", "password": "plain"}}}), "users.ann"),
        (yaml.safe_dump({"secret": "short", "users": {}}), "32 characters"),
        (yaml.safe_dump({"secret": "x" * 32, "users": {}}), "has no user"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: str, told: str):
    path = tmp_path / "users.yaml"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(InputError, match=told):
        Users(path)


def test_a_missing_file_says_how_to_make_it(tmp_path: Path):
    with pytest.raises(InputError, match="mech-exo user add"):
        Users(tmp_path / "none.yaml")


def test_a_user_who_is_not_there_cannot_be_removed(tmp_path: Path):
    path = with_users(tmp_path / "users.yaml", ann="viewer")
    with pytest.raises(InputError, match="no user 'eve'; it has: ann"):
        remove_user(path, "eve")
