"""Where an installation keeps things: variables, options before them, and the paths below the home."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import make_url

import mech_exo_assets
from mech_exo_assets.errors import InputError
from mech_exo_assets.settings import Settings, load_settings, load_strategy

CHECKOUT = Path(mech_exo_assets.__file__).parents[1]


def test_without_variables_the_home_is_the_data_folder_of_the_checkout():
    settings = load_settings()
    assert settings.home == CHECKOUT / "data"
    assert (settings.source, settings.config, settings.executor) == ("sample", None, "in_process")


def test_without_a_checkout_the_home_is_a_folder_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setattr(
        "mech_exo_assets.settings.installation.__file__",
        str(tmp_path / "site-packages" / "mech_exo_assets" / "settings" / "installation.py"),
    )
    assert Settings().home == Path.home() / ".mech-exo"


def test_everything_lies_below_the_home(tmp_path):
    settings = load_settings(home=tmp_path)
    assert settings.lake_uri == str(tmp_path / "lake")
    assert settings.mart_path == tmp_path / "mech_exo.duckdb"
    assert settings.dagster_home == tmp_path / "dagster"
    assert settings.reports_path == tmp_path / "reports"


def test_variables_are_read_and_options_go_before_them(monkeypatch, tmp_path):
    monkeypatch.setenv("MECH_EXO_HOME", str(tmp_path / "variable"))
    monkeypatch.setenv("MECH_EXO_SOURCE", "files:prices")
    monkeypatch.setenv("MECH_EXO_EXECUTOR", "multiprocess")
    monkeypatch.setenv("MECH_EXO_SOMETHING_ELSE", "ignored")
    assert load_settings(source=None).source == "files:prices"
    settings = load_settings(home=tmp_path / "option", source="sample")
    assert (settings.home, settings.source, settings.executor) == (tmp_path / "option", "sample", "multiprocess")


def test_an_empty_variable_is_no_variable(monkeypatch):
    monkeypatch.setenv("MECH_EXO_HOME", "")
    monkeypatch.setenv("MECH_EXO_CONFIG", "")
    assert load_settings().home.name == "data"
    assert load_settings().config is None


def test_relative_paths_become_absolute_and_the_tilde_is_the_users_home(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = load_settings(home=Path("here"), config=Path("mine.yaml"))
    assert (settings.home, settings.config) == (tmp_path / "here", tmp_path / "mine.yaml")
    assert load_settings(home="~/there").home == Path.home() / "there"


def test_the_webhook_is_read_and_shown_nowhere(monkeypatch):
    assert load_settings().slack_webhook is None
    monkeypatch.setenv("MECH_EXO_SLACK_WEBHOOK", "https://hooks.slack.com/services/T0/B0/hush")
    settings = load_settings()
    assert settings.slack_webhook is not None
    assert settings.slack_webhook.get_secret_value() == "https://hooks.slack.com/services/T0/B0/hush"
    assert "hush" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_an_empty_webhook_is_none(monkeypatch):
    monkeypatch.setenv("MECH_EXO_SLACK_WEBHOOK", "")
    assert load_settings().slack_webhook is None


def test_a_variable_that_is_not_accepted_is_named_with_its_option(monkeypatch):
    monkeypatch.setenv("MECH_EXO_EXECUTOR", "dask")
    with pytest.raises(InputError) as refusal:
        load_settings()
    assert str(refusal.value) == "MECH_EXO_EXECUTOR (--executor): Input should be 'in_process' or 'multiprocess' (got 'dask')."


@pytest.mark.parametrize("character", ["%", "[", "?", "*", "^", "|", "\\", "\t", "\n"])
def test_a_home_that_tables_cannot_be_stored_under_is_refused(tmp_path, character):
    with pytest.raises(InputError) as refusal:
        load_settings(home=tmp_path / f"my{character}home")
    assert str(refusal.value).startswith(
        f"MECH_EXO_HOME (--home): the tables cannot be stored under a path with {character!r}; choose another folder (got "
    )


def test_a_homes_own_choices_are_taken_where_none_are_named(tmp_path):
    assert load_settings(home=tmp_path).config is None
    (tmp_path / "strategy.yaml").write_text("seed: 3\n")
    assert load_strategy(load_settings(home=tmp_path).config).seed == 3
    other = tmp_path / "other.yaml"
    assert load_settings(home=tmp_path, config=other).config == other


def test_the_studies_are_kept_in_the_home_unless_a_database_is_named(monkeypatch, tmp_path):
    assert load_settings(home=tmp_path).studies_url == f"sqlite:///{tmp_path}/studies.db"
    monkeypatch.setenv("MECH_EXO_DB_URL", "postgresql://me:hush@host/base")
    settings = load_settings(home=tmp_path)
    assert settings.studies_url == "postgresql://me:hush@host/base"
    assert "hush" not in repr(settings)


def test_mlflow_is_kept_in_the_home_or_beside_the_studies_but_apart_from_them(monkeypatch, tmp_path):
    assert load_settings(home=tmp_path).mlflow_url == f"sqlite:///{tmp_path}/mlflow.db"
    assert load_settings(home=tmp_path).mlflow_artifacts == tmp_path / "mlflow"
    for given, expected in (
        ("sqlite:////srv/studies.db", "sqlite:////srv/studies.mlflow.db"),
        ("sqlite:////srv/a.b/studies", "sqlite:////srv/a.b/studies.mlflow.db"),
        ("sqlite:///file:/srv/studies.db?uri=true", "sqlite:////srv/studies.mlflow.db"),
        ("postgresql://me:hu%2Fsh@host/base", "postgresql://me:hu%2Fsh@host/base?options=-csearch_path%3Dmlflow"),
        (
            "postgresql://me:hush@host/base?options=-cstatement_timeout%3D9&sslmode=require",
            "postgresql://me:hush@host/base?options=-cstatement_timeout%3D9+-csearch_path%3Dmlflow&sslmode=require",
        ),
        ("postgresql+psycopg2://me:h?u/s#h@[::1]:5/base", "postgresql+psycopg2://me:h?u/s#h@[::1]:5/base?options=-csearch_path%3Dmlflow"),
        ("postgresql:///base?host=%2Ftmp", "postgresql:///base?host=%2Ftmp&options=-csearch_path%3Dmlflow"),
        ("sqlite://", "sqlite://"),
    ):
        monkeypatch.setenv("MECH_EXO_DB_URL", given)
        settings = load_settings(home=tmp_path)
        assert settings.mlflow_url == expected
        assert settings.studies_url == given
        assert make_url(settings.mlflow_url).password == make_url(given).password
    monkeypatch.setenv("MECH_EXO_DB_URL", "sqlite:///studies.db")
    monkeypatch.chdir(tmp_path)
    assert load_settings().mlflow_url == f"sqlite:///{tmp_path}/studies.mlflow.db"


@pytest.mark.parametrize("url", ["mysql://me:hush@host/base", "postgres://me:hush@host/base", "hush"])
def test_a_database_of_another_kind_is_refused_without_its_password(monkeypatch, url):
    monkeypatch.setenv("MECH_EXO_DB_URL", url)
    with pytest.raises(InputError, match=r"^MECH_EXO_DB_URL: it must begin with sqlite:// or postgresql://") as caught:
        load_settings()
    assert "hush" not in str(caught.value)
