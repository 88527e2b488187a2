"""Where a search keeps its trials: the protocol, and the store in memory.

What belongs here: what a search may rely on, and the store that ends with its process. What does not: databases (`storage.studies`), which
keep the same contract for several processes and machines.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


class TrialStore(Protocol):
    """The trials of one search, in batches: a batch is claimed, evaluated by whoever claimed it, and completed as a whole.

    All methods may be called from several threads. Stores of several processes on one database see one set of trials: each batch is
    held by at most one owner that lives, and is stored at most once.
    """

    def trials(self) -> list[FrozenTrial]:
        """Those of completed batches, ordered by `user_attrs["batch"]`, then `user_attrs["slot"]`. They belong to the store: only read."""
        ...

    def claim(self, batches: int) -> int | None:
        """Hold the lowest batch of `range(batches)` that nobody has completed or holds; None where there is none now."""
        ...

    def complete(self, batch: int, trials: Sequence[FrozenTrial]) -> bool:
        """Store all trials of the batch and the mark that it is done, or nothing.

        Returns
        -------
        bool
            False where somebody else had completed the batch, so that nothing was written. What is stored is then what they found.

        Raises
        ------
        ValueError
            If a trial is not finished, or is not numbered by `user_attrs["batch"]` and `["slot"]` from 0 on.
        """
        ...

    def finished(self, batches: int) -> bool:
        """Whether all of `range(batches)` are completed."""
        ...

    def release(self, batch: int) -> None:
        """Give a claim back, so that another may take it at once: after an exception or Ctrl-C. Nothing happens where it is not held."""
        ...


class MemoryStore:
    """A `TrialStore` in memory, for the threads of one process; it is gone with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: set[int] = set()
        self._completed: dict[int, list[FrozenTrial]] = {}

    def trials(self) -> list[FrozenTrial]:
        """Those of completed batches, by batch and slot."""
        with self._lock:
            return [trial for batch in sorted(self._completed) for trial in self._completed[batch]]

    def claim(self, batches: int) -> int | None:
        """Hold the lowest batch that is free."""
        with self._lock:
            batch = next((each for each in range(batches) if each not in self._completed and each not in self._held), None)
            if batch is not None:
                self._held.add(batch)
            return batch

    def complete(self, batch: int, trials: Sequence[FrozenTrial]) -> bool:
        """Keep the batch, unless it is there."""
        check_batch(batch, trials)
        with self._lock:
            self._held.discard(batch)
            if batch in self._completed:
                return False
            first = sum(len(kept) for kept in self._completed.values())
            self._completed[batch] = numbered(trials, range(first, first + len(trials)))
            return True

    def finished(self, batches: int) -> bool:
        """Whether all batches are completed."""
        with self._lock:
            return all(batch in self._completed for batch in range(batches))

    def release(self, batch: int) -> None:
        """Give a claim back."""
        with self._lock:
            self._held.discard(batch)


def check_batch(batch: int, trials: Sequence[FrozenTrial]) -> None:
    """Refuse what no store takes: an empty batch, a trial that is not finished, another batch's, or one without its own slot.

    Raises
    ------
    ValueError
        Which trial, and why.
    """
    if batch < 0:
        raise ValueError(f"a batch is numbered from 0 on, not {batch}")
    if not trials:
        raise ValueError(f"batch {batch} has no trials")
    for trial in trials:
        if not trial.state.is_finished():
            raise ValueError(f"batch {batch} holds a trial that is {trial.state.name}, not finished")
        if trial.user_attrs.get("batch") != batch:
            raise ValueError(f"batch {batch} holds a trial whose user attribute 'batch' is {trial.user_attrs.get('batch')!r}")
    slots = [trial.user_attrs.get("slot") for trial in trials]
    if slots != list(range(len(trials))):
        raise ValueError(f"the trials of batch {batch} have the slots {slots}, not 0 to {len(trials) - 1} in order")


def numbered(trials: Sequence[FrozenTrial], numbers: Sequence[int], ids: Sequence[int] | None = None) -> list[FrozenTrial]:
    """The trials with their numbers within the study; `ids` are the database's own, and the numbers where there is none."""
    from optuna.trial import FrozenTrial

    return [
        FrozenTrial(
            number=number,
            trial_id=trial_id,
            state=trial.state,
            value=None,
            values=trial.values,
            datetime_start=trial.datetime_start,
            datetime_complete=trial.datetime_complete,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs=trial.user_attrs,
            system_attrs=trial.system_attrs,
            intermediate_values=trial.intermediate_values,
        )
        for trial, number, trial_id in zip(trials, numbers, numbers if ids is None else ids, strict=True)
    ]
