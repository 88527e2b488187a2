"""What every call of alphalens starts from; runs with the interpreter of `.venv-peers`, and imports nothing of ours.

What belongs here: our matrices as its pandas objects, and silence. What does not: any call of alphalens.
"""

from __future__ import annotations

import contextlib
import io
import warnings

import pandas as pd


def table(sessions, values):
    """One row a session, one column a name."""
    return pd.DataFrame(values, index=pd.DatetimeIndex(sessions), columns=[f"n{i:05d}" for i in range(values.shape[1])])


def factor(sessions, score):
    """One score as the series by date and asset that alphalens takes, without what is unknown."""
    series = table(sessions, score).stack().dropna()  # noqa: PD013 - the example of alphalens' own documentation
    series.index.names = ["date", "asset"]
    return series


@contextlib.contextmanager
def quietly():
    """Alphalens prints, and warns of what its pandas will change."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
