"""Executing a job of the asset graph in this process, with its progress on the console and its failure as one line.

What belongs here: what `run` and `search` share. What does not: which job, and with which tags.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console

from mech_exo_assets.cli.memory import PeakMemory
from mech_exo_assets.cli.options import dagster_instance
from mech_exo_assets.defs.runs import ACTOR_TAG, NOT_TRIED_AGAIN, REASON_TAG
from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.settings import Settings

if TYPE_CHECKING:
    import dagster as dg
    from dagster._utils.error import SerializableErrorInfo

    from mech_exo_assets.cli.progress import RunProgress


@dataclass(frozen=True, slots=True)
class Launched:
    """A run that has succeeded.

    Attributes
    ----------
    run_id : str
    stages : dict of str to float
        Seconds of each stage.
    not_passed : list of dict
        Asset, check and figures of each asset check that did not pass.
    memory : PeakMemory
        What this process has held; of each stage too, where stages run in it.
    """

    run_id: str
    stages: dict[str, float]
    not_passed: list[dict[str, str]]
    memory: PeakMemory


def launch(
    settings: Settings, definitions: dg.Definitions, what: str | Sequence[dg.AssetKey], *, tags: Mapping[str, str], console: Console
) -> Launched:
    """Execute a job, or some assets. The caller holds the lock of what is written.

    Parameters
    ----------
    settings : Settings
    definitions : Definitions
    what : str or sequence of AssetKey
        Name of a job, or the assets.
    tags : mapping of str to str
        Of the run; `ACTOR_TAG` among them. Runs of the same actor that were killed are closed first.
    console : Console
        Where progress is shown.

    Raises
    ------
    InputError, MechExoError
        If a stage failed, in its words.
    """
    from mech_exo_assets.cli.progress import RunProgress

    with _storage_in_words(settings), dagster_instance(settings) as instance:
        _fail_abandoned_runs(instance, tags[ACTOR_TAG])
        memory = PeakMemory()
        progress = RunProgress(console, None if settings.dask else memory)
        if settings.dask:
            run_id, events = _on_workers(instance, what, {**tags, **NOT_TRIED_AGAIN}, progress)
        else:
            run_id, events = _here(instance, definitions, what, {**tags, **NOT_TRIED_AGAIN}, progress)
    if not any(event.is_job_success for event in events):
        _raise_failure(run_id, events)
    return Launched(run_id, progress.seconds, progress.not_passed, memory)


def _here(
    instance: dg.DagsterInstance,
    definitions: dg.Definitions,
    what: str | Sequence[dg.AssetKey],
    tags: Mapping[str, str],
    progress: RunProgress,
) -> tuple[str, Sequence[dg.DagsterEvent]]:
    import dagster as dg
    from dagster._core.definitions.job_base import InMemoryJob
    from dagster._core.execution.execute_in_process import core_execute_in_process

    watched = dg.Definitions.merge(definitions, dg.Definitions(loggers={"progress": progress.as_logger()}))
    if isinstance(what, str):
        job = watched.resolve_job_def(what)
    else:
        job = watched.resolve_implicit_global_asset_job_def().get_subset(asset_selection=frozenset(what))
    with progress.of(stages=len(job.nodes)):
        # What `execute_in_process` does, but for one thing: that keeps every output until the run has ended, for tests to look at. Here
        # these are all tables.
        found = core_execute_in_process(
            job=InMemoryJob(job.as_ephemeral_job(resource_defs={}, input_values={})),
            run_config={"loggers": {"progress": {}}},
            instance=instance,
            output_capturing_enabled=False,
            raise_on_error=False,
            run_tags=tags,
        )
    return found.run_id, found.all_events


def _on_workers(
    instance: dg.DagsterInstance, what: str | Sequence[dg.AssetKey], tags: Mapping[str, str], progress: RunProgress
) -> tuple[str, Sequence[dg.DagsterEvent]]:
    """On a cluster, whose workers load the graph themselves: they know it by the module that it is in."""
    from dagster._core.definitions.assets.job.asset_job import IMPLICIT_ASSET_JOB_NAME
    from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository
    from dagster._core.execution.api import execute_run_iterator

    graph = ReconstructableRepository.for_module("mech_exo_assets.definitions", "defs", working_directory=None)
    if isinstance(what, str):
        job, keys = ReconstructableJob(graph, what), None
    else:
        keys = frozenset(what)
        job = ReconstructableJob(graph, IMPLICIT_ASSET_JOB_NAME, asset_selection=keys)
    definition = job.get_definition()
    # Dagster's own console would tell every event; those that people wait for are told below.
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    run = instance.create_run_for_job(job_def=definition, run_config=quiet, tags=tags, asset_selection=keys)
    events = []
    with progress.of(stages=len(definition.nodes)):
        for event in execute_run_iterator(job, run, instance):
            progress.follow(event, at=time.time())
            events.append(event)
    return run.run_id, events


def publish(settings: Settings, definitions: dg.Definitions, *, actor: str) -> None:
    """Publish the mart, so that the dashboard shows what a command has done also where no daemon would do it."""
    from mech_exo_assets.defs.reporting import MART

    tags = {ACTOR_TAG: actor, REASON_TAG: f"{actor} has changed tables"}
    launch(settings, definitions, [MART], tags=tags, console=Console(quiet=True))


@contextmanager
def _storage_in_words(settings: Settings) -> Generator[None]:
    """Tell that Dagster's own storage refused, as one line."""
    from sqlalchemy.exc import OperationalError

    try:
        yield
    except OperationalError as error:
        said = " ".join(str(error.orig).split())
        raise MechExoError(
            f"{settings.dagster_home}: Dagster's record of runs cannot be written ({said}). Make room on the disk, or make it writable; "
            "then run again. Tables and ledger are as they were, or as the stages that were done have left them."
        ) from error


