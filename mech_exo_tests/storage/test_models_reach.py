"""What cannot be recorded is told before a training, at once and without the password; PostgreSQL is shared with the weight searches."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.models import ModelRegistry, reach, saving
from mech_exo_assets.storage.studies import StudyDatabase
from mech_exo_tests.ports import free_port
from mech_exo_tests.postgres import PostgresServer
from mech_exo_tests.storage.searches import DIRECTIONS
from mech_exo_tests.storage.trainings import FEATURES, model, rows, training

PASSWORD = "hush%20p%40ss"  # noqa: S105 - of no server


def registry(home: Path, url: str) -> ModelRegistry:
    settings = Settings(home=home, db_url=SecretStr(url))
    return ModelRegistry(settings.mlflow_url, settings.mlflow_artifacts)


def test_nothing_is_touched_before_the_first_use(tmp_path: Path):
    registry(tmp_path / "home", f"sqlite:///{tmp_path}/new/studies.db")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_away_is_told_at_once_without_the_password(tmp_path: Path):
    port = free_port()
    models = registry(tmp_path / "home", f"postgresql://mech:{PASSWORD}@127.0.0.1:{port}/research")
    began = time.monotonic()
    for act in (models.require, lambda: models.record(training()), lambda: models.aliases("ridge")):
        with pytest.raises(InputError, match=r"the database cannot be used \(.*Connection refused.*MECH_EXO_DB_URL names it") as told:
            act()
        assert f"127.0.0.1:{port}/research" in str(told.value)
        assert "hush" not in str(told.value)
        assert "\n" not in str(told.value)
    assert time.monotonic() - began < 3
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_artifacts_that_cannot_be_written_is_told_before_tables_are_made(tmp_path: Path):
    (tmp_path / "mlflow").write_text("a file where the folder should be")
    models = ModelRegistry(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "mlflow")
    with pytest.raises(InputError, match=rf"^{tmp_path}/mlflow: MLflow's artifacts cannot be written there \(File exists\); make it"):
        models.require()
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow"]


def test_a_file_that_cannot_be_a_database_is_told(tmp_path: Path):
    (tmp_path / "taken").write_text("a file where the folder should be")
    with pytest.raises(InputError, match=r"the folder .*/taken cannot be made \(File exists\)"):
        registry(tmp_path / "home", f"sqlite:///{tmp_path}/taken/studies.db").require()
    (tmp_path / "mlflow.db").write_text("no database " * 100)
    with pytest.raises(InputError, match=r"file is not a database\); move that file away"):
        ModelRegistry(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "mlflow").require()
    assert not (tmp_path / "mlflow").exists()


def test_a_url_that_cannot_be_read_is_told_without_it(tmp_path: Path):
    with pytest.raises(InputError, match=r"the URL of the database cannot be read; give") as told:
        registry(tmp_path, f"postgresql://mech:{PASSWORD}@host:port/research").require()
    assert "hush" not in str(told.value)


@pytest.mark.slow
def test_mlflow_and_the_searches_share_one_database_and_each_finds_its_own(url: str, tmp_path: Path):
    StudyDatabase(url).open("one", directions=DIRECTIONS, attributes={"family": "equity"})
    models = registry(tmp_path / "home", url)
    runs = {kind: models.record(training(kind)) for kind in ("lightgbm", "xgboost", "ridge")}
    # After the records, which import it without the warnings that it has of itself.
    import mlflow.pyfunc
    import pandas as pd

    for kind, run in runs.items():
        models.promote(kind, run)
        assert registry(tmp_path / "home", url).aliases(kind) == {"challenger": run, "champion": run}
        version = models._client().get_model_version_by_alias(f"mech-exo-{kind}", "champion")
        loaded = mlflow.pyfunc.load_model(version.source)
        frame = pd.DataFrame(rows(), columns=list(FEATURES.names))
        np.testing.assert_array_equal(np.asarray(loaded.predict(frame), float), model(kind).predict(rows()))
    models.log_metrics(runs["ridge"], {"out_of_sample_ic": 0.03}, step=7)
    assert models._client().get_run(runs["ridge"]).data.metrics["out_of_sample_ic"] == 0.03
    assert StudyDatabase(url).names("equity") == ["one"]


@pytest.mark.slow
def test_mlflow_may_come_first_into_a_database_of_postgresql(postgres: PostgresServer, tmp_path: Path):
    url = postgres.new_database()
    registry(tmp_path, url).require()
    StudyDatabase(url).open("one", directions=DIRECTIONS, attributes={"family": "equity"})
    registry(tmp_path, url).require()
    found = postgres.execute(
        "SELECT schemaname FROM pg_tables WHERE tablename = 'alembic_version' ORDER BY 1", database=url.rpartition("/")[2]
    )
    assert found == [("mlflow",), ("public",)]


@pytest.mark.slow
def test_a_user_who_may_not_make_the_schema_is_told_the_mend(postgres: PostgresServer, tmp_path: Path):
    database = postgres.new_database().rpartition("/")[2]
    postgres.execute("CREATE ROLE narrow LOGIN PASSWORD 'narrow'")
    with pytest.raises(InputError, match=r"permission denied for database .* let an administrator grant") as told:
        registry(tmp_path, postgres.url(database, user="narrow", password="narrow")).require()  # noqa: S106 - of this test's server
    assert ":narrow@" not in str(told.value)
    postgres.execute("CREATE SCHEMA mlflow AUTHORIZATION narrow", database=database)
    registry(tmp_path, postgres.url(database, user="narrow", password="narrow")).require()  # noqa: S106 - of this test's server


@pytest.mark.slow
def test_a_server_killed_in_the_middle_of_a_record_leaves_an_unfinished_run_and_the_aliases_as_they_were(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    models = registry(tmp_path, postgres.new_database())
    before = models.record(training())
    save = saving.save

    def killed(*arguments: Any) -> None:
        save(*arguments)
        postgres.kill()

    with monkeypatch.context() as patch:
        patch.setattr(saving, "save", killed)
        try:
            with pytest.raises(MechExoError, match=r"not recorded \(.*Connection refused.*the run stays unfinished") as told:
                models.record(training())
        finally:
            postgres.start()
    assert "{word}" not in str(told.value)
    assert models.aliases("ridge") == {"challenger": before}
    assert models.aliases("ridge") != {"challenger": models.record(training())}


_AT_ONCE = """
import sys, time
from pathlib import Path
from mech_exo_assets.storage.models import ModelRegistry, reach
reach.load_mlflow()
while time.time() < float(sys.argv[3]):
    time.sleep(0.005)
