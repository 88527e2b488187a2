"""Runs whose process is gone are closed, and no other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import dagster as dg
import pytest

from mech_exo_assets.cli import runs_left
from mech_exo_assets.cli.options import only_writer
from mech_exo_assets.cli.runs_left import close_abandoned_runs, close_all_runs
from mech_exo_assets.defs.runs import ACTOR_TAG
from mech_exo_assets.settings import Settings


@pytest.fixture
def instance() -> Generator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def gone() -> int:
    """Number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def begun(instance: dg.DagsterInstance, *, process: int | None = None, actor: str | None = None) -> str:
    """A run that goes on as far as Dagster knows."""
    tags = {} if actor is None else {ACTOR_TAG: actor}
    run = instance.add_run(dg.DagsterRun(job_name="refresh", status=dg.DagsterRunStatus.STARTED, tags=tags))
    if process is not None:
        instance.report_engine_event(f"Started process for run (pid: {process}).", run)
    return run.run_id


def status(instance: dg.DagsterInstance, run: str) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run)
    assert found is not None
    return found.status


def test_what_has_no_process_any_more_is_closed_and_the_rest_goes_on(instance: dg.DagsterInstance, settings: Settings, gone: int):
    dead, never, alive = begun(instance, process=gone), begun(instance), begun(instance, process=os.getpid())
    assert set(close_abandoned_runs(settings, instance)) == {dead, never}
    assert status(instance, dead) == status(instance, never) == dg.DagsterRunStatus.FAILURE
    assert status(instance, alive) == dg.DagsterRunStatus.STARTED


def test_another_users_process_of_the_same_number_is_not_the_runs(
    instance: dg.DagsterInstance, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    def refused(_process: int, _signal: int) -> None:
        raise PermissionError

    run = begun(instance, process=1)
    monkeypatch.setattr(runs_left.os, "kill", refused)
    assert close_abandoned_runs(settings, instance) == [run]


def test_a_commands_run_is_alive_as_long_as_a_command_holds_the_home(instance: dg.DagsterInstance, settings: Settings):
    run = begun(instance, actor="mech-exo run")
    with only_writer(settings):
        assert close_abandoned_runs(settings, instance) == []
    assert status(instance, run) == dg.DagsterRunStatus.STARTED
    assert close_abandoned_runs(settings, instance) == [run]


def test_in_a_restored_home_no_run_goes_on_and_what_has_ended_stays_as_it_was(instance: dg.DagsterInstance):
    run = begun(instance, process=os.getpid())
    done = instance.add_run(dg.DagsterRun(job_name="refresh", status=dg.DagsterRunStatus.SUCCESS)).run_id
    assert close_all_runs(instance) == 1
    assert status(instance, run) == dg.DagsterRunStatus.FAILURE
    assert status(instance, done) == dg.DagsterRunStatus.SUCCESS
