"""NAV by vectorbt itself; runs with the interpreter of `.venv-peers`, and imports nothing of ours but the cases.

    .venv-peers/bin/python mech_exo_tests/conformance/vectorbt_nav.py

Reads lines "INPUT OUTPUT" until there are no more, and answers each with "done". INPUT is an npz of the fields of a
`vectorbt_cases.Case`; OUTPUT is an .npy of its NAV in each session, from that of the first trade.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

ROUNDS = 10
SETTLED = 1e-14


def nav(given, orders):
    """NAV in each session; raises if vectorbt rejects an order or fills only a part of it.

    Commissions of ours are over the notional at the price itself; vectorbt's are over that at the price moved by slippage, and it has
    no minimum. So `fees` and `fixed_fees` are given for each order. They depend on its side and size, which are taken from vectorbt's own
    orders of the round before, until nothing moves; without spread, minimum and commission per share the first round settles it.
    """
    from vectorbt.portfolio.enums import OrderSide

    size, price, ended = orders.size, orders.price, orders.ended
    spread = np.where(ended, 0.0, given.half_spread)
    fees, fixed = np.where(ended, 0.0, given.commission), np.zeros(size.shape)
    before = np.zeros(len(size))
    for _ in range(ROUNDS):
        book = portfolio(given, orders, fees=fees, fixed_fees=fixed, slippage=spread)
        value = book.value().to_numpy()
        if np.max(np.abs(before / value - 1)) <= SETTLED:
            return value
        before, records = value, book.orders.values
        at = records["idx"], records["col"]
        charged = ~ended[at]
        shift = 1 + np.where(records["side"] == OrderSide.Buy, spread[at], -spread[at])
        notional = records["size"] * price[at]
        shares = notional / np.where(charged, given.close[orders.start :][at], 1.0)
        whole = np.maximum(given.minimum, given.commission * notional + given.per_share * shares)
        fees, fixed = np.zeros(size.shape), np.zeros(size.shape)
        fees[at] = np.where(charged, given.commission / shift, 0.0)
        fixed[at] = np.where(charged, whole - given.commission * notional, 0.0)
    raise RuntimeError(f"fees have not settled in {ROUNDS} rounds")


def portfolio(given, orders, **costs):
    """One group with shared cash, valued at the prices of the session before it trades."""
    import vectorbt as vbt

    return vbt.Portfolio.from_orders(
        pd.DataFrame(given.index[orders.start :]),
        size=orders.size,
        size_type="targetpercent",
        price=orders.price,
        # The price of the session where there is one, although nothing is traded at it; otherwise the last that was known.
        val_price=given.index[orders.start :],
        init_cash=given.nav,
        cash_sharing=True,
        group_by=True,
        update_value=False,
        ffill_val_price=True,
        allow_partial=False,
        raise_reject=True,
        freq="D",
        **costs,
    )


def main():
    from vectorbt_cases import Case, orders

    for line in sys.stdin:
        source, target = line.split()
        with np.load(source) as fields:
            given = Case(**{name: fields[name] if fields[name].ndim else fields[name].item() for name in Case._fields})
        np.save(target, nav(given, orders(given)))
        print("done", flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
