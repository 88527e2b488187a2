"""Dividing a step's work, and which settings a worker computes with."""

from __future__ import annotations

import datetime as dt
import json
import os
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from distributed import get_worker
from pydantic import SecretStr

from mech_exo_assets.defs import cluster as module
from mech_exo_assets.defs.cluster import Cluster, client, settings_text, take_over
from mech_exo_assets.errors import InputError
from mech_exo_assets.settings import Settings
from mech_exo_tests.dask_cluster import dask_cluster
from mech_exo_tests.learned import VARIABLES


@pytest.fixture(autouse=True)
def _a_new_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_taken", None)
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def doubled(values: list[int]) -> list[int]:
    return [2 * value for value in values]


def scaled(factors: np.ndarray, items: list[int]) -> list[float]:
    return [float(factors.sum() * item) for item in items]


def refused(_values: list[int]) -> list[int]:
    raise InputError("the third year has no prices.")


def where(seconds: float) -> str:
    time.sleep(seconds)
    return get_worker().address


def days(first: int, last: int, *, names: int = 1) -> pl.LazyFrame:
    """A table with as many rows in each year as there are names."""
    return pl.LazyFrame({"date": [dt.date(year, 7, 1) for year in range(first, last + 1) for _ in range(names)]})


def test_without_a_scheduler_work_is_done_here_one_part_after_the_other():
    here = Cluster()
    results = here.each(doubled, [([1, 2],), ([3],)])
    assert next(results) == [2, 4]
    assert list(results) == [[6]]
    with here.sharing(scaled, np.ones(3)) as divided:
        assert divided is None


def test_a_history_that_memory_does_not_hold_is_divided_by_years(monkeypatch: pytest.MonkeyPatch):
    here = Cluster()
    assert here.spans((2001, 2009), days(2001, 2009)) == [(2001, 2009)]
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 30)
    assert here.spans((2001, 2009), days(2001, 2009, names=10)) == [(2001, 2003), (2004, 2006), (2007, 2009)]
    # A year is never cut.
    assert here.spans((2001, 2003), days(2001, 2003, names=1000)) == [(2001, 2001), (2002, 2002), (2003, 2003)]


def test_years_without_rows_are_no_span_of_their_own(monkeypatch: pytest.MonkeyPatch):
    here = Cluster()
    assert here.spans((1990, 2020), days(2001, 2009)) == [(1990, 2020)]
    assert here.spans((2004, 2005), days(2001, 2009)) == [(2004, 2005)]
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 3)
    assert here.spans((1990, 2020), days(2001, 2009)) == [(1990, 2003), (2004, 2006), (2007, 2020)]
    assert here.spans((2015, 2016), days(2001, 2009)) == [(2015, 2016)]
    assert here.spans((2001, 2009), days(2001, 2009).filter(False)) == [(2001, 2009)]


def test_no_password_travels(tmp_path: Path):
    settings = Settings(
        home=tmp_path,
        db_url=SecretStr("postgresql://me:hush@host:5432/base?sslpassword=hush"),
        slack_webhook=SecretStr("https://hooks.slack.com/hush"),
        alert_urls=SecretStr("tgram://hush"),
    )
    text = settings_text(settings)
    assert "hush" not in text
    assert set(json.loads(text)["fields"]) == {"home", "lake", "source", "config", "namespace", "keep_days"}
    assert json.loads(text)["database"] == "postgresql://host:5432/base"


