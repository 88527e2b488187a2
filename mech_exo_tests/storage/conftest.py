"""Fixtures of the storage tests: each test of the studies runs on both databases."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request, tmp_path) -> str:
    """URL of a database that nobody has used."""
    if request.param == "sqlite":
        # A folder that is to be made, with what a URL or a template could take for its own.
        return f"sqlite:///{tmp_path}/new folder/{{1}}+ä/studies.db"
    return request.getfixturevalue("postgres").new_database()
