"""What MECH_EXO_LAKE accepts, and that what it refuses is not shown."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError

from mech_exo_assets.errors import InputError
from mech_exo_assets.settings import Settings, load_settings

SECRET = "hush/Secret"  # noqa: S105


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://my.bucket-1/a/b_c/d=e.f/", "s3://my.bucket-1/a/b_c/d=e.f"),
        ("gs://bucket/lake", "gs://bucket/lake"),
        ("az://container/lake", "az://container/lake"),
        ("/srv/lake", "/srv/lake"),
        ("~/lake", str(Path.home() / "lake")),
    ],
)
def test_a_folder_or_the_uri_of_a_prefix_is_a_lake(monkeypatch, tmp_path, given, root):
    monkeypatch.setenv("MECH_EXO_LAKE", given)
    settings = load_settings(home=tmp_path)
    assert settings.lake_uri == settings.lake_elsewhere == root
    assert settings.mart_path == tmp_path / "mech_exo.duckdb"


def test_the_homes_own_lake_is_the_default_and_is_not_elsewhere(monkeypatch, tmp_path):
    assert load_settings(home=tmp_path).lake_uri == str(tmp_path / "lake")
    monkeypatch.setenv("MECH_EXO_LAKE", str(tmp_path / "lake"))
    assert load_settings(home=tmp_path).lake_elsewhere == ""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MECH_EXO_LAKE", "other")
    assert load_settings(home=tmp_path).lake_elsewhere == str(tmp_path / "other")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("http://bucket/lake", "begins with http://; give a folder, or s3://bucket/prefix,"),
        ("file:///srv/lake", "begins with file://"),
        ("s3a://bucket/lake", "begins with s3a://"),
        ("s3:/bucket/lake", "begins with s3:/b"),
        (f"s3://KEY:{SECRET}@bucket/lake", "give them in the variables of the store"),
        (f"s3://KEY@bucket/{SECRET}", "credentials or a port"),
        ("s3://127.0.0.1:9000/bucket", "credentials or a port"),
        (f"s3://bucket/lake?secret={SECRET}", "a URI with a query"),
        ("s3://bucket/lake#there", "a URI with a query"),
        ("s3://", "names no bucket"),
        ("s3:///lake", "names no bucket"),
        ("s3://bucket//lake", "between single slashes"),
        ("s3://bucket/../lake", "between single slashes"),
        ("s3://bucket/a lake", "between single slashes"),
        ("s3://bucket/l*", "between single slashes"),
        ("/srv/100%", "under a path with '%'"),
    ],
)
def test_what_is_neither_is_refused_in_one_line_that_does_not_repeat_it(monkeypatch, given, why):
    monkeypatch.setenv("MECH_EXO_LAKE", given)
    with pytest.raises(InputError) as refusal:
        load_settings()
    assert str(refusal.value).startswith("MECH_EXO_LAKE: ")
    assert why in str(refusal.value)
    assert "\n" not in str(refusal.value)
    shown = "".join(traceback.format_exception(refusal.value))
    with pytest.raises(ValidationError) as direct:
        Settings()
    assert SECRET not in shown + "".join(traceback.format_exception(direct.value))
