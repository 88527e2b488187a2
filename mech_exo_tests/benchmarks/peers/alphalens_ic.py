"""Seconds that alphalens takes from prices and one factor to its IC over several horizons; runs with the interpreter of `.venv-peers`.

    .venv-peers/bin/python -m mech_exo_tests.benchmarks.peers.alphalens_ic INPUT.npz

INPUT holds `sessions`, `prices` (n_sessions, n_symbols), `scores` (n_factors, n_sessions, n_symbols) and `horizons`. Prints one line of
JSON: the version, and seconds for each factor. Importing and the making of pandas objects are not counted.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from mech_exo_tests.conformance.alphalens_input import factor, quietly, table


def seconds(prices, scores, horizons):
    from alphalens.performance import factor_information_coefficient
    from alphalens.utils import get_clean_factor_and_forward_returns

    with quietly():
        start = time.perf_counter()
        factor_information_coefficient(get_clean_factor_and_forward_returns(scores, prices, periods=horizons))
        return time.perf_counter() - start


def main(source):
    import alphalens

    with np.load(source) as given:
        sessions, horizons = given["sessions"], tuple(int(h) for h in given["horizons"])
        prices, factors = table(sessions, given["prices"]), [factor(sessions, score) for score in given["scores"]]
    print(json.dumps({"version": alphalens.__version__, "seconds": [seconds(prices, each, horizons) for each in factors]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
