"""The database of all searches: what is opened is what was meant, and trials and looks are counted over a family."""

from __future__ import annotations

import datetime as dt
import sqlite3
import sys
from wsgiref.util import setup_testing_defaults

import optuna
import pytest
import sqlalchemy as sa

from mech_exo_assets.errors import InputError
from mech_exo_assets.storage import connection
from mech_exo_assets.storage.studies import StudyDatabase
from mech_exo_tests.storage.searches import DIRECTIONS, failed, open_store, result, start, stored, trial, trials

NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
SPAN = {"holdout_from": "2020-01-01", "holdout_to": "2022-12-31"}


def test_nothing_is_touched_before_the_first_use(tmp_path):
    database = StudyDatabase(f"sqlite:///{tmp_path}/new/studies.db")
    assert not (tmp_path / "new").exists()
    assert database.names("equity") == []
    assert (tmp_path / "new" / "studies.db").is_file()


def test_a_study_is_made_with_its_attributes_and_found_again(url):
    attributes = {"family": "equity", "seed": 7, "span": ("2010", "2019")}
    StudyDatabase(url).open("one", directions=DIRECTIONS, attributes=attributes)
    store = StudyDatabase(url).open("one", directions=DIRECTIONS, attributes=attributes | {"later": None})
    assert store.study.user_attrs == {"family": "equity", "seed": 7, "span": ["2010", "2019"], "later": None}
    assert [each.name.lower() for each in store.study.directions] == list(DIRECTIONS)


def test_a_study_of_another_search_is_refused_and_left_as_it_is(url):
    database = StudyDatabase(url)
    database.open("one", directions=DIRECTIONS, attributes={"family": "equity", "seed": 7})
    with pytest.raises(InputError, match=r"'one' has seed 7, this search 8; give the search another name"):
        database.open("one", directions=DIRECTIONS, attributes={"more": 1, "seed": 8})
    with pytest.raises(InputError, match=r"directions \['maximize', 'minimize', 'maximize'\], this search \['minimize'\]"):
        database.open("one", directions=["minimize"], attributes={})
    assert database.open("one", directions=DIRECTIONS, attributes={}).study.user_attrs == {"family": "equity", "seed": 7}


def test_all_trials_of_a_family_count_failed_ones_too_and_no_other_familys(url):
    database = StudyDatabase(url)
    for name, family, batches in (("b", "equity", 2), ("a", "equity", 1), ("c", "credit ä", 3)):
        store = database.open(name, directions=DIRECTIONS, attributes={"family": family})
        for batch in range(batches):
            store.complete(batch, [trial(batch, 0), failed(batch, 1)])
    optuna.load_study(study_name="a", storage=database._open().storage).enqueue_trial({"momentum": 0.5})
    assert database.names("equity") == ["b", "a"]
    assert database.trial_count("equity") == 6
    assert database.trial_count("credit ä") == 6
    assert (database.names("none"), database.trial_count("none")) == ([], 0)


def test_looks_are_counted_where_hold_outs_share_a_day(url):
    database = StudyDatabase(url)
    database.open("one", directions=DIRECTIONS, attributes={"family": "equity"} | SPAN)
    database.open("two", directions=DIRECTIONS, attributes={"family": "equity", "holdout_from": "2023-01-01", "holdout_to": "2023-06-30"})
    database.open("three", directions=DIRECTIONS, attributes={"family": "credit"} | SPAN)
    assert [database.record_look(name, NOON) for name in ("one", "one", "two", "three")] == [1, 2, 1, 1]
    day = dt.date.fromisoformat
    for first, last, expected in (
        ("2010-01-01", "2019-12-31", 0),
        ("2010-01-01", "2020-01-01", 2),
        ("2021-01-01", "2021-01-01", 2),
        ("2022-12-31", "2023-01-01", 3),
        ("2023-06-30", "2030-01-01", 1),
        ("2023-07-01", "2030-01-01", 0),
    ):
        assert database.looks("equity", first=day(first), last=day(last)) == expected
    # A look has happened, also when its study is deleted.
    optuna.delete_study(study_name="one", storage=database._open().storage)
    assert database.looks("equity", first=day("2021-01-01"), last=day("2021-01-01")) == 2


def test_a_look_without_a_hold_out_or_a_zone_is_a_mistake(url):
    database = StudyDatabase(url)
    database.open("one", directions=DIRECTIONS, attributes={"family": "equity"})
    with pytest.raises(ValueError, match=r"no study 'one' with the attributes \['holdout_from', 'holdout_to'\]"):
        database.record_look("one", NOON)
    with pytest.raises(ValueError, match="no study 'none'"):
        database.record_look("none", NOON)
    with pytest.raises(ValueError, match="zone"):
        database.record_look("one", NOON.replace(tzinfo=None))


