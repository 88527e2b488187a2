"""Regenerates `frozen/alphalens_quantiles.csv.gz`: what alphalens' quintiles make of two scores on the sample prices.

    SAMPLE=.venv/lib/python3*/site-packages/skfolio/datasets/data/sp500_dataset.csv.gz
    .venv-peers/bin/python -m mech_exo_tests.conformance.alphalens_quantiles_frozen $SAMPLE

Runs with the interpreter of `.venv-peers`, and takes the prices and scores of `alphalens_frozen`, without the one with many ties: a tie
goes to the quintile of its lowest rank in alphalens, and to that of its average rank with us. Twelve digits are kept.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import pandas as pd

FROZEN = Path(__file__).parent / "frozen" / "alphalens_quantiles.csv.gz"
HORIZONS = (1, 21)
SCORES = ("momentum_126", "reversal_5")
N_SESSIONS = 300


def last_sessions(sessions, prices):
    """So few that the file stays small."""
    return sessions[-N_SESSIONS:], prices[-N_SESSIONS:]


def main(path):
    import alphalens

    from mech_exo_tests.conformance.alphalens_frozen import sample, scores
    from mech_exo_tests.conformance.alphalens_quantiles import FIGURES, alphalens_quantiles

    sessions, prices = last_sessions(*sample(path))
    columns = {}
    for name in SCORES:
        for horizon in HORIZONS:
            figures = alphalens_quantiles(sessions, prices, scores(prices)[name], horizon)
            columns.update({f"{name}:{horizon}:{figure}": values for figure, values in zip(FIGURES, figures, strict=True)})
    table = pd.DataFrame(columns, index=pd.Index(sessions, name="date"))
    text = f"# alphalens-reloaded {alphalens.__version__}\n" + table.to_csv(float_format="%.12g")
    FROZEN.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
