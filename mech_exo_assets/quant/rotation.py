"""What a factor's evidence recommends for its weight.

What belongs here: the multiplier of each factor's weight, and why. What does not: statuses (`detection`), and the use of a recommendation,
which comes with the retraining loop.

multiplier = evidence · alive: the posterior mean of what the factor is worth now, over its estimate. Neither switches it off at once.

Evidence that there ever was anything. The mean IC m is estimated with standard error s. Before the data are seen its truth mu is 0 with
probability 1/2, and else normal with mean 0 and deviation tau = `prior_ic` (spike and slab: Mitchell and Beauchamp 1988). Then

    Bayes factor  B = (1 + tau²/s²)^(−1/2) · exp(t²/2 · tau²/(tau² + s²)),  t = m/s
    E(mu | m) / m = B/(1 + B) · tau²/(tau² + s²)

Alive is the probability of the two-state filter of `detection`. A negative estimate earns no weight: evidence is then 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from mech_exo_assets.schemas import ROTATION


def rotation(
    status: pl.DataFrame, statistics: pl.DataFrame, weights: Mapping[str, float], *, horizon: int, prior_ic: float
) -> pl.DataFrame:
    """Recommended multiplier and weight of each factor, as a table in `schemas.ROTATION`.

    Parameters
    ----------
    status : DataFrame
        In `schemas.STATUS`.
    statistics : DataFrame
        In `schemas.STATISTICS`; residual_ic and residual_t at the monitored horizon are used.
    weights : mapping of str to float
        The strategy's present weights; 0 for a factor that it does not name. Of a negative weight, which turns a factor round, the
        evidence is that of the factor turned round; what the monitor says of the factor as declared does not concern it.
    horizon : int
        The monitored horizon, in sessions.
    prior_ic : float
        tau, above 0.

    Returns
    -------
    DataFrame
        Every factor of `status` and of `weights`, by name. weight_after = weight_before · multiplier, scaled so that the sum of absolute
        weights stays what it was; all 0 where every multiplier is 0.
    """
    of_factor = {row["factor"]: row for row in status.iter_rows(named=True)}
    estimates = statistics.filter(pl.col("horizon") == horizon).select("factor", "residual_ic", "residual_t")
    known = {factor: (ic, t) for factor, ic, t in estimates.iter_rows()}
    rows = [
        _row(name, weights.get(name, 0.0), of_factor.get(name), known.get(name, (None, None)), prior_ic)
        for name in sorted({*of_factor, *weights})
    ]
    before = sum(abs(row["weight_before"]) for row in rows)
    after = sum(abs(row["weight_before"]) * row["multiplier"] for row in rows)
    for row in rows:
        row["weight_after"] = row["weight_before"] * row["multiplier"] * before / after if after > 0 else 0.0
    return pl.DataFrame([{name: row[name] for name in ROTATION.names} for row in rows], schema=ROTATION.dtypes())


def recommended_weights(table: pl.DataFrame) -> dict[str, float]:
    """The recommended weights that are not 0, by factor, as `composite.weights` of a strategy takes them."""
    return {name: weight for name, weight in table.select("factor", "weight_after").iter_rows() if weight}


def evidence_of(ic: float, t: float, *, prior_ic: float) -> float:
    """Posterior mean of a factor's IC over its estimate; see the module's docstring.

    Parameters
    ----------
    ic : float
        Estimated mean IC.
    t : float
        Estimate over standard error, of the same sign.
    prior_ic : float
        Deviation of the slab.

    Returns
    -------
    float
        From 0 to 1; 0 for an estimate that is not positive.
    """
    if ic <= 0 or t <= 0:
        return 0.0
    ratio = (prior_ic * t / ic) ** 2  # tau²/s²
    shrinkage = ratio / (1 + ratio)
    log_bayes_factor = -0.5 * math.log1p(ratio) + 0.5 * t * t * shrinkage
    return shrinkage / (1 + math.exp(-min(log_bayes_factor, 700.0)))


def _row(
    name: str, weight: float, status: Mapping[str, Any] | None, estimate: tuple[float | None, float | None], prior_ic: float
) -> dict[str, Any]:
    ic, t = estimate
    turned = weight < 0
    sign = -1.0 if turned else 1.0
    evidence = 0.0 if ic is None or t is None else evidence_of(sign * ic, sign * t, prior_ic=prior_ic)
    # What has not been proven has not died; its evidence says how little it is worth.
    watched = None if status is None or turned else status["alive"]
    alive = 1.0 if watched is None else float(watched)
    multiplier = evidence * alive
    return {
        "factor": name,
        "multiplier": multiplier,
        "weight_before": weight,
        "status": "unproven" if status is None else status["status"],
        "evidence": evidence,
        "alive": alive,
        "reason": f"{multiplier:.2f}: {_why(ic, t, sign, evidence, status if watched is not None else None)}",
    }


def _why(ic: float | None, t: float | None, sign: float, evidence: float, watched: Mapping[str, Any] | None) -> str:
    if ic is None or t is None:
        return "too little history for a t; nothing speaks for a weight."
    if sign * ic <= 0:
        side = "its declared direction" if sign > 0 else "the direction of its weight"
        return f"works against {side}, mean IC {ic:.4f} with t {t:.1f}."
    proof = f"mean IC {ic:.4f} with t {t:.1f}, of which {evidence:.0%} is expected to be real"
    if watched is None:
        return f"{proof}."
    if watched["status"] == "decayed":
        return (
            f"decayed since {watched['change_date']}, IC {watched['ic_before']:.4f} → {watched['ic_after']:.4f}; it works with probability "
            f"{watched['alive']:.2f}; over the whole history {proof}."
        )
    return f"{proof}; it works with probability {watched['alive']:.2f}."