@pytest.mark.slow
def test_no_look_is_lost_when_two_processes_look_at_once(url):
    open_store(url, **SPAN)
    for each in [start("look", url, 25) for _ in range(2)]:
        result(each)
    assert StudyDatabase(url).looks("equity", first=dt.date(2021, 1, 1), last=dt.date(2021, 1, 1)) == 50


def test_a_sqlite_file_takes_readers_beside_a_writer(tmp_path):
    url = f"sqlite:///{tmp_path}/studies.db"
    store = open_store(url)
    store.complete(0, trials(0))
    with connection.writing(store._opened.engine):
        assert len(stored(url)) == 4
        assert len(open_store(url).trials()) == 4


def test_a_closed_database_opens_again(url):
    database = StudyDatabase(url)
    database.close()
    database.open("one", directions=DIRECTIONS, attributes={"family": "equity"})
    database.close()
    assert database.names("equity") == ["one"]


def test_the_dashboard_serves_the_same_database(tmp_path):
    dashboard = pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is a development dependency")
    url = f"sqlite:///{tmp_path}/studies.db"
    open_store(url).complete(0, trials(0))
    environ: dict[str, object] = {"PATH_INFO": "/api/studies"}
    setup_testing_defaults(environ)
    statuses: list[str] = []
    body = b"".join(dashboard.wsgi(url)(environ, lambda status, _headers, _error=None: statuses.append(status)))
    assert statuses == ["200 OK"]
    assert b'"search"' in body


class TestErrors:
    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("hush", "the URL of the database cannot be read; give sqlite:////path"),
            ("mysql://me:hush@host/base", r"mysql://me:\*\*\*@host/base: a database of the kind 'mysql' is not supported; give sqlite"),
            ("sqlite://", "in memory is not shared"),
            ("sqlite:///:memory:", "in memory is not shared"),
            ("postgresql+none://me:hush@host/base", r"me:\*\*\*@host/base: the driver postgresql\+none is not installed; leave"),
            (
                "postgresql://me:hush@127.0.0.1:1/base?password=hush",
                r"me:\*\*\*@127.0.0.1:1/base.*: the database cannot be used \(.*refused.*\); see",
            ),
            ("sqlite:////dev/null/folder/studies.db", "the folder /dev/null/folder cannot be made"),
        ],
    )
    def test_a_wrong_url_is_told_in_one_line_without_its_password(self, url, said):
        with pytest.raises(InputError, match=said) as caught:
            StudyDatabase(url).names("equity")
        assert "hush" not in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_file_that_is_no_database_is_left_as_it_is(self, tmp_path):
        file = tmp_path / "studies.db"
        file.write_bytes(b"date,close\n" * 200)
        with pytest.raises(InputError, match=r"studies.db: the database cannot be used \(file is not a database\); move that file away"):
            open_store(f"sqlite:///{file}")
        assert file.read_bytes() == b"date,close\n" * 200
        assert [each.name for each in tmp_path.iterdir()] == ["studies.db"]

    def test_a_folder_in_place_of_the_file_is_told(self, tmp_path):
        with pytest.raises(InputError, match=r"unable to open database file.*name another file"):
            open_store(f"sqlite:///{tmp_path}")

    def test_a_disk_that_lets_no_file_grow_is_no_server_that_is_away(self, tmp_path):
        url = sa.make_url(f"sqlite:///{tmp_path}/ledger.db")
        with pytest.raises(InputError, match=r"ledger.db: .*\(disk I/O error\); see that its disk has room"), connection.in_words(url):
            raise sqlite3.OperationalError("disk I/O error")

    def test_a_database_that_may_only_be_read_is_read_and_refuses_to_be_written(self, tmp_path):
        file = tmp_path / "studies.db"
        open_store(f"sqlite:///{file}").complete(0, trials(0))
        database = StudyDatabase(f"sqlite:///file:{file}?mode=ro&uri=true")
        assert database.trial_count("equity") == 4
        store = database.open("search", directions=DIRECTIONS, attributes={})
        assert len(store.trials()) == 4
        for write in (lambda: store.claim(9), lambda: store.complete(1, trials(1)), lambda: open_store(database._url, "two")):
            with pytest.raises(InputError, match=r"readonly database.*make the file and its folder writable"):
                write()
        assert len(stored(f"sqlite:///{file}")) == 4

    def test_a_file_that_another_holds_is_told_after_the_wait(self, tmp_path, monkeypatch):
        monkeypatch.setattr(connection, "BUSY_SECONDS", 0.05)
        url = f"sqlite:///{tmp_path}/studies.db"
        store, other = open_store(url), open_store(url)
        with connection.writing(other._opened.engine), pytest.raises(InputError, match=r"database is locked.*try again later"):
            store.claim(1)
        assert store.claim(1) == 0

    def test_a_claim_that_cannot_be_given_back_is_logged_and_hides_no_other_error(self, tmp_path, monkeypatch, caplog):
        monkeypatch.setattr(connection, "BUSY_SECONDS", 0.05)
        url = f"sqlite:///{tmp_path}/studies.db"
        store, other = open_store(url), open_store(url)
        store.claim(1)
        with connection.writing(other._opened.engine):
            store.release(0)
        assert "claim on batch 0 could not be given back; it ends within 60 s" in caplog.text

    def test_a_schema_of_another_version_of_optuna_is_refused(self, tmp_path):
        url = f"sqlite:///{tmp_path}/studies.db"
        open_store(url)
        with sa.create_engine(url).begin() as link:
            link.exec_driver_sql("UPDATE alembic_version SET version_num = 'v2.6.0.a'")
        with pytest.raises(InputError, match=r"no longer compatible.*optuna storage upgrade.*Nothing was changed"):
            open_store(url)

    def test_postgresql_without_its_driver_says_what_to_install(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "psycopg2", None)
        with pytest.raises(InputError, match=r"me:\*\*\*@host/base: PostgreSQL needs a driver; .* pip install 'mech-exo\[postgres\]'"):
            StudyDatabase("postgresql://me:hush@host/base").names("equity")

    def test_the_url_is_shown_as_the_dashboard_takes_it(self):
        assert StudyDatabase("postgresql://me:hush@host/base").shown_url == "postgresql+psycopg2://me:***@host/base"


