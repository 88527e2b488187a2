"""`mech-exo user`: who may look at the dashboard, and who may act.

What belongs here: asking for a password, and saying what was done. What does not: the file (`dashboard.access.users`).
"""

from __future__ import annotations

import json as json_module
import sys
from pathlib import Path
from typing import Annotated

import typer

from mech_exo_assets.cli.options import Json
from mech_exo_assets.errors import InputError
from mech_exo_assets.settings import load_settings

ABOUT = "Who may look at the dashboard, and who may act: add, remove, list."
EXAMPLES = """
\b
Examples:
  mech-exo user add ann --role operator --file users.yaml      asks for a password
  printf %s "$PASSWORD" | mech-exo user add bob --password-stdin
  mech-exo user list --json
  export MECH_EXO_AUTH=users.yaml                              from now on everybody signs in
"""

app = typer.Typer(no_args_is_help=True, help=ABOUT, epilog=EXAMPLES)
File = Annotated[Path | None, typer.Option("--file", help="File of the users. Default: MECH_EXO_AUTH.")]
Name = Annotated[str, typer.Argument(help="Name of the user.")]


@app.command(epilog=EXAMPLES)
def add(
    name: Name,
    *,
    role: Annotated[str, typer.Option(help="viewer reads; operator may retrain, promote, roll back and acknowledge.")] = "viewer",
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")] = False,
    file: File = None,
) -> None:
    """Add a user, or give one another password or role. The password is stored as a hash; sessions of before end."""
    from mech_exo_assets.dashboard.access.users import ROLES, write_user

    path = _path(file)
    chosen = next((each for each in ROLES if each == role), None)
    if chosen is None:
        raise InputError(f"--role {role}: there are {' and '.join(ROLES)}. Nothing was changed.")
    if password_stdin:
        password = sys.stdin.read().rstrip("\n")
    else:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    new = write_user(path, name, password, chosen)
    sys.stderr.write(f"{name} ({role}) was {'added to' if new else 'changed in'} {path}. Serve with MECH_EXO_AUTH={path}\n")


@app.command()
def remove(name: Name, *, file: File = None) -> None:
    """Take a user out; their sessions end at once."""
    from mech_exo_assets.dashboard.access.users import remove_user

    path = _path(file)
    remove_user(path, name)
    sys.stderr.write(f"{name} was removed from {path}.\n")


@app.command("list")
def list_(*, file: File = None, json: Json = False) -> None:
    """Names and roles."""
    from mech_exo_assets.dashboard.access.users import read_users

    users = {name: row["role"] for name, row in read_users(_path(file))["users"].items()}
    if json:
        sys.stdout.write(json_module.dumps(users, indent=1) + "\n")
        return
    for name, role in sorted(users.items()):
        sys.stdout.write(f"{name}  {role}\n")


def _path(file: Path | None) -> Path:
    found = file or load_settings().auth
    if found is None:
        raise InputError("which file? Give --file, or set MECH_EXO_AUTH.")
    return found.expanduser().absolute()
