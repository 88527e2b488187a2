"""Which rows are explained: a few of each test, the same ones every time.

What belongs here: choosing rows of `schemas.DATASET`, and reading just them. What does not: explaining them.
"""

from __future__ import annotations

import numpy as np
import polars as pl

_GOLDEN = (5**0.5 - 1) / 2
"""Fractional parts of its multiples fall evenly over [0, 1), wherever one stops."""


def sample_rows(rows: pl.LazyFrame, *, most: int = 2000) -> pl.DataFrame:
    """At most so many rows, evenly over their sessions, and over the names from session to session; only they are read whole.

    Of each session with n names k are taken, k being the same for all sessions but for rounding: every n/k-th name in alphabetical
    order, from a start that moves on by the golden section, so that no name is always or never taken.

    Parameters
    ----------
    rows : LazyFrame
        In `schemas.DATASET`, in any order.
    most : int
        Rows in all. With more sessions than that, sessions are left out, evenly.

    Returns
    -------
    DataFrame
        In order of session and symbol. All rows where there are no more than `most`.
    """
    keys = rows.select("date", "symbol").sort("date", "symbol").collect(engine="streaming")
    chosen = keys.filter(pl.Series(_chosen(keys["date"].rle().struct.field("len").to_numpy(), most))) if keys.height > most else keys
    # The first and last date are known to the reader before it opens a file; the join alone would not tell them.
    wanted = rows.filter(pl.col("date").is_between(chosen["date"].min(), chosen["date"].max())) if chosen.height else rows
    return wanted.join(chosen.lazy(), on=["date", "symbol"], how="semi").sort("date", "symbol").collect(engine="streaming")


def _chosen(sizes: np.ndarray, most: int) -> np.ndarray:
    """Which of the rows are taken, given the number of names of each session."""
    n_sessions = len(sizes)
    quota = np.diff(np.arange(n_sessions + 1) * most // n_sessions)
    taken = []
    for session, (size, wanted) in enumerate(zip(sizes, quota, strict=True)):
        mask = np.zeros(size, np.bool_)
        start = int(size * (session * _GOLDEN % 1.0))
        count = min(int(wanted), int(size))
        mask[(start + np.arange(count) * size // max(count, 1)) % size] = True
        taken.append(mask)
    return np.concatenate(taken)