@pytest.mark.slow
class TestPostgresErrors:
    def test_what_the_server_refuses_is_told_with_its_mend(self, postgres):
        database = postgres.new_database().rpartition("/")[2]
        postgres.execute("CREATE ROLE studies_reader LOGIN PASSWORD 'r'")
        for url, said in (
            (postgres.url(database, password="wrong"), "password authentication failed.*correct the user or the password"),  # noqa: S106
            (postgres.url(database, user="nobody"), "password authentication failed.*correct the user or the password"),
            (postgres.url("missing"), 'database "missing" does not exist.*create the database'),
            (postgres.url(database, user="studies_reader", password="r"), "permission denied for schema public.*right to create"),  # noqa: S106
            (f"postgresql://me@no-such-host.invalid/{database}", "could not translate host name.*correct the host"),
        ):
            with pytest.raises(InputError, match=said) as caught:
                open_store(url)
            assert "wrong" not in str(caught.value)
            assert "\n" not in str(caught.value)
        assert postgres.execute("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'", database=database) == [(0,)]

    def test_a_connection_lost_at_any_statement_leaves_none_of_the_batch_and_the_store_goes_on(self, postgres):
        url = postgres.new_database()
        store = open_store(url)
        lost = 0
        for statement in range(40):
            left = [statement]

            def lose(link, *_, left=left):
                left[0] -= 1
                if left[0] == -1:
                    pid = link.connection.driver_connection.info.backend_pid
                    postgres.execute(f"SELECT pg_terminate_backend({pid}, 5000)")

            sa.event.listen(store._opened.engine, "before_cursor_execute", lose)
            try:
                written = store.complete(0, trials(0))
            except InputError as error:
                lost += 1
                said = str(error)
            else:
                assert written
                break
            finally:
                sa.event.remove(store._opened.engine, "before_cursor_execute", lose)
            assert "terminating connection" in said or "closed" in said
            assert stored(url) == []
            assert store.trials() == []
        assert lost >= 9
        assert len(stored(url)) == 4
        assert store.finished(1)

    def test_a_server_killed_before_the_commit_leaves_none_of_the_batch_and_the_store_goes_on(self, postgres):
        from mech_exo_tests.postgres import PostgresServer

        server = PostgresServer(postgres._programs)
        try:
            server.start()
            url = server.new_database()
            store = open_store(url)
            store.complete(0, trials(0))
            assert store.claim(2) == 1
            kill = lambda _: server.kill()  # noqa: E731 - removed below
            sa.event.listen(store._opened.engine, "commit", kill)
            with pytest.raises(InputError, match=r"mech:\*\*\*@127.0.0.1.*the database cannot be used"):
                store.complete(1, trials(1))
            sa.event.remove(store._opened.engine, "commit", kill)
            with pytest.raises(InputError, match="refused"):
                store.trials()
            store.release(1)
            server.start()
            assert len(stored(url)) == 4
            assert store.complete(1, trials(1))
            assert len(stored(url)) == 8
            assert store.trials() == stored(url)
        finally:
            server.stop()
