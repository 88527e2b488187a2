"""The weight of the machine-learned factor in the composite: when it moves, how far, and why.

What belongs here: the rule, applied session by session to what was known then. What does not: the gate (`gate`), and the composite that
the weight goes into (`composite.blended_score`).

The rule. The weight begins at 0. On the first session of every so-manieth month from the first prediction on, with what is known at its
close:

1. the gate fails on all sessions so far: down by a step;
2. it passes, and the mean gain of the last `blend.sessions` (and at least two horizons) is above 0 with t > 1: up by a step;
3. it passes, and that mean gain is below 0: down by a step;
4. else it stays.

It never leaves [0, maximum]. Gains are those of the composite with `ml_alpha` at gate.weight over the one without, whatever weight it
has: else a factor at weight 0 had none. The hurdle is 1 because with t > 1 an estimate is nearer to the truth, in mean squared error, than
0 is (the same holds of a regressor that raises the adjusted R²); the gate has already asked for more, over the whole history.

What is known. The label of session s runs from s + execution lag over the horizon: a decision at t knows those of s ≤ t − lag − horizon,
counted in sessions.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from mech_exo_assets.quant.decay.statistics import least_sessions, mean_and_test
from mech_exo_assets.quant.learning.gate import Verdict, gate
from mech_exo_assets.quant.learning.judged import BLENDED, COMPOSITE, Judged
from mech_exo_assets.quant.panel import Dates, Index, Vector
from mech_exo_assets.schemas import BLEND
from mech_exo_assets.settings import Strategy
from mech_exo_assets.settings.learning import Blend

HURDLE = 1.0
"""t above which a gain lifts the weight."""


def blend_table(judged: Judged, strategy: Strategy) -> pl.DataFrame:
    """Every decision about the weight of `ml_alpha`, as a table in `schemas.BLEND`.

    Parameters
    ----------
    judged : Judged
        Information coefficients of the composite with and without it.
    strategy : Strategy
        `learning.gate`, `learning.blend`, `learning_horizon` and `execution_lag` are used.

    Returns
    -------
    DataFrame
        Ordered by date; empty where nothing was predicted. A decision does not change when sessions are added.
    """
    choices, horizon = strategy.learning, strategy.learning_horizon
    # Fewer have no t, and the weight could never rise.
    last = max(choices.blend.sessions, least_sessions(horizon))
    gains, rows, weight = judged.gain, [], 0.0
    for at in _decisions(judged.sessions, choices.blend.months).tolist():
        known = max(0, at + 1 - strategy.execution_lag - horizon)
        verdict = gate(judged.ic[COMPOSITE][:known], judged.ic[BLENDED][:known], choices.gate, horizon=horizon)
        recent = gains[:known]
        recent = recent[~np.isnan(recent)][-last:]
        gain, t, _ = mean_and_test(recent, horizon) if len(recent) else (math.nan, None, None)
        direction, reason = _direction(verdict, gain, t, len(recent))
        previous, weight = weight, moved(weight, direction, choices.blend)
        rows.append(
            {
                "date": judged.sessions[at].astype(object),
                "weight": weight,
                "previous": previous,
                "gate_passed": verdict.passed,
                "gain": _known(gain),
                "t_hac": t,
                "gate_gain": _known(verdict.gain),
                "gate_low": _known(verdict.low),
                "n_sessions": verdict.n_sessions,
                "reason": f"{_step(previous, weight, direction)}: {reason}.",
            }
        )
    return pl.DataFrame(rows, schema=BLEND.dtypes())


def blend_weights(blend: pl.DataFrame, sessions: Dates) -> Vector:
    """Weight of `ml_alpha` in each session: that of the last decision at or before it.

    Parameters
    ----------
    blend : DataFrame
        `schemas.BLEND`, in any order.
    sessions : ndarray of shape (n_sessions,), datetime64[D]

    Returns
    -------
    ndarray of shape (n_sessions,)
        0 before the first decision.
    """
    ordered = blend.sort("date")
    position = np.searchsorted(ordered["date"].to_numpy().astype("datetime64[D]"), sessions, side="right")
    return np.concatenate([[0.0], ordered["weight"].to_numpy()])[position]


def moved(weight: float, direction: int, choices: Blend) -> float:
    """The weight after one step up (1), none (0) or one down (−1), within [0, maximum]."""
    # Sums of steps are rounded, so that three of 0.05 are 0.15, and as many down 0.
    return min(max(round(weight + direction * choices.step, 12), 0.0), choices.maximum)


def _decisions(sessions: Dates, months: int) -> Index:
    """Positions of the first session of every so-manieth calendar month, counted from that of the first session."""
    if not len(sessions):
        return np.empty(0, np.int64)
    month = sessions.astype("datetime64[M]").astype(np.int64)
    period = (month - month[0]) // months
    return np.flatnonzero(np.concatenate([[True], period[1:] != period[:-1]])).astype(np.int64)


def _direction(verdict: Verdict, gain: float, t: float | None, n: int) -> tuple[int, str]:
    if not verdict.passed:
        failed = [measure.meaning.rstrip(".") for measure in verdict.measures if not measure.passed]
        return -1, f"the gate does not pass. {failed[0]}"
    said = f"the gate passes, and the gain of the last {n:,} known sessions is {gain:+.4f} (t {'unknown' if t is None else f'{t:.2f}'})"
    if gain < 0:
        return -1, f"{said}, below 0"
    if gain > 0 and t is not None and t > HURDLE:
        return 1, f"{said}, above 0 with t above {HURDLE:g}"
    return 0, f"{said}, not clear enough to move"


def _step(previous: float, weight: float, direction: int) -> str:
    if weight != previous:
        return f"{'Up' if weight > previous else 'Down'} from {previous:g} to {weight:g}"
    if direction == 0:
        return f"Stays at {weight:g}"
    return f"Stays at {weight:g}, {'the maximum' if direction > 0 else 'not being in'}"


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