def test_a_worker_takes_the_settings_of_its_first_task_and_refuses_others(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("seed: 3\n")
    settings = Settings(home=tmp_path / "home", source="simulator:names=5", config=tmp_path / "mine.yaml")
    first = settings_text(settings)
    assert take_over(first) == settings
    assert os.environ["MECH_EXO_SOURCE"] == "simulator:names=5"
    assert take_over(first) == settings
    with pytest.raises(InputError, match=r"other settings \(source\)"):
        take_over(settings_text(settings.model_copy(update={"source": "sample"})))
    # Another file, with the same choices in it; then the same file, with others.
    (tmp_path / "copy.yaml").write_text("seed: 3\n")
    assert take_over(settings_text(settings.model_copy(update={"config": tmp_path / "copy.yaml"}))) == settings
    (tmp_path / "mine.yaml").write_text("seed: 4\n")
    with pytest.raises(InputError, match=r"other settings \(choices\)"):
        take_over(settings_text(settings))


def test_a_worker_divides_its_steps_among_the_workers_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = settings_text(Settings(home=tmp_path, dask="tcp://host:8786"))
    assert take_over(text).dask == "tcp://host:8786"
    # Seen from where it is, the scheduler may have another name.
    monkeypatch.setattr(module, "_taken", None)
    monkeypatch.setenv("MECH_EXO_DASK", "tcp://10.0.0.1:8786")
    assert take_over(text).dask == "tcp://10.0.0.1:8786"


def test_a_worker_with_another_database_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MECH_EXO_DB_URL", "postgresql://me:hush@elsewhere/base")
    text = settings_text(Settings(home=tmp_path, db_url=SecretStr("postgresql://me:hush@host/base")))
    with pytest.raises(InputError, match="its database is postgresql://elsewhere/base, and the run's postgresql://host/base") as told:
        take_over(text)
    assert "hush" not in str(told.value)


def test_a_worker_whose_own_file_of_choices_is_another_is_refused(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("seed: 3\n")
    text = settings_text(Settings(home=tmp_path / "home", config=tmp_path / "mine.yaml"))
    # As on a machine that has another file at this path.
    (tmp_path / "mine.yaml").write_text("seed: 4\n")
    with pytest.raises(InputError, match=r"the settings of the run are others \(choices\)"):
        take_over(text)


def test_a_worker_with_a_namespace_of_its_own_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MECH_EXO_NAMESPACE", "ann")
    with pytest.raises(InputError, match=r"are others \(namespace\)"):
        take_over(settings_text(Settings(home=tmp_path, namespace="")))


def test_a_scheduler_that_does_not_answer_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "REACH_SECONDS", 1)
    with pytest.raises(InputError, match=r"tcp://127\.0\.0\.1:1: no Dask scheduler answers"):
        client("tcp://127.0.0.1:1")


@pytest.mark.parametrize("address", ["host:8786", "http://host:8786", "tcp://user@host:1", "tcp://host"])
def test_an_address_of_no_scheduler_is_refused(address: str):
    with pytest.raises(ValueError, match="address of a Dask scheduler"):
        Settings(dask=address)


@pytest.mark.slow
def test_on_workers_work_is_divided_comes_back_in_order_and_raises_what_a_part_raised():
    with dask_cluster(workers=2) as found:
        there = Cluster(found.address)
        spans = there.spans((2001, 2009), days(2001, 2009))
        assert len(spans) > 2
        assert [year for first, last in spans for year in range(first, last + 1)] == list(range(2001, 2010))
        assert list(there.each(doubled, [([number],) for number in range(20)])) == [[2 * number] for number in range(20)]
        with pytest.raises(InputError, match="the third year has no prices"):
            list(there.each(refused, [([1],)]))
        shared = np.arange(100_000.0)
        with there.sharing(scaled, shared) as divided:
            assert divided is not None
            for count in (0, 1, 7, 40):
                assert divided(list(range(count))) == scaled(shared, list(range(count)))


@pytest.mark.slow
def test_a_worker_with_a_long_part_is_given_no_other_while_others_are_free():
    with dask_cluster(workers=2) as found:
        there = Cluster(found.address)
        # The first parts of a worker load what they need; that is not what is looked at.
        list(there.each(where, [(0.1,)] * 4))
        long, *short = there.each(where, [(3.0,), *[(0.1,)] * 8])
    assert len(set(short)) == 1
    assert long not in short
