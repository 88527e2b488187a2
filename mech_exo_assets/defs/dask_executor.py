"""Steps of a run on the workers of a Dask scheduler (a Dagster *executor*).

What belongs here: handing steps out in the order of the graph, and taking their events back. What does not: reaching the scheduler
(`cluster`), and dividing one step.

Dagster's own package for Dask hands out all steps at once, under names that the runs of a job share. A step whose input failed would then
go on with the table of yesterday, and of two runs of one job at the same time one would be given the other's result. Here a step is handed
out when all before it have succeeded, and is named by its run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableJob
from dagster._core.errors import raise_execution_interrupts
from dagster._core.execution.api import create_execution_plan, execute_plan
from dagster._core.execution.plan.state import KnownExecutionState
from dagster._core.execution.retries import RetryMode
from dagster._utils.error import serializable_error_info_from_exc_info

from mech_exo_assets.defs.cluster import client, settings_text, take_over
from mech_exo_assets.settings import load_settings

if TYPE_CHECKING:
    import distributed
    from dagster._core.execution.context.system import PlanOrchestrationContext
    from dagster._core.execution.plan.active import ActiveExecution
    from dagster._core.execution.plan.plan import ExecutionPlan


class DaskSteps(dg.Executor):
    """Hands each step to a worker when what it needs is there.

    A worker that dies in the middle of a step loses nothing that was committed: Dask gives the step to another one, three times at most,
    and it writes its tables again.

    Parameters
    ----------
    address : str
        Of the scheduler.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    @property
    def retries(self) -> RetryMode:
        """Of steps that fail by themselves: none."""
        return RetryMode.DISABLED

    def execute(self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan) -> Iterator[dg.DagsterEvent]:
        """Hand out steps until all are done, failed or skipped; their events as they come back."""
        import distributed

        text = settings_text(load_settings())
        with client(self._address) as found, execution_plan.start(retry_mode=self.retries) as active:
            done, steps = distributed.as_completed(), {}
            with ExitStack() as undo:
                # However this ends before all is done, as by Ctrl-C.
                undo.callback(lambda: found.cancel(list(steps)))
                while not active.is_complete:
                    for step in active.get_steps_to_execute():
                        future = self._handed_out(found, plan_context, step.key, text, active.get_known_state())
                        steps[future] = step.key
                        done.add(future)
                    yield from active.plan_events_iterator(plan_context)
                    if steps:
                        # Ctrl-C and the end of a run in the UI are heard while waiting.
                        with raise_execution_interrupts():
                            future = next(done)
                        yield from self._events(plan_context, active, future, steps.pop(future))

    @staticmethod
    def _handed_out(
        found: distributed.Client, plan_context: PlanOrchestrationContext, step: str, text: str, known: KnownExecutionState
    ) -> distributed.Future:
        # In one piece: Dask looks into tuples for tasks, and Dagster's records, which are tuples, forbid that.
        work = partial(run_step, text, plan_context.reconstructable_job, plan_context.dagster_run, plan_context.run_config, step, known)
        return found.submit(work, key=f"{plan_context.run_id}/{step}", pure=False)

    def _events(
        self, plan_context: PlanOrchestrationContext, active: ActiveExecution, future: distributed.Future, key: str
    ) -> Iterator[dg.DagsterEvent]:
        """What a worker has told of a step; where it told nothing, that the step has failed, and why."""
        failure = future.exception()
        if failure is None:
            events = future.result()
        else:
            error = serializable_error_info_from_exc_info((type(failure), failure, future.traceback()))
            context = plan_context.for_step(active.get_step_by_key(key))
            events = [self.log_failure_or_retry_event_after_error(context, error, active.get_known_state())]
        for event in events:
            yield event
            active.handle_event(event)
        active.verify_complete(plan_context, key)


@dg.executor(name="dask", config_schema={"address": dg.StringSource}, requirements=dg.multiple_process_executor_requirements())
def dask_executor(context: dg.InitExecutorContext) -> DaskSteps:
    """Steps on the workers of the scheduler at `address`."""
    return DaskSteps(str(context.executor_config["address"]))


def run_step(
    text: str,
    job: ReconstructableJob,
    run: dg.DagsterRun,
    run_config: Mapping[str, object],
    step: str,
    known: KnownExecutionState | None,
) -> list[dg.DagsterEvent]:
    """One step, on a worker; its events, which Dagster's storage has by then."""
    take_over(text)
    instance = _instance(text)
    plan = create_execution_plan(job, run_config=run_config, step_keys_to_execute=[step], known_state=known, tags=run.tags)
    return list(execute_plan(plan, job, instance, run, run_config=run_config))


@lru_cache(maxsize=1)
def _instance(text: str) -> Any:
    """Dagster's storage, which the worker keeps open from step to step."""
    from mech_exo_assets.storage.dagster_home import run_instance

    return run_instance(take_over(text))
