"""Whether what the strategy reads is distributed as it was.

What belongs here: the population stability index, with the distribution that it has when nothing has changed. What does not: which inputs
are compared (`defs.live`).

PSI = Σ_b (p_b − q_b) ln(p_b / q_b) over bins b of equal share in the reference, p in the last sessions, q in the reference. Values of
neighbouring sessions are alike, and those of a session have a common part; so its size without any change is not that of independent
values. It is taken from the reference itself: stretches of as many sessions as are judged, at random places, each against the rest.
Counts of sessions are made once, after which a stretch is a difference of running sums. The smallest p-value is 1 / (resamples + 1).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mech_exo_assets.quant.panel import Matrix, Panel, Vector
from mech_exo_assets.schemas import INPUT_DRIFT
from mech_exo_assets.settings.live import InputDrift

_LEAST_SHARE = 1e-4
"""In place of the share of an empty bin, whose logarithm is not finite."""
STABLE, CHANGED = "STABLE", "CHANGED"


def input_drift_table(panels: Mapping[str, Panel], choices: InputDrift, *, seed: int) -> pl.DataFrame:
    """Every field of every panel, the last sessions against those before, in `schemas.INPUT_DRIFT`.

    Parameters
    ----------
    panels : mapping of str to Panel
        By kind; only their last `sessions` + `reference` sessions are looked at. A panel with fewer is left out, as is a field without a
        known value in either part.
    choices : InputDrift
        The section `drift.inputs`.
    seed : int

    Returns
    -------
    DataFrame
        q-values are Benjamini and Yekutieli's, over all rows: the fields depend on each other.
    """
    rows = []
    for kind, panel in sorted(panels.items()):
        wanted = choices.sessions + choices.reference
        if len(panel.sessions) < wanted:
            continue
        days = panel.sessions[-wanted:].astype("datetime64[D]").tolist()
        split = choices.reference
        starts = np.random.default_rng([seed, len(kind)]).integers(0, max(split - choices.sessions, 0) + 1, choices.resamples)
        for name, matrix in sorted(panel.fields.items()):
            counts = _counts(matrix[-wanted:], split, choices.bins)
            if counts is None:
                continue
            found, p = _compared(counts, split, starts, choices.sessions)
            rows.append((name, kind, found, p, days[0], days[split - 1], days[split], days[-1]))
    if not rows:
        return INPUT_DRIFT.empty()
    from statsmodels.stats.multitest import multipletests

    q = multipletests([row[3] for row in rows], method="fdr_by")[1]
    told = [CHANGED if value < choices.q_value else STABLE for value in q]
    data = [(*row[:4], value, status, *row[4:]) for row, value, status in zip(rows, q.tolist(), told, strict=True)]
    return pl.DataFrame(data, schema=INPUT_DRIFT.dtypes(), orient="row")


def _counts(matrix: Matrix, split: int, bins: int) -> NDArray[np.float64] | None:
    """Values of each session in each bin, ndarray of shape (n_sessions, bins); None where a part has none, or there is one value only."""
    reference = matrix[:split]
    known = reference[~np.isnan(reference)]
    if not len(known) or np.isnan(matrix[split:]).all():
        return None
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1]))
    if not len(edges):
        return None
    there = ~np.isnan(matrix)
    session, _ = np.nonzero(there)
    at = np.searchsorted(edges, matrix[there], side="right")
    width = len(edges) + 1
    return np.bincount(session * width + at, minlength=len(matrix) * width).reshape(len(matrix), width).astype(np.float64)


def _compared(counts: NDArray[np.float64], split: int, starts: NDArray[np.int64], length: int) -> tuple[float, float]:
    whole = counts[:split].sum(axis=0)
    found = float(_psi(counts[split:].sum(axis=0)[None], whole[None])[0])
    running = np.vstack([np.zeros((1, counts.shape[1])), np.cumsum(counts[:split], axis=0)])
    drawn = running[np.minimum(starts + length, split)] - running[starts]
    null = _psi(drawn, whole[None] - drawn)
    return found, (1 + int(np.count_nonzero(null >= found))) / (len(starts) + 1)


def _psi(one: NDArray[np.float64], other: NDArray[np.float64]) -> Vector:
    p, q = (np.maximum(each / np.maximum(each.sum(axis=1, keepdims=True), 1.0), _LEAST_SHARE) for each in (one, other))
    return ((p - q) * np.log(p / q)).sum(axis=1)
