"""Which runs go on at the same time: those of one pool take turns, and of those that wait the one of the highest rank is next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from mech_exo_assets.definitions import defs
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.dagster_home import run_instance


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """That of a new home, as its first command has made it."""
    with run_instance(Settings(home=tmp_path)) as made:
        yield made


def submit(instance: dg.DagsterInstance, *jobs: str, status: dg.DagsterRunStatus = dg.DagsterRunStatus.QUEUED) -> list[dg.DagsterRun]:
    """Runs of these jobs, in this order."""
    home = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("test"), "__repository__")
    return [
        instance.create_run_for_job(job, tags=job.tags, status=status, remote_job_origin=RemoteJobOrigin(home, job.name))
        for job in map(defs.resolve_job_def, jobs)
    ]


def next_runs(instance: dg.DagsterInstance) -> list[str]:
    """Jobs of the runs that the daemon would launch now."""
    daemon = QueuedRunCoordinatorDaemon(interval_seconds=5)
    return [run.job_name for run in daemon._get_runs_to_dequeue(instance, instance.get_concurrency_config(), None)]


def test_of_two_runs_of_the_home_one_goes_first_also_in_a_new_home(instance: dg.DagsterInstance):
    submit(instance, "market_refresh", "market_refresh")
    assert next_runs(instance) == ["market_refresh"]


def test_a_search_and_a_run_of_the_home_go_on_together(instance: dg.DagsterInstance):
    submit(instance, "weight_search", "maintenance", "nightly_backtest", "market_refresh")
    assert next_runs(instance) == ["market_refresh", "weight_search"]


@pytest.mark.parametrize(
    ("goes_on", "waiting", "launched"),
    [
        ("weight_search", ["weight_search", "retrain", "learning"], ["learning"]),
        ("market_refresh", ["deploy", "retrain", "weight_search"], ["weight_search"]),
        ("retrain", ["retrain", "weight_search", "market_refresh", "deploy"], []),
    ],
)
def test_what_goes_on_keeps_its_pools(instance: dg.DagsterInstance, goes_on: str, waiting: list[str], launched: list[str]):
    (run,) = submit(instance, goes_on, status=dg.DagsterRunStatus.STARTED)
    submit(instance, *waiting)
    assert next_runs(instance) == launched
    instance.report_run_canceled(run)
    # Whoever has waited goes on as soon as there is room.
    assert len(next_runs(instance)) >= 1


def test_a_part_of_a_job_is_of_the_pools_of_that_part(instance: dg.DagsterInstance):
    job = defs.resolve_job_def("retrain")
    part = frozenset({dg.AssetKey(["lifecycle", "champion"]), dg.AssetKey(["lifecycle", "events"])})
    run = instance.create_run_for_job(job.get_subset(asset_selection=part), asset_selection=part)
    assert run.run_op_concurrency is not None
    assert run.run_op_concurrency.all_pools == {"home"}
