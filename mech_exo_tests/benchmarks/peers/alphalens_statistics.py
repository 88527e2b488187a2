"""Seconds that alphalens takes from prices and one factor to IC, quintile returns, spread, turnover and rank autocorrelation.

    .venv-peers/bin/python -m mech_exo_tests.benchmarks.peers.alphalens_statistics INPUT.npz

Runs with the interpreter of `.venv-peers`. INPUT holds `sessions`, `prices` (n_sessions, n_symbols), `scores` (n_factors, n_sessions,
n_symbols) and `horizons`. Prints one line of JSON: the version, and for each factor the seconds of all horizons in one call, and those of
the horizon in the middle alone. Importing and the making of pandas objects are not counted.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from mech_exo_tests.conformance.alphalens_input import factor, quietly, table


def seconds(prices, scores, horizons):
    """What a user calls for these figures, with the clean-up that goes before it done once for all horizons."""
    from alphalens import performance
    from alphalens.utils import get_clean_factor_and_forward_returns

    with quietly():
        start = time.perf_counter()
        clean = get_clean_factor_and_forward_returns(scores, prices, quantiles=5, periods=horizons)
        performance.factor_information_coefficient(clean)
        means, _ = performance.mean_return_by_quantile(clean, by_date=True, demeaned=False)
        performance.compute_mean_returns_spread(means, 5, 1)
        for horizon in horizons:
            for quintile in (1, 5):
                performance.quantile_turnover(clean["factor_quantile"], quintile, horizon)
            performance.factor_rank_autocorrelation(clean, horizon)
        return time.perf_counter() - start


def main(source):
    import alphalens

    with np.load(source) as given:
        sessions, horizons = given["sessions"], tuple(int(h) for h in given["horizons"])
        prices, factors = table(sessions, given["prices"]), [factor(sessions, score) for score in given["scores"]]
    alone = (horizons[len(horizons) // 2],)
    answer = {
        "version": alphalens.__version__,
        "all_horizons": [seconds(prices, each, horizons) for each in factors],
        "one_horizon": [seconds(prices, each, alone) for each in factors],
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