def _fail_abandoned_runs(instance: dg.DagsterInstance, actor: str) -> None:
    """Close this command's runs whose process was killed. This process holds the command's lock, so none of them is alive."""
    import dagster as dg

    alive = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING], tags={ACTOR_TAG: actor})
    for abandoned in instance.get_runs(alive):
        instance.report_run_failed(abandoned, "The process of this run ended before it did. The next run computes the same years again.")


def _raise_failure(run_id: str, events: Sequence[dg.DagsterEvent]) -> None:
    for event in events:
        if event.is_step_failure:
            stage = (event.step_key or "").replace("__", "/")
            kind, message = _reason(event.step_failure_data.error)
            raise kind(f"{stage}: {message}")
        if event.is_job_failure:
            _, message = _reason(event.job_failure_data.error)
            raise MechExoError(f"run {run_id} failed beside its stages: {' '.join(message.split())} `mech-exo up` shows its log.")
    raise MechExoError(f"run {run_id} ended without an outcome; `mech-exo up` shows its log.")


def _reason(error: SerializableErrorInfo | None) -> tuple[type[MechExoError], str]:
    """Which of our errors a step failed with, and its sentence; where it is none of ours, what was at the bottom of it."""
    ours = {kind.__name__: kind for kind in _kinds(MechExoError)}
    bottom = "no reason was given"
    while error is not None:
        bottom = error.message.strip()
        if error.cls_name in ours:
            # What stands below one of ours is what it tells in words. Dagster puts the class before the sentence.
            return (InputError if issubclass(ours[error.cls_name], InputError) else MechExoError), bottom.partition(": ")[2]
        error = error.cause
    return MechExoError, bottom


def _kinds(kind: type[MechExoError]) -> Iterator[type[MechExoError]]:
    """The class and all that derive from it; what was raised in this process has been imported in it."""
    yield kind
    for each in kind.__subclasses__():
        yield from _kinds(each)
