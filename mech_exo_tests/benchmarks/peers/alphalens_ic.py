"""Seconds that alphalens takes from prices and one factor to its IC over several horizons; runs with the interpreter of `.venv-peers`.

    .venv-peers/bin/python mech_exo_tests/benchmarks/peers/alphalens_ic.py INPUT.npz

INPUT holds `sessions`, `prices` (n_sessions, n_symbols), `scores` (n_factors, n_sessions, n_symbols) and `horizons`. Prints one line of
JSON: the version, and seconds for each factor. Importing and the making of pandas objects are not counted.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
import warnings

import numpy as np
import pandas as pd


def seconds(prices, factor, horizons):
    from alphalens.performance import factor_information_coefficient
    from alphalens.utils import get_clean_factor_and_forward_returns

    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        factor_information_coefficient(get_clean_factor_and_forward_returns(factor, prices, periods=horizons))
        return time.perf_counter() - start


def main(source):
    import alphalens

    with np.load(source) as given:
        index, horizons = pd.DatetimeIndex(given["sessions"]), tuple(int(h) for h in given["horizons"])
        names = [f"n{i:05d}" for i in range(given["prices"].shape[1])]
        prices = pd.DataFrame(given["prices"], index=index, columns=names)
        factors = [pd.DataFrame(score, index=index, columns=names).stack().dropna() for score in given["scores"]]  # noqa: PD013
    for factor in factors:
        factor.index.names = ["date", "asset"]
    print(json.dumps({"version": alphalens.__version__, "seconds": [seconds(prices, factor, horizons) for factor in factors]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
