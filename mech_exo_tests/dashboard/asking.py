"""What tests of the dashboard ask with, and how they read what comes back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dash.development.base_component import Component
from flask.testing import FlaskClient

from mech_exo_assets.dashboard.access.users import Role, write_user

PASSWORD = "correct horse battery"  # noqa: S105 (of a test)
HERE = {"Origin": "http://127.0.0.1", "Host": "127.0.0.1"}
"""What a browser sends with a form of this server."""


def with_users(path: Path, **roles: Role) -> Path:
    """A file of users who all have the same password."""
    for name, role in roles.items():
        write_user(path, name, PASSWORD, role)
    return path


def token(client: FlaskClient, address: str) -> str:
    """The token in the form of a page."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(address, headers={"Host": "127.0.0.1"}).text)
    assert found is not None
    return found[1]


def signed_in(client: FlaskClient, name: str, password: str = PASSWORD) -> FlaskClient:
    """The client, after signing in."""
    fields = {"name": name, "password": password, "next": "/", "csrf_token": token(client, "/sign-in")}
    answer = client.post("/sign-in", data=fields, headers=HERE)
    assert answer.status_code == 302, answer.text
    return client


def parts(component: Any) -> Iterator[Any]:
    """A component, and all that is in it."""
    yield component
    children = getattr(component, "children", None)
    for child in children if isinstance(children, list | tuple) else [children]:
        if child is not None:
            yield from parts(child)


def text(component: Any) -> str:
    """All text in a component."""
    return " ".join(str(each) for each in parts(component) if isinstance(each, str | int | float))


def named(component: Any, name: str) -> Component:
    """The part that has an id."""
    return next(each for each in parts(component) if getattr(each, "id", None) == name)


def rows(component: Any, name: str) -> list[list[str]]:
    """The cells of a table that has an id, row by row, without its head."""
    body = next(each for each in parts(named(component, name)) if type(each).__name__ == "Tbody")
    return [[text(cell) for cell in row.children] for row in body.children]
