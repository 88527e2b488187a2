"""Regenerates `frozen/alphalens_ic.csv.gz`: what alphalens makes of three scores on the sample prices.

    SAMPLE=.venv/lib/python3*/site-packages/skfolio/datasets/data/sp500_dataset.csv.gz
    .venv-peers/bin/python -m mech_exo_tests.conformance.alphalens_frozen $SAMPLE

Runs with the interpreter of `.venv-peers`. The test of conformance imports `sample` and `scores` from here, so that both sides rank the
same numbers.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np
import pandas as pd

FROZEN = Path(__file__).parent / "frozen" / "alphalens_ic.csv.gz"
HORIZONS = (1, 5, 21)
N_SESSIONS = 1000


def sample(path):
    """Sessions and adjusted closes of the last years of the file that skfolio ships."""
    prices = pd.read_csv(path, index_col=0, parse_dates=True).iloc[-N_SESSIONS:]
    return prices.index.to_numpy(), prices.to_numpy(dtype=np.float64)


def scores(prices):
    """A smooth score, a noisy one, and one with many ties; NaN while their windows are incomplete."""
    tenths = np.floor(_change(prices, 63) * 10)
    return {"momentum_126": _change(prices, 126), "reversal_5": -_change(prices, 5), "tenths_63": tenths}


def _change(prices, window):
    change = np.full(prices.shape, np.nan)
    change[window:] = prices[window:] / prices[:-window] - 1
    return change


def main(path):
    import alphalens

    from mech_exo_tests.conformance.alphalens_ic import alphalens_ic

    sessions, prices = sample(path)
    by_pair = {(name, horizon): score for name, score in scores(prices).items() for horizon in HORIZONS}
    columns = {f"{name}:{horizon}": alphalens_ic(sessions, prices, score, horizon) for (name, horizon), score in by_pair.items()}
    table = pd.DataFrame(columns, index=pd.Index(sessions, name="date"))
    text = f"# alphalens-reloaded {alphalens.__version__}\n" + table.to_csv(float_format="%.17g")
    FROZEN.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
