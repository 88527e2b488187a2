"""Seconds that vectorbt takes from daily target weights to orders and NAV; runs with the interpreter of `.venv-peers`.

    .venv-peers/bin/python mech_exo_tests/benchmarks/peers/vectorbt_backtest.py INPUT.npz

INPUT holds `prices` and `targets` (n_sessions, n_symbols), `cost` (over notional) and `nav`. Reads engines, one a line, and answers
each with a line of JSON: the version, seconds, and the NAV of the last session. Each engine is run once before it first counts; importing
and the making of pandas objects are not counted.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import pandas as pd


def run(prices, targets, cost, nav, engine):
    """Seconds, and the last NAV."""
    import vectorbt as vbt

    start = time.perf_counter()
    book = vbt.Portfolio.from_orders(
        prices,
        size=targets,
        size_type="targetpercent",
        fees=cost,
        init_cash=nav,
        cash_sharing=True,
        group_by=True,
        call_seq="default",
        freq="D",
        engine=engine,
    )
    last = float(book.value().iloc[-1])
    return time.perf_counter() - start, last


def main(source):
    import vectorbt as vbt

    with np.load(source) as given:
        prices, targets = pd.DataFrame(given["prices"]), pd.DataFrame(given["targets"])
        cost, nav = given["cost"].item(), given["nav"].item()
    warm = set()
    for line in sys.stdin:
        engine = line.strip()
        if engine not in warm:
            run(prices, targets, cost, nav, engine)
            warm.add(engine)
        seconds, last = run(prices, targets, cost, nav, engine)
        print(json.dumps({"version": vbt.__version__, "seconds": seconds, "nav": last}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
