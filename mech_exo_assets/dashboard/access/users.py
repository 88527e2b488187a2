"""Who may look, and who may act: the file of users.

What belongs here: reading and writing that file, and checking a password. What does not: sessions (`sign_in`).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from mech_exo_assets.errors import InputError

Role = Literal["viewer", "operator"]
ROLES: tuple[Role, ...] = get_args(Role)
LEAST_LENGTH = 12
"""Characters of a password. No default password exists."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_hasher = PasswordHasher()
_NOBODY = _hasher.hash(secrets.token_hex(16))
"""Checked in place of the hash of a user who does not exist, so that the time of an answer does not tell who does."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who is signed in.

    Attributes
    ----------
    name : str
    role : str
        `viewer` reads; `operator` may retrain, promote, roll back and acknowledge.
    """

    name: str
    role: Role

    @property
    def may_act(self) -> bool:
        """Whether actions are offered, and carried out."""
        return self.role == "operator"


class Users:
    """The users of a dashboard.

    Parameters
    ----------
    path : Path
        YAML: `secret`, and under `users` role and password hash by name. Read again when it changes.

    Raises
    ------
    InputError
        If the file is not there, not what `mech-exo user add` writes, or readable by others.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int] | None = None
        self._content: Mapping[str, Any] = {}
        self._read()
        if not self._content["users"]:
            raise InputError(f"{path} has no user. Add one: mech-exo user add NAME --role operator")

    @property
    def secret(self) -> str:
        """What sessions are signed with."""
        return str(self._content["secret"])

    def user(self, name: str) -> User | None:
        """A user by name; None where there is none any more."""
        self._read()
        row = self._content["users"].get(name)
        return None if row is None else User(name, row["role"])

    def mark(self, name: str) -> str:
        """Changes with the user's password and role, so that sessions of before end."""
        row = self._content["users"].get(name, {})
        return hmac.new(self.secret.encode(), f"{name}:{row}".encode(), hashlib.sha256).hexdigest()[:32]

    def authenticated(self, name: str, password: str) -> User | None:
        """The user, if the password is theirs; it takes as long if there is no such user."""
        self._read()
        row = self._content["users"].get(name)
        try:
            _hasher.verify(_NOBODY if row is None else row["password"], password)
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return None
        return None if row is None else User(name, row["role"])

    def _read(self) -> None:
        try:
            found = self.path.stat()
        except OSError as error:
            raise InputError(f"MECH_EXO_AUTH: {self.path} cannot be read ({error.strerror}). Make it: mech-exo user add NAME") from error
        stamp = (found.st_ino, found.st_mtime_ns)
        if stamp != self._stamp:
            if os.name == "posix" and found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise InputError(f"{self.path} can be read or written by others than its owner. Mend it: chmod 600 {self.path}")
            self._content = read_users(self.path)
            self._stamp = stamp


def read_users(path: Path) -> dict[str, Any]:
    """The file's content, validated.

    Raises
    ------
    InputError
        If it is not what `mech-exo user add` writes.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as YAML ({error}).") from error
    users = content.get("users") if isinstance(content, dict) else None
    if not isinstance(users, dict) or not isinstance(content.get("secret"), str) or len(content["secret"]) < 32:
        raise InputError(f"{path}: needs the keys `secret` (32 characters or more) and `users`. `mech-exo user add NAME` writes both.")
    for name, row in users.items():
        if not isinstance(row, dict) or row.get("role") not in ROLES or not str(row.get("password", "")).startswith("$argon2"):
            raise InputError(f"{path}, users.{name}: needs `role` (viewer or operator) and `password`, a hash by argon2.")
    return content


def write_user(path: Path, name: str, password: str, role: Role) -> bool:
    """Add a user, or change one; whether the user is new. The file is readable by its owner only.

    Raises
    ------
    InputError
        If the name or the password is not accepted.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"'{name}' is no name for a user: letters, digits and . _ @ - are, up to 64 of them.")
    if len(password) < LEAST_LENGTH:
        raise InputError(f"the password has {len(password)} characters, and {LEAST_LENGTH} are wanted. Nothing was changed.")
    content = read_users(path) if path.exists() else {"secret": secrets.token_hex(32), "users": {}}
    new = name not in content["users"]
    content["users"][name] = {"role": role, "password": _hasher.hash(password)}
    _write(path, content)
    return new


def remove_user(path: Path, name: str) -> None:
    """Take a user out; their sessions end at once.

    Raises
    ------
    InputError
        If there is no such user.
    """
    content = read_users(path)
    if name not in content["users"]:
        raise InputError(f"{path} has no user '{name}'; it has: {', '.join(content['users']) or 'none'}.")
    del content["users"][name]
    _write(path, content)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.new")
    staged.unlink(missing_ok=True)
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        yaml.safe_dump(dict(content), file, sort_keys=False)
    staged.replace(path)
