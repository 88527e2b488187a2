"""Whether a challenger is better than the champion.

What belongs here: the verdict on returns of the same sessions. What does not: where the returns come from (`holdout`), and what follows
(`defs.decisions`).

On the hold-out: the difference of the Sharpe ratios, challenger less champion, with the one-sided lower end of its interval by the
studentised circular-block bootstrap (`quant.comparison`).
    better      the lower end is above 0
    not worse   the champion is in breach, and the lower end is above −margin
    worse       the upper end is below what was wanted
    undecided   none of these
"""

from __future__ import annotations

import math

import polars as pl

from mech_exo_assets.quant.comparison import MIN_SESSIONS, SharpeDifference, sharpe_difference
from mech_exo_assets.quant.panel import Dates, Vector
from mech_exo_assets.quant.performance.inference import NO_VARIATION
from mech_exo_assets.schemas import AB_TEST
from mech_exo_assets.settings.lifecycle import AbTest

BETTER, NOT_WORSE, WORSE, UNDECIDED = "better", "not worse", "worse", "undecided"


def on_holdout(
    challenger: Vector,
    champion: Vector,
    sessions: Dates,
    *,
    impaired: bool,
    choices: AbTest,
    seed: int,
    version: str,
    champion_version: str,
) -> pl.DataFrame:
    """The verdict over sessions that neither was fitted on, as one row of `schemas.AB_TEST`.

    Parameters
    ----------
    challenger, champion : ndarray of shape (n_sessions,)
        Returns net of costs.
    sessions : ndarray of datetime64[D]
    impaired : bool
        Whether a breach or a decay stands against the champion, so that the challenger has only to be not worse by the margin.
    choices : AbTest
    seed : int
        Of the bootstrap.
    version, champion_version : str
    """
    wanted = -choices.margin if impaired else 0.0
    row: dict[str, object] = {
        "version": version,
        "champion": champion_version,
        "stage": "holdout",
        "first_date": sessions[0].item() if len(sessions) else None,
        "last_date": sessions[-1].item() if len(sessions) else None,
        "n_sessions": len(sessions),
        "wanted": wanted,
    }
    if len(sessions) < MIN_SESSIONS or min(challenger.std(), champion.std()) <= NO_VARIATION:
        why = (
            f"{len(sessions)} sessions are too few: a comparison takes {MIN_SESSIONS}."
            if len(sessions) < MIN_SESSIONS
            else "one of the two does not trade on the hold-out."
        )
        return pl.DataFrame([row | {"verdict": UNDECIDED, "reason": why}], schema=AB_TEST.dtypes())
    found = sharpe_difference(challenger, champion, seed=seed, resamples=choices.resamples, level=2 * choices.confidence - 1)
    verdict = _verdict(found.low, found.high, wanted, impaired=impaired)
    reason = (
        f"Sharpe ratio {found.sharpe_one:.2f} against {found.sharpe_other:.2f} over {found.n_sessions} sessions; the difference is "
        f"{found.difference:+.2f}, with {choices.confidence:.0%} confidence above {found.low:+.2f}; wanted is above {wanted:+.2f}"
        f"{', since the champion is in breach' if impaired else ''}."
    )
    figures = {
        "sharpe": found.sharpe_one,
        "champion_sharpe": found.sharpe_other,
        "difference": found.difference,
        # Infinite where too many resamples have no error; no record holds that.
        "low": found.low if math.isfinite(found.low) else None,
        "p_value": _one_sided(found, wanted),
        "verdict": verdict,
        "reason": reason,
    }
    return pl.DataFrame([row | figures], schema=AB_TEST.dtypes())


def promotes(verdict: str, mode: str) -> bool:
    """Whether a verdict on the hold-out makes the challenger champion at once."""
    return mode == "holdout" and verdict in (BETTER, NOT_WORSE)


def continues(verdict: str, mode: str) -> bool:
    """Whether a challenger is compared with the champion on the sessions to come, after this verdict on the hold-out."""
    return mode != "holdout" and verdict != WORSE


def _verdict(low: float, high: float, wanted: float, *, impaired: bool) -> str:
    if low > 0:
        return BETTER
    if impaired and low > wanted:
        return NOT_WORSE
    return WORSE if high < wanted else UNDECIDED


def _one_sided(found: SharpeDifference, wanted: float) -> float | None:
    """One-sided p of a difference of at most `wanted`: half of the two-sided one where 0 is wanted; None for another difference."""
    if wanted != 0.0:
        return None
    return found.p_value / 2 if found.difference > 0 else 1 - found.p_value / 2
