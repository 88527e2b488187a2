"""The gate: which measures of overfitting a searched result has to pass.

What belongs here: thresholds, and what a measure says when held against its own. What does not: how the measures are computed, and what
happens to a result that fails.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.overfitting.deflated import DeflatedSharpe
from mech_exo_assets.quant.overfitting.pbo import BacktestOverfitting
from mech_exo_assets.quant.overfitting.snooping import SpaTest

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Gate:
    """Thresholds; None is shown and not judged.

    Attributes
    ----------
    deflated_sharpe : float or None
        Least probability that the true Sharpe ratio is above that of the best of as many worthless trials.
    pbo : float or None
        Largest probability of backtest overfitting.
    spa : float or None
        Largest consistent p-value of the test of superior predictive ability.
    """

    deflated_sharpe: float | None = 0.95
    pbo: float | None = 0.5
    spa: float | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            threshold = getattr(self, name)
            if threshold is not None and not 0 <= threshold <= 1:
                raise InputError(f"gates.{name}: {threshold} is no probability; give a number from 0 to 1, or null not to judge by it.")


@dataclass(frozen=True, slots=True)
class NotComputed:
    """Stands for a measure that there is none of, and says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A measure held against its threshold.

    Attributes
    ----------
    measure : str
        `deflated_sharpe`, `pbo` or `spa`.
    value : float or None
        None where it could not be computed.
    threshold : float or None
        None where it is not judged.
    passed : bool or None
        None where it is not judged. What could not be computed does not pass.
    meaning : str
        One sentence for a person, the number first; the reason where there is no number.
    """

    measure: str
    value: float | None
    threshold: float | None
    passed: bool | None
    meaning: str


def computed(measure: Callable[[], Result]) -> Result | NotComputed:
    """What the callable returns, or its `InputError` as the reason why there is nothing. Any other error is a mistake, and is raised."""
    try:
        return measure()
    except InputError as error:
        return NotComputed(str(error))


def judge(
    gate: Gate,
    *,
    deflated: DeflatedSharpe | NotComputed,
    overfitting: BacktestOverfitting | NotComputed,
    spa: SpaTest | NotComputed,
) -> list[Verdict]:
    """Hold each measure against its threshold; a value that equals it passes.

    Returns
    -------
    list of Verdict
        Always all three, in the order of the arguments.
    """
    return [
        _verdict("deflated_sharpe", gate.deflated_sharpe, deflated, lambda known: known.probability, _say_deflated, at_least=True),
        _verdict("pbo", gate.pbo, overfitting, lambda known: known.probability, _say_overfitting, at_least=False),
        _verdict("spa", gate.spa, spa, lambda known: known.consistent, _say_spa, at_least=False),
    ]


def passed(verdicts: Iterable[Verdict]) -> bool:
    """Whether every measure that is judged passes. A gate that judges nothing lets all through; no verdict at all is a `ValueError`."""
    found = list(verdicts)
    if not found:
        raise ValueError("passed needs the verdicts of judge; got none")
    return all(verdict.passed is not False for verdict in found)


def _verdict(
    measure: str,
    threshold: float | None,
    result: Result | NotComputed,
    value_of: Callable[[Result], float],
    say: Callable[[Result], str],
    *,
    at_least: bool,
) -> Verdict:
    value = math.nan if isinstance(result, NotComputed) else value_of(result)
    if isinstance(result, NotComputed) or math.isnan(value):
        reason = result.reason if isinstance(result, NotComputed) else "the value is not a number."
        return Verdict(measure, None, threshold, None if threshold is None else False, f"Not computed: {reason}")
    if threshold is None:
        return Verdict(measure, value, None, None, f"{say(result)}. Not judged.")
    good = value >= threshold if at_least else value <= threshold
    return Verdict(measure, value, threshold, good, f"{say(result)}. Wanted: at {'least' if at_least else 'most'} {threshold:g}.")


def _say_deflated(found: DeflatedSharpe) -> str:
    return (
        f"{found.probability:.3f} is the probability that the true Sharpe ratio (found: {found.annual_sharpe:.2f} a year) is above "
        f"{found.annual_hurdle:.2f}, to be expected of the best of {found.trials:,.0f} worthless trials"
    )


def _say_overfitting(found: BacktestOverfitting) -> str:
    return (
        f"{found.probability:.3f} of {found.n_combinations:,} splits put the best of {found.n_trials:,} trials of one half of the history "
        "not among the better half of them in the other"
    )


def _say_spa(found: SpaTest) -> str:
    return (
        f"{found.consistent:.3f} is how likely such a lead of the best of {found.n_trials:,} trials over {found.baseline} would be by "
        "chance, if none of them beat it"
    )
