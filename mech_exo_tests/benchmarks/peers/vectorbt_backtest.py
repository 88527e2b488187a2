"""Seconds that vectorbt takes from daily target weights to orders and NAV; runs with the interpreter of `.venv-peers`.

    .venv-peers/bin/python mech_exo_tests/benchmarks/peers/vectorbt_backtest.py INPUT.npz

INPUT holds `prices` and `targets` (n_sessions, n_symbols), `cost` (over notional) and `nav`. Reads engines, one a line, or "ENGINE table"
where the readable table of all orders is wanted too, and answers each with a line of JSON: the version, seconds, and the NAV of the last
session. Each is run once before it first counts; importing and the making of pandas objects from the input are not counted.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import pandas as pd


def run(prices, targets, cost, nav, engine, table=None):
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
    if table is not None:
        book.orders.records_readable  # noqa: B018 - the property makes the table
    return time.perf_counter() - start, last


def main(source):
    import vectorbt as vbt

    with np.load(source) as given:
        prices, targets = pd.DataFrame(given["prices"]), pd.DataFrame(given["targets"])
        cost, nav = given["cost"].item(), given["nav"].item()
    warm = set()
    for line in sys.stdin:
        if line not in warm:
            run(prices, targets, cost, nav, *line.split())
            warm.add(line)
        seconds, last = run(prices, targets, cost, nav, *line.split())
        print(json.dumps({"version": vbt.__version__, "seconds": seconds, "nav": last}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
