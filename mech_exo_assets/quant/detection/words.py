"""Why a factor has its status, in a sentence with numbers.

What belongs here: the sentences. What does not: the rules (`monitor`).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from mech_exo_assets.quant.detection.monitor import Alarm, Change, Rules


@dataclass(frozen=True, slots=True)
class Setting:
    """What sentences need beside the change itself.

    Attributes
    ----------
    score_dates, known_dates : list of date
        Of each observation.
    known_positions : list of int
        Positions of `known_dates` on the axis of sessions.
    score_positions : list of int
        Positions of `score_dates`.
    budget : float
        False alarms a year over all factors.
    factors : int
        That share the budget.
    """

    score_dates: list[dt.date]
    known_dates: list[dt.date]
    score_positions: list[int]
    known_positions: list[int]
    budget: float
    factors: int


def change_in_words(change: Change, alarm: Alarm | None, rules: Rules, setting: Setting) -> str:
    """The reason of a change of status; `alarm` is the one that was raised with it."""
    figures = change.figures
    if change.cause == "new":
        return f"Not proven: it is judged after {rules.least} observations."
    if change.cause == "proven":
        of = f"of the mean IC {figures['ic']:.4f} over {figures['n']:.0f} observations"
        return f"Proven: t {figures['t']:.1f} {of}; {rules.hurdle:g} is wanted."
    if change.cause == "watch":
        return (
            f"On watch: the statistic {figures['statistic']:.1f} has reached {figures['watch']:.1f}, of {figures['threshold']:.1f} for the "
            f"alarm; mean IC of its {figures['n']:.0f} observations {figures['ic']:.4f}."
        )
    if change.cause == "rest":
        return "The statistic is back at rest: nothing speaks for a change any more."
    if change.cause == "probation":
        return f"Recovered, and without an alarm for {figures['n']:.0f} observations."
    assert alarm is not None  # noqa: S101
    return alarm_in_words(alarm, setting)


def alarm_in_words(alarm: Alarm, setting: Setting) -> str:
    """What changed, when, how sure that is, how soon it was told, and how often such an alarm is false."""
    dates = setting.score_dates
    sessions = setting.known_positions[alarm.at] - setting.score_positions[alarm.change.at]
    what = "IC" if alarm.kind == "decay" else "It works again: IC"
    return (
        f"{what} {alarm.ic_before:.4f} → {alarm.ic_after:.4f} since {dates[alarm.change.at]} (95 %: {dates[alarm.change.low]} to "
        f"{dates[alarm.change.high]}); alarm after {sessions} sessions; {setting.budget:g} false alarm{'s' * (setting.budget != 1)} a year "
        f"{'is' if setting.budget == 1 else 'are'} expected over {setting.factors} factors."
    )


def unproven_in_words(n: int, t: float, ic: float, rules: Rules) -> str:
    """Why a factor is not proven, as it stands now."""
    if n <= rules.least:
        return f"Not proven: it has {n} observations, and is judged after {rules.least}."
    if t <= -rules.hurdle:
        return f"Not proven: it works against its declared direction, mean IC {ic:.4f} with t {t:.1f} over {n} observations."
    return f"Not proven: t {t:.1f} of the mean IC {ic:.4f} over {n} observations; {rules.hurdle:g} is wanted."
