"""What a person sees while a run goes on: a line for each stage.

What belongs here: turning Dagster's events into progress. What does not: the summary at the end (`run`).
"""

from __future__ import annotations

import logging
import re
from types import TracebackType
from typing import Self

import dagster as dg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from mech_exo_assets.cli.memory import PeakMemory
from mech_exo_assets.defs.progress import FORM

_COUNTED = re.compile(FORM.format(done=r"(\d+)", wanted=r"(\d+)", what=r"(trials|models)"))


class RunProgress(logging.Handler):
    """A logging handler that follows the steps of one run on a console.

    On a terminal a bar moves; elsewhere, and above the bar, each finished stage leaves a line with its time.

    Parameters
    ----------
    console : Console
        Where to write.
    memory : PeakMemory, optional
        Takes note of each stage's peak, where stages run in this process.
    """

    def __init__(self, console: Console, memory: PeakMemory | None = None) -> None:
        super().__init__()
        self._memory = memory
        self.seconds: dict[str, float] = {}
        self.not_passed: list[dict[str, str]] = []
        self._started: dict[str, float] = {}
        self._bar = Progress(
            TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console, transient=True
        )
        self._counted: TaskID | None = None
        self._task = self._bar.add_task("starting", total=None)

    def of(self, *, stages: int) -> Self:
        """The handler, once it is known how many stages the run has."""
        self._bar.update(self._task, total=stages)
        return self

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of a step's beginning and end, and of checks that did not pass."""
        event: dg.DagsterEvent | None = getattr(record, "dagster_event", None)
        if event is None:
            self._count(record)
        else:
            self.follow(event, at=record.created)

    def follow(self, event: dg.DagsterEvent, *, at: float) -> None:
        """Take note of one event, told at a time in seconds; a step's own time counts where it has one."""
        if event.step_key is None:
            return
        stage = event.step_key.replace("__", "/")
        if event.event_type == dg.DagsterEventType.STEP_START:
            self._started[stage] = at
            if self._memory is not None:
                self._memory.begin()
            self._bar.update(self._task, description=stage)
        elif event.event_type in (dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE):
            done = event.event_type == dg.DagsterEventType.STEP_SUCCESS
            self.seconds[stage] = event.step_success_data.duration_ms / 1000 if done else at - self._started.get(stage, at)
            mark = "[green]done[/]  " if done else "[red]failed[/]"
            if self._memory is not None:
                self._memory.end(stage)
            self._bar.console.print(f"{mark} {stage:<26} {self.seconds[stage]:6.2f} s", highlight=False)
            self._bar.advance(self._task)
        elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION and not event.asset_check_evaluation_data.passed:
            evaluation = event.asset_check_evaluation_data
            figures = ", ".join(f"{name} {entry.value}" for name, entry in evaluation.metadata.items())
            self.not_passed.append({"asset": evaluation.asset_key.to_user_string(), "check": evaluation.check_name, "figures": figures})

    def _count(self, record: logging.LogRecord) -> None:
        """Move the bar of a long step, which says in the log how far it is."""
        found = _COUNTED.search(record.getMessage())
        if found is None:
            return
        done, wanted, what = found.groups()
        if self._counted is None:
            self._counted = self._bar.add_task(f"  {what}", total=int(wanted))
        self._bar.update(self._counted, completed=int(done))

    def as_logger(self) -> dg.LoggerDefinition:
        """A Dagster logger that hands the run's events to this handler."""

        @dg.logger
        def progress(_: dg.InitLoggerContext) -> logging.Logger:
            logger = logging.getLogger("mech_exo.progress")
            logger.setLevel(logging.DEBUG)
            logger.propagate = False
            logger.handlers = [self]
            return logger

        return progress
