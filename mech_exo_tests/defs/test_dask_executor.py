"""Steps on workers: each after what it needs, none after a failure, and the run says why. On a scheduler within this process."""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import distributed
import polars as pl
import pytest

from mech_exo_assets.defs import cluster, dask_executor
from mech_exo_assets.defs.partitions import YEARS
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.dagster_home import run_instance
from mech_exo_tests.learned import VARIABLES

ASKED: list[str] = []
"""Steps in the order in which they were computed."""


@dg.op(out={"first": dg.Out(int), "second": dg.Out(int)})
def given() -> tuple[int, int]:
    ASKED.append("given")
    return 3, 4


@dg.op
def added(first: int, second: int) -> int:
    ASKED.append("added")
    return first + second


@dg.op
def refused(value: int) -> int:
    ASKED.append("refused")
    raise ValueError(f"{value} is refused.")


@dg.op
def after(_value: int) -> None:
    ASKED.append("after")


def made_well() -> dg.JobDefinition:
    @dg.job(executor_def=dask_executor.dask_executor)
    def well() -> None:
        first, second = given()
        after(added(first, second))

    return well


def made_badly() -> dg.JobDefinition:
    @dg.job(executor_def=dask_executor.dask_executor)
    def badly() -> None:
        first, second = given()
        after(refused(added(first, second)))

    return badly


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Settings]:
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("MECH_EXO_HOME", str(tmp_path))
    monkeypatch.setattr(cluster, "_taken", None)
    ASKED.clear()
    yield Settings()
    dask_executor._instance.cache_clear()


@pytest.fixture(scope="module")
def address() -> Generator[str]:
    """Of a scheduler and two workers that are threads of this process, and need no port."""
    where = {"protocol": "inproc://", "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(processes=False, n_workers=2, threads_per_worker=1, **where) as found:
        yield found.scheduler_address


def run(settings: Settings, job: dg.JobDefinition, address: str) -> dg.JobExecutionResult:
    # Outputs go from step to step by files, as tables do.
    with run_instance(settings) as instance:
        where = {"execution": {"config": {"address": address}}}
        return dg.execute_job(dg.reconstructable(job), instance=instance, run_config=where, raise_on_error=False)


def test_each_step_follows_what_it_needs(settings: Settings, address: str):
    result = run(settings, made_well, address)
    assert result.success
    assert ASKED == ["given", "added", "after"]


def test_after_a_failure_nothing_goes_on_with_what_is_not_there(settings: Settings, address: str):
    result = run(settings, made_badly, address)
    assert not result.success
    assert ASKED == ["given", "added", "refused"]
    states = {event.step_key: event.event_type_value for event in result.all_events if event.is_step_failure or event.is_step_skipped}
    assert states["refused"] == "STEP_FAILURE"
    assert "STEP_SUCCESS" not in [event.event_type_value for event in result.all_events if event.step_key == "after"]


def test_a_worker_that_cannot_take_a_step_fails_it_with_the_reason(settings: Settings, address: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster, "_taken", cluster.settings_text(settings.model_copy(update={"source": "simulator:names=5"})))
    result = run(settings, made_well, address)
    assert not result.success
    (failed,) = (event for event in result.all_events if event.is_step_failure)
    assert "with other settings (source)" in failed.step_failure_data.error.message
    assert ASKED == []


def test_a_run_of_some_years_is_handed_out_whole(settings: Settings, address: str, monkeypatch: pytest.MonkeyPatch):
    # Dask looks for tasks in tuples, and a run of partitions has one within that may not be looked into.
    run = dg.DagsterRun(job_name="years")._replace(partitions_subset=YEARS.subset_with_partition_keys(["2005", "2006"]))
    context = SimpleNamespace(reconstructable_job=None, dagster_run=run, run_config={}, run_id=run.run_id)
    monkeypatch.setattr(dask_executor, "run_step", lambda *arguments: arguments)
    with distributed.Client(address) as client:
        future = dask_executor.DaskSteps._handed_out(client, context, "a", cluster.settings_text(settings), None)
        assert future.result()[2].partitions_subset.get_partition_keys() == ["2005", "2006"]


def test_work_within_a_step_is_divided_among_the_same_workers(address: str):
    def inside() -> list[int]:
        there = cluster.Cluster(address)
        with there.sharing(lambda scale, items: [scale * item for item in items], 10) as divided:
            assert divided is not None
            spans = there.spans((2001, 2009), pl.LazyFrame({"date": [dt.date(2001, 1, 2), dt.date(2009, 1, 2)]}))
            return [*divided(list(range(9))), *there.each(lambda first, last: last - first, spans)]

    with distributed.Client(address) as client:
        found = client.submit(inside).result()
    assert found[:9] == list(range(0, 90, 10))
    assert sum(found[9:]) == 9 - len(found[9:])
