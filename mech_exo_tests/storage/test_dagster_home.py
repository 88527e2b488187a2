"""Where Dagster keeps its runs: files in the home, or PostgreSQL, by one setting, and no password in any file."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
import yaml
from pydantic import SecretStr

from mech_exo_assets.errors import InputError
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.connection import parse
from mech_exo_assets.storage.dagster_home import HOME_POOL, SEARCH_POOL, URL_VARIABLE, open_instance, prepare, require_package, run_instance
from mech_exo_assets.storage.ledger import Entry, Ledger
from mech_exo_tests.postgres import PASSWORD, PostgresServer


@dg.asset
def figure() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"figure": 7})


@pytest.fixture(autouse=True)
def _variable_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL_VARIABLE, "")
    monkeypatch.delenv(URL_VARIABLE)


def on_server(home: Path, url: str, **more: str) -> Settings:
    return Settings(home=home, db_url=SecretStr(url), **more)


def run(instance: dg.DagsterInstance) -> str:
    return dg.Definitions(assets=[figure]).resolve_implicit_global_asset_job_def().execute_in_process(instance=instance).run_id


def test_without_a_server_runs_are_files_in_the_home(tmp_path: Path):
    settings = Settings(home=tmp_path)
    assert open_instance(settings) is None
    with run_instance(settings) as instance:
        run_id = run(instance)
    assert (tmp_path / "dagster" / "history" / "runs" / f"{run_id}.db").exists()
    looking = open_instance(settings)
    assert looking is not None
    assert [each.run_id for each in looking.get_runs()] == [run_id]


@pytest.mark.slow
def test_on_a_server_runs_events_and_schedules_are_there_and_in_no_file(tmp_path: Path, postgres: PostgresServer):
    url = postgres.new_database()
    settings = on_server(tmp_path, url)
    with run_instance(settings) as instance:
        run_id = run(instance)
    database = url.rpartition("/")[2]
    assert postgres.execute("SELECT run_id FROM dagster.runs", database=database) == [(run_id,)]
    ((events,),) = postgres.execute("SELECT count(*) FROM dagster.event_logs", database=database)
    assert events > 5
    assert postgres.execute("SELECT count(*) FROM dagster.job_ticks", database=database) == [(0,)]
    assert postgres.execute("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'", database=database) == [(0,)]
    assert list(tmp_path.rglob("*.db")) == []
    looking = open_instance(settings)
    assert looking is not None
    with looking:
        event = looking.get_latest_materialization_event(figure.key)
    assert event is not None
    assert event.run_id == run_id
    for path in (each for each in tmp_path.rglob("*") if each.is_file()):
        assert PASSWORD not in path.read_text(errors="replace")
        assert url not in path.read_text(errors="replace")


@pytest.mark.slow
def test_two_homes_with_namespaces_share_a_database_and_see_nothing_of_each_other(tmp_path: Path, postgres: PostgresServer):
    url = postgres.new_database()
    runs = {}
    for name in ("ann", "bob"):
        settings = on_server(tmp_path / name, url, namespace=name)
        with run_instance(settings) as instance:
            runs[name] = run(instance)
        Ledger(settings.ledger_url, settings.ledger_head_path).append(Entry("refused", name, {}, key="the same"))
    for name in ("ann", "bob"):
        settings = on_server(tmp_path / name, url, namespace=name)
        with run_instance(settings) as instance:
            assert [each.run_id for each in instance.get_runs()] == [runs[name]]
        ledger = Ledger(settings.ledger_url, settings.ledger_head_path)
        assert [event.actor for event in ledger.events()] == [name]
        assert ledger.verify().ok


@pytest.mark.slow
def test_a_home_that_moves_to_a_server_keeps_what_its_owner_has_set(tmp_path: Path, postgres: PostgresServer):
    path = prepare(Settings(home=tmp_path))
    path.write_text(path.read_text().replace("max_concurrent_runs: 2", "max_concurrent_runs: 3"))
    with run_instance(on_server(tmp_path, postgres.new_database())) as instance:
        assert type(instance.run_storage).__name__ == "PostgresRunStorage"
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 3
        assert instance.event_log_storage.get_concurrency_keys() == {HOME_POOL, SEARCH_POOL}
    with pytest.raises(InputError, match="keeps Dagster's runs in PostgreSQL, and MECH_EXO_DB_URL does not name such a database"):
        prepare(Settings(home=tmp_path))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("storage: {sqlite: {base_dir: x}}", "names a storage of its own"),
        ("a: [", "is not YAML"),
        ("- a", "holds no settings by name"),
    ],
)
def test_a_file_that_cannot_be_followed_is_refused(tmp_path: Path, text: str, complaint: str):
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text(text)
    with pytest.raises(InputError, match=complaint):
        prepare(on_server(tmp_path, "postgresql://me:hush@127.0.0.1:1/base"))


def test_a_server_that_is_away_is_told_in_one_line_without_the_password(tmp_path: Path):
    with pytest.raises(InputError, match="the database cannot be used") as told:
        run_instance(on_server(tmp_path, "postgresql://me:hush@127.0.0.1:1/base"))
    assert "hush" not in str(told.value)
    assert "\n" not in str(told.value)


def test_what_is_tried_again_and_how_many_run_at_once(tmp_path: Path):
    content = yaml.safe_load(prepare(Settings(home=tmp_path)).read_text())
    assert content["concurrency"] == {"pools": {"granularity": "run", "default_limit": 1}, "runs": {"max_concurrent_runs": 2}}
    assert content["run_retries"] == {"enabled": True, "max_retries": 2, "retry_on_asset_or_op_failure": False}
    assert "storage" not in content


def test_pools_are_limited_before_a_run_waits_and_keep_what_a_person_gives_them(tmp_path: Path):
    settings = Settings(home=tmp_path)
    with run_instance(settings) as instance:
        assert {each.name: each.limit for each in instance.event_log_storage.get_pool_limits()} == {HOME_POOL: 1, SEARCH_POOL: 1}
        instance.event_log_storage.set_concurrency_slots(SEARCH_POOL, 2)
    with run_instance(settings) as instance:
        assert {each.name: each.limit for each in instance.event_log_storage.get_pool_limits()} == {HOME_POOL: 1, SEARCH_POOL: 2}


def test_a_home_whose_file_is_older_than_the_pools_has_one_run_at_a_time(tmp_path: Path):
    settings = Settings(home=tmp_path)
    settings.dagster_home.mkdir()
    (settings.dagster_home / "dagster.yaml").write_text("concurrency: {runs: {max_concurrent_runs: 1}}\n", encoding="utf-8")
    with run_instance(settings) as instance:
        assert instance.event_log_storage.get_pool_limits() == []
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 1


def test_a_server_without_dagsters_package_for_it_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(InputError, match=r"pip install 'mech-exo\[postgres\]'"):
        require_package(parse("postgresql://me:hush@host/base"))
