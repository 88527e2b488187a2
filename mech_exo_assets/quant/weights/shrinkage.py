"""How much of equal weights is mixed into what a search picked, chosen by inner validation.

What belongs here: the validation, and the mixed result. What does not: the pick (`frontier`).

The more candidates a search compares, the more of the best one's lead is luck. How much is measured on the search's own windows. From as
many random candidates as the search has trials, drawn without a look at the data, the rule picks the one that did best in the tests
before a window; mixed with each share of equal weights, it is traded in that window's test. The share whose returns over all windows have
the largest Sharpe ratio is taken. The trials themselves cannot serve here: the sampler that proposed them has seen every window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mech_exo_assets.quant.panel import Matrix
from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR
from mech_exo_assets.quant.weights.candidate import CONSTRUCTION, WEIGHT, Candidate, Space
from mech_exo_assets.quant.weights.frontier import choose, objectives
from mech_exo_assets.quant.weights.objective import Evaluation, Objective
from mech_exo_assets.settings.search import OPENED, Search

FEWEST_WINDOWS = 3
"""With fewer, one or none could be judged on what came before."""


@dataclass(frozen=True, slots=True)
class Shrinkage:
    """What the inner validation found.

    Attributes
    ----------
    share : float
        Share of equal weights that is mixed in.
    sharpe : mapping of float to float
        Annual Sharpe ratio over the inner tests, for each share that could be judged in all of them; empty where nothing could be
        validated.
    windows : int
        Inner tests.
    reason : str
        Why this share, as a sentence.
    """

    share: float
    sharpe: dict[float, float]
    windows: int
    reason: str


def shrinkage(objective: Objective, space: Space, choices: Search, *, seed: int, gap: int) -> Shrinkage:
    """The share of equal weights that did best in the windows of a search.

    Parameters
    ----------
    objective : Objective
        Of the search, with its windows.
    space : Space
    choices : Search
        shrinkage, choice, trials, workers.
    seed : int
    gap : int
        Sessions left out between what a pick sees and its test (`walk_forward.gap_sessions`).
    """
    shares = choices.shrinkage
    if len(shares) == 1:
        return Shrinkage(shares[0], {}, 0, f"search.shrinkage leaves {shares[0]:g} only.")
    windows, middle = objective.windows, shares[len(shares) // 2]
    if len(windows) < FEWEST_WINDOWS:
        return Shrinkage(
            middle,
            {},
            0,
            f"{len(windows)} windows are too few to validate a share on ({FEWEST_WINDOWS} are needed); the middle of search.shrinkage.",
        )
    pool = random_candidates(space, choices.trials, seed=seed)
    judged = objective.evaluate(pool, workers=choices.workers)
    able = [(candidate, found.net_return) for candidate, found in zip(pool, judged, strict=True) if not isinstance(found, str)]
    if not able:
        return Shrinkage(shares[-1], {}, 0, "no random candidate could be judged; as near to equal weights as search.shrinkage allows.")
    returns = np.column_stack([each for _, each in able])
    picks = _picks(objective, returns, choices, gap)
    if not picks:
        said = f"no window has sessions to pick on more than the {gap} of the gap before it; the middle of search.shrinkage."
        return Shrinkage(middle, {}, 0, said)
    mixed = _mixed(objective, space, [candidate for candidate, _ in able], picks, choices)
    # All shares are compared over the same tests.
    judged_in_all = [share for share in shares if all((pick, share) in mixed for pick, _ in picks)]
    if not judged_in_all:
        return Shrinkage(
            shares[-1], {}, 0, "no share could be judged in all inner tests; as near to equal weights as search.shrinkage allows."
        )
    earned = {share: np.concatenate([mixed[pick, share].net_return[test] for pick, test in picks]) for share in judged_in_all}
    sharpe = {share: float(each.mean() / each.std(ddof=1) * np.sqrt(SESSIONS_PER_YEAR)) for share, each in earned.items()}
    best = max(judged_in_all, key=lambda share: (sharpe[share], share))
    told = ", ".join(f"{share:g}: {value:.2f}" for share, value in sharpe.items())
    return Shrinkage(best, sharpe, len(picks), f"the largest Sharpe ratio over {len(picks)} inner tests ({told}).")


def random_candidates(space: Space, count: int, *, seed: int) -> list[Candidate]:
    """Candidates drawn uniformly within the bounds, whose shares keep their limits where a few tries find such ones."""
    stream = np.random.default_rng([seed, 1])
    found = []
    while len(found) < count:
        for _ in range(20):
            parameters = {WEIGHT + name: stream.uniform(low, high) for name, (low, high) in space.bounds.items()}
            for name, (low, high) in space.construction.items():
                drawn = stream.integers(int(low), int(high) + 1) if OPENED[name] is int else stream.uniform(low, high)
                parameters[CONSTRUCTION + name] = float(drawn)
            candidate = space.candidate(parameters)
            if candidate is not None and space.share_excess(candidate) <= 0:
                break
        if candidate is not None:
            found.append(candidate)
    return found


def _picks(objective: Objective, returns: Matrix, choices: Search, gap: int) -> list[tuple[int, slice]]:
    """For each window but the first: the candidate that did best before it, and the positions of its test."""
    origin = objective.windows[0].test.start
    picks = []
    for window in objective.windows[1:]:
        test = slice(window.test.start - origin, window.test.stop - origin)
        before = returns[: max(test.start - gap, 0)]
        if len(before) > 1:
            picks.append((choose(objectives(before), choices.choice), test))
    return picks


def _mixed(
    objective: Objective, space: Space, pool: list[Candidate], picks: list[tuple[int, slice]], choices: Search
) -> dict[tuple[int, float], Evaluation]:
    """What each pick earned with each share of equal weights mixed in, where that can be judged."""
    wanted = {
        (pick, share): mix
        for pick in dict.fromkeys(pick for pick, _ in picks)
        for share in choices.shrinkage
        if (mix := pool[pick].mixed(space.equal, share)) is not None
    }
    judged = objective.evaluate(list(wanted.values()), workers=choices.workers)
    return {key: found for key, found in zip(wanted, judged, strict=True) if not isinstance(found, str)}
