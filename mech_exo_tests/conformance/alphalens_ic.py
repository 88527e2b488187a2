"""Information coefficients by alphalens itself; runs with the interpreter of `.venv-peers`, and imports nothing of ours.

    .venv-peers/bin/python -m mech_exo_tests.conformance.alphalens_ic INPUT.npz OUTPUT.npz

INPUT holds `sessions` (datetime64), `prices` (n_sessions, n_symbols), `horizons`, and `scores` (n_factors, n_horizons, n_sessions,
n_symbols); OUTPUT holds `ic` (n_factors, n_horizons, n_sessions) and `version`. Scores differ by horizon because alphalens bridges gaps
in prices, where a return of ours is unknown: the score must be NaN there. Each horizon is done alone, because alphalens drops a name
unless all horizons of a call are known.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from mech_exo_tests.conformance.alphalens_input import factor, quietly, table


def alphalens_ic(sessions, prices, score, horizon):
    """IC by session of one score over one horizon; NaN where alphalens has none."""
    from alphalens.performance import factor_information_coefficient
    from alphalens.utils import get_clean_factor_and_forward_returns

    with quietly():
        # One bin: quantiles whose edges tie would drop the session. max_loss of 1: no share of dropped rows is an error. No filter_zscore:
        # by default returns beyond 20 standard deviations of the name's whole history are dropped, which looks ahead.
        clean = get_clean_factor_and_forward_returns(
            factor(sessions, score),
            table(sessions, prices),
            quantiles=None,
            bins=1,
            periods=(horizon,),
            filter_zscore=None,
            max_loss=1.0,
        )
        ic = factor_information_coefficient(clean)
    return ic.iloc[:, 0].reindex(pd.DatetimeIndex(sessions)).to_numpy()


def main(source, target):
    import alphalens

    with np.load(source) as given:
        sessions, prices, horizons, scores = given["sessions"], given["prices"], given["horizons"], given["scores"]
    ic = [[alphalens_ic(sessions, prices, score, int(h)) for score, h in zip(by_horizon, horizons, strict=True)] for by_horizon in scores]
    np.savez(target, ic=np.array(ic), version=alphalens.__version__)


if __name__ == "__main__":
    main(*sys.argv[1:])
