"""The search for weights: which candidates are tried, batch after batch.

What belongs here: asking Optuna for a batch, judging it, and keeping it. What does not: what a candidate is worth (`objective`), where
trials are kept (`store`, `storage.studies`), and which one is taken (`frontier`, `shrinkage`).

A batch is asked for as a whole, from all batches that are completed, by a sampler whose seed is that of the search and the number of the
batch. So the result depends on the seed and on the size of a batch, and neither on the number of threads nor on where a search was
interrupted: what was not completed is asked for again, and is the same. Optuna's own in-memory study does the asking, and a batch is
stored in one transaction: asked one by one from a database, a trial costs 120 ms, and its objective 5.

Of several processes on one database each claims the next batch. They see each other's trials when they ask for one, so that the trials of
such a search depend on who was faster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import numpy as np

from mech_exo_assets.quant.optuna_log import quietly
from mech_exo_assets.quant.weights.candidate import CONSTRUCTION, WEIGHT, Candidate, Space
from mech_exo_assets.quant.weights.objective import Evaluation
from mech_exo_assets.quant.weights.store import TrialStore
from mech_exo_assets.settings.search import OPENED, Search, SearchLimits

if TYPE_CHECKING:
    import optuna

DIRECTIONS = ("maximize", "minimize", "maximize")
OBJECTIVES = ("sharpe", "max_drawdown", "calmar")
WHY = "why"
"""User attribute of a trial that failed: why it could not be judged."""
START = "start"
"""User attribute of a warm start: what its weights are."""
_LOOK_AGAIN = 0.2
"""Seconds until a search that waits for the batches of others looks again."""

Judge = Callable[[Sequence[Candidate]], list[Evaluation | str]]


class Judges(Protocol):
    """What judges candidates: an `Objective`, or something that has one elsewhere."""

    def evaluate(self, candidates: Sequence[Candidate], *, workers: int = 1) -> list[Evaluation | str]:
        """What each candidate earned, or why it cannot be judged."""


def search(
    objective: Judges,
    space: Space,
    choices: Search,
    store: TrialStore,
    *,
    seed: int,
    starts: Mapping[str, Candidate] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[optuna.trial.FrozenTrial]:
    """Try candidates until the store holds `choices.trials` of them, or the time is up.

    Parameters
    ----------
    objective : Judges
    space : Space
        Its factors have scores in the objective.
    choices : Search
        trials, batch, workers, seconds, sampler, startup, limits.
    store : TrialStore
        What it holds already counts: a search that was killed goes on.
    seed : int
    starts : mapping of str to Candidate, optional
        Warm starts by name, tried first; as near as the bounds allow.
    progress : callable, optional
        Called with the trials that are done and those that are wanted, before the first batch and after each.

    Returns
    -------
    list of FrozenTrial
        All that the store holds, by batch and slot.
    """
    return run(
        lambda candidates: objective.evaluate(candidates, workers=choices.workers),
        space,
        choices,
        store,
        seed=seed,
        starts=starts,
        progress=progress,
    )


def run(
    judge: Judge,
    space: Space,
    choices: Search,
    store: TrialStore,
    *,
    seed: int,
    starts: Mapping[str, Candidate] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[optuna.trial.FrozenTrial]:
    """`search` with anything that judges candidates."""
    batches = choices.trials // choices.batch
    until = None if choices.seconds is None else time.monotonic() + choices.seconds
    asker = _Asker(space, choices, seed, dict(starts or {}))
    asker.learn(store.trials())
    _tell(progress, asker.known, choices.trials)
    while until is None or time.monotonic() < until:
        batch = store.claim(batches)
        if batch is None:
            if store.finished(batches):
                break
            time.sleep(_LOOK_AGAIN)
            continue
        with ExitStack() as undo:
            # Given back whatever ends it, Ctrl-C too.
            undo.callback(store.release, batch)
            asker.learn(store.trials())
            store.complete(batch, asker.tried(batch, judge))
            undo.pop_all()
        _tell(progress, len(store.trials()), choices.trials)
    return store.trials()


def constraint_values(evaluation: Evaluation, candidate: Candidate, space: Space, limits: SearchLimits) -> dict[str, float]:
    """By how much each limit is exceeded; at most 0 where it is kept."""
    values = {"factor_share": space.share_excess(candidate)}
    if limits.turnover is not None:
        values["turnover"] = evaluation.turnover - limits.turnover
    if limits.drawdown is not None:
        values["drawdown"] = evaluation.max_drawdown - limits.drawdown
    return values


def values_of(evaluation: Evaluation) -> list[float]:
    """The objectives, in the order of `OBJECTIVES`."""
    return [evaluation.sharpe, evaluation.max_drawdown, evaluation.calmar]


class _Asker:
    """A study in memory that knows what the store holds, and asks for batches."""

    def __init__(self, space: Space, choices: Search, seed: int, starts: dict[str, Candidate]) -> None:
        import optuna

        self._space, self._choices, self._seed = space, choices, seed
        self._starts = _once_each(starts, space)
        with quietly():
            self._study = optuna.create_study(directions=DIRECTIONS)
        self._distributions = distributions(space)
        self._seen: set[tuple[int, int]] = set()

    @property
    def known(self) -> int:
        """How many trials it knows."""
        return len(self._seen)

    def learn(self, trials: Sequence[optuna.trial.FrozenTrial]) -> None:
        """Take over what it has not seen yet."""
        for trial in trials:
            place = (trial.user_attrs["batch"], trial.user_attrs["slot"])
            if place not in self._seen:
                self._seen.add(place)
                self._study.add_trial(trial)

    def tried(self, batch: int, judge: Judge) -> list[optuna.trial.FrozenTrial]:
        """Ask for a batch, judge it, and give it finished."""
        import optuna

        study = self._study
        first = batch * self._choices.batch
        count = self._choices.batch
        starts = self._starts[first : first + count]
        with quietly():
            study.sampler = self._sampler(batch)
            for _, parameters in starts:
                study.enqueue_trial(parameters)
            asked = [study.ask(self._distributions) for _ in range(count)]
            candidates = [self._space.candidate(trial.params) for trial in asked]
            able = [candidate for candidate in candidates if candidate is not None]
            outcomes = iter(judge(able))
            for slot, (trial, candidate) in enumerate(zip(asked, candidates, strict=True)):
                trial.set_user_attr("batch", batch)
                trial.set_user_attr("slot", slot)
                self._seen.add((batch, slot))
                if slot < len(starts):
                    trial.set_user_attr(START, starts[slot][0])
                outcome = "all weights are 0" if candidate is None else next(outcomes)
                if candidate is None or isinstance(outcome, str):
                    trial.set_user_attr(WHY, outcome)
                    study.tell(trial, state=optuna.trial.TrialState.FAIL)
                    continue
                trial.set_user_attr("turnover", outcome.turnover)
                trial.set_user_attr("factor_share", candidate.factor_share)
                for name, value in constraint_values(outcome, candidate, self._space, self._choices.limits).items():
                    trial.set_constraint(name, value)
                study.tell(trial, values_of(outcome))
        return [_without_notes_of_the_sampler(trial) for trial in study.get_trials(deepcopy=False)[-count:]]

    def _sampler(self, batch: int) -> optuna.samplers.BaseSampler:
        import optuna

        seed = int(np.random.SeedSequence([self._seed, batch]).generate_state(1)[0])
        if self._choices.sampler == "nsga2":
            return optuna.samplers.NSGAIISampler(seed=seed, population_size=self._choices.startup)
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=self._choices.startup)


def _once_each(starts: Mapping[str, Candidate], space: Space) -> list[tuple[str, dict[str, float]]]:
    """Name and parameters of each warm start; of several with the same parameters (equal weights in the strategy file) the first."""
    found: list[tuple[str, dict[str, float]]] = []
    for name, candidate in starts.items():
        parameters = space.parameters(candidate.weights, candidate.construction)
        if parameters not in [known for _, known in found]:
            found.append((name, parameters))
    return found


def _without_notes_of_the_sampler(trial: optuna.trial.FrozenTrial) -> optuna.trial.FrozenTrial:
    """The trial without what TPE noted for itself while it proposed it: a copy of all parameters, which nothing reads later."""
    trial.system_attrs = {key: value for key, value in trial.system_attrs.items() if not key.startswith("tpe:")}
    return trial


def distributions(space: Space) -> dict[str, optuna.distributions.BaseDistribution]:
    """The parameters of a study, by name."""
    import optuna

    found: dict[str, optuna.distributions.BaseDistribution] = {
        WEIGHT + name: optuna.distributions.FloatDistribution(low, high) for name, (low, high) in space.bounds.items()
    }
    for name, (low, high) in space.construction.items():
        if OPENED[name] is int:
            found[CONSTRUCTION + name] = optuna.distributions.IntDistribution(int(low), int(high))
        else:
            found[CONSTRUCTION + name] = optuna.distributions.FloatDistribution(low, high)
    return found


def _tell(progress: Callable[[int, int], None] | None, done: int, wanted: int) -> None:
    if progress is not None:
        progress(done, wanted)
