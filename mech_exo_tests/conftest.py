"""Fixtures for all tests. What belongs here: what tests of several storeys need."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from mech_exo_tests.homes import filled_once
from mech_exo_tests.object_store import OF_STORES, ObjectStore
from mech_exo_tests.postgres import PostgresServer, find_programs

# The machine that runs the tests may be busy with others: a slow example is no failure.
settings.register_profile("mech_exo", deadline=None)
settings.load_profile("mech_exo")

SIMULATED = "simulator:names=30,sessions=800,factors=2,ic=0.1,seed=4"
"""Source of `prepared_home`."""
_REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let one worker begin with the file that needs every home, and the others with the numerics, which need none.

    Otherwise all workers would come to the homes at the same time, and wait for the one that fills them. Of the slow tests those of the
    whole product come first: some take minutes, and at the end one worker would go on alone.
    """
    if hasattr(config, "workerinput"):
        first = ("/cli/test_export.py::", "/e2e/", "/quant/")
        items.sort(key=lambda item: [part not in item.nodeid for part in first])


@pytest.fixture(scope="session")
def sp500_folder() -> Path:
    """The real development prices beside the checkout, or below MECH_EXO_SHARED; a test that needs them is skipped without."""
    shared = Path(os.environ.get("MECH_EXO_SHARED", _REPOSITORY.parent / "shared"))
    folder = shared / "data" / "sp500"
    if not (folder / "prices.parquet").is_file():
        pytest.skip(f"the development prices are not at {folder}; set MECH_EXO_SHARED to the folder that holds data/sp500")
    return folder


@pytest.fixture(scope="session")
def postgres() -> Generator[PostgresServer]:
    """A PostgreSQL server of this session; each test takes a new database of it. What uses it is `slow`, and skipped without PostgreSQL."""
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is neither on PATH nor in /usr/lib/postgresql; install it (apt-get install postgresql)")
    server = PostgresServer(programs)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def object_store() -> Generator[ObjectStore]:
    """A server of the S3 protocol of this session; each test takes a new bucket of it."""
    server = ObjectStore()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def bucket(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> str:
    """URI of a new bucket, which this process reaches by its variables."""
    for name in os.environ:
        if name.startswith(OF_STORES):
            monkeypatch.delenv(name)
    for name, value in object_store.variables().items():
        monkeypatch.setenv(name, value)
    return f"s3://{object_store.new_bucket()}"


@pytest.fixture(scope="session")
def finished_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that one complete run has filled; tests read it, and write to it at most what is written already."""
    from mech_exo_tests.learned import fill

    return filled_once(tmp_path_factory, "finished", fill)


@pytest.fixture(scope="session")
def learned_home(finished_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which models were trained after its run; tests only read it, or a copy."""
    from mech_exo_tests.learned import train

    def fill(home: Path) -> None:
        shutil.copytree(finished_home, home, dirs_exist_ok=True)
        train(home)

    return filled_once(tmp_path_factory, "learned", fill)


@pytest.fixture(scope="session")
def prepared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home on a small simulated market, with a champion that a challenger will replace; tests only read it, or a copy."""
    from mech_exo_tests.e2e.living_market import write_prepared_choices
    from mech_exo_tests.learned import done_apart

    def fill(home: Path) -> None:
        path = write_prepared_choices(home / "mine.yaml")
        # A test lets the disk be full: what SQLite has not written to its file yet would be written then.
        done_apart("run", "--home", str(home), "--source", SIMULATED, "--config", str(path))

    return filled_once(tmp_path_factory, "prepared", fill)


@pytest.fixture(scope="session")
def retrained_home(prepared_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after a person has asked for a challenger once; tests only read it, or a copy."""
    from mech_exo_tests.learned import done

    def fill(home: Path) -> None:
        shutil.copytree(prepared_home, home, dirs_exist_ok=True)
        done("retrain", "--home", str(home), "--reason", "to see it done")

    return filled_once(tmp_path_factory, "retrained", fill)
