"""Runs whose process is gone: what a killed machine, daemon or command leaves behind.

What belongs here: finding and closing them before anything else is started, since the queue would wait for them for ever. What does not:
starting runs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mech_exo_assets.cli.options import only_writer
from mech_exo_assets.defs.runs import ACTOR_TAG
from mech_exo_assets.errors import MechExoError
from mech_exo_assets.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

_STARTED = re.compile(r"Started process for run \(pid: (\d+)\)")
_OF_COMMANDS = "mech-exo "
"""How the actor of a run begins that a command executes in its own process, under the home's lock."""


def close_abandoned_runs(settings: Settings, instance: dg.DagsterInstance) -> list[str]:
    """Mark runs as failed whose process does not live any more; their ids. The caller is the home's only server."""
    closed = []
    commands_rest = _no_command_runs(settings)
    for run in _unfinished(instance):
        of_command = run.tags.get(ACTOR_TAG, "").startswith(_OF_COMMANDS)
        if (of_command and commands_rest) or (not of_command and not _lives(_process_of(instance, run.run_id))):
            instance.report_run_failed(run, "The process of this run ended before it did; found when the home was served again.")
            closed.append(run.run_id)
    return closed


def close_all_runs(instance: dg.DagsterInstance) -> int:
    """Mark all runs as failed that have not ended, in a home that was restored: their processes were on another machine; how many."""
    found = _unfinished(instance)
    for run in found:
        instance.report_run_failed(run, "The backup was made while this run went on.")
    return len(found)


def _unfinished(instance: dg.DagsterInstance) -> Sequence[dg.DagsterRun]:
    import dagster as dg

    return instance.get_runs(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING])
    )


def _no_command_runs(settings: Settings) -> bool:
    try:
        with only_writer(settings):
            return True
    except MechExoError:
        return False


def _process_of(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """The process that a run was started in, as its log has it; None where it was never started."""
    for entry in instance.all_logs(run_id):
        found = _STARTED.search(entry.message or "") if entry.is_dagster_event else None
        if found is not None:
            return int(found.group(1))
    return None


def _lives(process: int | None) -> bool:
    if process is None:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # Another user's: the number was given to another process since.
        return False
    return True