ModelRegistry(sys.argv[1], Path(sys.argv[2])).require()
"""


@pytest.mark.slow
def test_several_processes_may_make_the_tables_of_a_file_at_once(tmp_path: Path):
    together = str(time.time() + 12)
    command = [sys.executable, "-W", "ignore", "-c", _AT_ONCE, f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "mlflow"), together]
    processes = [subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said


@pytest.mark.slow
def test_a_user_who_may_only_read_and_a_read_only_database_are_told_before_a_training(postgres: PostgresServer, tmp_path: Path):
    url = postgres.new_database()
    database = url.rsplit("/", 1)[1]
    owner = registry(tmp_path, url)
    owner.require()
    postgres.execute("CREATE ROLE reader LOGIN PASSWORD 'secret'")
    postgres.execute("GRANT USAGE ON SCHEMA mlflow TO reader", database=database)
    postgres.execute("GRANT SELECT ON ALL TABLES IN SCHEMA mlflow TO reader", database=database)
    reader = registry(tmp_path, postgres.url(database, user="reader", password="secret"))  # noqa: S106 - of no one else's server
    with pytest.raises(InputError, match="permission denied"):
        reader.require()
    postgres.execute("GRANT ALL ON ALL TABLES IN SCHEMA mlflow TO reader", database=database)
    postgres.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA mlflow TO reader", database=database)
    reader.require()
    postgres.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    with pytest.raises(InputError, match="the database is read-only"):
        owner.require()


KILLED_WHILE_MAKING = """
import os, signal, sys
from mech_exo_assets.storage.models import reach

made = reach._make_tables

def killed(url):
    made(url)
    os.kill(os.getpid(), signal.SIGKILL)

reach._make_tables = killed
reach.load_mlflow()
reach.prepare_database(f"sqlite:///{sys.argv[1]}/mlflow.db")
"""


def test_a_kill_while_tables_are_made_leaves_nothing_that_stands_in_the_way(tmp_path: Path):
    killed = subprocess.run([sys.executable, "-c", KILLED_WHILE_MAKING, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "mlflow.db.making").exists()
    assert not (tmp_path / "mlflow.db").exists()
    url = f"sqlite:///{tmp_path}/mlflow.db"
    reach.load_mlflow()
    reach.prepare_database(url)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow.db", "mlflow.db.lock"]
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        assert connection.execute("SELECT count(*) FROM experiments").fetchone() == (1,)
